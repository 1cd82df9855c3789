"""From the settings of a context to the immutable configuration that connections run on.

Every function takes the settings that the connection keeps (`fixed`) beside the context, which may be another one than
they are of. What OpenSSL's words mean here: verify_mode and check_hostname choose the authentication, options and the
two versions the versions, verify_flags the certificate policy and the revocation. CERT_NONE is the programmer's own
word in this idiom, so that it does not warn as `tlscore.danger` does; TLSCORE_FORBID_DANGEROUS=1 forbids it all the
same.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Never

from tlscore import danger, policies
from tlscore.certs.policy import CertificatePolicy
from tlscore.certs.revocation.policy import Revocation
from tlscore.config import ClientConfig, ServerConfig, VerifyServer
from tlscore.errors import HandshakeFailure
from tlscore.handshake.plans import client_plan, server_plan
from tlscore.iana import ProtocolVersion
from tlscore.ssl import offers, own_chain
from tlscore.ssl.errors import ssl_error
from tlscore.version_lists import fitting

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.trust_store import TrustStore
    from tlscore.handshake.hello_info import ClientHelloInfo
    from tlscore.ssl.context import SSLContext
    from tlscore.ssl.stored import FixedSettings

_VERSIONS: Final = (
    (ProtocolVersion.TLS13, ssl.TLSVersion.TLSv1_3, ssl.OP_NO_TLSv1_3, (ssl.PROTOCOL_TLS,)),
    (ProtocolVersion.TLS12, ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TLSv1_2, (ssl.PROTOCOL_TLS, ssl.PROTOCOL_TLSv1_2)),
)
_ANY_VERSION: Final = (ssl.PROTOCOL_TLS, ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
_CLIENT_AUTH: Final[dict[ssl.VerifyMode, Any]] = {
    ssl.CERT_NONE: "none",
    ssl.CERT_OPTIONAL: "optional",
    ssl.CERT_REQUIRED: "required",
}
# SSL_OP_LEGACY_SERVER_CONNECT of OpenSSL, which the module names from 3.12 on.
OP_LEGACY_SERVER_CONNECT: Final = 0x4
# X509_V_FLAG_CRL_CHECK and X509_V_FLAG_CRL_CHECK_ALL.
_CRL_CHECK: Final = 0x4
_CRL_CHECK_ALL: Final = 0x8
# What RSA keys must have at each of OpenSSL's security levels; the library itself asks for 2,048 bits.
_RSA_BITS: Final = (1024, 1024, 2048, 3072, 7680, 15360)
_NOT_ASKED: Final = Revocation.off("the ssl module asks nothing unless verify_flags say so")


class _AcceptAnyPeer(danger.AcceptAnyPeer):
    """verify_mode = CERT_NONE."""

    warns: ClassVar[bool] = False


class _SkipNameCheck(danger.SkipNameCheck):
    """check_hostname = False."""

    warns: ClassVar[bool] = False


_ANYBODY: Final = _AcceptAnyPeer("verify_mode is CERT_NONE")


def client_config(context: SSLContext, fixed: FixedSettings) -> ClientConfig:
    """The client's configuration for what is set now. Raises ConfigError, or ssl.SSLError where nothing is left."""
    values = _common(context, fixed, context._server_schemes, context._client_schemes)
    values["require_renegotiation_info"] = not fixed.options & OP_LEGACY_SERVER_CONNECT
    if fixed.verify_mode == ssl.CERT_NONE:
        return _prepared(ClientConfig(authentication=_ANYBODY, **values), fixed)
    trust = context._trust.store(_partial(fixed))
    authentication = VerifyServer(trust) if fixed.check_hostname else _SkipNameCheck(trust, "check_hostname is False")
    config = ClientConfig(
        authentication=authentication,
        certificate_policy=_policy(context, fixed),
        revocation=_revocation(context, fixed),
        **values,
    )
    return _prepared(config, fixed)


def _prepared(config: ClientConfig, fixed: FixedSettings) -> ClientConfig:
    """The configuration with its plan: a key log that cannot be opened shows here, and not at every connection."""
    if fixed.post_handshake_auth and ProtocolVersion.TLS13 in config.versions:
        # A configuration refuses it without an identity; here it is offered all the same, and answered with none.
        object.__setattr__(config, "post_handshake_auth", True)
    client_plan(config)
    return config


def server_config(context: SSLContext, fixed: FixedSettings, late: bool) -> ServerConfig:
    """The server's configuration for what is set now. Raises as client_config.

    Takes:    late: whether post_handshake_auth puts the question to the client off; TLS 1.2 cannot do that.
    """
    values = _common(context, fixed, context._client_schemes or context._server_schemes, context._server_schemes)
    asked = _CLIENT_AUTH[ssl.VerifyMode(fixed.verify_mode)]
    if asked != "none":
        if late and fixed.post_handshake_auth and ProtocolVersion.TLS13 in values["versions"]:
            asked = "post_handshake"
        trust: TrustStore = context._trust.store(_partial(fixed))
        values.update(
            client_auth=asked,
            client_trust=trust,
            # OpenSSL under Python lists no CAs in its requests.
            advertise_cas=False,
            certificate_policy=_policy(context, fixed),
            revocation=_revocation(context, fixed),
        )
    prefer: Literal["server", "client"] = "server" if fixed.options & ssl.OP_CIPHER_SERVER_PREFERENCE else "client"
    resolver = None if values["identities"] else _nobody
    config = ServerConfig(resolver=resolver, prefer=prefer, require_alpn=False, **values)
    server_plan(config)
    return config


def _nobody(hello: ClientHelloInfo) -> Never:
    """The resolver of a server without a certificate: the standard library lets it listen, and fail."""
    raise HandshakeFailure(
        "this server has no certificate",
        remedy="call context.load_cert_chain(certfile, keyfile) before wrapping",
        code="TLS-NO_COMMON_SUITE",
    )


def versions_of(fixed: FixedSettings) -> tuple[int, ...]:
    """The versions that options, minimum_version and maximum_version leave, of those that exist here."""
    options, protocol = fixed.options, fixed.protocol
    lowest, highest = fixed.minimum_version, fixed.maximum_version
    if highest == ssl.TLSVersion.MAXIMUM_SUPPORTED:
        highest = ssl.TLSVersion.TLSv1_3
    return tuple(
        [
            code
            for code, version, forbidden, protocols in _VERSIONS
            if lowest <= version <= highest
            and not options & forbidden
            and (protocol in _ANY_VERSION or protocol in protocols)
        ]
    )


def suites_of(context: SSLContext, fixed: FixedSettings) -> tuple[int, ...]:
    """The suites in effect, TLS 1.3 first."""
    default, versions = policies.DEFAULT.suites, versions_of(fixed)
    newer = context._suites13 or fitting("suites", default, (ProtocolVersion.TLS13,))
    older = context._suites12 or fitting("suites", default, (ProtocolVersion.TLS12,))
    strong = offers.strong_enough(context._level)
    return fitting("suites", tuple(filter(strong, (*newer, *older))), versions)


def _common(context: SSLContext, fixed: FixedSettings, peers: tuple[int, ...], own: tuple[int, ...]) -> dict[str, Any]:
    """What both roles have; `peers` are the schemes that the peer may sign with, `own` those that we do."""
    versions = versions_of(fixed)
    if not versions:
        raise ssl_error("NO_PROTOCOLS_AVAILABLE")
    suites = suites_of(context, fixed)
    # A version without suites is not offered, as with OpenSSL.
    versions = tuple([version for version in versions if fitting("suites", suites, (version,))])
    if not versions:
        raise ssl_error("NO_CIPHERS_AVAILABLE")
    groups = fitting("groups", fixed.groups or policies.DEFAULT.groups, versions)
    schemes = fitting("schemes", peers or policies.DEFAULT.schemes, versions)
    return {
        "identities": tuple([_shown(context, one, own) for one in context._identities]),
        "versions": versions,
        "suites": suites,
        "groups": groups,
        "key_shares": tuple([code for code in fixed.key_shares if code in groups]) or None,
        "schemes": schemes,
        "alpn": context._alpn,
        "key_log": context.keylog_filename,
        "middlebox_compatibility": bool(fixed.options & ssl.OP_ENABLE_MIDDLEBOX_COMPAT),
    }


def _shown(context: SSLContext, identity: Identity, schemes: tuple[int, ...]) -> Identity:
    """An identity as peers see it: with what completes its chain, and signing with the schemes that are allowed."""
    if not context._trust.empty:
        identity = own_chain.completed(identity, context._trust.store(True))
    return own_chain.limited(identity, schemes) if schemes else identity


def _partial(fixed: FixedSettings) -> bool:
    return bool(fixed.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN)


def _policy(context: SSLContext, fixed: FixedSettings) -> CertificatePolicy:
    strict = bool(fixed.verify_flags & ssl.VERIFY_X509_STRICT)
    return _kept_policy(context.hostname_checks_common_name, context._level, strict)


@lru_cache(32)
def _kept_policy(common_name: bool, level: int | None, strict: bool) -> CertificatePolicy:
    """One object for equal settings: verified chains are remembered for the policy that judged them."""
    lowest = CertificatePolicy().min_rsa_bits if level is None else _RSA_BITS[level]
    return CertificatePolicy(cn_fallback=common_name, min_rsa_bits=lowest, max_rsa_bits=16384, issuer_rules=strict)


def _revocation(context: SSLContext, fixed: FixedSettings) -> Revocation:
    flags = fixed.verify_flags
    if not flags & _CRL_CHECK:
        return _NOT_ASKED
    crls = context._trust.crls
    scope: Any = "chain" if flags & _CRL_CHECK_ALL else "leaf"
    if not crls:
        return Revocation(mode="require", scope=scope, crl_fetcher=_NoCrl(), staple=False, must_staple=False)
    from tlscore.certs.revocation.crl_store import CrlStore

    return Revocation(mode="require", scope=scope, store=CrlStore(data=crls), staple=False, must_staple=False)


class _NoCrl:
    """Where no CRL was loaded: whatever is asked for is not there."""

    def fetch_crl(self, url: str, /) -> bytes:
        raise LookupError("no CRL was loaded with load_verify_locations")
