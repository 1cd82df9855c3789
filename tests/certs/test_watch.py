"""Hot reload: swaps are whole, bad files are refused and told, handshakes never see half a change."""

import datetime as dt
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, Issued, key_usage, make_ca
from tests.support.peers import pair
from tlscore import ClientConfig, FileWatcher, Identity, IdentityFile, ServerConfig, TrustFile, TrustStore, errors
from tlscore.handshake.plans import server_plan

NAME = "example.org"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_ca("Watched CA")


@pytest.fixture(scope="module")
def pairs(authority: Authority) -> list[Issued]:
    return [authority.issue(NAME, usage="server") for _ in range(2)]


@pytest.fixture
def client(authority: Authority) -> ClientConfig:
    return ClientConfig.simple(TrustStore.from_bytes(authority.pem), groups=("x25519",))


def put(path: Path, data: bytes) -> None:
    """Replace a file in one step, with another inode each time."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    os.replace(fresh, path)


def lay(folder: Path, issued: Issued) -> tuple[Path, Path]:
    chain, key = folder / "tls.crt", folder / "tls.key"
    put(chain, issued.chain_pem)
    put(key, issued.key_pem)
    return chain, key


def test_identity_file_swaps_and_new_handshakes_show_the_new_one(
    tmp_path: Path, pairs: list[Issued], client: ClientConfig
) -> None:
    swaps: list[Any] = []
    source = IdentityFile(*lay(tmp_path, pairs[0]), on_swap=swaps.append)
    server = ServerConfig.simple(source)
    assert pair(client, server)[0].peer_chain == pairs[0].chain_der
    assert not source.reload()
    lay(tmp_path, pairs[1])
    assert pair(client, server)[0].peer_chain == pairs[0].chain_der
    assert source.reload()
    assert (source.generation, swaps, source.last_error) == (1, [source], None)
    assert pair(client, server)[0].peer_chain == pairs[1].chain_der
    assert 29 < source.days_to_expiry() < 30
    assert "generation 1" in repr(source)


def test_bad_pair_is_refused_and_the_old_one_kept(tmp_path: Path, pairs: list[Issued], client: ClientConfig) -> None:
    failures: list[Any] = []
    chain, key = lay(tmp_path, pairs[0])
    source = IdentityFile(chain, key, on_error=failures.append)
    server = ServerConfig.simple(source)
    put(chain, pairs[1].chain_pem)
    for _ in range(3):
        assert not source.reload()
    assert isinstance(source.last_error, errors.ConfigError)
    assert source.last_error.code == "TLS-CONFIG-KEY_MISMATCH"
    assert failures == [source]  # once for one reason
    assert pair(client, server)[0].peer_chain == pairs[0].chain_der
    put(key, b"junk")
    assert not source.reload()
    assert failures == [source, source]
    key.unlink()
    assert not source.reload()
    put(key, pairs[1].key_pem)
    assert source.reload()
    assert source.last_error is None


def test_expired_certificate_does_not_replace_a_valid_one(
    tmp_path: Path, authority: Authority, pairs: list[Issued]
) -> None:
    old = authority.issue(NAME, days=1, not_before=dt.datetime.now(dt.UTC) - dt.timedelta(days=9))
    chain, key = lay(tmp_path, pairs[0])
    source = IdentityFile(chain, key)
    lay(tmp_path, old)
    assert not source.reload()
    assert "holds an expired certificate" in str(source.last_error)
    assert source.current.chain == pairs[0].chain_der


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (("digital_signature",), ("key_encipherment",), False),
        (("key_encipherment",), ("digital_signature",), False),
        (("digital_signature", "key_encipherment"), ("data_encipherment",), False),
        (("digital_signature", "key_encipherment"), ("key_encipherment",), False),
        (("digital_signature", "key_encipherment"), ("digital_signature",), True),
        (("key_encipherment",), ("digital_signature", "key_encipherment"), True),
        (("digital_signature",), ("digital_signature", "key_encipherment"), True),
    ],
)
def test_certificate_for_another_use_does_not_replace_one(
    tmp_path: Path, authority: Authority, first: tuple[str, ...], second: tuple[str, ...], taken: bool
) -> None:
    """RFC 9846 4.5.1.2, RFC 5246 7.4.2: without digitalSignature no handshake of the default tier would be left, and
    with nothing in common none at all; keyEncipherment alone goes as certificates are renewed."""
    old, new = (
        authority.issue(NAME, key="rsa2048", key_usage=False, extra=((key_usage(*bits), True),))
        for bits in (first, second)
    )
    source = IdentityFile(*lay(tmp_path, old))
    lay(tmp_path, new)
    assert source.reload() is taken
    assert source.current.chain == (new if taken else old).chain_der
    assert (source.last_error is None) is taken
    if not taken:
        assert "whose keyUsage allows" in str(source.last_error)


def test_server_goes_on_where_the_new_certificate_may_not_sign(
    tmp_path: Path, authority: Authority, client: ClientConfig
) -> None:
    """RFC 9846 4.5.1.2: the digitalSignature bit MUST be set; the handshakes after the swap say whether it is."""
    bits = ("digital_signature", "key_encipherment")
    old, new = (
        authority.issue(NAME, key="rsa2048", key_usage=False, extra=((key_usage(*kept), True),))
        for kept in (bits, bits[1:])
    )
    source = IdentityFile(*lay(tmp_path, old))
    server = ServerConfig.simple(source)
    lay(tmp_path, new)
    assert not source.reload()
    assert isinstance(source.last_error, errors.ConfigError)
    assert (source.last_error.code, source.last_error.section) == ("TLS-CONFIG-KEY_USAGE", "RFC 9846 4.5.1.2")
    assert pair(client, server)[0].peer_chain == old.chain_der


def test_wrong_start_is_an_error(tmp_path: Path, pairs: list[Issued]) -> None:
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        IdentityFile(tmp_path / "none.pem")
    with pytest.raises(errors.ConfigError, match="follows files"):
        IdentityFile(pairs[0].chain_pem.decode())
    with pytest.raises(errors.ConfigError, match="follows files"):
        IdentityFile(pairs[0].chain_pem)  # type: ignore[arg-type]


def test_every_loaded_identity_is_prepared(tmp_path: Path, pairs: list[Issued]) -> None:
    prepared: list[Identity] = []

    def prepare(one: Identity) -> Identity:
        prepared.append(one)
        return one

    source = IdentityFile(*lay(tmp_path, pairs[0]), prepare=prepare)
    lay(tmp_path, pairs[1])
    assert source.reload()
    assert [one.chain for one in prepared] == [one.chain_der for one in pairs]
    assert source.current is prepared[1]


def test_trust_file_swaps_and_refuses(tmp_path: Path, authority: Authority) -> None:
    other, failures = make_ca("Other"), list[Any]()
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    source = TrustFile(path, on_error=failures.append)
    path.write_bytes(other.pem)
    assert source.reload()
    assert source.store.names == (other.name_der,)
    path.write_bytes(b"")
    assert not source.reload()
    assert failures == [source]
    assert source.store.names == (other.name_der,)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.pem").write_bytes(authority.pem)
    directory = TrustFile(folder)
    (folder / "b.pem").write_bytes(other.pem)
    assert directory.reload()
    assert len(directory.store) == 2
    assert TrustFile(directory.store).store is directory.store


def test_watcher_sees_what_kubernetes_does(tmp_path: Path, pairs: list[Issued]) -> None:
    """Files that are links into `..data`, which is a link to a dated folder and is replaced in one step."""
    for number, one in enumerate(pairs):
        dated = tmp_path / f"..2026_{number}"
        dated.mkdir()
        lay(dated, one)
    data = tmp_path / "..data"
    data.symlink_to("..2026_0")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    source = IdentityFile(tmp_path / "tls.crt", tmp_path / "tls.key")
    watcher = FileWatcher(source)
    assert watcher.check() == 0
    fresh = tmp_path / "..data_tmp"
    fresh.symlink_to("..2026_1")
    os.replace(fresh, data)
    assert watcher.check() == 1
    assert source.current.chain == pairs[1].chain_der
    assert watcher.check() == 0


def test_watcher_tries_again_until_the_second_file_is_there(tmp_path: Path, pairs: list[Issued]) -> None:
    chain, key = lay(tmp_path, pairs[0])
    source = IdentityFile(chain, key)
    watcher = FileWatcher(source)
    put(chain, pairs[1].chain_pem)
    assert watcher.check() == 0
    assert source.last_error is not None
    put(key, pairs[1].key_pem)
    assert watcher.check() == 1
    assert source.last_error is None


def test_watcher_thread_is_a_daemon_that_stops(tmp_path: Path, pairs: list[Issued], authority: Authority) -> None:
    source = IdentityFile(*lay(tmp_path, pairs[0]))
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    store = TrustStore.from_file(path)
    swapped = threading.Event()
    source._on_swap = lambda _: swapped.set()
    with FileWatcher(source, store, interval=0.01) as watcher:
        assert watcher.running
        assert watcher.start() is watcher
        thread = watcher._thread
        assert thread is not None
        assert thread.daemon
        lay(tmp_path, pairs[1])
        assert swapped.wait(10)
        path.write_bytes(b"")
        until = time.monotonic() + 10
        while watcher.last_error is None and time.monotonic() < until:
            time.sleep(0.01)
        assert isinstance(watcher.last_error, errors.ConfigError)
    assert not watcher.running
    assert not thread.is_alive()
    watcher.stop()


def test_callback_that_raises_does_not_end_the_watch(tmp_path: Path, pairs: list[Issued]) -> None:
    def fails(_: Any) -> None:
        raise RuntimeError("in a callback")

    source = IdentityFile(*lay(tmp_path, pairs[0]), on_swap=fails)
    watcher = FileWatcher(source)
    lay(tmp_path, pairs[1])
    watcher.check()
    assert str(watcher.last_error) == "in a callback"
    assert source.current.chain == pairs[1].chain_der


@pytest.mark.parametrize("interval", [0, -1, "1", True, float("nan")])
def test_watcher_refuses_what_it_cannot_do(interval: Any) -> None:
    with pytest.raises(errors.ConfigError, match="Give seconds above 0"):
        FileWatcher(interval=interval)
    with pytest.raises(errors.ConfigError, match="a str cannot be watched"):
        FileWatcher("ca.pem")  # type: ignore[arg-type]


def test_thousand_swaps_under_load_never_break_a_handshake(
    tmp_path: Path, pairs: list[Issued], client: ClientConfig
) -> None:
    """Identities swap 1,000 times while handshakes run in threads; every tenth time a bad pair is laid, and refused."""
    chain, key = lay(tmp_path, pairs[0])
    source = IdentityFile(chain, key)
    server = ServerConfig.simple(source)
    known = {one.chain_der for one in pairs}
    stop, failures, done = threading.Event(), list[BaseException](), list[tuple[bytes, ...]]()

    def handshakes() -> None:
        try:
            while not stop.is_set():
                done.append(pair(client, server)[0].peer_chain)
        except BaseException as failure:
            failures.append(failure)

    # Reading a file gives the interpreter away; at the usual 5 ms a thread it would come back too seldom for a test.
    usual = sys.getswitchinterval()
    sys.setswitchinterval(2e-4)
    threads = [threading.Thread(target=handshakes) for _ in range(2)]
    for thread in threads:
        thread.start()
    refused = 0
    try:
        for number in range(1, 1001):
            if number % 10 == 0:
                put(key, pairs[number % 2 ^ 1].key_pem if number % 20 else b"half a fi")
                put(chain, pairs[number % 2].chain_pem)
                refused += not source.reload()
            lay(tmp_path, pairs[number % 2])
            assert source.reload()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(usual)
    assert failures == []
    assert source.generation == 1000
    assert refused == 100
    assert set(done) == known
    assert len(done) > 50
    assert len(server_plan(server)._certificates) <= 64


def test_identity_file_stands_wherever_an_identity_does(
    tmp_path: Path, authority: Authority, pairs: list[Issued]
) -> None:
    source = IdentityFile(*lay(tmp_path, pairs[0]))
    rsa = authority.issue("rsa.example", key="rsa2048")
    fixed = Identity(rsa.chain, rsa.key)
    config = ServerConfig(identities=[source, fixed], names={"alias.example": source})
    assert config.current_identities == (source.current, fixed)
    assert config.identities_for("alias.example") == (source.current,)
    assert config.identities_for(NAME) == (source.current,)
    assert ServerConfig.simple([source, fixed]).identities == (source, fixed)
    assert ClientConfig.mutual(TrustStore.from_bytes(authority.pem), identity=source).current_identities
