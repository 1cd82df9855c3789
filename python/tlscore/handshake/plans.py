"""What is the same for every connection of one configuration, prepared once and kept on the configuration.

A handshake should spend its time on keys and signatures. So the static extensions of a ClientHello, the
CertificateRequest, each Certificate message and the EncryptedExtensions are encoded when they are first needed, and
every later connection joins octets. The plan lives in the configuration's private `_cache` slot: it dies with it and is
neither compared nor pickled. Two threads may build one at the same time; one of the equal results stays.
"""

from typing import TYPE_CHECKING

from tlscore._core import CookieKey, KeyLog
from tlscore.iana import ExtensionType, ProtocolVersion
from tlscore.settings import Limits
from tlscore.wire import (
    Alpn,
    Certificate,
    CertificateAuthorities,
    CertificateEntry,
    CertificateRequest,
    EncryptedExtensions,
    Extension,
    Extensions,
    PostHandshakeAuth,
    RecordSizeLimit,
    ServerName,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
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

# What this end takes where the configuration sets no record_size_limit: the most that TLS 1.3 allows (RFC 8449 4).
FULL_RECORD = 2**14 + 1
# Distinct EncryptedExtensions kept: one for each combination of application protocol and the two answers.
_KEPT_ANSWERS = 64
# Hosts whose server_name extension a client configuration keeps.
_KEPT_NAMES = 64
# Distinct offers whose selection a server configuration keeps: a few kinds of clients, times the names they ask for.
KEPT_SELECTIONS = 256
KEPT_OFFER_ITEMS = 128

Block = tuple[int, bytes]


def block(value: Extension) -> Block:
    """An extension as it stands in a message, with its code."""
    return raw_block(value.code, encode_struct(value))


def raw_block(code: int, data: bytes) -> Block:
    return code, code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


class Plan:
    """What both ends prepare."""

    __slots__ = ("_certificates", "_limits", "_padding", "_threshold", "alpn", "key_log")

    def __init__(self, config: "Config") -> None:
        self.key_log = KeyLog(config.key_log) if config.key_log is not None else None
        self.alpn = tuple([name.encode("ascii") for name in config.alpn])
        self._certificates: dict[int, tuple[Identity, bytes]] = {}
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

    def certificate(self, identity: "Identity") -> bytes:
        """The Certificate message of the main handshake for an identity."""
        known = self._certificates.get(id(identity))
        if known is None:
            # The identity is kept beside the message, so that its id cannot pass to another one.
            known = self._certificates[id(identity)] = (identity, certificate_message(identity.chain, b""))
        return known[1]


def _limits(limits: Limits) -> dict[str, int]:
    """The configuration's limits under the record layer's names."""
    renamed = {"handshake_message_octets": "message"}
    return {renamed.get(name, name.removesuffix("_octets")): value for name, value in limits.as_dict().items()}


def certificate_message(chain: tuple[bytes, ...], context: bytes) -> bytes:
    """An encoded Certificate; an empty chain says that no certificate fits."""
    return encode(Certificate(context, tuple([CertificateEntry(der, Extensions()) for der in chain])))


class ClientPlan(Plan):
    """The parts of a ClientHello that every connection repeats."""

    __slots__ = ("_names", "after_share", "before_share", "config", "offered", "offered_with_name", "suites")

    def __init__(self, config: "ClientConfig") -> None:
        super().__init__(config)
        self.config = config
        self.suites = b"".join([suite.to_bytes(2, "big") for suite in config.suites])
        self._names: dict[bytes, Block] = {}
        before: list[Extension] = [SignatureAlgorithms(config.schemes)]
        # RFC 9846 4.3.3: "Implementations which have the same policy in both cases MAY omit the
        # "signature_algorithms_cert" extension."
        if config.cert_schemes and config.cert_schemes != config.schemes:
            before.append(SignatureAlgorithmsCert(config.cert_schemes))
        after: list[Extension] = []
        if self.alpn:
            after.append(Alpn(self.alpn))
        if config.record_size_limit is not None:
            after.append(RecordSizeLimit(config.record_size_limit))
        if config.certificate_authorities:
            after.append(CertificateAuthorities(config.certificate_authorities))
        if config.post_handshake_auth:
            after.append(PostHandshakeAuth())
        self.before_share = self.versions_and_groups(()) + tuple([block(value) for value in before])
        self.after_share = tuple([block(value) for value in after])
        self.offered = frozenset([ExtensionType.key_share, *[code for code, _ in self.before_share + self.after_share]])
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
        versions = SupportedVersions((*grease, ProtocolVersion.TLS13))
        return block(versions), block(SupportedGroups((*grease, *self.config.groups)))


class ServerPlan(Plan):
    """The messages that a server repeats."""

    __slots__ = ("_answers", "config", "cookie_key", "own_limit", "request", "request_codes", "selections")

    def __init__(self, config: "ServerConfig") -> None:
        super().__init__(config)
        self.config = config
        self.own_limit = config.record_size_limit or FULL_RECORD
        self.cookie_key = CookieKey() if config.hello_retry_cookie else None
        extensions = self._request_extensions()
        self.request_codes = extensions.codes
        asks = config.client_auth in ("optional", "required")
        self.request = encode(CertificateRequest(b"", extensions)) if asks else None
        self._answers: dict[tuple[bytes | None, bool, bool], bytes] = {}
        self.selections: dict[tuple[object, ...], Selection] = {}

    def _request_extensions(self) -> Extensions:
        config = self.config
        # RFC 9846 4.4.2: "The "signature_algorithms" extension MUST be specified"
        values: list[Extension] = [SignatureAlgorithms(config.schemes)]
        if config.cert_schemes and config.cert_schemes != config.schemes:
            values.append(SignatureAlgorithmsCert(config.cert_schemes))
        if config.certificate_authorities:
            values.append(CertificateAuthorities(config.certificate_authorities))
        return Extensions(values)

    def post_handshake_request(self, context: bytes) -> bytes:
        return encode(CertificateRequest(context, self._request_extensions()))

    def answer(self, alpn: bytes | None, name_used: bool, limit_offered: bool) -> bytes:
        """The EncryptedExtensions for what was selected."""
        key = (alpn, name_used, limit_offered)
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
            known = encode(EncryptedExtensions(Extensions(values)))
            if len(self._answers) < _KEPT_ANSWERS:
                self._answers[key] = known
        return known


def client_plan(config: "ClientConfig") -> ClientPlan:
    """The plan of a client configuration, made at its first connection."""
    plan = config._cache
    if not isinstance(plan, ClientPlan):
        plan = ClientPlan(config)
        object.__setattr__(config, "_cache", plan)
    return plan


def server_plan(config: "ServerConfig") -> ServerPlan:
    """The plan of a server configuration, made at its first connection."""
    plan = config._cache
    if not isinstance(plan, ServerPlan):
        plan = ServerPlan(config)
        object.__setattr__(config, "_cache", plan)
    return plan
