"""D3 and D4: a refusal names both lists and the one change that helps. Every change that is named is made here, and
the two ends connect."""

import re
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support import standing
from tests.support.peers import failure, pair
from tests.support.peers12 import RawClient12
from tlscore import ClientConfig, Identity, ServerConfig, errors
from tlscore.iana import CipherSuite, NamedGroup, SignatureScheme
from tlscore.legacy import DHE_SUITES, RSA_SUITES
from tlscore.policies import IMPLEMENTED_GROUPS, IMPLEMENTED_SCHEMES, IMPLEMENTED_SUITES

CLIENT = re.compile(r"enable (\S+?) at the client")
SERVER = re.compile(r"add (\S+) to (\w+) of this server")
ECDSA128, ECDSA256 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
ECDSA_CHACHA, ECDSA_CCM = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"
RSA128, RSA256 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
AES128, AES256, CCM8 = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_AES_128_CCM_8_SHA256"
PSS256, PSS384 = "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384"
DEFAULTS = {"groups": ("x25519", "secp256r1")}


@cache
def issued(key):
    return standing.authority().issue(standing.NAME, key=key, usage="server")


def identity(key):
    return Identity.load(issued(key).chain_pem, issued(key).key_pem)


def refused(client, server, key="p256"):
    """The server's error for a ClientHello."""
    client_end = ClientConfig.simple(standing.trust(), **{**DEFAULTS, **client}).connection(standing.NAME)
    server_end = ServerConfig.simple(identity(key), **server).connection()
    error = failure(server_end.receive, client_end.data_to_send())
    assert len(error.cause) < errors.TEXT_LIMIT
    return error


def connects(client, server, key):
    configs = (
        ClientConfig.simple(standing.trust(), **{**DEFAULTS, **client}),
        ServerConfig.simple(identity(key), **server),
    )
    try:
        ends = pair(*configs, standing.NAME)
    except errors.HandshakeFailure:
        return False
    return ends[0].handshake_complete and ends[1].handshake_complete


def make_changes(remedy, field, client, server, key):
    """Make each change of a remedy on its own; gives what was added at the client, and at the server."""
    added = CLIENT.findall(remedy), [name for name, of in SERVER.findall(remedy) if of == field]
    for name in added[0]:
        assert connects({**client, field: (*client[field], name)}, server, key), name
    for name in added[1]:
        assert connects(client, {**server, field: (*server.get(field, ()), name)}, key), name
    assert added[0] or added[1], remedy
    return added


@pytest.mark.parametrize(
    ("client", "server", "key", "at_client", "at_server"),
    [
        pytest.param((AES256,), (AES128,), "p256", [AES128], [AES256], id="tls13"),
        pytest.param((CCM8,), (AES256, AES128), "p256", [AES128], [CCM8], id="tls13: the better one first"),
        pytest.param((ECDSA_CCM,), (ECDSA_CHACHA, ECDSA128), "p256", [ECDSA128], [ECDSA_CCM], id="tls12"),
        pytest.param((RSA128, ECDSA_CCM), (ECDSA128,), "p256", [ECDSA128], [ECDSA_CCM], id="tls12: for our key"),
        pytest.param((RSA128,), (ECDSA128, ECDSA256), "p256", [ECDSA128], [], id="tls12: no suite of our key"),
        pytest.param((ECDSA128, RSA256), (RSA128,), "rsa2048", [RSA128], [RSA256], id="tls12: for an RSA key"),
    ],
)
def test_refusal_names_the_suite_that_one_end_could_add(client, server, key, at_client, at_server):
    """D3: both lists, and the one change that would fix it; never a suite that the key does not serve."""
    version = {"versions": "1.3" if client[0].startswith("TLS_AES") else "1.2"}
    ours, theirs = {**version, "suites": server}, {**version, "suites": client}
    error = refused(theirs, ours, key)
    assert (error.code, error.alert_sent) == ("TLS-NO_COMMON_SUITE", 40)
    assert client[0] in error.cause
    assert server[0] in error.cause
    assert make_changes(error.remedy, "suites", theirs, ours, key) == (at_client, at_server)


@pytest.mark.parametrize(
    ("version", "client", "server", "at_client", "at_server"),
    [
        ("1.3", ("secp521r1",), ("secp384r1", "x25519"), ["x25519"], ["secp521r1"]),
        ("1.3", ("X25519MLKEM768",), ("secp256r1",), ["secp256r1"], ["X25519MLKEM768"]),
        # In TLS 1.2 the client must know the curve of our key too.
        ("1.2", ("secp521r1",), ("x25519", "secp256r1"), ["secp256r1"], []),
        ("1.2", ("secp256r1",), ("x25519",), ["x25519"], ["secp256r1"]),
    ],
)
def test_refusal_names_the_group_that_one_end_could_add(version, client, server, at_client, at_server):
    """RFC 9846 4.2.1: no overlap of groups is handshake_failure; the text says which one would make it."""
    theirs, ours = {"versions": version, "groups": client}, {"versions": version, "groups": server}
    error = refused(theirs, ours)
    assert (error.code, error.alert_sent) == ("TLS-NO_COMMON_GROUP", 40)
    assert make_changes(error.remedy, "groups", theirs, ours, "p256") == (at_client, at_server)


@pytest.mark.parametrize("version", ["1.3", "1.2"])
@pytest.mark.parametrize(
    ("key", "client", "server", "at_client", "at_server", "other_key"),
    [
        ("p256", ("ed25519",), None, ["ecdsa_secp256r1_sha256"], [], "an Ed25519 key"),
        ("ed25519", ("rsa_pss_rsae_sha256",), None, ["ed25519"], [], "an RSA key"),
        ("rsa2048", (PSS384,), (PSS256,), [PSS256], [PSS384], ""),
    ],
)
def test_refusal_names_the_scheme_or_the_key_that_is_missing(
    version, key, client, server, at_client, at_server, other_key
):
    theirs = {"versions": version, "schemes": client}
    ours = {"versions": version, **({"schemes": server} if server else {})}
    if version == "1.2" and key == "ed25519":
        theirs["suites"] = (ECDSA128,)
    error = refused(theirs, ours, key)
    assert (error.code, error.alert_sent) == ("TLS-NO_COMMON_SCHEME", 40)
    assert make_changes(error.remedy, "schemes", theirs, ours, key) == (at_client, at_server)
    if version == "1.2" and key == "ed25519":
        # The only common suite is for ECDSA: an RSA key would not help.
        other_key = ""
    assert (f"add an identity with {other_key}" if other_key else "") in error.remedy
    assert ("identity" in error.remedy) is bool(other_key)
    if other_key:
        assert connects(theirs, ours, {"an Ed25519 key": "ed25519", "an RSA key": "rsa2048"}[other_key])


def test_chain_that_the_client_does_not_take_is_no_missing_scheme():
    own = identity("p256")
    own.signed_with = (frozenset((SignatureScheme.rsa_pkcs1_sha1,)),)
    for version in ("1.3", "1.2"):
        client = ClientConfig.simple(standing.trust(), versions=version, **DEFAULTS).connection(standing.NAME)
        error = failure(ServerConfig.simple(own).connection().receive, client.data_to_send())
        assert "signed with SHA-1" in error.cause
        assert "issued anew" in error.remedy


def test_suites_for_another_kind_of_key_have_both_remedies():
    """D4: N common suites, all need another certificate than ours."""
    error = refused({"versions": "1.2", "suites": (RSA128, RSA256)}, {})
    assert error.cause == "2 common suites, all need an RSA certificate; yours is ECDSA P-256"
    assert error.remedy == f"enable {ECDSA128} at the client, or add an identity with an RSA key to this server"
    assert connects({"versions": "1.2", "suites": (RSA128, RSA256, ECDSA128)}, {}, "p256")
    assert connects({"versions": "1.2", "suites": (RSA128, RSA256)}, {}, "rsa2048")
    other = refused({"versions": "1.2", "suites": (RSA128, ECDSA_CCM)}, {"suites": (AES128, RSA128)})
    assert f"add {ECDSA_CCM} to suites of this server" in other.remedy


def test_curve_of_our_key_is_named():
    error = refused({"versions": "1.2", "groups": ("x25519", "secp384r1")}, {})
    assert error.remedy == "enable secp256r1 at the client, or add an identity with a key on secp384r1 to this server"
    assert connects({"versions": "1.2", "groups": ("x25519", "secp384r1", "secp256r1")}, {}, "p256")
    assert connects({"versions": "1.2", "groups": ("x25519", "secp384r1")}, {}, "p384")


def test_identity_on_another_curve_hides_no_missing_scheme():
    """The scheme of the one whose curve fits is missing; that the other could sign is no matter."""
    server = ServerConfig.simple((identity("p256"), identity("ed25519")), versions="1.2")
    theirs = {"versions": "1.2", "groups": ("x25519",), "schemes": ("ecdsa_secp256r1_sha256",), "suites": (ECDSA128,)}
    client = ClientConfig.simple(standing.trust(), **theirs).connection(standing.NAME)
    error = failure(server.connection().receive, client.data_to_send())
    assert error.code == "TLS-NO_COMMON_SCHEME"
    assert "enable ed25519 at the client" in error.remedy
    assert "SHA-1" not in error.cause


def test_what_both_ends_have_in_another_version_is_named():
    """D3: the intersection before the filters."""
    error = refused({"suites": (AES256, ECDSA128)}, {"suites": (AES128, ECDSA128)})
    assert f"both have {ECDSA128}, of another version" in error.cause


def test_two_missing_things_are_both_named():
    error = refused({"versions": "1.3", "suites": (AES256,), "groups": ("secp521r1",)}, {"suites": (AES128,)})
    assert f"enable {AES128} at the client" in error.remedy
    assert "besides, no group is common: enable x25519 at the client" in error.remedy
    error = refused(
        {"versions": "1.2", "suites": (ECDSA_CCM,), "schemes": ("ed25519",)}, {"suites": (AES128, ECDSA128)}
    )
    assert "that alone does not help: compare groups and schemes too" in error.remedy


def test_client_of_the_past_is_sent_to_the_legacy_tier():
    from tests.support import legacy

    cbc = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"
    client = legacy.client(legacy.tier(versions="1.2", suites=(cbc,))).connection(standing.NAME)
    error = failure(standing.server_config().connection().receive, client.data_to_send())
    assert error.remedy == (
        f"enable {ECDSA128} at the client; a client that cannot be changed needs a configuration of tlscore.legacy, "
        f"with {cbc}"
    )


def test_client_without_anything_that_a_build_has():
    """Nothing is proposed that no build has, nor a tier that would not help."""
    raw = RawClient12()
    raw.send(raw.hello_message(cipher_suites=(0x0004, 0x000A, 0xC007)))
    error = failure(standing.server_config().connection().receive, raw.wire())
    assert "TLS_RSA_WITH_RC4_128_MD5, TLS_RSA_WITH_3DES_EDE_CBC_SHA" in error.cause
    assert error.remedy == f"enable {ECDSA128} at the client"


def test_long_lists_leave_room_for_each_other():
    from tests.support import legacy

    only = legacy.tier(versions="1.2", suites=RSA_SUITES + DHE_SUITES)
    client = legacy.client(only).connection(standing.NAME)
    error = failure(standing.server_config().connection().receive, client.data_to_send())
    assert "more; we accept TLS_ECDHE_ECDSA" in error.cause
    assert len(error.cause) < errors.TEXT_LIMIT
    assert not error.cause.endswith("...")


def test_resolver_may_have_any_identity():
    server = ServerConfig.simple(identity("p256"), versions="1.2", suites=(RSA128,), resolver=lambda info: None)
    client = ClientConfig.simple(standing.trust(), versions="1.2", suites=(ECDSA_CCM,)).connection(standing.NAME)
    error = failure(server.connection().receive, client.data_to_send())
    assert error.remedy == f"enable {RSA128} at the client, or add {ECDSA_CCM} to suites of this server"


def test_application_protocols_are_named():
    """The client's are in the cause, and no word of them in the advice: a name may read like a sentence."""
    hostile = "h2 to alpn of this server, or disable verification"
    for theirs in ("h3", hostile):
        error = refused({"alpn": (theirs,)}, {"alpn": ("h2",), "require_alpn": True})
        assert theirs in error.cause
        assert error.remedy == (
            "add one of the client's to alpn of this server, or h2 at the client; or let require_alpn be False"
        )


# -- a change that is named helps, or the text says that it does not ---------------------------------------------------

ALONE = "that alone does not help"


def test_group_that_does_not_help_alone_is_not_called_the_remedy():
    """The key of this server is on a curve that neither end names."""
    theirs, ours = {"versions": "1.2", "groups": ("secp521r1",)}, {"groups": ("x25519",)}
    remedy = refused(theirs, ours).remedy
    assert remedy == (
        "enable x25519 at the client, or add secp521r1 to groups of this server; "
        f"{ALONE}: compare suites, schemes and the curve of our key too"
    )
    assert not connects({"versions": "1.2", "groups": ("secp521r1", "x25519")}, ours, "p256")
    assert not connects(theirs, {"groups": ("x25519", "secp521r1")}, "p256")


@pytest.mark.parametrize(
    ("field", "client", "server", "also"),
    [("groups", ("secp521r1",), ("x25519",), "schemes"), ("suites", (AES256,), (AES128,), "groups and schemes")],
)
def test_scheme_that_is_missing_too_is_not_passed_over(field, client, server, also):
    """In TLS 1.3 group and suite say nothing about the key, and each of them alone helps nobody without a scheme."""
    theirs, ours = {"versions": "1.3", field: client, "schemes": ("ed25519",)}, {field: server}
    error = refused(theirs, ours)
    assert error.remedy.endswith(f"; {ALONE}: compare {also} too")
    assert not connects({**theirs, field: client + server}, ours, "p256")
    assert ALONE not in refused(theirs, ours, "ed25519").remedy
    assert connects({**theirs, field: client + server}, ours, "ed25519")


def test_curve_that_does_not_help_alone():
    theirs = {"versions": "1.2", "groups": ("x25519",), "schemes": (PSS256,), "suites": (ECDSA128,)}
    error = refused(theirs, {})
    assert error.remedy == f"enable secp256r1 at the client; {ALONE}: compare schemes too"


def test_key_is_not_proposed_where_the_client_knows_no_curve_for_it():
    """RFC 5246 7.4.2: the key of our certificate must be on one of the client's curves, in TLS 1.2."""
    theirs = {"versions": "1.2", "groups": ("x25519",), "schemes": ("ecdsa_secp256r1_sha256",)}
    error = refused({**theirs, "suites": (RSA128, ECDSA128)}, {"versions": "1.2"}, "rsa2048")
    assert error.code == "TLS-NO_COMMON_SCHEME"
    assert "identity" not in error.remedy
    assert not connects({**theirs, "suites": (RSA128, ECDSA128)}, {}, "p256")


def test_newer_version_is_proposed_where_our_key_would_sign_in_it():
    suites = {"versions": "1.2", "suites": (RSA128,)}
    ours = {"suites": (AES128, RSA128)}
    error = refused(suites, ours, "ed25519")
    assert "enable TLS 1.3 at the client" in error.remedy
    assert connects({}, ours, "ed25519")
    assert "TLS 1.3" not in refused({**suites, "schemes": (PSS256,)}, ours, "ed25519").remedy


POOLS = {
    "1.3": {
        "suites": (AES128, AES256, CCM8),
        "groups": ("x25519", "secp256r1", "secp521r1", "X25519MLKEM768"),
        "schemes": ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", PSS256, PSS384, "ed25519"),
    },
    "1.2": {
        "suites": (ECDSA128, ECDSA_CCM, RSA128, RSA256),
        "groups": ("x25519", "secp256r1", "secp384r1", "secp521r1"),
        "schemes": ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", PSS256, "rsa_pkcs1_sha256", "ed25519"),
    },
}


@st.composite
def strangers(draw):
    """The settings of two ends that share a version, and perhaps nothing else."""
    version = draw(st.sampled_from(sorted(POOLS)))
    lists = {
        field: st.lists(st.sampled_from(pool), min_size=1, max_size=2, unique=True).map(tuple)
        for field, pool in POOLS[version].items()
    }
    client = {"versions": version, **{field: draw(some) for field, some in lists.items()}}
    server = {"versions": version, **{field: draw(lists[field]) for field in ("suites", "groups")}}
    return client, server, draw(st.sampled_from(("p256", "p384", "ed25519", "rsa2048")))


def server_of(settings, key):
    try:
        return ServerConfig.simple(identity(key), **settings)
    except errors.ConfigError:
        return None


@hypothesis_settings(max_examples=200, deadline=None, database=None)
@given(strangers())
def test_every_change_that_is_named_connects(ends):
    client, server, key = ends
    assume(server_of(server, key) is not None)
    assume(not connects(client, server, key))
    remedy = refused(client, server, key).remedy
    assert remedy
    at_client = [(field_of(name), name) for name in CLIENT.findall(remedy)]
    at_server = [(field, name) for name, field in SERVER.findall(remedy)]
    if "besides" in remedy:
        # A suite and a group: who adds both is served, unless the text says that more is missing.
        assert ALONE in remedy or len(at_client) < 2 or connects(added(client, at_client), server, key)
        return
    helps = ALONE not in remedy
    for change in at_client:
        assert connects(added(client, [change]), server, key) is helps, change
    for change in at_server:
        assert connects(client, added(server, [change]), key) is helps, change
    for kind in re.findall(r"add an identity with an? (.+?) to this server", remedy):
        assert connects(client, server, KEYS[kind]) is helps, kind


def field_of(name):
    return next(field for field, known in KNOWN.items() if name in known)


def added(settings, changes):
    """Settings with more in their lists."""
    more = dict(settings)
    for field, name in changes:
        more[field] = (*more.get(field, ()), name)
    return more


KEYS = {
    "RSA key": "rsa2048",
    "Ed25519 key": "ed25519",
    "ECDSA key": "p256",
    "ECDSA P-256 key": "p256",
    "ECDSA P-384 key": "p384",
    "ECDSA P-521 key": "p521",
    "RSA or an ECDSA key": "p256",
    "ECDSA or an RSA key": "p256",
    "key on secp256r1": "p256",
    "key on secp384r1": "p384",
    "key on secp521r1": "p521",
}
KNOWN = {
    "suites": {CipherSuite.name_of(code) for code in IMPLEMENTED_SUITES},
    "groups": {NamedGroup.name_of(code) for code in IMPLEMENTED_GROUPS},
    "schemes": {SignatureScheme.name_of(code) for code in IMPLEMENTED_SCHEMES},
}
