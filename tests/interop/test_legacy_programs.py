"""The legacy tier against programs over TCP on loopback: openssl, gnutls and curl, both ways where they have both.

What every suite does in memory stands in test_legacy_ssl.py; here each version, key exchange and order of encryption
meets the programs, and the matrix of versions meets `openssl s_server -tls1`, `-tls1_1`, `-tls1_2`.
"""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.interop.harness import (
    LOOPBACK,
    TIMEOUT,
    Program,
    ProgramServer,
    echo,
    echo_payload,
    facts,
    serve,
    serve_ssl,
)
from tests.interop.test_legacy_ssl import NO_ENCRYPT_THEN_MAC
from tests.interop.test_legacy_ssl import Files as ContextFiles
from tests.support import standing
from tests.support.legacy import BOTH, ENCRYPTS, SIGNS, VERSIONS, client, identity, issued, quiet, server, tier
from tests.support.standing import NAME
from tests.support.tools import require_tool
from tlscore import ClientConfig, ServerConfig, TlsSocket, errors, wrap_client
from tlscore.suites import suite

FLAGS = {"1.0": "-tls1", "1.1": "-tls1_1", "1.2": "-tls1_2"}
RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"
SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    RSA_CBC,
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
)
NEWER = (
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
CASES = [
    *((version, name, etm) for version in VERSIONS for name in SUITES for etm in (True, False)),
    *(("1.2", name, True) for name in NEWER),
]


def key_of(name: str) -> str:
    return "p256" if suite(name).authentication == "ECDSA" else "rsa2048"


class Files:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = standing.authority().write(directory, "ca")
        self._leaves: dict[str, tuple[Path, Path]] = {}

    def leaf(self, key: str, bits: tuple[str, ...] = BOTH) -> tuple[Path, Path]:
        stem = "-".join((key, *bits))
        if stem not in self._leaves:
            self._leaves[stem] = issued(key, bits).write(self.directory, stem)
        return self._leaves[stem]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("programs"))


# -- openssl -----------------------------------------------------------------------------------------------------------


def s_server(files: Files, key: str, *options: str, bits: tuple[str, ...] = BOTH) -> ProgramServer:
    chain, private = files.leaf(key, bits)
    program = require_tool("openssl")
    identity = ("-cert", chain, "-key", private, "-CAfile", files.ca)
    return ProgramServer(program, "s_server", "-accept", f"{LOOPBACK}:{{port}}", "-rev", *identity, *options)


def reverse(tls: TlsSocket) -> None:
    """`-rev` sends lines back in reverse."""
    tls.sendall(b"stressed\n")
    assert tls.recv(100) == b"desserts\n"


@pytest.mark.parametrize(("version", "name", "etm"), CASES)
def test_client_against_openssl(files: Files, version: str, name: str, etm: bool) -> None:
    """With mutual authentication in the half of the cases that goes without encrypt_then_mac."""
    options = [FLAGS[version], "-cipher", f"{suite(name).openssl_name}:@SECLEVEL=0"]
    options += [] if etm else ["-no_etm", "-Verify", "2", "-verify_return_error"]
    only = tier(versions=version, suites=(name,))
    config = client(only, None if etm else "rsa2048")
    with s_server(files, key_of(name), *options) as program, closing(program.connect(config)) as tls:
        assert (tls.version, tls.suite) == (f"TLSv{version}", name)
        reverse(tls)


def s_client(files: Files, port: int, *options: str) -> Any:
    check = ("-CAfile", str(files.ca), "-verify_return_error", "-verify_hostname", NAME, "-servername", NAME)
    command = [require_tool("openssl"), "s_client", "-ign_eof", "-connect", f"{LOOPBACK}:{port}", *check, *options]
    return subprocess.run(command, input=b"", capture_output=True, timeout=TIMEOUT, check=False)


def greet(tls: TlsSocket) -> Any:
    agreed = facts(tls)
    tls.sendall(b"hello from the server\n")
    tls.close()
    return agreed


@pytest.mark.parametrize(("version", "name", "etm"), CASES)
def test_server_against_openssl(files: Files, version: str, name: str, etm: bool) -> None:
    options = [FLAGS[version], "-cipher", f"{suite(name).openssl_name}:@SECLEVEL=0"]
    if not etm:
        chain, private = files.leaf("p256")
        options += ["-no_etm", "-cert", str(chain), "-key", str(private)]
    only = tier(versions=version, suites=(name,))
    with serve(server(only, key_of(name), mutual=not etm), greet) as serving:
        done = s_client(files, serving.port, *options)
        agreed = serving.result()
    assert (agreed.version, agreed.suite, agreed.authenticated) == (f"TLSv{version}", name, not etm)
    assert b"hello from the server" in done.stdout
    assert b"Verify return code: 0 (ok)" in done.stdout
    assert b"Secure Renegotiation IS supported" in done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_certificate_for_encipherment_alone_against_openssl(files: Files, version: str) -> None:
    """RFC 5246 7.4.2: the keyEncipherment bit MUST be set if the key usage extension is present, and no other."""
    only = tier(versions=version, suites=(RSA_CBC,))
    options = (FLAGS[version], "-cipher", f"{suite(RSA_CBC).openssl_name}:@SECLEVEL=0")
    with (
        s_server(files, "rsa2048", *options, bits=ENCRYPTS) as program,
        closing(program.connect(client(only))) as tls,
    ):
        assert (tls.version, tls.suite, tls.authenticated) == (f"TLSv{version}", RSA_CBC, True)
        reverse(tls)
    config = quiet(ServerConfig.simple, identity("rsa2048", ENCRYPTS), legacy=only)
    with serve(config, greet) as serving:
        done = s_client(files, serving.port, *options)
        assert serving.result().suite == RSA_CBC
    assert b"hello from the server" in done.stdout
    assert b"Verify return code: 0 (ok)" in done.stdout


@pytest.mark.parametrize(
    ("name", "bits", "missing"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", ENCRYPTS, "digitalSignature"),
        ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA", ENCRYPTS, "digitalSignature"),
        (RSA_CBC, SIGNS, "keyEncipherment"),
    ],
)
def test_certificate_for_another_use_against_openssl(
    files: Files, name: str, bits: tuple[str, ...], missing: str
) -> None:
    """OpenSSL's server uses an RSA key for whatever the suite needs; RFC 5246 7.4.2 is for the client to enforce."""
    options = ("-tls1_2", "-cipher", f"{suite(name).openssl_name}:@SECLEVEL=0")
    config = client(tier(versions="1.2", suites=(name,)))
    with (
        s_server(files, "rsa2048", *options, bits=bits) as program,
        pytest.raises(errors.UnsupportedCertificate, match=f"without {missing}"),
    ):
        program.connect(config)


@pytest.mark.parametrize("theirs", VERSIONS)
@pytest.mark.parametrize("ours", ["1.0", "1.1", "1.2", "1.1+1.2", "1.0+1.1+1.2", "1.3+1.2", "1.3"])
def test_version_matrix_against_openssl(files: Files, ours: str, theirs: str) -> None:
    """S25, S34, S38: servers of exactly one version against every kind of client; no silent downgrade."""
    mine = ours.split("+")
    if "1.3" in mine:
        config = ClientConfig.simple(standing.trust(), versions=tuple(mine), groups=("x25519", "secp256r1"))
    else:
        config = client(tier(versions=mine, suites=("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",)))
    # OpenSSL takes its one version by number and by list alike.
    ciphers = "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"
    with s_server(files, "rsa2048", FLAGS[theirs], "-cipher", ciphers) as program:
        if theirs in mine:
            with closing(program.connect(config)) as tls:
                assert tls.version == f"TLSv{theirs}"
                reverse(tls)
            return
        sock = program.dial()
        with pytest.raises(errors.AlertError) as caught:
            wrap_client(sock, config, NAME)
        sock.close()
    assert isinstance(caught.value, errors.ProtocolVersionError)
    # By number, a server below what is asked answers, and the client drops.
    below = theirs < min(mine) and "1.3" not in mine
    assert caught.value.sender == ("us" if below else "peer")


def test_openssl_marks_its_random_and_our_server_does_too(files: Files) -> None:
    """A server that could do 1.2 says so where it answers 1.1: OpenSSL's client of both finds no mark out of place."""
    only = tier(versions=("1.1", "1.2"), suites=("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",))
    with serve(server(only, "rsa2048"), greet) as serving:
        done = s_client(files, serving.port, "-no_tls1_3", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
        assert serving.result().version == "TLSv1.2"
        assert b"hello from the server" in done.stdout
        done = s_client(files, serving.port, "-tls1_1", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
        assert serving.result().version == "TLSv1.1"
        assert b"hello from the server" in done.stdout


def field(name: str) -> bytes:
    """The parameters of a finite-field group, as PEM."""
    command = [require_tool("openssl"), "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", f"group:{name}"]
    return subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT).stdout


def test_finite_field_of_rfc3526_is_known(files: Files) -> None:
    """`-dhparam` with a MODP group: not of RFC 7919, known to be safe all the same."""
    path = files.directory / "modp.pem"
    path.write_bytes(field("modp_2048"))
    name = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"
    options = ("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-dhparam", str(path))
    config = client(tier(versions="1.2", suites=(name,)))
    with s_server(files, "rsa2048", *options) as program, closing(program.connect(config)) as tls:
        assert tls.suite == name
        assert tls.connection.group is None
        reverse(tls)


def test_short_finite_field_of_openssl_is_refused(files: Files) -> None:
    """Row 7 of the attacks (Logjam): a group of fewer than 2048 bits, be it as well known as this one."""
    path = files.directory / "short.pem"
    path.write_bytes(field("modp_1536"))
    only = tier(versions="1.1", suites=("TLS_DHE_RSA_WITH_AES_128_CBC_SHA",))
    options = ("-tls1_1", "-cipher", "DHE-RSA-AES128-SHA:@SECLEVEL=0", "-dhparam", str(path))
    with s_server(files, "rsa2048", *options) as program:
        sock = program.dial()
        with pytest.raises(errors.InsufficientSecurity) as caught:
            wrap_client(sock, client(only), NAME)
        sock.close()
    assert caught.value.code == "TLS-WEAK_GROUP"


# -- 10 MiB ------------------------------------------------------------------------------------------------------------

BULK = [
    ("1.0", RSA_CBC),
    ("1.1", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    ("1.2", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
]


@pytest.mark.parametrize(("version", "name"), BULK)
def test_ten_mebibytes_between_our_ends(version: str, name: str) -> None:
    only = tier(versions=version, suites=(name,))
    with serve(server(only, "rsa2048"), echo) as serving:
        with closing(serving.connect(client(only))) as tls:
            echo_payload(tls)
        assert serving.result().version == f"TLSv{version}"


@pytest.mark.parametrize(("version", "name"), BULK)
@pytest.mark.parametrize("etm", [True, False])
def test_ten_mebibytes_with_openssl(tmp_path: Path, version: str, name: str, etm: bool) -> None:
    """Through the standard library's sockets, with and without encrypt_then_mac."""
    other = ContextFiles(tmp_path)
    context = other.context(True, version, str(suite(name).openssl_name), "rsa2048", 0 if etm else NO_ENCRYPT_THEN_MAC)
    with serve_ssl(context) as serving:
        with closing(serving.connect(client(tier(versions=version, suites=(name,))))) as tls:
            echo_payload(tls)
        assert serving.result().suite == suite(name).openssl_name


# -- gnutls ------------------------------------------------------------------------------------------------------------

GNUTLS = {
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "+ECDHE-ECDSA:+AES-256-CBC:+SHA1",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "+ECDHE-RSA:+AES-128-CBC:+SHA1",
    RSA_CBC: "+RSA:+AES-128-CBC:+SHA1",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA": "+DHE-RSA:+AES-256-CBC:+SHA1",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "+RSA:+AES-256-GCM:+AEAD",
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "+DHE-RSA:+CHACHA20-POLY1305:+AEAD",
}
GNUTLS_CASES = [
    (version, name, etm)
    for version, name, etm in CASES
    if name in GNUTLS
]  # fmt: skip


def priority(version: str, name: str, etm: bool) -> str:
    parts = ["NONE", f"+VERS-TLS{version}", GNUTLS[name], "+GROUP-ALL", "+SIGN-ALL", "+COMP-NULL", "+CTYPE-X509"]
    return "--priority=" + ":".join([*parts, *([] if etm else ["%NO_ETM"]), "%VERIFY_ALLOW_SIGN_WITH_SHA1"])


@pytest.mark.parametrize(("version", "name", "etm"), GNUTLS_CASES)
def test_client_against_gnutls(files: Files, version: str, name: str, etm: bool) -> None:
    chain, private = files.leaf(key_of(name))
    identity = ("--x509certfile", chain, "--x509keyfile", private, "--x509cafile", files.ca)
    asks = () if etm else ("--require-client-cert", "--verify-client-cert")
    program = require_tool("gnutls-serv")
    only = tier(versions=version, suites=(name,))
    command = (program, "--echo", "--port", "{port}", *identity, *asks, priority(version, name, etm))
    config = client(only, None if etm else "rsa2048")
    with ProgramServer(*command) as running, closing(running.connect(config)) as tls:
        assert (tls.version, tls.suite) == (f"TLSv{version}", name)
        tls.sendall(b"a line\n")
        assert tls.recv(100) == b"a line\n"


@pytest.mark.parametrize(("version", "name", "etm"), GNUTLS_CASES)
def test_server_against_gnutls(files: Files, tmp_path: Path, version: str, name: str, etm: bool) -> None:
    only = tier(versions=version, suites=(name,))
    own: tuple[Any, ...] = ()
    if not etm:
        chain, private = files.leaf("rsa2048")
        own = ("--x509certfile", chain, "--x509keyfile", private)
    with serve(server(only, key_of(name), mutual=not etm), greet) as serving:
        options = ("--x509cafile", files.ca, "--sni-hostname", NAME, "--verify-hostname", NAME, *own)
        command = (require_tool("gnutls-cli"), "--logfile", tmp_path / "log", *options, "--port", str(serving.port))
        with Program(*command, priority(version, name, etm), LOOPBACK) as program:
            agreed = serving.result()
            assert program.receive(len(b"hello from the server\n")) == b"hello from the server\n"
    assert (agreed.version, agreed.suite, agreed.authenticated) == (f"TLSv{version}", name, not etm)


# -- curl --------------------------------------------------------------------------------------------------------------


def http(tls: TlsSocket) -> Any:
    agreed = facts(tls)
    with tls.makefile("rb") as reader:
        while reader.readline().strip():
            pass
    tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nlegacy")
    return agreed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SUITES)
def test_server_against_curl(files: Files, version: str, name: str) -> None:
    only = tier(versions=version, suites=(name,))
    with serve(server(only, key_of(name), alpn=("http/1.1",)), http) as serving:
        where = ("--resolve", f"{NAME}:{serving.port}:{LOOPBACK}", "--cacert", files.ca)
        how = (f"--tlsv{version}", "--tls-max", version, "--ciphers", f"{suite(name).openssl_name}:@SECLEVEL=0")
        program = require_tool("curl")
        command = (program, "-sS", "--noproxy", "*", *where, *how, f"https://{NAME}:{serving.port}/")
        with Program(*command) as running:
            agreed = serving.result()
            assert running.wait() == 0, running.report()
            assert running.stdout == b"legacy"
    assert (agreed.version, agreed.suite, agreed.alpn) == (f"TLSv{version}", name, "http/1.1")


def test_default_server_refuses_an_old_curl(files: Files) -> None:
    """A server without the tier tells an old client which versions it has (S34)."""
    with serve(ServerConfig.simple(identity("rsa2048")), echo) as serving:
        where = ("--resolve", f"{NAME}:{serving.port}:{LOOPBACK}", "--cacert", files.ca)
        how = ("--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0")
        command = (require_tool("curl"), "-sS", "--noproxy", "*", *where, *how, f"https://{NAME}:{serving.port}/")
        with Program(*command) as running:
            error = serving.error()
            assert running.wait() != 0
    assert type(error) is errors.ProtocolVersionError
    assert "the client offers TLSv1.1, the server accepts TLSv1.3, TLSv1.2" in str(error)
