"""What is the same for every connection of one configuration, prepared once and kept on the configuration.

A handshake should spend its time on keys and signatures. So the static extensions of a ClientHello, the
CertificateRequest, each Certificate message and the EncryptedExtensions are encoded when they are first needed, and
every later connection joins octets. The plan lives in the configuration's private `_cache` slot: it dies with it and is
neither compared nor pickled. Two threads may build one for clients at the same time; one of the equal results stays.
That of a server has a key and a memory of its own, so it is built once.
"""

import threading
from typing import TYPE_CHECKING

from tlscore._core import CookieKey, KeyLog
from tlscore.errors import ConfigError, escape
from tlscore.iana import CertificateStatusType, ClientCertificateType, ExtensionType, ProtocolVersion
from tlscore.settings import Limits
from tlscore.version_lists import fitting
from tlscore.wire import (
    Alpn,
    Certificate,
    Certificate12,
    CertificateAuthorities,
    CertificateEntry,
    CertificateRequest,
    CertificateRequest12,
    CertificateStatus,
    EcPointFormats,
    EncryptedExtensions,
    ExtendedMainSecret,
    Extension,
    Extensions,
    MaxFragmentLength,
    PostHandshakeAuth,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerName,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    StatusRequest,
    StatusRequestCertificateRequest,
    SupportedGroups,
    SupportedVersions,
    encode,
    encode_struct,
)

if TYPE_CHECKING:
    from tlscore._core import RecordLayer
    from tlscore.certs.identity import Identity
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.config_base import Config
    from tlscore.handshake.negotiation import Selection
    from tlscore.handshake.selections import Known
    from tlscore.legacy import Legacy

# What this end takes where the configuration sets no record_size_limit: the most that TLS 1.3 allows (RFC 8449 4).
FULL_RECORD = 2**14 + 1
# RFC 8422 5.1.2: the one point format that is left.
UNCOMPRESSED = 0
# Distinct EncryptedExtensions kept: one for each combination of application protocol and the two answers.
_KEPT_ANSWERS = 64
# Certificate messages kept: one for each identity that was shown lately.
_KEPT_CERTIFICATES = 64
# Hosts whose server_name extension a client configuration keeps.
_KEPT_NAMES = 64

_MAKING = threading.Lock()

Block = tuple[int, bytes]


def block(value: Extension) -> Block:
    """An extension as it stands in a message, with its code."""
    return raw_block(value.code, encode_struct(value))


def raw_block(code: int, data: bytes) -> Block:
    return code, code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


class Plan:
    """What both ends prepare."""

    __slots__ = (
        "_certificates",
        "_limits",
        "_padding",
        "_threshold",
        "alpn",
        "key_log",
        "newer",
        "older",
        "schemes12",
        "suites12",
    )

    def __init__(self, config: "Config") -> None:
        self.key_log = _key_log(config.key_log) if config.key_log is not None else None
        self.alpn = tuple([name.encode("ascii") for name in config.alpn])
        self._certificates: dict[tuple[int, int, bool], tuple[Identity, bytes | None, bytes]] = {}
        self.newer = ProtocolVersion.TLS13 in config.versions
        self.older = config.versions[-1] <= ProtocolVersion.TLS12
        older = (ProtocolVersion.TLS12,) if self.older else ()
        self.suites12 = fitting("suites", config.suites, older)
        self.schemes12 = fitting("schemes", config.schemes, older)
        self._limits = _limits(config.limits) if config.limits != Limits() else None
        self._padding = (config.padding.kind, config.padding.value) if config.padding.kind != "none" else None
        self._threshold = config.interpreter_release_threshold

    def prepare(self, layer: "RecordLayer") -> None:
        """Settings of the record layer of a new connection."""
        layer._set_release_threshold(self._threshold)
        if self._limits is not None:
            layer._set_limits(self._limits)
        if self._padding is not None:
            layer._set_padding(*self._padding)

    def certificate(
        self, identity: "Identity", staple_wanted: bool = False, version: int = ProtocolVersion.TLS13
    ) -> bytes:
        """The Certificate message of the main handshake for an identity, with an OCSP response where the peer asked.

        In TLS 1.2 such a response has a message of its own.
        """
        staple = identity.staple_response() if staple_wanted else None
        key = id(identity), version, staple is not None
        known = self._certificates.get(key)
        if known is None or known[1] != staple:
            # Identities that follow their files come and go: what is kept must not grow with them.
            if len(self._certificates) >= _KEPT_CERTIFICATES:
                self._certificates = {}
            newer = version == ProtocolVersion.TLS13
            made = certificate_message(identity.chain, b"", staple) if newer else encode(Certificate12(identity.chain))
            # The identity is kept beside the message, so that its id cannot pass to another one.
            known = self._certificates[key] = (identity, staple, made)
        return known[2]


def _key_log(path: str) -> KeyLog:
    try:
        return KeyLog(path)
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure)
        readable = isinstance(failure, PermissionError) and failure.errno is None
        raise ConfigError(
            f"the key_log file {escape(path, 300)!r} cannot be opened: {escape(reason, 200)}",
            remedy="run chmod 600 on it, or name a new file: it holds the keys of every connection"
            if readable
            else "name a file in a directory that exists and may be written to, or leave key_log out",
            code="TLS-CONFIG-KEY_LOG",
        ) from None


def _limits(limits: Limits) -> dict[str, int]:
    """The configuration's limits under the record layer's names; what it does not know, the handshake holds."""
    renamed = {"handshake_message_octets": "message"}
    return {
        renamed.get(name, name.removesuffix("_octets")): value
        for name, value in limits.as_dict().items()
        if name != "held"
    }


def certificate_message(chain: tuple[bytes, ...], context: bytes, staple: bytes | None = None) -> bytes:
    """An encoded Certificate; an empty chain says that no certificate fits. `staple` is about the first certificate."""
    # RFC 9846 4.5.1.1: "In TLS 1.3, the server's OCSP information is carried in an extension in the CertificateEntry
    # containing the associated certificate."
    own = Extensions((CertificateStatus(CertificateStatusType.ocsp, staple),)) if staple is not None else Extensions()
    extensions = (own, *[Extensions()] * (len(chain) - 1))
    entries = [CertificateEntry(der, given) for der, given in zip(chain, extensions, strict=False)]
    return encode(Certificate(context, tuple(entries)))


class ClientPlan(Plan):
    """The parts of a ClientHello that every connection repeats."""

    __slots__ = (
        "_names",
        "after_share",
        "before_share",
        "config",
        "generation",
        "number",
        "offered",
        "offered_with_name",
        "suites",
        "versions_first",
    )

    def __init__(self, config: "ClientConfig") -> None:
        super().__init__(config)
        self.config = config
        self.generation = trust_generation(config)
        # The version field of a ClientHello: RFC 9846 4.2.2 freezes it at TLS 1.2.
        self.number = b"\x03\x03"
        self.suites = b"".join([suite.to_bytes(2, "big") for suite in config.suites])
        self._names: dict[bytes, Block] = {}
        before: list[Extension] = [SignatureAlgorithms(config.schemes)]
        # RFC 9846 4.3.3: "Implementations which have the same policy in both cases MAY omit the
        # "signature_algorithms_cert" extension."
        if config.cert_schemes and config.cert_schemes != config.schemes:
            before.append(SignatureAlgorithmsCert(config.cert_schemes))
        after: list[Extension] = _offer_of_tls12() if self.older else []
        if self.alpn:
            after.append(Alpn(self.alpn))
        if config.record_size_limit is not None:
            after.append(RecordSizeLimit(config.record_size_limit))
        if config.certificate_authorities and self.newer:
            after.append(CertificateAuthorities(config.certificate_authorities))
        if config.post_handshake_auth and self.newer:
            after.append(PostHandshakeAuth())
        # RFC 7633 4.2.3.1 has clients refuse a certificate that promises a staple and comes without: they must ask.
        if config.trust is not None and config.revocation.asks("server"):
            after.append(StatusRequest())
        self.versions_first = self.versions_and_groups(())
        self.before_share = tuple([block(value) for value in before])
        self.after_share = tuple([block(value) for value in after])
        codes = [code for code, _ in self.versions_first + self.before_share + self.after_share]
        self.offered = frozenset([*codes, ExtensionType.key_share] if self.newer else codes)
        self.offered_with_name = self.offered | {ExtensionType.server_name}

    def server_name(self, host: bytes) -> Block:
        """The server_name extension for a host."""
        known = self._names.get(host)
        if known is None:
            known = block(ServerName(host))
            if len(self._names) < _KEPT_NAMES:
                self._names[host] = known
        return known

    def versions_and_groups(self, grease: tuple[int, ...]) -> tuple[Block, ...]:
        """supported_versions and supported_groups, with a reserved value in front of each where asked for."""
        # RFC 9846 4.3.1: "Implementations of this specification MUST send this extension in the ClientHello containing
        # all versions of TLS which they are prepared to negotiate"
        # The legacy tier may do without groups.
        groups = (block(SupportedGroups((*grease, *self.config.groups))),) if self.config.groups else ()
        # Without TLS 1.3 this is a ClientHello of RFC 5246, which knows no such extension.
        return (block(SupportedVersions((*grease, *self.config.versions))), *groups) if self.newer else groups


def _offer_of_tls12() -> list[Extension]:
    """What a ClientHello holds for TLS 1.2 alone."""
    # RFC 7627 5.2: "In all handshakes, a client implementing this document MUST send the "extended_master_secret"
    # extension in its ClientHello."
    # RFC 5746 3.4: "The client MUST include either an empty "renegotiation_info" extension, or the
    # TLS_EMPTY_RENEGOTIATION_INFO_SCSV signaling cipher suite value in the ClientHello."
    return [ExtendedMainSecret(), RenegotiationInfo(b""), EcPointFormats((UNCOMPRESSED,))]


class Memory:
    """What a server selected before, for checked offers and for whole ClientHellos: see selections.py."""

    __slots__ = ("hellos", "selections", "shares")

    def __init__(self) -> None:
        self.selections: dict[tuple[object, ...], Selection] = {}
        self.hellos: dict[tuple[tuple[tuple[int, int], ...], bytes], Known] = {}
        # Where the shares stand in a ClientHello, by the length of that and of its session ID.
        self.shares: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}


class ServerPlan(Plan):
    """The messages that a server repeats."""

    __slots__ = (
        "_answers",
        "_followed",
        "_generation",
        "_memory",
        "answers12",
        "config",
        "cookie_key",
        "own_limit",
        "request",
        "request12",
        "request_codes",
        "schemes13",
    )

    def __init__(self, config: "ServerConfig") -> None:
        super().__init__(config)
        self.config = config
        self.own_limit = config.record_size_limit or FULL_RECORD
        self.cookie_key = CookieKey() if config.hello_retry_cookie else None
        self._generation = -1
        self.schemes13 = fitting("schemes", config.schemes, (ProtocolVersion.TLS13,))
        self.request: bytes | None = None
        self.request12: bytes | None = None
        self.request_codes: tuple[int, ...] = ()
        self.refresh()
        self._answers: dict[tuple[bytes | None, bool, bool, int], bytes] = {}
        named = [identity for _, identity in config.names]
        self._followed = [one for one in (*config.identities, *named) if one.current is not one]
        self._memory: tuple[tuple[Identity, ...], Memory] = (), Memory()
        # The ServerHello of TLS 1.2 before and behind its random: see answer12.py.
        self.answers12: dict[tuple[object, ...], tuple[bytes, bytes]] = {}

    def refresh(self) -> None:
        """Encode the CertificateRequest again where the trust for clients was reloaded: it lists their CAs."""
        config = self.config
        generation = config.client_trust.generation if config.client_trust is not None else 0
        if generation == self._generation:
            return
        extensions = self._request_extensions()
        self.request_codes = extensions.codes
        asks = config.client_auth in ("optional", "required")
        self.request = encode(CertificateRequest(b"", extensions)) if asks and self.newer else None
        self.request12 = encode(self._request12()) if asks and self.older else None
        self._generation = generation

    def memory(self) -> Memory | None:
        """What was selected before with the identities of this moment; None where a resolver decides each time.

        Identities that follow their files may be others now than in the last handshake: then nothing of it counts.
        """
        if self.config.resolver is not None:
            return None
        current, memory = self._memory
        if self._followed:
            now = tuple([one.current for one in self._followed])
            if now != current:
                memory = Memory()
                # One assignment: another thread sees identities and selections that belong together.
                self._memory = now, memory
        return memory

    def _request_extensions(self) -> Extensions:
        config = self.config
        # RFC 9846 4.4.2: "The "signature_algorithms" extension MUST be specified"
        values: list[Extension] = [SignatureAlgorithms(self.schemes13)]
        if config.cert_schemes and config.cert_schemes != config.schemes:
            values.append(SignatureAlgorithmsCert(config.cert_schemes))
        if config.certificate_authorities:
            values.append(CertificateAuthorities(config.certificate_authorities))
        # RFC 9846 4.5.1.1: "A server MAY request that a client present an OCSP response with its certificate by sending
        # an empty "status_request" extension in its CertificateRequest message."
        if config.revocation.asks("client"):
            values.append(StatusRequestCertificateRequest())
        return Extensions(values)

    def _request12(self) -> CertificateRequest12:
        kinds = (ClientCertificateType.ecdsa_sign, ClientCertificateType.rsa_sign)
        return CertificateRequest12(kinds, self.schemes12, self.config.certificate_authorities)

    def post_handshake_request(self, context: bytes) -> bytes:
        return encode(CertificateRequest(context, self._request_extensions()))

    def answer(self, alpn: bytes | None, name_used: bool, limit_offered: bool, fragment: int = 0) -> bytes:
        """The EncryptedExtensions for what was selected. `fragment` is the max_fragment_length, 0 without one."""
        key = (alpn, name_used, limit_offered, fragment)
        known = self._answers.get(key)
        if known is None:
            values: list[Extension] = []
            if name_used:
                values.append(ServerName())
            if alpn is not None:
                values.append(Alpn((alpn,)))
            # RFC 8449 4: the limit is answered only where the client sent one.
            if limit_offered:
                values.append(RecordSizeLimit(self.own_limit))
            elif fragment:
                values.append(MaxFragmentLength(fragment.bit_length() - 9))
            known = encode(EncryptedExtensions(Extensions(values)))
            if len(self._answers) < _KEPT_ANSWERS:
                self._answers[key] = known
        return known


def trust_generation(config: "ClientConfig") -> int:
    """The generation of the trust store, as far as a ClientHello depends on it."""
    trust = config.trust if config.send_certificate_authorities else None
    return trust.generation if trust is not None else 0


def client_plan(config: "ClientConfig") -> ClientPlan:
    """The plan of a client configuration, made at its first connection."""
    plan = config._cache
    # What is listed in certificate_authorities changes with the trust store.
    if not isinstance(plan, ClientPlan) or plan.generation != trust_generation(config):
        plan = ClientPlan(config) if config.legacy is None else _legacy_client(config, config.legacy)
        object.__setattr__(config, "_cache", plan)
    return plan


def server_plan(config: "ServerConfig") -> ServerPlan:
    """The plan of a server configuration, made at its first connection."""
    plan = config._cache
    if not isinstance(plan, ServerPlan):
        with _MAKING:
            plan = config._cache
            # Another one's cookies would be those of a stranger.
            if not isinstance(plan, ServerPlan):
                plan = ServerPlan(config) if config.legacy is None else _legacy_server(config, config.legacy)
                object.__setattr__(config, "_cache", plan)
    plan.refresh()
    return plan


def _legacy_client(config: "ClientConfig", tier: "Legacy") -> ClientPlan:
    from tlscore.handshake.legacy_plans import LegacyClientPlan

    return LegacyClientPlan(config, tier)


def _legacy_server(config: "ServerConfig", tier: "Legacy") -> ServerPlan:
    from tlscore.handshake.legacy_plans import LegacyServerPlan

    return LegacyServerPlan(config, tier)
