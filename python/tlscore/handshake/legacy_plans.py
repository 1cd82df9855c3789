"""What is the same for every connection of one configuration of the legacy tier: as plans.py, by number.

Versions up to TLS 1.2 are negotiated by a number, so a ClientHello here has no supported_versions; what it carries
depends on the highest version that it asks for. A server keeps a CertificateRequest for each version, and the keys that
open what was encrypted to its RSA certificates.
"""

from typing import TYPE_CHECKING

from tlscore._core import RsaDecryptor
from tlscore.certs.legacy_signatures import exchange_problem, pkcs8
from tlscore.handshake.plans import Block, ClientPlan, ServerPlan, block
from tlscore.iana import ClientCertificateType, ExtensionType, ProtocolVersion
from tlscore.version_settings import VersionSetting
from tlscore.wire import EncryptThenMac, encode, encode_struct
from tlscore.wire.messages_legacy import CertificateRequestBody, Request10, Request12

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.legacy import Legacy
    from tlscore.suites import Suite

# Extensions of elliptic curves: a client sends them where it offers ECDHE.
_OF_CURVES = (ExtensionType.ec_point_formats,)
_KINDS = (ClientCertificateType.ecdsa_sign, ClientCertificateType.rsa_sign)
_KEPT_DECRYPTORS = 64


def is_cbc(suite: "Suite") -> bool:
    """Whether a suite encrypts in CBC mode, which is what encrypt_then_mac is about."""
    return "CBC" in suite.encryption


class LegacyClientPlan(ClientPlan):
    """The parts of a ClientHello of TLS 1.2 or older."""

    __slots__ = ("parts", "setting", "tier")

    def __init__(self, config: "ClientConfig", tier: "Legacy") -> None:
        super().__init__(config)
        self.tier = tier
        self.parts = {one.code: one for one in tier.parts()}
        self.setting = VersionSetting.compatibility(*config.versions, on_reject=config.on_reject)
        best = config.versions[0]
        self.number = best.to_bytes(2, "big")
        dropped: set[int] = set()
        # RFC 5246 7.4.1.4.1: "Clients MUST NOT offer it if they are offering prior versions." What is offered is the
        # number in the ClientHello.
        if best < ProtocolVersion.TLS12:
            dropped |= {ExtensionType.signature_algorithms, ExtensionType.signature_algorithms_cert}
        if not any(one.key_exchange == "ECDHE" for one in self.parts.values()):
            dropped.update(_OF_CURVES)
        self.versions_first = _without(self.versions_first, dropped)
        self.before_share = _without(self.before_share, dropped)
        after = _without(self.after_share, dropped)
        # RFC 7366 2: "the client includes the encrypt_then_mac extension in its client_hello if it wishes to use
        # encrypt-then-MAC rather than the default MAC-then-encrypt."
        if any(map(is_cbc, self.parts.values())):
            after = (*after, block(EncryptThenMac()))
        self.after_share = after
        self.offered = frozenset([code for code, _ in self.versions_first + self.before_share + after])
        self.offered_with_name = self.offered | {ExtensionType.server_name}


def _without(blocks: tuple[Block, ...], dropped: set[int]) -> tuple[Block, ...]:
    return tuple([one for one in blocks if one[0] not in dropped])


class LegacyServerPlan(ServerPlan):
    """The messages that a server of the legacy tier repeats, and its decryptors."""

    __slots__ = ("_decryptors", "_requests", "parts", "setting", "tier")

    def __init__(self, config: "ServerConfig", tier: "Legacy") -> None:
        self._requests: dict[bool, bytes] = {}
        super().__init__(config)
        self.tier = tier
        self.parts = {one.code: one for one in tier.parts()}
        self.setting = VersionSetting.compatibility(*config.versions, on_reject=config.on_reject)
        self._decryptors: dict[int, tuple[Identity, RsaDecryptor | None]] = {}

    def refresh(self) -> None:
        generation = self._generation
        super().refresh()
        if generation != self._generation:
            self._requests = {}

    @property
    def asks(self) -> bool:
        """Whether clients are asked for a certificate."""
        return self.config.client_auth in ("optional", "required")

    def request_for(self, version: int) -> bytes:
        """The CertificateRequest of a version: the older ones list no signature algorithms."""
        newer = version == ProtocolVersion.TLS12
        known = self._requests.get(newer)
        if known is None:
            authorities = self.config.certificate_authorities
            body = Request12(_KINDS, self.config.schemes, authorities) if newer else Request10(_KINDS, authorities)
            known = self._requests[newer] = encode(CertificateRequestBody(encode_struct(body)))
        return known

    def decryptor(self, identity: "Identity") -> RsaDecryptor | None:
        """What opens premaster secrets that were encrypted to an identity; None where it cannot serve RSA exchange."""
        known = self._decryptors.get(id(identity))
        if known is None:
            if len(self._decryptors) >= _KEPT_DECRYPTORS:
                self._decryptors = {}
            known = self._decryptors[id(identity)] = identity, _decryptor(identity)
        return known[1]


def _decryptor(identity: "Identity") -> RsaDecryptor | None:
    key = None if exchange_problem(identity) else pkcs8(identity)
    if key is None:
        return None
    try:
        return RsaDecryptor(key)
    except ValueError:
        # An odd key, such as one with a public exponent above 2^33: it may sign, and serves no exchange of keys.
        return None
