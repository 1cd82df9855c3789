"""Trust stores: sources, the cache by file, empty ones, equality."""

import os
import pickle
from pathlib import Path

import pytest

from tests.support.certificates import make_ca
from tlscore import errors
from tlscore.certs import trust_store
from tlscore.certs.trust_store import TrustStore

ONE, TWO = make_ca("One"), make_ca("Two")


def test_sources_give_equal_stores(tmp_path: Path) -> None:
    path = tmp_path / "cas.pem"
    path.write_bytes(b"# a comment\n" + ONE.pem + b"text between\n" + TWO.pem + ONE.pem)
    stores = [
        TrustStore.from_file(path),
        TrustStore.from_file(str(path)),
        TrustStore.from_bytes(ONE.pem + TWO.pem),
        TrustStore.from_certificates([ONE.certificate, TWO.der]),
    ]
    assert all(store.names == (ONE.name_der, TWO.name_der) for store in stores)
    assert len({*stores[2:]}) == 1
    assert stores[2] != TrustStore.from_bytes(ONE.der)
    assert pickle.loads(pickle.dumps(stores[0])) == stores[0]
    assert not stores[0].is_system


def test_file_is_parsed_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "cas.pem"
    path.write_bytes(ONE.pem)
    first = TrustStore.from_file(path)
    assert TrustStore.from_file(path).certificates is first.certificates
    path.write_bytes(ONE.pem + TWO.pem)
    os.utime(path, ns=(1, 1))
    assert len(TrustStore.from_file(path)) == 2
    assert len(first) == 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty|it is empty"),
        (b"junk", "neither PEM nor DER"),
        (b"-----BEGIN X-----\n-----END X-----\n", "PEM with X"),
    ],
)
def test_store_without_certificates_is_refused(data: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "cas.pem"
    path.write_bytes(data)
    with pytest.raises(errors.ConfigError, match=text):
        TrustStore.from_file(path)
    with pytest.raises(errors.ConfigError):
        TrustStore.from_bytes(data)


def test_empty_list_and_wrong_types_are_refused() -> None:
    with pytest.raises(errors.ConfigError, match="is empty: no chain could ever be verified"):
        TrustStore.from_certificates([])
    with pytest.raises(errors.ConfigError, match="holds certificates, not str"):
        TrustStore.from_certificates(["ca.pem"])  # type: ignore[list-item]
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        TrustStore.from_file("/nowhere/ca.pem")


def test_system_store_is_the_first_bundle_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle.crt"
    path.write_bytes(ONE.pem)
    monkeypatch.setattr(trust_store, "SYSTEM_BUNDLES", (str(tmp_path / "none"), str(path)))
    assert TrustStore.system().is_system
    assert TrustStore.system().names == (ONE.name_der,)


def test_system_store_ignores_the_environment_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle.crt"
    path.write_bytes(ONE.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setattr(trust_store, "SYSTEM_BUNDLES", (str(tmp_path / "none"),))
    monkeypatch.setattr(trust_store, "SYSTEM_DIRECTORIES", ())
    with pytest.raises(errors.ConfigError, match=r"SSL_CERT_FILE is set, but not honoured.*ca-certificates"):
        TrustStore.system()
