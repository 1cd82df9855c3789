"""The legacy tier against programs over TCP on loopback: marks of a downgrade, finite fields, 10 MiB, an old curl.

Every suite meets the programs in test_legacy_matrix.py, and every set of versions in test_version_matrix.py.
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
from tests.interop.programs import FLAGS, Files
from tests.interop.test_legacy_ssl import NO_ENCRYPT_THEN_MAC
from tests.interop.test_legacy_ssl import Files as ContextFiles
from tests.support.legacy import BOTH, ENCRYPTS, SIGNS, VERSIONS, client, identity, quiet, server, tier
from tests.support.standing import NAME
from tests.support.tools import require_tool
from tlscore import ServerConfig, TlsSocket, errors, wrap_client
from tlscore.suites import suite

RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"

# -- openssl -----------------------------------------------------------------------------------------------------------


def s_server(files: Files, key: str, *options: str, bits: tuple[str, ...] = BOTH) -> ProgramServer:
    leaf = files.leaf(key, bits)
    own = ("-cert", leaf.chain, "-key", leaf.key, "-CAfile", files.ca)
    return ProgramServer(require_tool("openssl"), "s_server", "-accept", f"{LOOPBACK}:{{port}}", "-rev", *own, *options)


def reverse(tls: TlsSocket) -> None:
    """`-rev` sends lines back in reverse."""
    tls.sendall(b"stressed\n")
    assert tls.recv(100) == b"desserts\n"


def s_client(files: Files, port: int, *options: str) -> Any:
    check = ("-CAfile", str(files.ca), "-verify_return_error", "-verify_hostname", NAME, "-servername", NAME)
    command = [require_tool("openssl"), "s_client", "-ign_eof", "-connect", f"{LOOPBACK}:{port}", *check, *options]
    return subprocess.run(command, input=b"", capture_output=True, timeout=TIMEOUT, check=False)


def greet(tls: TlsSocket) -> Any:
    agreed = facts(tls)
    tls.sendall(b"hello from the server\n")
    tls.close()
    return agreed


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


# -- curl --------------------------------------------------------------------------------------------------------------


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
