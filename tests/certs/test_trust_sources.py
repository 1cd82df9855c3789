"""Where trust comes from: directories, containers, pins, unions, the system; and that it reloads in one piece."""

import os
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs7, pkcs12

from tests.support.certificates import make_ca
from tests.support.counting import counted
from tests.support.peers import pair, pump
from tlscore import ClientConfig, Identity, ServerConfig, errors
from tlscore.certs import trust_sources, trust_store
from tlscore.certs.trust_store import TrustStore

ONE, TWO, THREE = make_ca("One"), make_ca("Two"), make_ca("Three")


def spki(authority: Any) -> bytes:
    return trust_sources.spki_pin(authority.certificate)


def test_directory_of_plain_files_passes_over_what_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_bytes(ONE.pem)
    (tmp_path / "two.der").write_bytes(TWO.der)
    (tmp_path / "README").write_text("certificates of the house")
    (tmp_path / "empty.pem").write_bytes(b"")
    (tmp_path / ".hidden.pem").write_bytes(THREE.pem)
    (tmp_path / "folder").mkdir()
    store = TrustStore.from_directory(tmp_path)
    assert set(store.names) == {ONE.name_der, TWO.name_der}
    assert TrustStore.from_directory(str(tmp_path)).certificates is store.certificates


def test_hashed_directory_counts_each_file_once(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    for name, one in (("one.pem", ONE), ("two.pem", TWO)):
        (tmp_path / name).write_bytes(one.pem)
    subprocess.run([require_tool("openssl"), "rehash", str(tmp_path)], check=True, capture_output=True)
    assert any(path.name.endswith(".0") for path in tmp_path.iterdir())
    assert len(TrustStore.from_directory(tmp_path)) == 2


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path / "none", "trust directory .*none' cannot be read: No such file"),
        (lambda path: path, "is empty: no chain could ever be verified"),
    ],
)
def test_missing_and_empty_directories_are_refused(make: Callable[[Path], Path], text: str, tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match=text):
        TrustStore.from_directory(make(tmp_path))


def test_damaged_certificate_in_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_bytes(ONE.pem)
    (tmp_path / "bad.pem").write_bytes(TWO.pem.replace(b"M", b"!", 1))
    with pytest.raises(errors.ConfigError, match=r"bad\.pem, PEM block 1.*damaged"):
        TrustStore.from_directory(tmp_path)


def test_containers_are_trust_stores(tmp_path: Path) -> None:
    both = [ONE.certificate, TWO.certificate]
    bundle = tmp_path / "cas.p7b"
    bundle.write_bytes(pkcs7.serialize_certificates(both, Encoding.DER))
    assert set(TrustStore.from_file(bundle).certificates) == set(both)
    assert len(TrustStore.from_bytes(pkcs7.serialize_certificates(both, Encoding.PEM))) == 2
    store = tmp_path / "cas.p12"
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(None, None, None, both, BestAvailableEncryption(b"changeit"))
    )
    assert set(TrustStore.from_file(store, password="changeit").certificates) == set(both)
    for read in (lambda: TrustStore.from_file(store), lambda: TrustStore.from_bytes(store.read_bytes())):
        with pytest.raises(errors.ConfigError, match="no password was given"):
            read()


def test_union_holds_the_anchors_of_all_and_reloads_them(tmp_path: Path) -> None:
    path = tmp_path / "cas.pem"
    path.write_bytes(ONE.pem)
    union = TrustStore.from_file(path) | TrustStore.from_bytes(TWO.pem)
    assert union == TrustStore.union(TrustStore.from_bytes(ONE.pem), TrustStore.from_bytes(TWO.pem))
    path.write_bytes(ONE.pem + THREE.pem)
    assert union.reload()
    assert set(union.names) == {ONE.name_der, TWO.name_der, THREE.name_der}
    assert union.generation == 1
    with pytest.raises(TypeError):
        union | "ca.pem"  # type: ignore[operator]
    with pytest.raises(errors.ConfigError, match="union takes trust stores, not str"):
        TrustStore.union("ca.pem")  # type: ignore[arg-type]


def test_unions_of_octets_never_share_what_differs() -> None:
    first = TrustStore.from_bytes(ONE.pem) | TrustStore.from_bytes(TWO.pem)
    second = TrustStore.from_bytes(ONE.pem) | TrustStore.from_bytes(THREE.pem)
    assert first != second
    assert set(second.names) == {ONE.name_der, THREE.name_der}


def test_union_with_a_public_store_is_public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle.crt"
    path.write_bytes(ONE.pem)
    monkeypatch.setattr(trust_store, "SYSTEM_BUNDLES", (str(path),))
    assert (TrustStore.system() | TrustStore.from_bytes(TWO.pem)).is_system
    assert not (TrustStore.from_bytes(ONE.pem) | TrustStore.from_bytes(TWO.pem)).is_system


# -- pins --


@pytest.mark.parametrize("form", ["octets", "hex", "colons", "base64", "curl"])
def test_pins_are_taken_in_every_usual_form(form: str) -> None:
    import base64

    pin = spki(ONE)
    text = {
        "octets": pin,
        "hex": pin.hex().upper(),
        "colons": ":".join(f"{octet:02x}" for octet in pin),
        "base64": base64.b64encode(pin).decode(),
        "curl": "sha256/" + base64.b64encode(pin).decode(),
    }[form]
    store = TrustStore.pinned(text)
    assert store.pins == {pin}
    assert len(store) == 1
    assert store.names == ()
    assert pickle.loads(pickle.dumps(store)) == store


@pytest.mark.parametrize("wrong", ["", "ab", "zz" * 32, b"short", "sha256/AAAA", 5])
def test_what_is_no_pin_is_refused(wrong: Any) -> None:
    with pytest.raises(errors.ConfigError, match="is no SHA-256 fingerprint of a public key"):
        TrustStore.pinned(wrong)
    with pytest.raises(errors.ConfigError, match="0 pinned keys is empty"):
        TrustStore.pinned()


def test_pinned_key_of_leaf_or_ca_is_an_anchor_and_the_name_still_counts() -> None:
    ca = make_ca("Pinned CA").intermediate("Middle")
    issued = ca.issue("example.org", usage="server")
    server = ServerConfig.simple(Identity(issued.chain, issued.key))
    for pinned in (issued, ca):
        config = ClientConfig.simple(TrustStore.pinned(spki(pinned)))
        client, _ = pair(config, server)
        assert client.authenticated
        with pytest.raises(errors.BadCertificate):
            pump(config.connection("other.example"), server.connection())
    with pytest.raises(errors.UnknownCa):
        pair(ClientConfig.simple(TrustStore.pinned(spki(ONE))), server)


# -- system, certifi --


def test_certifi_is_a_public_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "cacert.pem"
    path.write_bytes(ONE.pem)
    module: Any = types.ModuleType("certifi")
    module.where = lambda: str(path)
    monkeypatch.setitem(sys.modules, "certifi", module)
    store = TrustStore.certifi()
    assert store.is_system
    assert store.names == (ONE.name_der,)
    monkeypatch.setitem(sys.modules, "certifi", None)
    with pytest.raises(errors.ConfigError, match=r"certifi is not installed.*pip install certifi"):
        TrustStore.certifi()


def test_system_directory_is_taken_where_no_bundle_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.pem").write_bytes(ONE.pem)
    monkeypatch.setattr(trust_store, "SYSTEM_BUNDLES", (str(tmp_path / "none"),))
    monkeypatch.setattr(trust_store, "SYSTEM_DIRECTORIES", (str(tmp_path / "nowhere"), str(tmp_path)))
    assert TrustStore.system().is_system
    assert TrustStore.system().names == (ONE.name_der,)


def test_windows_takes_roots_that_are_trusted_for_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on Windows: what its interface would give."""
    import ssl

    entries = [
        (ONE.der, "x509_asn", True),
        (TWO.der, "x509_asn", {"1.3.6.1.5.5.7.3.1"}),
        (THREE.der, "x509_asn", {"1.3.6.1.5.5.7.3.4"}),
        (b"...", "pkcs_7_asn", True),
    ]
    monkeypatch.setattr(ssl, "enum_certificates", lambda store: entries, raising=False)
    monkeypatch.setattr(trust_sources.sys, "platform", "win32")
    monkeypatch.setattr(trust_sources, "_shared", {})
    assert TrustStore.system().names == (ONE.name_der, TWO.name_der)


def test_macos_takes_what_security_exports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not on macOS: what its program would print."""
    keychain = tmp_path / "roots.keychain"
    keychain.write_bytes(b"")
    monkeypatch.setattr(trust_sources, "_MACOS_KEYCHAINS", (str(keychain),))
    monkeypatch.setattr(trust_sources.sys, "platform", "darwin")
    monkeypatch.setattr(trust_sources, "_shared", {})
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        ran.append(command)
        return types.SimpleNamespace(stdout=ONE.pem + TWO.pem)

    monkeypatch.setattr(subprocess, "run", run)
    assert TrustStore.system().names == (ONE.name_der, TWO.name_der)
    assert ran == [["/usr/bin/security", "find-certificate", "-a", "-p", str(keychain)]]


# -- reload and cost --


def test_reload_swaps_the_set_and_keeps_the_old_one_where_the_new_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "cas.pem"
    path.write_bytes(ONE.pem)
    store = TrustStore.from_file(path)
    held = store.anchors
    config = ClientConfig.simple(store)
    before = hash(config)
    assert not store.reload()
    assert store.generation == 0
    path.write_bytes(TWO.pem)
    assert store.reload()
    assert store.generation == 1
    assert store.names == (TWO.name_der,)
    assert held.certificates == (ONE.certificate,)
    assert hash(config) == before
    for bad in (b"", b"junk", ONE.pem[:-30]):
        path.write_bytes(bad)
        with pytest.raises(errors.ConfigError):
            store.reload()
        assert store.names == (TWO.name_der,)
        assert store.generation == 1
    path.unlink()
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        store.reload()
    assert not TrustStore.from_bytes(ONE.pem).reload()


def test_new_handshakes_trust_what_was_reloaded(tmp_path: Path) -> None:
    issued, other = (ca.issue("example.org", usage="server") for ca in (ONE, TWO))
    path = tmp_path / "cas.pem"
    path.write_bytes(ONE.pem)
    store = TrustStore.from_file(path)
    config = ClientConfig.simple(store, send_certificate_authorities=True)
    old, new = (ServerConfig.simple(Identity(one.chain, one.key)) for one in (issued, other))
    assert pair(config, old)[0].authenticated
    path.write_bytes(TWO.pem)
    store.reload()
    assert config.certificate_authorities == (TWO.name_der,)
    assert pair(config, new)[0].authenticated
    # What was remembered of the old trust is no trust any more.
    with pytest.raises(errors.UnknownCa):
        pair(config, old)


def test_reloaded_trust_for_clients_is_what_certificate_request_lists(tmp_path: Path) -> None:
    path = tmp_path / "clients.pem"
    path.write_bytes(ONE.pem)
    store = TrustStore.from_file(path)
    issued = THREE.issue("example.org", usage="server")
    server = ServerConfig.mutual(Identity(issued.chain, issued.key), client_trust=store)
    own = [ca.issue("client.example", usage="client") for ca in (ONE, TWO)]
    identities = [Identity(one.chain, one.key) for one in own]
    client = ClientConfig.mutual(TrustStore.from_bytes(THREE.pem), identity=identities)
    for ca, shown in ((ONE, own[0]), (TWO, own[1])):
        path.write_bytes(ca.pem)
        store.reload()
        assert pair(client, server)[1].peer_chain == shown.chain_der


@pytest.mark.skipif(
    not any(os.path.isfile(path) for path in trust_sources.SYSTEM_BUNDLES), reason="this machine has no CA bundle"
)
def test_second_store_of_the_system_reads_nothing() -> None:
    TrustStore.system()
    with counted() as made:
        TrustStore.system()
    assert len(made) < 30


def test_second_store_of_a_directory_reads_nothing(tmp_path: Path) -> None:
    for number in range(150):
        (tmp_path / f"{number}.pem").write_bytes(ONE.pem)
    with counted() as first:
        TrustStore.from_directory(tmp_path)
    with counted() as second:
        TrustStore.from_directory(tmp_path)
    assert len(first) > 150
    assert len(second) < 30
