"""What the programs of openssl and gnutls ask of TLS 1.2 and before, beyond a plain handshake.

A fallback that nobody needs, no extended main secret, no extensions, a renegotiation from either side, exported keys,
channel bindings, and records of limited size.
"""

from __future__ import annotations

import base64
import re
from contextlib import closing
from typing import Any

import pytest

from tests.interop.harness import LOOPBACK, PAYLOAD, ProgramServer, facts, receive_exactly, refused, serve
from tests.interop.programs import (
    FLAGS,
    PEERS,
    QUESTION,
    Cell,
    Files,
    answer,
    client_config,
    meet_client,
    run_gnutls,
    run_openssl,
    server_config,
    start_gnutls,
)
from tests.support.legacy import VERSIONS, tier
from tests.support.legacy import server as legacy_server
from tests.support.tools import require_tool
from tlscore import ServerConfig, errors

MODERN = Cell("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", key="rsa2048")
OLDEST = "TLS_RSA_WITH_AES_128_CBC_SHA"
LEGACY = Cell("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", key="rsa2048", legacy=True)
SHORT = 256 * 1024


def printed(done: Any) -> str:
    text: str = (done.stdout + done.stderr).decode("latin-1")
    return text


def in_version(version: str, name: str = LEGACY.name) -> Cell:
    return Cell(name, version, "rsa2048", legacy=True)


# -- RFC 7507 ----------------------------------------------------------------------------------------------------------


def above(files: Files, version: str) -> ServerConfig:
    """A server that has `version` and the next."""
    if version == "1.2":
        return ServerConfig.simple(files.leaf("rsa2048").identity, alpn=("h2",))
    both = {"1.0": ("1.0", "1.1"), "1.1": ("1.1", "1.2")}[version]
    return legacy_server(tier(both, (LEGACY.name,)), "rsa2048", alpn=("h2",))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_server_refuses_a_fallback_that_nobody_needs(files, name, version):
    """RFC 7507 3: "the server MUST respond with a fatal inappropriate_fallback alert"."""
    cell = MODERN if version == "1.2" else in_version(version)
    with serve(above(files, version), answer) as serving:
        if name == "openssl":
            said = printed(run_openssl(files, cell, serving.port, "-fallback_scsv"))
            assert "SSL alert number 86" in said
        else:
            said = printed(run_gnutls(files, cell, serving.port, "%FALLBACK_SCSV"))
            assert "Received alert [86]: Inappropriate fallback" in said
        error = serving.error()
    assert type(error) is errors.InappropriateFallback
    assert (error.sender, error.alert_sent) == ("us", 86)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_server_takes_a_fallback_to_its_best(files, name, version):
    cell = in_version(version)
    mark = {"openssl": "-fallback_scsv", "gnutls": "%FALLBACK_SCSV"}[name]
    with serve(server_config(files, cell), answer) as serving:
        meet_client(PEERS[name], files, serving, cell, mark)


# -- RFC 7627, and no extensions at all --------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [MODERN, in_version("1.1"), in_version("1.2", OLDEST)], ids=str)
def test_server_wants_the_extended_main_secret_of_gnutls(files, cell):
    """RFC 7627 5.2: refused unless the configuration lets it go."""
    with serve(server_config(files, cell), answer) as serving:
        said = printed(run_gnutls(files, cell, serving.port, "%NO_SESSION_HASH"))
        error = serving.error()
    assert "Received alert [40]: Handshake failed" in said
    assert (error.code, error.sender, error.alert_sent) == ("TLS-NO_EXTENDED_MAIN_SECRET", "us", 40)
    with serve(server_config(files, cell, require_extended_main_secret=False), answer) as serving:
        said = printed(run_gnutls(files, cell, serving.port, "%NO_SESSION_HASH"))
        agreed = serving.result()
    assert (agreed.version, agreed.suite, agreed.received) == (f"TLSv{cell.version}", cell.name, QUESTION)
    assert "- Options: safe renegotiation," in said


@pytest.mark.parametrize("cell", [MODERN, in_version("1.1"), in_version("1.2", OLDEST)], ids=str)
def test_client_wants_the_extended_main_secret_of_gnutls(files, cell):
    """RFC 7627 5.2, from the other side."""
    with start_gnutls(files, cell, "%NO_SESSION_HASH") as server:
        error = refused(server.connect, client_config(files, cell))
        assert (error.code, error.sender, error.alert_sent) == ("TLS-NO_EXTENDED_MAIN_SECRET", "us", 40)
        server.expect("A TLS fatal alert has been received")
        with closing(server.connect(client_config(files, cell, require_extended_main_secret=False))) as tls:
            tls.sendall(QUESTION)
            assert receive_exactly(tls, len(QUESTION)) == QUESTION
            assert (tls.version, tls.suite) == (f"TLSv{cell.version}", cell.name)
        server.expect("- Options: safe renegotiation,")


@pytest.mark.parametrize("version", VERSIONS)
def test_server_answers_gnutls_without_extensions(files, version):
    """RSA key exchange needs none; without extended_master_secret it is for those who ask for it."""
    cell = in_version(version, OLDEST)
    with serve(server_config(files, cell), answer) as serving:
        run_gnutls(files, cell, serving.port, "%NO_EXTENSIONS")
        assert serving.error().code == "TLS-NO_EXTENDED_MAIN_SECRET"
    with serve(server_config(files, cell, require_extended_main_secret=False), answer) as serving:
        said = printed(run_gnutls(files, cell, serving.port, "%NO_EXTENSIONS"))
        agreed = serving.result()
    assert (agreed.version, agreed.suite, agreed.alpn) == (f"TLSv{version}", cell.name, None)
    assert (agreed.server_name, agreed.received) == (None, QUESTION)
    assert "- Options:\n" in said


# -- renegotiation -----------------------------------------------------------------------------------------------------


def test_client_refuses_the_renegotiation_of_openssl(files):
    """`r` sends a HelloRequest. s_server makes a fatal error of the warning that answers it."""
    leaf = files.leaf("rsa2048")
    own = ("-cert", leaf.chain, "-key", leaf.key, FLAGS["1.2"])
    command = (require_tool("openssl"), "s_server", "-accept", f"{LOOPBACK}:{{port}}", *own)
    with ProgramServer(*command) as server, closing(server.connect(client_config(files, MODERN))) as tls:
        tls.sendall(b"before\n")
        server.expect("before")
        server.send(b"r\n")
        error = refused(tls.recv, 1)
        server.expect("no renegotiation")
    assert (type(error), error.sender) == (errors.HandshakeFailure, "peer")


def test_client_refuses_the_renegotiation_of_gnutls_and_goes_on(files):
    """What comes behind the HelloRequest is delivered. gnutls-serv gives up when it reads the warning."""
    with start_gnutls(files, MODERN) as server, closing(server.connect(client_config(files, MODERN))) as tls:
        tls.sendall(b"**REHANDSHAKE**\n")
        assert receive_exactly(tls, 30) == b"Successfully executed command\n"
        server.expect("Sending rehandshake request")
        server.expect("A TLS warning alert has been received")
        assert type(refused(tls.recv, 1)) is errors.TruncationError


def test_server_refuses_the_renegotiation_of_gnutls(files):
    """`gnutls-cli --rehandshake` asks again and again, and gives up."""
    with serve(server_config(files, MODERN), answer) as serving:
        done = run_gnutls(files, MODERN, serving.port, options=("--rehandshake",))
        error = serving.error()
    assert "Received alert [100]: No renegotiation is allowed" in printed(done)
    assert "ReHandshake has failed" in printed(done)
    assert isinstance(error, errors.AlertError)
    assert error.sender == "peer"


# -- exported keys and channel bindings --------------------------------------------------------------------------------

LABEL, OCTETS = "EXPORTER-tlscore-interop", 40


def exporting(tls: Any) -> Any:
    exported = tls.export_keying_material(LABEL, None, OCTETS)
    agreed = answer(tls)
    agreed.exported = exported.hex()
    return agreed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_server_exports_the_keys_of_the_program(files, name, version):
    """RFC 5705 without a context."""
    cell = in_version(version)
    with serve(server_config(files, cell), exporting) as serving:
        if name == "openssl":
            done = run_openssl(files, cell, serving.port, "-keymatexport", LABEL, "-keymatexportlen", str(OCTETS))
        else:
            options = ("--keymatexport", LABEL, "--keymatexportsize", str(OCTETS))
            done = run_gnutls(files, cell, serving.port, options=options)
        agreed = serving.result()
    theirs = re.search(r"Key(?:ing)? material: ([0-9A-Fa-f]+)\n", printed(done))
    assert theirs is not None
    assert (agreed.version, agreed.exported) == (f"TLSv{version}", theirs[1].lower())


@pytest.mark.parametrize("version", VERSIONS)
def test_client_exports_the_keys_of_openssl(files, version):
    cell, leaf = in_version(version), files.leaf("rsa2048")
    own = ("-cert", leaf.chain, "-key", leaf.key, "-cipher", "ALL:@SECLEVEL=0", FLAGS[version])
    export = ("-keymatexport", LABEL, "-keymatexportlen", str(OCTETS))
    command = (require_tool("openssl"), "s_server", "-accept", f"{LOOPBACK}:{{port}}", *own, *export)
    with ProgramServer(*command) as server, closing(server.connect(client_config(files, cell))) as tls:
        theirs = server.expect(r"Keying material: ([0-9A-F]+)\n")[1]
        assert tls.export_keying_material(LABEL, None, OCTETS).hex() == theirs.lower()
        assert tls.version == f"TLSv{version}"


@pytest.mark.parametrize("version", VERSIONS)
def test_both_know_the_bindings_when_the_server_is_gnutls(files, version):
    cell = in_version(version)
    with start_gnutls(files, cell) as server, closing(server.connect(client_config(files, cell))) as tls:
        for kind in ("tls-unique", "tls-server-end-point", "tls-exporter"):
            theirs = server.expect(rf"'{kind}': ([0-9a-f]+)\n")[1]
            assert tls.channel_binding(kind).hex() == theirs


# -- RFC 8449 in TLS 1.2 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [64, 512, 2000])
def test_gnutls_keeps_to_the_record_size_when_the_client_limits_it(files, limit):
    """RFC 8449 4: a larger record is answered with record_overflow, so the echo shows that none came."""
    config = client_config(files, MODERN, record_size_limit=limit)
    with start_gnutls(files, MODERN) as server, closing(server.connect(config)) as tls:
        line = base64.b64encode(PAYLOAD[:6000]) + b"\n"
        tls.sendall(line)
        assert receive_exactly(tls, len(line)) == line
        assert tls.version == "TLSv1.2"


@pytest.mark.parametrize("limit", [512, 4096])
def test_server_keeps_to_the_record_size_when_gnutls_limits_it(files, limit):
    def send(tls: Any) -> Any:
        before = tls.connection.counters[1]
        tls.sendall(PAYLOAD[:SHORT])
        agreed = facts(tls)
        agreed.records = tls.connection.counters[1] - before
        tls.close()
        return agreed

    with serve(server_config(files, MODERN), send) as serving:
        done = run_gnutls(files, MODERN, serving.port, options=("--recordsize", str(limit)))
        agreed = serving.result()
    assert PAYLOAD[:SHORT] in done.stdout
    assert (agreed.version, agreed.records) == ("TLSv1.2", SHORT // limit)
