"""create_default_context and its relatives, get_server_certificate, and what newer Pythons named."""

from __future__ import annotations

import socket
import ssl as stdlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ssl.contexts import Files, outcome
from tlscore import ssl
from tlscore.ssl import trust as trust_room

SHOWN = ("protocol", "options", "verify_flags", "verify_mode", "check_hostname", "minimum_version", "maximum_version")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def shown(context: Any) -> dict[str, Any]:
    return {name: getattr(context, name) for name in SHOWN}


@pytest.mark.parametrize("purpose", [stdlib.Purpose.SERVER_AUTH, stdlib.Purpose.CLIENT_AUTH])
@pytest.mark.parametrize("where", [None, "cafile", "capath", "cadata"])
def test_default_context_is_set_as_that_of_the_running_python(files: Files, purpose: Any, where: str | None) -> None:
    given = {None: {}, "cafile": {"cafile": files.ca}, "capath": {"capath": str(files.directory)}}.get(where)
    settings: dict[str, Any] = {"cadata": files.authority.pem.decode()} if given is None else given
    theirs = stdlib.create_default_context(purpose, **settings)
    ours = ssl.create_default_context(purpose, **settings)
    assert type(ours) is ssl.SSLContext
    assert shown(ours) == shown(theirs)
    if where is not None:
        assert ours.get_ca_certs(True) == theirs.get_ca_certs(True)


@pytest.mark.parametrize("purpose", ["server", None, 7])
def test_wrong_purpose_raises_what_the_standard_library_raises(purpose: Any) -> None:
    for ours, theirs in (
        (ssl.create_default_context, stdlib.create_default_context),
        (
            lambda one: ssl._create_unverified_context(purpose=one),
            lambda one: stdlib._create_unverified_context(purpose=one),
        ),
    ):
        assert outcome(lambda call=ours: call(purpose)) == outcome(lambda call=theirs: call(purpose))  # type: ignore[misc]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cert_reqs": stdlib.CERT_REQUIRED, "check_hostname": True},
        {"cert_reqs": None},
        {"protocol": stdlib.PROTOCOL_TLSv1_2},
        {"purpose": stdlib.Purpose.CLIENT_AUTH, "cert_reqs": stdlib.CERT_OPTIONAL},
        {"keyfile": "key.pem"},
        {"certfile": "/nowhere"},
        {"check_hostname": True},
    ],
)
def test_stdlib_context_is_set_as_that_of_the_running_python(settings: dict[str, Any]) -> None:
    theirs = outcome(lambda: shown(stdlib._create_unverified_context(**settings)))
    ours = outcome(lambda: shown(ssl._create_unverified_context(**settings)))
    assert ours == theirs
    assert ssl._create_stdlib_context is ssl._create_unverified_context
    assert ssl._create_default_https_context is ssl.create_default_context


def test_stdlib_context_loads_what_it_is_given(files: Files) -> None:
    context = ssl._create_stdlib_context(
        cert_reqs=ssl.CERT_REQUIRED, certfile=files.client_chain, keyfile=files.client_key, cafile=files.ca
    )
    assert len(context._identities) == 1
    assert context.get_ca_certs(True) == [files.authority.der]


def test_second_default_context_parses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ssl.create_default_context()._client_config()

    def forbidden(*arguments: Any) -> None:
        raise AssertionError("the second context reads again what the first has read")

    for name in ("_parsed", "_of_directory", "_split"):
        monkeypatch.setattr(trust_room, name, forbidden)
    monkeypatch.setattr("tlscore.ssl.stdlib.checked_locations", forbidden)
    again = ssl.create_default_context()
    assert len(again._trust.store(bool(again.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN))) > 10


@pytest.fixture
def address(files: Files) -> Iterator[tuple[str, int]]:
    """A server that shakes hands and closes, once for each connection."""
    context = files.server_context()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    stream, _ = listener.accept()
                except OSError:
                    return
                stream.settimeout(20)
                try:
                    context.wrap_socket(stream, server_side=True).close()
                except OSError:
                    stream.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(20)


def test_certificate_of_a_server_is_fetched_as_pem(files: Files, address: tuple[str, int]) -> None:
    pem = ssl.get_server_certificate(address, timeout=20)
    assert ssl.PEM_cert_to_DER_cert(pem) == files.server.chain_der[0]
    assert ssl.get_server_certificate(address, ca_certs=files.ca, timeout=20) == pem
    other = files.directory / "other.pem"
    other.write_bytes(files.server.chain_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.get_server_certificate(address, ca_certs=other, timeout=20)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the function is gone from Python 3.12 on")
@pytest.mark.filterwarnings("ignore:ssl.wrap_socket:DeprecationWarning", "ignore:ssl.PROTOCOL_TLS:DeprecationWarning")
def test_wrap_socket_of_old_is_ours(files: Files, address: tuple[str, int]) -> None:
    with (
        socket.create_connection(address, 20) as stream,
        ssl.wrap_socket(stream, ca_certs=files.ca, cert_reqs=ssl.CERT_REQUIRED, ciphers="HIGH") as wrapped,
    ):
        assert type(wrapped) is ssl.SSLSocket
        assert wrapped.getpeercert(True) == files.server.chain_der[0]
    for wrong in ({"server_side": True}, {"keyfile": files.key}):
        with socket.socket() as stream, pytest.raises(ValueError, match="certfile must be specified"):
            ssl.wrap_socket(stream, **wrong)


def test_names_of_newer_pythons_are_there() -> None:
    assert ssl.OP_LEGACY_SERVER_CONNECT == 4
    assert ssl.HAS_PHA is True
    assert not ssl.HAS_PSK
    for name in ("set_groups", "get_groups", "set_ciphersuites", "set_client_sigalgs", "set_server_sigalgs"):
        assert callable(getattr(ssl.SSLContext, name))
    assert set(dir(stdlib)) - {"wrap_socket"} <= set(dir(ssl))
