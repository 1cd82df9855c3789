"""D3 and D4 in the legacy tier: a text for each cause, and the one change, which is made here and connects."""

import re

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support import standing
from tests.support.legacy import client, identity, quiet, server, tier
from tests.support.peers import failure, pump
from tests.support.peers_legacy import RawLegacyClient
from tlscore import Identity, ServerConfig, errors
from tlscore.iana import CipherSuite, ExtensionType, NamedGroup, SignatureScheme
from tlscore.suites import suite
from tlscore.wire import SignatureAlgorithms, SupportedGroups

RSA_CBC, RSA_GCM = "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_128_GCM_SHA256"
DHE_CBC, DHE_GCM = "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"
ECDHE_CBC, ECDHE_GCM = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
ECDSA_CBC = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"


def meet(theirs, ours):
    """The server's error; None where the two connect."""
    ends = theirs.connection(standing.NAME), ours.connection()
    try:
        ends[1].receive(ends[0].data_to_send())
    except errors.TlsError as error:
        return error
    pump(*ends)
    assert ends[0].handshake_complete
    return None


def attempt(version, offered, accepted, key="rsa2048", groups=None, own=None, own_groups=None, **own_settings):
    """What a server of the tier makes of a client of the tier."""
    limits = {} if groups is None else {"groups": groups}
    own_limits = {} if own_groups is None else {"groups": own_groups}
    allowed = tier(versions=version, suites=accepted, **own_settings)
    config = server(allowed, key, **own_limits) if own is None else quiet(ServerConfig.simple, own, legacy=allowed)
    return meet(client(tier(versions=version, suites=offered), **limits), config)


def failure_of(*arguments, **settings):
    error = attempt(*arguments, **settings)
    assert isinstance(error, errors.HandshakeFailure)
    assert "can be served: " in error.cause
    return error


def signing_only():
    """An RSA identity that may sign and not be encrypted to."""
    issued = standing.authority().issue(standing.NAME, key="rsa2048")
    return Identity.load(issued.chain_pem, issued.key_pem)


# -- three causes, three texts -----------------------------------------------------------------------------------------


def test_wrong_kind_of_key():
    error = failure_of("1.1", (ECDHE_CBC,), (ECDHE_CBC, ECDSA_CBC), "p256")
    assert error.code == "TLS-NO_FITTING_CERTIFICATE"
    assert f"{ECDHE_CBC}: the certificate must be for an RSA key; ours is ECDSA" in error.cause
    assert error.remedy == f"add an identity with an RSA key to this server, or enable {ECDSA_CBC} at the client"
    assert "group" not in str(error)
    assert attempt("1.1", (ECDHE_CBC, ECDSA_CBC), (ECDHE_CBC, ECDSA_CBC), "p256") is None
    assert attempt("1.1", (ECDHE_CBC,), (ECDHE_CBC, ECDSA_CBC), ("p256", "rsa2048")) is None


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_wrong_group(version):
    error = failure_of(version, (ECDHE_CBC,), (ECDHE_CBC,), groups=("secp384r1",), own_groups=("x25519",))
    assert error.code == "TLS-NO_COMMON_GROUP"
    assert "no common group: the client's are secp384r1; ours are x25519" in error.cause
    assert error.remedy == "enable x25519 at the client, or add secp384r1 to groups of this server"
    both = ("x25519", "secp384r1")
    assert attempt(version, (ECDHE_CBC,), (ECDHE_CBC,), groups=both, own_groups=("x25519",)) is None
    assert attempt(version, (ECDHE_CBC,), (ECDHE_CBC,), groups=("secp384r1",), own_groups=both) is None


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_certificate_that_may_not_be_encrypted_to(version):
    """RFC 5246 7.4.2: the keyEncipherment bit MUST be set if the key usage extension is present."""
    error = failure_of(version, (RSA_CBC,), (RSA_CBC, ECDHE_CBC), own=signing_only())
    assert error.code == "TLS-NO_FITTING_CERTIFICATE"
    assert "our certificate, which has a keyUsage without keyEncipherment" in error.cause
    assert error.remedy.startswith("have the certificate issued with keyEncipherment in its keyUsage")
    assert error.remedy.endswith(f"or enable {ECDHE_CBC} at the client")
    assert "group" not in str(error)
    assert attempt(version, (RSA_CBC, ECDHE_CBC), (RSA_CBC, ECDHE_CBC), own=signing_only()) is None
    assert attempt(version, (RSA_CBC,), (RSA_CBC, ECDHE_CBC), own=identity("rsa2048")) is None


# -- the others --------------------------------------------------------------------------------------------------------


def test_suite_is_named_with_what_it_misses():
    """Each suite has its own cause; the remedy is that of the more secure one."""
    suites = (RSA_CBC, ECDHE_CBC, ECDSA_CBC)
    allowed = tier(versions="1.1", suites=suites)
    config = quiet(ServerConfig.simple, signing_only(), legacy=allowed, groups=("x25519",))
    error = meet(client(allowed, groups=("secp384r1",)), config)
    assert f"{RSA_CBC}: premaster secrets" in error.cause
    assert f"{ECDHE_CBC}: no common group" in error.cause
    assert error.remedy == "enable x25519 at the client, or add secp384r1 to groups of this server"


def test_curve_of_our_key():
    error = failure_of("1.1", (ECDSA_CBC,), (ECDSA_CBC,), "p256", groups=("x25519", "secp384r1"))
    assert error.code == "TLS-NO_FITTING_CERTIFICATE"
    assert "our key is on secp256r1, which the client's groups lack" in error.cause
    assert error.remedy == "enable secp256r1 at the client, or add an identity with a key on secp384r1 to this server"
    assert attempt("1.1", (ECDSA_CBC,), (ECDSA_CBC,), "p384", groups=("x25519", "secp384r1")) is None


def test_scheme_of_tls12():
    theirs = client(tier(versions="1.2", suites=(ECDHE_CBC,)), schemes=("rsa_pss_rsae_sha384",))
    ours = server(tier(versions="1.2", suites=(ECDHE_CBC,)), "rsa2048", schemes=("rsa_pkcs1_sha256",))
    error = meet(theirs, ours)
    assert error.code == "TLS-NO_COMMON_SCHEME"
    assert error.remedy == (
        "add rsa_pss_rsae_sha384 to schemes of this server, or enable rsa_pkcs1_sha256 at the client"
    )


def test_chain_signed_with_sha1():
    issued = standing.authority().issue(standing.NAME, key="rsa2048", key_usage=False)
    own = Identity.load(issued.chain_pem, issued.key_pem)
    own.signed_with = (frozenset((SignatureScheme.rsa_pkcs1_sha1,)),)
    error = failure_of("1.2", (RSA_CBC,), (RSA_CBC,), own=own)
    assert "is signed with SHA-1, which the client does not take" in error.cause
    assert "issued anew" in error.remedy


def test_identities_that_miss_one_thing_each():
    """One is on a curve that the client lacks, the other has a chain that it does not take."""
    issued = standing.authority().issue(standing.NAME, key="p384", key_usage=False)
    other = Identity.load(issued.chain_pem, issued.key_pem)
    other.signed_with = (frozenset((SignatureScheme.rsa_pkcs1_sha1,)),)
    only = tier(versions="1.2", suites=(ECDSA_CBC,))
    config = quiet(ServerConfig.simple, (identity("p256"), other), legacy=only)
    error = meet(client(only, groups=("secp384r1",)), config)
    assert error.code == "TLS-NO_FITTING_CERTIFICATE"
    assert "each of our identities misses something else" in error.cause


def test_client_without_encrypt_then_mac():
    only = tier(versions="1.1", suites=(RSA_CBC,), require_encrypt_then_mac=True)
    raw = RawLegacyClient()
    raw.send(raw.hello_message(drop=(ExtensionType.encrypt_then_mac,)))
    error = failure(server(only, "rsa2048").connection().receive, raw.wire())
    assert error.code == "TLS-NO_ENCRYPT_THEN_MAC"
    assert "require_encrypt_then_mac" in error.remedy
    raw = RawLegacyClient()
    raw.send(raw.hello_message())
    server(only, "rsa2048").connection().receive(raw.wire())


class Signer:
    """A key that is elsewhere."""

    def __init__(self, held):
        self.held = held

    def sign(self, scheme, data):
        return self.held.sign(scheme, data, tls12=True)


def test_signer_of_another_process():
    held = identity("rsa2048")
    own = Identity.from_signer(held.chain, Signer(held))
    both = quiet(ServerConfig.simple, own, legacy=tier(versions=("1.2", "1.1"), suites=(ECDHE_CBC, RSA_CBC)))
    error = meet(client(tier(versions="1.1", suites=(ECDHE_CBC,))), both)
    assert "held by a signer" in error.cause
    assert "load an identity with its ECDSA or RSA key" in error.remedy
    error = failure_of("1.2", (RSA_CBC,), (RSA_CBC, ECDHE_CBC), own=own)
    assert "has its key in a signer" in error.cause
    assert f"enable {ECDHE_CBC} at the client" in error.remedy


def test_finite_field():
    """RFC 7919 4: insufficient_security where no FFDHE group and nothing else is common."""
    raw = RawLegacyClient(name=DHE_CBC)
    raw.send(raw.hello_message(SupportedGroups((NamedGroup.ffdhe8192,))))
    ours = server(tier(versions="1.1", suites=(DHE_CBC,)), "rsa2048", groups=("ffdhe2048",))
    error = failure(ours.connection().receive, raw.wire())
    assert isinstance(error, errors.InsufficientSecurity)
    assert error.remedy == "enable ffdhe2048 at the client, or add ffdhe8192 to groups of this server"


# -- more than one thing is missing: one change that helps, or every one that is needed -------------------------------


def refused12(offered, accepted, key, schemes, groups=("x25519", "secp256r1"), own_groups=("x25519", "secp256r1")):
    """The error of a server for a client of TLS 1.2 with these lists."""
    theirs = client(tier(versions="1.2", suites=offered), schemes=schemes, groups=groups)
    return meet(theirs, server(tier(versions="1.2", suites=accepted), key, groups=own_groups))


def test_curve_hides_no_missing_scheme():
    """RFC 5246 7.4.2: the key needs a curve of the client's, and a scheme that it verifies."""
    lists = {"schemes": ("rsa_pss_rsae_sha256",), "groups": ("x25519",)}
    error = refused12((ECDSA_CBC,), (ECDSA_CBC,), "p256", **lists)
    assert error.remedy == "enable secp256r1 at the client; besides, enable ecdsa_secp256r1_sha256 at the client"
    assert refused12((ECDSA_CBC,), (ECDSA_CBC,), "p256", **{**lists, "groups": ("x25519", "secp256r1")}) is not None
    both = {"schemes": ("rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256"), "groups": ("x25519", "secp256r1")}
    assert refused12((ECDSA_CBC,), (ECDSA_CBC,), "p256", **both) is None


def test_one_change_that_helps_goes_before_two_that_are_needed():
    """Another key would not help a client that does not verify it; another suite does."""
    lists = {"schemes": ("rsa_pss_rsae_sha256",)}
    accepted = (ECDSA_CBC, ECDHE_CBC)
    error = refused12((ECDSA_CBC,), accepted, "rsa2048", **lists)
    assert "the client verifies nothing that such a key signs" in error.cause
    assert error.remedy == f"enable {ECDHE_CBC} at the client"
    assert refused12((ECDSA_CBC, ECDHE_CBC), accepted, "rsa2048", **lists) is None
    assert refused12((ECDSA_CBC,), accepted, ("rsa2048", "p256"), **lists) is not None


def test_key_is_proposed_on_a_curve_of_the_client():
    lists = {"groups": ("x25519", "secp384r1")}
    accepted = (ECDSA_CBC, RSA_CBC)
    error = attempt("1.1", (ECDSA_CBC,), accepted, "rsa2048", **lists)
    assert error.remedy == f"add an identity with a key on secp384r1 to this server, or enable {RSA_CBC} at the client"
    assert attempt("1.1", (ECDSA_CBC,), accepted, ("rsa2048", "p384"), **lists) is None
    error = attempt("1.1", (ECDSA_CBC,), accepted, "rsa2048", groups=("x25519",))
    assert "the client's groups have no curve of such a key" in error.cause
    assert error.remedy == f"enable {RSA_CBC} at the client"


# -- no common suite ---------------------------------------------------------------------------------------------------

CLIENT, SERVER = re.compile(r"enable (\S+?) at the client"), re.compile(r"add (\S+) to Legacy.suites of this server")


@pytest.mark.parametrize(
    ("version", "offered", "accepted", "key", "remedy"),
    [
        ("1.1", (RSA_CBC,), (ECDHE_CBC,), "rsa2048", (CLIENT, SERVER)),
        ("1.2", (ECDHE_GCM,), (RSA_GCM,), "rsa2048", (SERVER, CLIENT)),
        ("1.2", (RSA_GCM,), (DHE_GCM,), "rsa2048", (CLIENT, SERVER)),
        ("1.0", (RSA_CBC,), (ECDSA_CBC,), "p256", (CLIENT,)),
        ("1.1", (ECDSA_CBC,), (ECDHE_CBC, RSA_CBC), "rsa2048", (CLIENT,)),
    ],
)
def test_refusal_names_the_suite_that_one_end_could_add(version, offered, accepted, key, remedy):
    """D3: the more secure change first, and none for a key that this server has not."""
    error = attempt(version, offered, accepted, key)
    assert error.code == "TLS-NO_COMMON_SUITE"
    assert offered[0] in error.cause
    assert accepted[0] in error.cause
    found = [one.search(error.remedy) for one in remedy]
    assert all(found)
    assert [one.start() for one in found] == sorted(one.start() for one in found)
    assert len(re.findall("enable|add ", error.remedy)) == len(found)
    for kind, match in zip(remedy, found, strict=True):
        name = match.group(1)
        changed = ((*offered, name), accepted) if kind is CLIENT else (offered, (*accepted, name))
        assert attempt(version, *changed, key) is None, name


def test_suite_that_may_not_be_encrypted_to_is_not_proposed():
    error = attempt("1.2", (RSA_CBC, ECDSA_CBC), (DHE_CBC, ECDHE_CBC), own=signing_only())
    assert error.remedy == f"enable {ECDHE_CBC} at the client"


SERVERS = [
    *(ServerConfig.simple(identity(key), versions="1.2") for key in ("p256", "p384", "rsa2048", "ed25519")),
    server(tier(versions="1.2", suites=(RSA_GCM, DHE_CBC, ECDSA_CBC)), "p256"),
    server(tier(versions=("1.2", "1.1"), suites=(DHE_CBC, RSA_CBC), require_encrypt_then_mac=True), "rsa2048"),
    server(tier(versions="1.1", suites=(ECDHE_CBC, ECDSA_CBC)), ("p256", "rsa2048")),
]


@hypothesis_settings(max_examples=300, deadline=None, database=None)
@given(
    st.sampled_from(SERVERS),
    st.lists(st.sampled_from((*CipherSuite.codes(), 0x0A0A, 0xFEFE)), min_size=1, max_size=6, unique=True),
    st.lists(st.sampled_from((*NamedGroup.codes(), 0x0A0A, 0x01FF)), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from((*SignatureScheme.codes(), 0x0A0A)), min_size=1, max_size=4, unique=True),
    st.sampled_from((0x0302, 0x0303)),
    st.booleans(),
)
def test_whatever_a_client_lists_is_served_or_refused_with_a_remedy(config, suites, groups, schemes, version, sealed):
    raw = RawLegacyClient(version=version)
    lists = SupportedGroups(tuple(groups)), SignatureAlgorithms(tuple(schemes))
    dropped = () if sealed else (ExtensionType.encrypt_then_mac,)
    raw.send(raw.hello_message(*lists, cipher_suites=tuple(suites), drop=dropped))
    error = None
    try:
        config.connection().receive(raw.wire())
    except errors.TlsError as found:
        error = found
    assert error is None or error.alert in (40, 70, 71, 86), error
    assert error is None or (error.remedy and not error.cause.endswith("..."))


def test_resolver_may_have_any_identity():
    own = server(tier(versions="1.1", suites=(ECDHE_CBC,)), "rsa2048", resolver=lambda info: None)
    error = meet(client(tier(versions="1.1", suites=(ECDSA_CBC,))), own)
    assert error.remedy == f"add {ECDSA_CBC} to Legacy.suites of this server, or enable {ECDHE_CBC} at the client"


def test_what_belongs_to_another_version_is_named():
    raw = RawLegacyClient()
    gcm = suite(RSA_GCM).code
    raw.send(raw.hello_message(cipher_suites=(gcm,)))
    error = failure(server(tier(suites=(RSA_GCM, ECDHE_CBC)), "rsa2048").connection().receive, raw.wire())
    assert f"both have {RSA_GCM}, of another version" in error.cause
    assert f"enable {ECDHE_CBC} at the client" in error.remedy
