"""Hellos by hand, for statements about versions that no configuration offers any more."""

from __future__ import annotations

from tests.support import standing
from tests.support.peers import pump
from tlscore import ClientConfig, TlsError
from tlscore.connection import Connection
from tlscore.errors import AlertError

ALERT_TYPE = 21
SUITES = bytes.fromhex("c02bc02fc00ac014002f0035")


def record(content: bytes, kind: int = 22, version: bytes = b"\x03\x01") -> bytes:
    return bytes((kind,)) + version + len(content).to_bytes(2, "big") + content


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def old_client_hello(version: int) -> bytes:
    """What a client of TLS 1.1 or older sends: no extension, the highest version as a number."""
    body = version.to_bytes(2, "big") + bytes(32) + b"\0" + len(SUITES).to_bytes(2, "big") + SUITES + b"\x01\x00"
    return record(message(1, body))


def old_server_hello(version: int, session_id: bytes = b"", suite: bytes = b"\xc0\x2f", tail: bytes = b"") -> bytes:
    """What a server answers that knows no supported_versions."""
    random = bytes(32 - len(tail)) + tail
    body = version.to_bytes(2, "big") + random + bytes((len(session_id),)) + session_id + suite + b"\0"
    return record(message(2, body), version=b"\x03\x03")


def refusal(end: Connection, wire: bytes) -> AlertError:
    """The error of an end that gets these octets, raised by the call or waiting in it."""
    try:
        end.receive(wire)
        end.events()
    except AlertError as error:
        return error
    raise AssertionError("nothing was refused")


def sent(end: Connection) -> bytes:
    """What a dead connection still sends: an alert, or nothing."""
    try:
        return end.data_to_send()
    except TlsError:
        return b""


def client_config(**settings: object) -> ClientConfig:
    """The standing client, with the curve of the standing certificates: TLS 1.2 asks for that (RFC 8422 5.1.1)."""
    return standing.client_config(**{"groups": ("x25519", "secp256r1"), **settings})


def fresh(
    client: dict[str, object] | None = None, server: dict[str, object] | None = None
) -> tuple[Connection, Connection]:
    """A client and a server that have not spoken yet."""
    return client_config(**(client or {})).connection(standing.NAME), standing.server_config(
        **(server or {})
    ).connection()


def connected(
    client: dict[str, object] | None = None, server: dict[str, object] | None = None
) -> tuple[Connection, Connection]:
    ends = fresh(client, server)
    pump(*ends)
    return ends


def server(**settings: object) -> Connection:
    return fresh(server=settings)[1]


def client(**settings: object) -> Connection:
    """A client whose hello is on its way."""
    end = fresh(settings)[0]
    end.data_to_send()
    return end
