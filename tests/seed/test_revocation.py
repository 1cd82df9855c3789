"""The statements of the requirement text about taking certificates back: S71, S74, S83 and S84, through handshakes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.certificates import Authority, Issued, make_ca
from tests.support.peers import failure, pair
from tests.support.revocation import DAY, NOW, UNKNOWN, crl_pem, entry, make_crl
from tlscore import ClientConfig, Identity, Revocation, ServerConfig, TrustStore, errors
from tlscore.iana import AlertDescription


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_ca("Enterprise CA")


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("example.org")


def handshake(authority: Authority, issued: Issued, revocation: Revocation | None) -> Any:
    """(client, server) where the client is content, the error that it ends with where it is not."""
    client = ClientConfig.simple(TrustStore.from_bytes(authority.pem), revocation=revocation)
    server = ServerConfig.simple(Identity.load(issued.chain_pem, issued.key_pem))
    try:
        return pair(client, server)
    except errors.AlertError as error:
        return error


def test_s71_compromised_key_is_revoked(authority: Authority, issued: Issued) -> None:
    stolen = entry(issued.certificate, x509.ReasonFlags.key_compromise)
    error = handshake(authority, issued, Revocation.crl(data=make_crl(authority, [stolen])))
    assert isinstance(error, errors.CertificateRevoked)
    assert error.alert == error.alert_sent == AlertDescription.certificate_revoked == 44
    assert "keyCompromise" in str(error)
    assert error.remedy


def test_s71_compromised_key_of_a_client_is_revoked(authority: Authority, issued: Issued) -> None:
    trust, identity = TrustStore.from_bytes(authority.pem), Identity.load(issued.chain_pem, issued.key_pem)
    revocation = Revocation.crl(data=make_crl(authority, [issued.certificate]))
    server = ServerConfig.mutual(identity, client_trust=trust, revocation=revocation)
    error = failure(pair, ClientConfig.mutual(trust, identity=identity), server)
    assert isinstance(error, errors.CertificateRevoked)


def test_s74_every_way_in_which_a_list_fails_is_told_apart(authority: Authority, issued: Issued) -> None:
    stranger = make_ca("Enterprise CA")
    lists = {
        "stale": make_crl(authority, this_update=NOW - 3 * DAY, next_update=NOW - DAY),
        "wrong issuer": make_crl(stranger),
        "bad signature": make_crl(authority)[:-3] + b"\0\0\0",
        "unknown critical extension": make_crl(authority, extra=((UNKNOWN, True),)),
        "unknown critical extension of an entry": make_crl(authority, [entry(1, extra=((UNKNOWN, True),))]),
        "revoked": make_crl(authority, [issued.certificate]),
    }
    found = {
        what: handshake(authority, issued, Revocation.crl(data=data, mode="require")) for what, data in lists.items()
    }
    found["missing"] = handshake(authority, issued, Revocation.stapled("require"))
    assert len({error.code for error in found.values()}) == len(found)
    assert len({str(error) for error in found.values()}) == len(found)
    # "unknown CA" or "expired" would send the peer to look for a fault where there is none.
    assert {what: error.alert for what, error in found.items() if error.alert != 46} == {"revoked": 44}
    for what, data in lists.items():
        soft = handshake(authority, issued, Revocation.crl(data=data, mode="best_effort"))
        assert isinstance(soft, errors.AlertError) is (what == "revoked")


def test_s83_lists_come_from_files_directories_and_bytes_and_are_reloaded(
    authority: Authority, issued: Issued, tmp_path: Path
) -> None:
    other = make_ca("Another CA")
    (tmp_path / "other.crl").write_bytes(make_crl(other))
    path = tmp_path / "ca.pem"
    path.write_bytes(crl_pem(make_crl(authority)))
    for given in ({"files": path}, {"directory": tmp_path}, {"data": path.read_bytes()}, {"data": make_crl(authority)}):
        revocation = Revocation.crl(**given, mode="require")
        assert handshake(authority, issued, revocation)[0].authenticated
    revocation = Revocation.crl(directory=tmp_path, mode="require")
    client = ClientConfig.simple(TrustStore.from_bytes(authority.pem), revocation=revocation)
    server = ServerConfig.simple(Identity.load(issued.chain_pem, issued.key_pem))
    assert pair(client, server)[0].authenticated
    new = tmp_path / "new"
    new.write_bytes(make_crl(authority, [issued.certificate], number=2))
    os.replace(new, path)
    assert revocation.store is not None
    assert revocation.store.reload()
    assert isinstance(failure(pair, client, server), errors.CertificateRevoked)


def test_s84_omission_is_explicit_and_visible(authority: Authority, issued: Issued) -> None:
    with pytest.raises(errors.ConfigError):
        Revocation.off(reason="")
    revocation = Revocation.off(reason="accounts are disabled in the directory")
    client, _ = handshake(authority, issued, revocation)
    assert client.authenticated
    chain = client._outcome.chain
    (shown,) = [one for one in chain.report.checks if one.name == "revocation"]
    assert (shown.outcome, shown.code) == ("skip", "TLS-REVOCATION_OFF")
    assert "accounts are disabled in the directory" in shown.text
