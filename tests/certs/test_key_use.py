"""What keyUsage lets a key be used for: in what peers show, in what we show, and in the configurations that show it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from tests.support import standing
from tests.support.certificates import Issued, key_usage, make_key
from tests.support.legacy import BOTH, ENCRYPTS, SIGNS, identity, issued
from tests.support.peers import failure, pair
from tests.support.standing import NAME
from tests.support.tools import require_tool
from tlscore import ClientConfig, ConfigError, Identity, ServerConfig, errors
from tlscore.certs import key_use, memory, verify
from tlscore.certs.key_use import KeyUse
from tlscore.certs.names import ServerName

SIGNATURE: KeyUse = "digitalSignature"
ENCIPHERMENT: KeyUse = "keyEncipherment"
HOST = ServerName.parse(NAME)


def leaf(key: str, *bits: str) -> Issued:
    return standing.authority().issue(NAME, key=make_key(key), key_usage=False, extra=((key_usage(*bits), True),))


def check(own: Issued, use: KeyUse) -> verify.ChainVerified:
    return verify.verify_server(own.chain_der, standing.trust(), HOST, key_use=use)


# -- what certificates say ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "bits", "expected"),
    [
        ("rsa2048", BOTH, (SIGNATURE, ENCIPHERMENT)),
        ("rsa2048", SIGNS, (SIGNATURE,)),
        ("rsa2048", ENCRYPTS, (ENCIPHERMENT,)),
        ("rsa2048", ("data_encipherment",), ()),
        ("p256", BOTH, (SIGNATURE,)),
        ("p256", ("key_agreement",), ()),
    ],
)
def test_uses_follow_key_usage_and_kind_of_key(key: str, bits: tuple[str, ...], expected: tuple[str, ...]) -> None:
    certificate = leaf(key, *bits).certificate
    assert key_use.uses(certificate) == expected


def test_without_key_usage_nothing_is_ruled_out() -> None:
    """RFC 5246 7.4.2: the bits MUST be set "if the key usage extension is present"."""
    assert key_use.uses(standing.authority().issue(NAME, key="rsa2048", key_usage=False).certificate) == (
        SIGNATURE,
        ENCIPHERMENT,
    )
    assert key_use.uses(standing.authority().issue(NAME, key_usage=False).certificate) == (SIGNATURE,)


def test_pss_keys_only_sign(tmp_path: Path) -> None:
    """RFC 8017 leaves encryption to keys under the OID rsaEncryption."""
    path = tmp_path / "pss.pem"
    command = ("req", "-x509", "-newkey", "RSA-PSS", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=x", "-out", path)
    usage = ("-addext", "keyUsage=digitalSignature,keyEncipherment")
    subprocess.run([require_tool("openssl"), *command, *usage], check=True, capture_output=True, timeout=60)
    assert key_use.uses(x509.load_pem_x509_certificate(path.read_bytes())) == (SIGNATURE,)


# -- what peers show ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "use"), [(SIGNS, SIGNATURE), (ENCRYPTS, ENCIPHERMENT), (BOTH, ENCIPHERMENT)])
def test_leaf_that_may_be_used_so_is_accepted(bits: tuple[str, ...], use: KeyUse) -> None:
    found = check(leaf("rsa2048", *bits), use)
    assert found.authenticated
    assert found.report.ok


@pytest.mark.parametrize(("bits", "use"), [(SIGNS, ENCIPHERMENT), (ENCRYPTS, SIGNATURE), (("crl_sign",), SIGNATURE)])
def test_leaf_that_may_not_be_used_so_is_refused(bits: tuple[str, ...], use: KeyUse) -> None:
    """RFC 5246 7.4.2, RFC 9846 4.5.1.2: each use has its bit, and no bit stands for another."""
    with pytest.raises(errors.UnsupportedCertificate, match=f"without {use}.*keyUsage = {use}") as refused:
        check(leaf("rsa2048", *bits), use)
    assert refused.value.section == ("RFC 5246 7.4.2" if use == ENCIPHERMENT else "RFC 9846 4.5.1.2")
    report = verify.examine(leaf("rsa2048", *bits).chain_der, standing.trust(), HOST, key_use=use)
    assert [one.name for one in report.checks if one.outcome == "fail"] == ["key_usage"]


@pytest.mark.parametrize("usage", [True, False])
def test_key_that_only_signs_is_of_the_wrong_kind_to_encrypt_to(usage: bool) -> None:
    """RFC 5246 7.4.2: the public key MUST be compatible with the key exchange, whatever the bits say."""
    for own in (leaf("p256", *BOTH), standing.authority().issue(NAME, key="ed25519", key_usage=usage)):
        with pytest.raises(errors.IllegalParameter, match="key that only signs") as refused:
            check(own, ENCIPHERMENT)
        assert refused.value.code == "TLS-WRONG_CERTIFICATE_KIND"
        assert check(own, SIGNATURE).authenticated


def test_remembered_chain_is_good_for_its_use_alone() -> None:
    memory.MEMORY.clear()
    for bits, good, bad in ((ENCRYPTS, ENCIPHERMENT, SIGNATURE), (SIGNS, SIGNATURE, ENCIPHERMENT)):
        own = leaf("rsa2048", *bits)
        for _ in range(2):
            check(own, good)
            with pytest.raises(errors.UnsupportedCertificate):
                check(own, bad)


def test_clients_always_sign() -> None:
    """RFC 5246 7.4.6: the certificate MUST allow the key to be used for signing."""
    with pytest.raises(errors.UnsupportedCertificate, match="without digitalSignature"):
        verify.verify_client(leaf("rsa2048", *ENCRYPTS).chain_der, standing.trust())


# -- what we show ------------------------------------------------------------------------------------------------------


def test_identity_that_may_not_sign_has_no_schemes() -> None:
    own = identity("rsa2048", ENCRYPTS)
    assert (own.uses, own.schemes, own.schemes12, own.kind) == ((ENCIPHERMENT,), (), (), "RSA")
    assert [one.code for one in own.notes] == ["TLS-NOTE-KEY_USAGE"]
    assert "RSA key exchange" in own.notes[0].text
    assert identity("rsa2048", SIGNS).schemes == identity("rsa2048").schemes != ()


@pytest.mark.parametrize("versions", ["1.3", "1.2", ("1.3", "1.2")])
def test_server_passes_over_an_identity_that_may_not_sign(versions: str) -> None:
    """RFC 9846 4.5.1.2, RFC 5246 7.4.2: the digitalSignature bit MUST be set."""
    config = ServerConfig.simple((identity("rsa2048", ENCRYPTS), identity("p256")), versions=versions)
    client = ClientConfig.simple(standing.trust(), groups=("x25519", "secp256r1"))
    assert pair(client, config, NAME)[0].peer_chain == identity("p256").chain


@pytest.mark.parametrize(("versions", "suite"), [("1.3", ""), ("1.2", "RSA"), ("1.2", "ECDSA")])
def test_resolver_that_gives_an_identity_that_may_not_sign(versions: str, suite: str) -> None:
    """The one fault that no configuration can see in advance ends the handshake, and says what it is."""
    config = ServerConfig.simple(
        identity("p256"), versions=versions, resolver=lambda hello: identity("rsa2048", ENCRYPTS)
    )
    suites = {"suites": (f"TLS_ECDHE_{suite}_WITH_AES_128_GCM_SHA256",)} if suite else {}
    client = ClientConfig.simple(standing.trust(), versions=versions, groups=("x25519", "secp256r1"), **suites)
    server = config.connection()
    error = failure(server.receive, client.connection(NAME).data_to_send())
    assert type(error) is errors.HandshakeFailure
    assert ("digitalSignature" in str(error)) is (suite != "ECDSA")


def test_client_passes_over_an_identity_that_may_not_sign() -> None:
    """RFC 5246 7.4.6: the certificate MUST allow the key to be used for signing, and so in TLS 1.3."""
    good = identity("p256")
    mine = ClientConfig.mutual(standing.trust(), identity=(identity("rsa2048", ENCRYPTS), good))
    theirs = ServerConfig.mutual(standing.identity(), client_trust=standing.trust())
    for versions in ("1.3", "1.2"):
        _, server = pair(mine.replace(versions=versions), theirs, NAME)
        assert server.peer_chain == good.chain


@pytest.mark.parametrize("key", ["rsa2048", "p256"])
def test_configuration_whose_identities_may_not_sign_is_refused(key: str) -> None:
    """RFC 9846 4.5.1.2, RFC 5246 7.4.2: without the digitalSignature bit no peer would take it."""
    own = identity(key, ("key_agreement",) if key == "p256" else ENCRYPTS)
    for build in (
        lambda: ServerConfig.simple(own),
        lambda: ServerConfig.simple((own, own), versions="1.2"),
        lambda: ServerConfig(names={"a.example": own}),
        lambda: ClientConfig.mutual(standing.trust(), identity=own),
    ):
        with pytest.raises(
            ConfigError, match=r"may sign a handshake: identity 1 \(CN=example\.org\) has a key"
        ) as found:
            build()
        assert found.value.code == "TLS-CONFIG-KEY_USAGE"
        assert "keyUsage = digitalSignature" in found.value.remedy


def test_ssl_context_refuses_a_chain_that_may_not_sign(tmp_path: Path) -> None:
    from tlscore import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ssl.SSLError, match="digitalSignature"):
        context.load_cert_chain(*issued("rsa2048", ENCRYPTS).write(tmp_path))
    context.load_cert_chain(*issued("rsa2048", SIGNS).write(tmp_path, "good"))


def test_signer_that_may_not_sign_is_never_asked() -> None:
    class Signer:
        def sign(self, scheme: int, data: bytes) -> bytes:
            raise AssertionError("asked")

    own = Identity.from_signer(issued("rsa2048", ENCRYPTS).chain_pem, Signer())
    assert own.schemes == own.schemes12 == ()
    with pytest.raises(ConfigError, match="may sign"):
        ServerConfig.simple(own)
