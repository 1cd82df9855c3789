"""load_verify_locations and its kin: which files count, what is listed, which chains hold, and what is shared."""

from __future__ import annotations

import datetime as dt
import os
import ssl as stdlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ssl.contexts import NAME, Files, connect
from tests.ssl.pairs import Bios, InThread
from tests.support.certificates import Authority, Issued, make_ca
from tests.support.revocation import crl_pem, make_crl
from tests.support.tools import require_tool
from tlscore import ssl
from tlscore.certs.paths.candidates import anchors_of
from tlscore.errors import CertificateRevoked, CertificateUnknown, TlsError
from tlscore.ssl import trust as trust_room


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def client(**flags: Any) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, value in flags.items():
        setattr(context, name, value)
    return context


def both() -> tuple[Any, Any]:
    return stdlib.SSLContext(stdlib.PROTOCOL_TLS_CLIENT), client()


def listed(context: Any) -> tuple[Any, ...]:
    return context.cert_store_stats(), sorted(context.get_ca_certs(True)), sorted(map(repr, context.get_ca_certs()))


@pytest.mark.parametrize("form", ["file", "path", "octets", "der", "two ders", "pem", "with text", "leaf too"])
def test_certificates_load_from_every_form_and_are_listed_alike(files: Files, form: str) -> None:
    second = make_ca("second CA")
    pem = files.authority.pem.decode()
    given: dict[str, Any] = {
        "file": {"cafile": files.ca},
        "path": {"cafile": Path(files.ca)},
        "octets": {"cafile": os.fsencode(files.ca)},
        "der": {"cadata": files.authority.der},
        "two ders": {"cadata": bytearray(files.authority.der + second.der)},
        "pem": {"cadata": pem},
        "with text": {"cadata": "before\n" + pem + "between\n" + second.pem.decode() + "after"},
        "leaf too": {"cadata": pem + files.server.chain_pem.decode()},
    }[form]
    theirs, ours = both()
    for context in (theirs, ours):
        context.load_verify_locations(**given)
        context.load_verify_locations(**given)
    assert listed(ours) == listed(theirs)
    assert connect(ours, files.server_context())[0].authenticated


def test_directory_counts_without_being_listed_until_its_anchor_was_used(files: Files, tmp_path: Path) -> None:
    directory = tmp_path / "anchors"
    directory.mkdir()
    for number, authority in enumerate((make_ca("other"), files.authority)):
        (directory / f"{number}.pem").write_bytes(authority.pem)
    (directory / "README").write_text("these are the anchors")
    (directory / "lost").symlink_to(directory / "nowhere")
    context = client()
    context.load_verify_locations(capath=directory)
    assert context.get_ca_certs(True) == []
    assert connect(context, files.server_context())[0].authenticated
    assert context.get_ca_certs(True) == [files.authority.der]
    assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}


def test_directory_is_read_again_when_it_changes(files: Files, tmp_path: Path) -> None:
    directory = tmp_path / "anchors"
    directory.mkdir()
    context = client()
    context.load_verify_locations(None, str(directory))
    with pytest.raises(TlsError, match="unknown_ca"):
        connect(context, files.server_context())
    (directory / "ca.pem").write_bytes(files.authority.pem)
    os.utime(directory, ns=(1, 1))
    assert connect(context, files.server_context())[0].authenticated


def test_second_context_of_a_file_shares_what_the_first_parsed(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client()
    first.load_verify_locations(files.ca)
    monkeypatch.setattr(trust_room, "_parsed", None)
    second = client()
    second.load_verify_locations(files.ca)
    assert second._trust.store(False).anchors is first._trust.store(False).anchors
    os.utime(files.ca, ns=(1, 1))
    with pytest.raises(TypeError):
        second.load_verify_locations(files.ca)


def test_default_context_shares_the_systems_anchors() -> None:
    one, other = ssl.create_default_context(), ssl.create_default_context()
    assert one._trust.store(True).anchors is other._trust.store(True).anchors
    store = one._trust.store(True)
    assert len(store) > 10
    assert one._trust.store(True) is store
    # None is lost on the way to verification, odd serial numbers included.
    assert len(anchors_of(store).ders) == len(store.certificates)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_environment_names_the_default_locations(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    directory = tmp_path / "anchors"
    directory.mkdir()
    (directory / "ca.pem").write_bytes(files.authority.pem)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, files.ca if variable == "SSL_CERT_FILE" else str(directory))
    context = client()
    context.load_default_certs()
    assert len(context._trust.store(False)) == 1
    assert connect(context, files.server_context())[0].authenticated
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    empty = client()
    empty.set_default_verify_paths()
    with pytest.raises(TlsError, match="unknown_ca"):
        connect(empty, files.server_context())


def test_default_locations_of_the_system_count_without_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    context = client()
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    assert len(context._trust.store(False)) > 10


def test_pem_text_inside_a_der_certificate_is_no_certificate(files: Files) -> None:
    """Whoever gets a certificate issued must not be able to name anchors in it."""
    hidden = make_ca("hidden CA")
    carrier = files.authority.issue(
        NAME, extra=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), hidden.pem), False),)
    )
    context = client()
    context.load_verify_locations(cadata=carrier.chain_der[0])
    assert [one.subject for one in context._trust.certificates] == [carrier.certificate.subject]


@pytest.mark.parametrize("settings", [["-addtrust", "serverAuth"], ["-addreject", "serverAuth"], ["-setalias", "ours"]])
def test_trusted_certificate_counts_only_without_settings(
    files: Files, settings: list[str], require_tool: Callable[[str], str]
) -> None:
    """OpenSSL's own format may say what a certificate is not trusted for: such settings are not passed over."""
    path = files.directory / "trusted.pem"
    command = [require_tool("openssl"), "x509", "-in", files.ca, "-trustout", *settings, "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    assert b"TRUSTED CERTIFICATE" in path.read_bytes()
    context = client()
    context.load_verify_locations(path)
    assert (len(context._trust.certificates) == 1) is (settings[0] == "-setalias")


def test_pipe_in_a_directory_is_not_waited_for(files: Files, tmp_path: Path) -> None:
    directory = tmp_path / "anchors"
    directory.mkdir()
    os.mkfifo(directory / "0.pem")
    (directory / "1.pem").write_bytes(files.authority.pem)
    context = client()
    context.load_verify_locations(capath=directory)
    assert connect(context, files.server_context())[0].authenticated


# -- verify_flags ------------------------------------------------------------------------------------------------------


@pytest.fixture
def chained(files: Files) -> tuple[Any, Authority]:
    """A server that shows its own certificate alone, and the intermediate CA that is missing then."""
    between = files.authority.intermediate()
    leaf = between.issue(NAME)
    alone = files.directory / "alone.pem"
    alone.write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    _, key = leaf.write(files.directory, "alone-key")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(alone, key)
    return server, between


def test_intermediate_certificate_is_an_anchor_only_with_partial_chain(chained: tuple[Any, Authority]) -> None:
    server, between = chained
    context = client()
    context.load_verify_locations(cadata=between.pem.decode())
    context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    with pytest.raises(TlsError, match="unknown_ca"):
        connect(context, server)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert connect(context, server)[0].authenticated


def test_intermediate_certificate_beside_its_root_completes_a_chain(
    chained: tuple[Any, Authority], files: Files
) -> None:
    server, between = chained
    context = client()
    context.load_verify_locations(files.ca)
    with pytest.raises(TlsError, match="unknown_ca"):
        connect(context, server)
    context.load_verify_locations(cadata=between.der)
    one, _ = connect(context, server)
    assert one.authenticated
    assert one._outcome is not None
    assert one._outcome.chain is not None
    assert len(one._outcome.chain.path) == 3


def test_self_signed_certificate_of_a_server_is_trusted_as_it_is(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, key_file = Issued(certificate, (certificate,), key).write(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key_file)
    context = client()
    context.load_verify_locations(chain)
    assert connect(context, server)[0].authenticated
    assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 0}


def without(files: Files, *oids: x509.ObjectIdentifier) -> Any:
    """A server whose certificate lacks some extensions."""
    issued = files.server.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(issued.subject)
        .issuer_name(issued.issuer)
        .public_key(issued.public_key())
        .serial_number(7)
        .not_valid_before(issued.not_valid_before_utc)
        .not_valid_after(issued.not_valid_after_utc)
    )
    for extension in issued.extensions:
        if extension.oid not in oids:
            builder = builder.add_extension(extension.value, extension.critical)
    chain = files.directory / "lacking.pem"
    chain.write_bytes(builder.sign(files.authority.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, files.key)
    return server


def test_strict_flag_asks_for_the_key_identifiers_of_rfc5280(files: Files) -> None:
    """RFC 5280 4.2.1.1: a certificate names the key of its issuer."""
    server = without(files, x509.ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    context = files.client_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    assert connect(context, server)[0].authenticated
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(TlsError, match="authorityKeyIdentifier"):
        connect(context, server)
    assert connect(context, files.server_context())[0].authenticated


def test_strict_flag_does_not_ask_for_an_extended_key_usage(files: Files) -> None:
    context = files.client_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert connect(context, without(files, x509.ExtensionOID.EXTENDED_KEY_USAGE))[0].authenticated


def test_common_name_counts_as_hostname_checks_common_name_says(files: Files) -> None:
    leaf = files.authority.issue(common_name=NAME)
    chain, key = leaf.write(files.directory, "cn")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    context = files.client_context()
    assert context.hostname_checks_common_name
    assert connect(context, server)[0].authenticated
    context.hostname_checks_common_name = False
    with pytest.raises(TlsError, match="name"):
        connect(context, server)


@pytest.mark.parametrize("flag", [ssl.VERIFY_CRL_CHECK_LEAF, ssl.VERIFY_CRL_CHECK_CHAIN])
def test_crl_flags_ask_the_crls_that_were_loaded(files: Files, flag: ssl.VerifyFlags) -> None:
    context = files.client_context()
    context.verify_flags |= flag
    with pytest.raises(CertificateUnknown, match="CRL"):
        connect(context, files.server_context())
    path = files.directory / "ca.crl"
    path.write_bytes(crl_pem(make_crl(files.authority)))
    context.load_verify_locations(path)
    assert context.cert_store_stats()["crl"] == 1
    assert connect(context, files.server_context())[0].authenticated
    revoking = files.directory / "revoking.crl"
    revoking.write_bytes(crl_pem(make_crl(files.authority, [files.server.certificate])))
    refusing = files.client_context()
    refusing.verify_flags |= flag
    refusing.load_verify_locations(revoking)
    with pytest.raises(CertificateRevoked):
        connect(refusing, files.server_context())


def test_crl_that_was_loaded_is_not_asked_without_the_flag(files: Files) -> None:
    context = files.client_context()
    path = files.directory / "revoking.crl"
    path.write_bytes(crl_pem(make_crl(files.authority, [files.server.certificate])))
    context.load_verify_locations(path)
    assert connect(context, files.server_context())[0].authenticated


def test_security_level_of_a_cipher_string_bounds_rsa_keys(files: Files) -> None:
    leaf = files.authority.issue(NAME, key="rsa2048")
    chain, key = leaf.write(files.directory, "rsa")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    context = files.client_context()
    assert connect(context, server)[0].authenticated
    context.set_ciphers("HIGH:@SECLEVEL=3")
    assert context.security_level == 3
    with pytest.raises(TlsError, match="2048"):
        connect(context, server)


@pytest.mark.parametrize("module", [ssl, stdlib], ids=["ours", "openssl"])
def test_crl_that_is_rewritten_in_its_place_counts(files: Files, tmp_path: Path, module: Any) -> None:
    """No name in the directory changes, so that its own stamp stays."""
    directory = tmp_path / "anchors"
    directory.mkdir()
    for name, content in (("ca.pem", files.authority.pem), ("list.pem", crl_pem(make_crl(files.authority)))):
        (directory / name).write_bytes(content)
    link(directory)

    def reached(context: Any) -> bool:
        try:
            return Bios(context, files.server_context(module)).shake_hands().client.version() is not None
        except stdlib.SSLCertVerificationError as refused:
            if "revoked" in refused.verify_message:
                return False
            raise

    def checking() -> Any:
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= stdlib.VERIFY_CRL_CHECK_LEAF
        context.load_verify_locations(capath=directory)
        return context

    before = checking()
    assert reached(before)
    facts = directory.stat()
    (directory / "list.pem").write_bytes(crl_pem(make_crl(files.authority, [files.server.certificate])))
    os.utime(directory, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert not reached(checking())
    if module is ssl:
        assert not reached(before)


def link(directory: Path) -> None:
    """Give the certificate and the CRL the names under which OpenSSL looks for them."""
    command = [require_tool("openssl"), "x509", "-hash", "-noout", "-in", str(directory / "ca.pem")]
    number = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (directory / f"{number}.0").symlink_to("ca.pem")
    (directory / f"{number}.r0").symlink_to("list.pem")


@pytest.mark.parametrize("identified", [True, False], ids=["key identifiers", "none"])
def test_cross_certificate_named_as_its_issuer_is_no_anchor(files: Files, identified: bool) -> None:
    """Another key of the same name signed it: it completes chains, and ends one only under PARTIAL_CHAIN."""
    newer = files.authority.intermediate("shape CA")
    cross = newer.certificate
    assert cross.issuer == cross.subject
    if not identified:
        cross = without_identifiers(cross, files.authority)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = Authority(cross, newer.key).issue(NAME)
    server.load_cert_chain(*leaf.write(files.directory, "cross"))
    pem = cross.public_bytes(Encoding.PEM).decode()
    alone = client()
    alone.load_verify_locations(cadata=pem)
    with pytest.raises(TlsError, match="unknown_ca"):
        connect(alone, server)
    alone.verify_flags |= stdlib.VERIFY_X509_PARTIAL_CHAIN
    assert connect(alone, server)[0].authenticated
    together = client()
    together.load_verify_locations(cadata=pem + files.authority.pem.decode())
    assert connect(together, server)[0].authenticated


def without_identifiers(cross: x509.Certificate, issuer: Authority) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(cross.subject).issuer_name(cross.issuer)
    builder = builder.public_key(cross.public_key()).serial_number(cross.serial_number)
    builder = builder.not_valid_before(cross.not_valid_before_utc).not_valid_after(cross.not_valid_after_utc)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(issuer.key, hashes.SHA256())


@pytest.mark.parametrize("old", [False, True], ids=["sha256", "sha1"])
@pytest.mark.parametrize("own", [True, False], ids=["own key", "another key"])
def test_signature_decides_about_a_root_without_key_identifiers(files: Files, own: bool, old: bool) -> None:
    authority, other = make_ca("old root", "rsa2048"), make_ca("old root", "rsa2048#1")
    signer = authority if own else other
    root = Authority(without_identifiers(authority.certificate, signer), authority.key)
    if old:
        root = Authority(signed_with_sha1(root.certificate, signer), authority.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*root.issue(NAME).write(files.directory, "old"))
    context = client()
    context.load_verify_locations(cadata=root.pem.decode())
    if own:
        assert connect(context, server)[0].authenticated
    else:
        with pytest.raises(TlsError, match="unknown_ca"):
            connect(context, server)


def signed_with_sha1(certificate: x509.Certificate, signer: Authority) -> x509.Certificate:
    """The certificate as old tools signed it: sha1WithRSAEncryption in the place of sha256WithRSAEncryption."""
    newer, older = bytes.fromhex("06092a864886f70d01010b"), bytes.fromhex("06092a864886f70d010105")
    tbs = certificate.tbs_certificate_bytes
    signature = signer.key.sign(tbs.replace(newer, older), PKCS1v15(), hashes.SHA1())
    der = certificate.public_bytes(Encoding.DER).replace(certificate.signature, signature)
    return x509.load_der_x509_certificate(der.replace(newer, older))


def test_every_root_of_the_system_stays_an_anchor() -> None:
    trust = ssl.create_default_context()._trust
    roots = [one for one in trust.certificates if one.issuer == one.subject]
    assert len(roots) > 10
    assert set(roots) <= set(trust.store(False).certificates)


@pytest.mark.parametrize("module", [ssl, stdlib], ids=["ours", "openssl"])
def test_pipe_is_read_once_and_each_time_anew(files: Files, tmp_path: Path, module: Any) -> None:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for number, authority in enumerate((files.authority, make_ca("second CA")), 1):
        writing = InThread(pipe.write_bytes, authority.pem)
        context.load_verify_locations(pipe)
        writing.result()
        assert context.cert_store_stats()["x509"] == number
    writing = InThread(pipe.write_bytes, b"nothing")
    with pytest.raises(stdlib.SSLError, match="NO_CERTIFICATE_OR_CRL_FOUND"):
        context.load_verify_locations(pipe)
    writing.result()
    with pytest.raises(IsADirectoryError):
        context.load_verify_locations(tmp_path)
