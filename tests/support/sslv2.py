"""A client that asks for TLS in the format of SSLv2 (RFC 5246 E.2), over whatever carries octets both ways."""

from __future__ import annotations

from collections.abc import Callable

from .peers_legacy import RawLegacyClient

RSA_AES128_CBC, RENEGOTIATION = 0x002F, 0x00FF
CHALLENGE = bytes(range(1, 33))


def sslv2_hello(
    number: int,
    challenge: bytes,
    suites: tuple[int, ...] = (RSA_AES128_CBC, RENEGOTIATION),
    session: bytes = b"",
) -> bytes:
    """A CLIENT-HELLO in the format of SSLv2. SSLv2's own suites (0x010080) stand in it too."""
    specs = b"".join(b"\0" + code.to_bytes(2, "big") for code in suites) + b"\x01\x00\x80"
    lengths = b"".join(len(part).to_bytes(2, "big") for part in (specs, session, challenge))
    body = b"\x01" + number.to_bytes(2, "big") + lengths + specs + session + challenge
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def upgrade(
    number: int,
    send: Callable[[bytes], object],
    receive: Callable[[], bytes],
    challenge: bytes = CHALLENGE,
    pieces: int = 1,
) -> RawLegacyClient:
    """The whole handshake.

    Takes:    receive: the octets that are there, at least one; pieces: in how many the hello is sent.
    Gives:    the client, connected.
    """
    hello = sslv2_hello(number, challenge)
    raw = RawLegacyClient(number)
    raw.client_random = challenge.rjust(32, b"\0")
    raw.messages = hello[2:]
    raw.transcript.add(hello[2:])
    size = -(-len(hello) // pieces)
    for at in range(0, len(hello), size):
        send(hello[at : at + size])
    raw.take_flight(flight_of(receive, b"\x0e\x00\x00\x00"))
    send(raw.flight().wire())
    answer = b""
    # change_cipher_spec, and one record after it.
    while len(answer) < 11 or len(answer) < 11 + int.from_bytes(answer[9:11], "big"):
        answer += received(receive)
    raw.complete(answer)
    return raw


def flight_of(receive: Callable[[], bytes], end: bytes) -> bytes:
    """What comes until it ends with `end`."""
    wire = b""
    while not wire.endswith(end):
        wire += received(receive)
    return wire


def received(receive: Callable[[], bytes]) -> bytes:
    octets = receive()
    assert octets, "the stream ended within the handshake"
    return octets
