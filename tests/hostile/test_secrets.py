"""Secrets stay where they are: no repr, copy or pickle of one, no text that tells one, no octet of one left behind.

The last part reads the memory of another process, from outside, and looks for traffic secrets that the process itself
has never seen: Rust wrote them to a key log file, and only this test reads it.
"""

import copy
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.forger import logged
from tests.support.memory import REPOSITORY, environment
from tests.support.peers import failure, pump
from tests.support.standing import (
    NAME,
    client_config,
    client_identity,
    connected,
    identity,
    issued,
    mutual_client_config,
    server_config,
    trust,
)
from tlscore import ClientConfig, TlsError, _core

SUITE = 0x1301
PSK = b"a pre-shared key of 32 octets..."


def handshake_schedule() -> tuple[Any, Any]:
    transcript = _core.Transcript()
    transcript.select_hash(SUITE)
    early = _core.EarlySchedule(SUITE, None)
    return early.into_handshake(None, transcript, None, bytes(32)), transcript


def application_schedule() -> Any:
    schedule, transcript = handshake_schedule()
    return schedule.into_application(transcript)


def shared_secret() -> Any:
    own = _core.KeyShare.generate(0x001D)
    return own.complete(_core.KeyShare.respond(0x001D, own.public)[0])


HOLDERS: dict[str, Callable[[], Any]] = {
    "KeyShare": lambda: _core.KeyShare.generate(0x001D),
    "SharedSecret": shared_secret,
    "EarlySchedule": lambda: _core.EarlySchedule(SUITE, None),
    "HandshakeSchedule": lambda: handshake_schedule()[0],
    "ApplicationSchedule": application_schedule,
    "Psk": lambda: _core.Psk.external(SUITE, PSK),
    "KeyLog": lambda: _core.KeyLog(os.devnull),
    "CookieKey": _core.CookieKey,
    "RecordLayer": lambda: _core.RecordLayer(True),
    "Connection": lambda: connected()[0],
    "fresh Connection": lambda: client_config().connection(NAME),
    "Identity": identity,
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy"])
def test_holder_of_a_secret_cannot_be_duplicated(holder: str, way: str) -> None:
    thing = HOLDERS[holder]()
    if way == "pickle":
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises((TypeError, TlsError, pickle.PicklingError)):
                # Protocols 0 and 1 write the name of a class without state; nothing can be made of it.
                pickle.loads(pickle.dumps(thing, protocol))
        return
    made = None
    try:
        made = getattr(copy, way)(thing)
    except (TypeError, TlsError):
        return
    # The very same object is no copy.
    assert made is thing


@pytest.mark.parametrize("holder", HOLDERS)
def test_holder_of_a_secret_shows_nothing(holder: str) -> None:
    thing = HOLDERS[holder]()
    for text in (repr(thing), str(thing), f"{thing}", repr([thing])):
        assert len(text) < 300
        assert PSK.decode() not in text
        assert "PRIVATE" not in text
        # No run of hexadecimal digits as long as a key, and no bytes literal.
        assert "b'" not in text
    if holder != "Identity":
        with pytest.raises(TypeError):
            vars(thing)
    public = {name for name in dir(thing) if not name.startswith("_")}
    assert not {name for name in public if name in {"secret", "private", "private_key", "key", "iv", "traffic"}}
    with pytest.raises((TypeError, BufferError)):
        memoryview(thing)
    with pytest.raises(TypeError):
        bytes(thing)


@pytest.mark.parametrize(
    "holder", [name for name in HOLDERS if "Connection" not in name and name not in {"RecordLayer", "Identity"}]
)
def test_handle_cannot_be_subclassed_or_changed(holder: str) -> None:
    thing = HOLDERS[holder]()
    with pytest.raises(TypeError):
        type("Sub", (type(thing),), {})
    with pytest.raises(AttributeError):
        thing.anything = 1


def test_used_up_handles_refuse_a_second_use() -> None:
    # Rule of the typestates: each is consumed by the step to the next.
    shared = shared_secret()
    transcript = _core.Transcript()
    transcript.select_hash(SUITE)
    early = _core.EarlySchedule(SUITE, None)
    handshake = early.into_handshake(shared, transcript, None, bytes(32))
    with pytest.raises(RuntimeError, match="used"):
        early.into_handshake(None, transcript, None, bytes(32))
    with pytest.raises(RuntimeError, match="used"):
        _core.EarlySchedule(SUITE, None).into_handshake(shared, transcript, None, bytes(32))
    application = handshake.into_application(transcript)
    for call in (
        lambda: handshake.into_application(transcript),
        lambda: handshake.finished_mac(True, transcript),
        lambda: handshake.verify_finished(True, transcript, bytes(32)),
        lambda: handshake.install_read(_core.RecordLayer(True)),
        lambda: handshake.install_write(_core.RecordLayer(True)),
    ):
        with pytest.raises(RuntimeError, match="used"):
            call()
    application.install_write(_core.RecordLayer(True))
    with pytest.raises(RuntimeError):
        application.install_write(_core.RecordLayer(True))
    application.forget_handshake()
    with pytest.raises(RuntimeError):
        application.finished_mac(True, transcript)


def test_resumption_secret_exists_only_after_it_was_derived() -> None:
    application = application_schedule()
    with pytest.raises(RuntimeError):
        application.resumption_psk(b"nonce")
    transcript = _core.Transcript()
    transcript.select_hash(SUITE)
    application.derive_resumption(transcript)
    assert type(application.resumption_psk(b"nonce")).__name__ == "Psk"


@pytest.mark.parametrize("octets", [0, 65, 1000])
def test_pre_shared_key_has_a_sane_length(octets: int) -> None:
    with pytest.raises(ValueError, match="pre-shared"):
        _core.Psk.external(SUITE, bytes(octets))


def test_configuration_with_an_identity_is_not_pickled_and_shows_no_key() -> None:
    for config in (server_config(), mutual_client_config()):
        with pytest.raises(TlsError):
            pickle.dumps(config)
        assert "PRIVATE" not in repr(config)
    assert pickle.loads(pickle.dumps(client_config())) == client_config()
    number = issued().key.private_numbers().private_value
    for thing in (identity(), server_config()):
        text = repr(thing)
        assert str(number) not in text
        assert f"{number:x}" not in text
    assert client_identity().certificate is not None


# -- key log -----------------------------------------------------------------------------------------------------------


def test_environment_alone_logs_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # attack 106.
    path = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    config = ClientConfig.simple(trust(), groups=("x25519",))
    client, server = config.connection(NAME), server_config().connection()
    pump(client, server)
    assert client.handshake_complete
    script = "from tests.support.standing import connected; connected()"
    subprocess.run(
        [sys.executable, "-c", script], check=True, cwd=REPOSITORY, env={**environment(), "SSLKEYLOGFILE": str(path)}
    )
    assert list(tmp_path.iterdir()) == []


def test_key_log_is_private_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    old = os.umask(0)
    try:
        for number in (1, 2):
            config = ClientConfig.simple(trust(), groups=("x25519",), key_log=path)
            client, server = config.connection(NAME), server_config().connection()
            pump(client, server)
            assert path.stat().st_mode & 0o777 == 0o600
            assert len(path.read_text().splitlines()) == 5 * number
    finally:
        os.umask(old)


def test_key_log_that_cannot_be_opened_is_an_error_and_not_a_silence(tmp_path: Path) -> None:
    config = ClientConfig.simple(trust(), key_log=tmp_path / "missing" / "keys")
    with pytest.raises((OSError, TlsError)):
        config.connection(NAME)


def test_key_log_that_cannot_be_written_ends_no_connection() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    config = ClientConfig.simple(trust(), groups=("x25519",), key_log="/dev/full")
    client, server = config.connection(NAME), server_config().connection()
    pump(client, server)
    assert client.handshake_complete


# -- texts -------------------------------------------------------------------------------------------------------------


def everything_said(error: BaseException) -> str:
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)
    return shown + repr({name: value for name, value in vars(error).items() if not name.startswith("__")})


def test_errors_tell_no_secret_and_no_plaintext() -> None:
    for spoil in ("record", "finished", "claim"):
        ends = logged()
        forger = ends.as_client()
        ends.client.write(b"my secret plaintext")
        wire = bytearray(ends.client.data_to_send())
        forger.sequence += 1
        if spoil == "record":
            wire[-1] ^= 1
            ends.server.receive(bytes(wire))
        elif spoil == "finished":
            ends.server.receive(bytes(wire) + forger.seal(b"\x14\0\0\x20" + b"my secret plaintext....abcdefghi", 22))
            ends.server.read()
        else:
            ends.server.receive(forger.seal(b"", 22))
        text = everything_said(failure(lambda ends=ends: [ends.server.read(), ends.server.read()]))
        assert "my secret plaintext" not in text
        for secret in ends.secrets().values():
            assert secret.hex() not in text.lower()
            assert repr(secret)[2:20] not in text


def test_trace_and_events_tell_no_secret() -> None:
    ends = logged(complete=False)
    pump(ends.client, ends.server)
    text = repr(ends.client.trace) + repr(ends.client.events()) + repr(ends.client) + repr(ends.server.events())
    for secret in ends.secrets().values():
        assert secret.hex() not in text
        assert repr(secret)[2:20] not in text


# -- what is left in memory --------------------------------------------------------------------------------------------

VICTIM = """
import gc, json, sys
from pathlib import Path
from tlscore import ClientConfig, TlsError
from tests.support.peers import pump
from tests.support.standing import NAME, server_config, trust
mode, path = sys.argv[1:]
config = ClientConfig.simple(trust(), groups=("x25519", "X25519MLKEM768"), key_log=path)
pairs = []
for number in range(30):
    client, server = config.connection(NAME), server_config().connection()
    pump(client, server)
    for end, other in ((client, server), (server, client)):
        end.write(b"traffic"); other.receive(end.data_to_send()); other.read()
    pairs.append((client, server))
if mode == "dropped":
    pairs.clear()
    del client, server, end, other
elif mode == "failed":
    for pair in pairs:
        for end in pair:
            end.receive(b"\\x17\\x03\\x03\\x00\\x30" + bytes(48))
            try:
                end.read()
            except TlsError:
                pass
elif mode == "updated":
    for client, server in pairs:
        client.update_keys(True)
        server.receive(client.data_to_send()); server.read()
        client.receive(server.data_to_send()); client.read()
gc.collect()
print("ready", flush=True)
sys.stdin.readline()
"""


def memory_of(process: int) -> bytes:
    """All memory that a process may write to."""
    found = []
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            fields = line.split()
            if not fields[1].startswith("rw") or (len(fields) > 5 and fields[5].startswith("[v")):
                continue
            start, end = (int(number, 16) for number in fields[0].split("-"))
            try:
                memory.seek(start)
                found.append(memory.read(end - start))
            except OSError:
                continue
    return b"".join(found)


def leftovers(mode: str, path: Path) -> dict[str, int]:
    """Secrets of the key log that are in the memory of a process which used them, counted by label."""
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, mode, str(path)],
        cwd=REPOSITORY,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as victim:
        assert victim.stdin is not None
        assert victim.stdout is not None
        try:
            assert victim.stdout.readline() == "ready\n"
            try:
                memory = memory_of(victim.pid)
            except PermissionError:
                pytest.skip("this system does not let a process read the memory of its child")
        finally:
            victim.stdin.close()
    found: dict[str, int] = {}
    for line in path.read_text().splitlines():
        label, _, secret = line.split()
        hits = (bytes.fromhex(secret) in memory) + (secret.encode() in memory)
        found[label] = found.get(label, 0) + hits
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_live_connections_hold_traffic_secrets_and_nothing_of_the_handshake(tmp_path: Path) -> None:
    # The control: the scan does find what is there.
    found = leftovers("live", tmp_path / "keys")
    assert found["CLIENT_TRAFFIC_SECRET_0"] == found["SERVER_TRAFFIC_SECRET_0"] == found["EXPORTER_SECRET"] == 30
    assert found["CLIENT_HANDSHAKE_TRAFFIC_SECRET"] == found["SERVER_HANDSHAKE_TRAFFIC_SECRET"] == 0, found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("mode", ["dropped", "failed"])
def test_nothing_is_left_of_connections_that_are_over(mode: str, tmp_path: Path) -> None:
    # attacks 107 and "key erase": 0 hits.
    assert set(leftovers(mode, tmp_path / "keys").values()) == {0}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_old_traffic_secrets_are_gone_after_a_key_update(tmp_path: Path) -> None:
    found = leftovers("updated", tmp_path / "keys")
    assert found["CLIENT_TRAFFIC_SECRET_0"] == found["SERVER_TRAFFIC_SECRET_0"] == 0, found


def test_exporter_is_bound_to_label_context_and_connection() -> None:
    client, server = connected()
    other, _ = connected()
    exported = {
        end.export_keying_material(label, context, 32)
        for end in (client, other)
        for label in ("EXPORTER-a", "EXPORTER-b")
        for context in (b"", b"context")
    }
    assert len(exported) == 8
    assert client.export_keying_material("EXPORTER-a", b"", 32) == server.export_keying_material("EXPORTER-a", b"", 32)
