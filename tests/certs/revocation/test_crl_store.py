"""The store of CRLs: files and directories, reloaded in place, never half."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, Issued, make_ca
from tests.support.revocation import NOW, crl_pem, make_crl
from tlscore.certs.revocation import CrlStore, Revocation, check
from tlscore.errors import ConfigError


def outcome(leaf: Issued, root: Authority, store: CrlStore) -> str:
    found = check((*leaf.chain, root.certificate), NOW, Revocation(store=store, mode="require"))[0]
    return found.code or found.outcome


def replace(path: Path, data: bytes) -> None:
    """Put a file in place as careful programs do."""
    new = path.with_suffix(".new")
    new.write_bytes(data)
    os.replace(new, path)


def test_files_directories_and_bytes_go_together(tmp_path: Path, root: Authority, leaf: Issued) -> None:
    (tmp_path / "a.crl").write_bytes(make_crl(make_ca("A")))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.pem").write_bytes(crl_pem(make_crl(root)))
    (folder / "0a1b2c3d.r0").write_bytes(make_crl(make_ca("B")))
    (folder / "README").write_text("no CRL")
    (folder / "c.pem").write_bytes(root.pem)
    store = CrlStore(tmp_path / "a.crl", folder, [make_crl(make_ca("C")), crl_pem(make_crl(make_ca("D"))).decode()])
    assert len(store.crls) == 5
    assert list(store.problems) == [str(folder / "c.pem")]
    assert outcome(leaf, root, store) == "pass"
    assert "5 CRLs of 5 issuers" in repr(store)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN X509 CRL-----\nAAAA\n", b"0\x82", b"-----BEGIN X509 CRL-----\n!"])
def test_a_named_file_must_hold_a_crl(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "ca.crl"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="gives no CRL") as caught:
        CrlStore(path)
    assert str(path) in str(caught.value)
    with pytest.raises(ConfigError):
        CrlStore(tmp_path / "missing.crl")
    with pytest.raises(ConfigError):
        CrlStore(directory=tmp_path / "missing")


def test_a_new_list_is_in_force_without_a_restart(tmp_path: Path, root: Authority, leaf: Issued) -> None:
    path = tmp_path / "ca.crl"
    path.write_bytes(make_crl(root))
    store = CrlStore(path, check_seconds=0)
    before = store.generation
    assert outcome(leaf, root, store) == "pass"
    assert store.generation == before
    replace(path, make_crl(root, [leaf.certificate], number=2))
    assert outcome(leaf, root, store) == "TLS-REVOKED"
    assert store.generation == before + 1


def test_files_are_looked_at_only_so_often(tmp_path: Path, root: Authority, leaf: Issued) -> None:
    path, clock = tmp_path / "ca.crl", [0.0]
    path.write_bytes(make_crl(root))
    store = CrlStore(path, check_seconds=5, monotonic=lambda: clock[0])
    replace(path, make_crl(root, [leaf.certificate], number=2))
    clock[0] = 4.9
    assert outcome(leaf, root, store) == "pass"
    clock[0] = 5.0
    assert outcome(leaf, root, store) == "TLS-REVOKED"


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
@pytest.mark.parametrize("pem", [False, True])
def test_a_half_written_file_is_refused_and_the_old_list_kept(
    tmp_path: Path, root: Authority, leaf: Issued, cut: int, pem: bool
) -> None:
    path = tmp_path / "ca.crl"
    path.write_bytes(make_crl(root, [leaf.certificate]))
    store = CrlStore(path, check_seconds=0)
    new = make_crl(root, number=2)
    path.write_bytes((crl_pem(new).rstrip() if pem else new)[:cut])
    assert outcome(leaf, root, store) == "TLS-REVOKED"
    assert str(path) in store.problems
    path.unlink()
    assert outcome(leaf, root, store) == "TLS-REVOKED"
    path.write_bytes(new)
    assert outcome(leaf, root, store) == "pass"
    assert not store.problems


def test_a_directory_follows_what_comes_and_goes(tmp_path: Path, root: Authority, leaf: Issued) -> None:
    store = CrlStore(directory=tmp_path, check_seconds=0)
    assert outcome(leaf, root, store) == "TLS-CRL_MISSING"
    (tmp_path / "ca.crl").write_bytes(make_crl(root))
    assert outcome(leaf, root, store) == "pass"
    (tmp_path / "ca.crl").unlink()
    assert outcome(leaf, root, store) == "TLS-CRL_MISSING"


def test_reload_says_whether_anything_changed(tmp_path: Path, root: Authority) -> None:
    path = tmp_path / "ca.crl"
    path.write_bytes(make_crl(root))
    store = CrlStore(path, check_seconds=3600)
    assert not store.reload()
    replace(path, make_crl(root, number=2))
    assert store.reload()
    assert store.crls[0].number == 2


def test_lookups_under_load_see_the_old_or_the_new_list(tmp_path: Path, root: Authority, leaf: Issued) -> None:
    path = tmp_path / "ca.crl"
    lists = [make_crl(root, number=1), make_crl(root, [leaf.certificate], number=2)]
    path.write_bytes(lists[0])
    store = CrlStore(path, check_seconds=0)
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(outcome(leaf, root, store))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(12):
        replace(path, lists[turn % 2])
        store.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert seen <= {"pass", "TLS-REVOKED"}


def test_the_newest_list_is_asked_first(root: Authority, leaf: Issued) -> None:
    store = CrlStore(data=[make_crl(root, [leaf.certificate], number=1), make_crl(root, number=2)])
    assert outcome(leaf, root, store) == "pass"


def test_a_policy_can_be_pickled_and_finds_its_files_again(tmp_path: Path, root: Authority, leaf: Issued) -> None:
    path = tmp_path / "ca.crl"
    path.write_bytes(make_crl(root, [leaf.certificate]))
    given = Revocation.crl(files=path, mode="require", issuers=root.pem)
    policy: Any = pickle.loads(pickle.dumps(given))
    assert policy.issuers == (root.certificate,)
    assert outcome(leaf, root, policy.store) == "TLS-REVOKED"
    assert policy.as_dict()["crls"] == 1
