"""What a handshake costs in calls: times are for benches/, and counts show what creeps back in.

The bounds are what was counted when they were written, and a tenth more. Who makes a handshake dearer on purpose raises
them in the same change.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import standing
from tests.support.counting import calls_of
from tlscore import ClientConfig, ServerConfig

SETTINGS: dict[str, dict[str, Any]] = {
    "1.3": {"versions": "1.3", "groups": ["x25519"]},
    "1.2": {"versions": "1.2", "groups": ["x25519", "secp256r1"]},
}
# Calls of the client and of the server, once each has seen the other before.
BOUNDS = {"1.3": (480, 250), "1.2": (555, 245)}


def calls_of_handshake(asking: ClientConfig, answering: ServerConfig) -> tuple[int, int]:
    """Calls of a whole handshake in memory, of each end."""
    made: dict[str, Any] = {}
    counts = {"client": 0, "server": 0}

    def run(role: str, wire: bytes | None) -> bytes:
        def turn() -> None:
            if wire is None:
                made[role] = asking.connection(standing.NAME) if role == "client" else answering.connection()
            else:
                made[role].receive(wire)
            made["wire"] = made[role].data_to_send()

        counts[role] += len(calls_of(turn))
        octets: bytes = made["wire"]
        return octets

    run("server", None)
    wire, role = run("client", None), "server"
    while wire:
        wire, role = run(role, wire), "client" if role == "server" else "server"
    assert made["client"].handshake_complete
    assert made["server"].handshake_complete
    return counts["client"], counts["server"]


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_calls_of_a_handshake(version: str) -> None:
    asking = ClientConfig.simple(standing.trust(), **SETTINGS[version])
    answering = ServerConfig.simple(standing.identity(), **SETTINGS[version])
    first, *_, last = [calls_of_handshake(asking, answering) for _ in range(4)]
    assert last[0] <= first[0]
    assert last[1] <= first[1]
    assert last[0] <= BOUNDS[version][0], last
    assert last[1] <= BOUNDS[version][1], last


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_calls_of_a_server_that_reads_every_client_hello(version: str) -> None:
    """The control: without its memory the server does count more."""
    asking = ClientConfig.simple(standing.trust(), **SETTINGS[version])
    identity = standing.identity()
    remembering = ServerConfig.simple(identity, **SETTINGS[version])
    reading = ServerConfig(identities=(identity,), resolver=lambda hello: None, **SETTINGS[version])
    for config in (remembering, reading):
        calls_of_handshake(asking, config)
    assert calls_of_handshake(asking, reading)[1] > 1.3 * calls_of_handshake(asking, remembering)[1]
