"""Is a peer's chain what it claims: path, validity, purpose and name, each failure with its own alert.

The path is built and checked by the `cryptography` package's verifier, with the rules of extension_rules.py; the key
size of the leaf, its key usage and its purpose are checked here. The verifier gives one text for most failures, so when
it refuses, diagnosis.py walks the chain again and finds the cause. What is not needed for the answer (names as text,
fingerprints) is made when somebody asks. A certificate of the peer that stands in the trust store itself is accepted
without a path, name and validity still checked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import VerificationError

from tlscore import errors
from tlscore.certs import diagnosis, extension_rules, signatures
from tlscore.certs.names import DnsName, IpAddress, ServerName
from tlscore.certs.peer import PARSE_ERRORS, PeerIdentity

if TYPE_CHECKING:
    from tlscore.certs.extension_rules import Purpose
    from tlscore.certs.trust_store import TrustStore

# Own limit: more than any honest peer sends; each certificate is parsed before any is trusted.
CERTIFICATES = 32
# What parsing gives is remembered for this many certificates of at most so many octets: 1 MiB at worst. It is a
# function of the octets alone; whether a certificate is trusted is never remembered here.
_KEPT_CERTIFICATES = 128
_KEPT_OCTETS = 8192


class Parsed:
    """A certificate and what its octets alone decide; made once, since each part costs as much as a hash of it all."""

    __slots__ = ("_purposes", "certificate", "public_key", "schemes")

    def __init__(self, der: bytes) -> None:
        self.certificate = x509.load_der_x509_certificate(der)
        self.public_key: Any = None
        self.schemes: tuple[int, ...] = ()
        self._purposes: set[str] = set()

    def load_key(self) -> Any:
        """The public key; raises what the parser raises."""
        if self.public_key is None:
            key: Any = self.certificate.public_key()
            is_rsa = isinstance(key, rsa.RSAPublicKey)
            oid = self.certificate.public_key_algorithm_oid.dotted_string if is_rsa else ""
            self.schemes = signatures.schemes_for(key, oid)
            self.public_key = key
        return self.public_key

    def check_usage(self, purpose: Purpose) -> None:
        """Refuse a certificate whose key usage or extended key usage excludes the purpose."""
        if purpose not in self._purposes:
            _check_usage(self.certificate, purpose)
            self._purposes.add(purpose)


_remembered = lru_cache(maxsize=_KEPT_CERTIFICATES)(Parsed)


class ChainVerified:
    """A peer's chain after its checks; `authenticated` is False where a check was skipped on purpose."""

    __slots__ = ("_identity", "authenticated", "certificate", "chain", "public_key", "reason", "signature_schemes")

    def __init__(self, chain: tuple[bytes, ...], leaf: Parsed, authenticated: bool, reason: str = "") -> None:
        self.chain = chain
        self.certificate = leaf.certificate
        self.public_key: signatures.PublicKey = leaf.load_key()
        self.authenticated = authenticated
        self.reason = reason
        self.signature_schemes = leaf.schemes
        self._identity: PeerIdentity | None = None

    @property
    def signature_schemes12(self) -> tuple[int, ...]:
        """What the key of the leaf can sign in TLS 1.2."""
        return signatures.schemes12(self.signature_schemes)

    @property
    def key_kind(self) -> str:
        """Which suites of TLS 1.2 the key of the leaf serves: "ECDSA", "RSA" or none."""
        return signatures.key_kind(self.signature_schemes)

    @property
    def curve(self) -> str:
        """The curve of an ECDSA key, empty for others."""
        return signatures.curve_of(self.signature_schemes)

    @property
    def identity(self) -> PeerIdentity:
        """Who the peer's certificate says it is."""
        if self._identity is None:
            self._identity = PeerIdentity.of(self.certificate)
        return self._identity


def verify_server(
    chain: tuple[bytes, ...], trust: TrustStore, name: ServerName | None, now: datetime | None = None
) -> ChainVerified:
    """Verify a server's chain for a name; without a name (danger.skip_name_check) the result is not authenticated.

    Takes:    chain: DER certificates as received, the server's own first. now: the time to judge by; the system's clock
              by default.
    Raises:   the AlertError of the failure, with cause and remedy; DecodeError for an empty chain.
    Source:   RFC 9846 section 4.5.1.3, RFC 5280 section 6, RFC 9525.
    """
    if not chain:
        # RFC 9846 4.5.1.3: "If the server supplies an empty Certificate message, the client MUST abort the handshake
        # with a "decode_error" alert."
        raise errors.DecodeError("the server sent no certificate", section="RFC 9846 4.5.1.3")
    return _verify(chain, trust, name, now, "server", authenticated=name is not None)


def verify_client(chain: tuple[bytes, ...], trust: TrustStore, now: datetime | None = None) -> ChainVerified:
    """Verify a client's chain. Raises as verify_server; CertificateRequired for an empty chain."""
    if not chain:
        raise errors.CertificateRequired(
            "the client sent no certificate",
            remedy="give the client an identity whose issuer this server trusts",
            section="RFC 9846 4.5.1.3",
        )
    return _verify(chain, trust, None, now, "client", authenticated=True)


def accept_unverified(chain: tuple[bytes, ...], reason: str) -> ChainVerified:
    """Take a chain as it is, for danger.accept_any_peer: only its key is read, and nothing is authenticated."""
    if not chain:
        raise errors.DecodeError("the server sent no certificate", section="RFC 9846 4.5.1.3")
    leaf = _parse(chain[0], 1)
    _load_key(leaf)
    return ChainVerified(chain, leaf, False, reason)


def _verify(
    chain: tuple[bytes, ...],
    trust: TrustStore,
    name: ServerName | None,
    now: datetime | None,
    purpose: Purpose,
    authenticated: bool,
) -> ChainVerified:
    if len(chain) > CERTIFICATES:
        raise errors.BadCertificate(
            f"the {purpose} sent {len(chain)} certificates, more than {CERTIFICATES}", remedy="send the chain alone"
        )
    parsed = _parse(chain[0], 1)
    leaf = parsed.certificate
    others = [_parse(der, number).certificate for number, der in enumerate(dict.fromkeys(chain[1:]), 2)]
    time = datetime.now(UTC) if now is None else now
    public_key = _load_key(parsed)
    policy = trust.policy(purpose, name is not None).time(time)
    extension_rules.start_budget()
    try:
        if name is None:
            policy.build_client_verifier().verify(leaf, others)
        else:
            policy.build_server_verifier(_subject(name)).verify(leaf, others)
        _check_key_size(public_key, purpose)
        parsed.check_usage(purpose)
    except VerificationError as refusal:
        raise _explained(leaf, others, trust, name, time, purpose, str(refusal)) from None
    except PARSE_ERRORS as damage:
        raise _damaged(1, damage) from None
    return ChainVerified(chain, parsed, authenticated)


def _explained(
    leaf: x509.Certificate,
    others: list[x509.Certificate],
    trust: TrustStore,
    name: ServerName | None,
    now: datetime,
    purpose: Purpose,
    text: str,
) -> errors.AlertError:
    try:
        return diagnosis.explain(leaf, others, trust, name, now, purpose, text)
    except PARSE_ERRORS as damage:
        # Some parts of a certificate are parsed only when asked for.
        return _damaged(1, damage)


def _parse(der: bytes, number: int) -> Parsed:
    try:
        return _remembered(der) if len(der) <= _KEPT_OCTETS else Parsed(der)
    except PARSE_ERRORS as damage:
        raise _damaged(number, damage) from None


def _damaged(number: int, damage: Exception) -> errors.BadCertificate:
    # RFC 9846 6.2: bad_certificate is "A certificate was corrupt". The message around it was well-formed, so not
    # decode_error.
    return errors.BadCertificate(
        f"certificate {number} of the chain cannot be parsed: {errors.escape(str(damage), 200)}",
        remedy="the peer must send X.509 v3 certificates in DER",
        section="RFC 9846 4.5.1",
    )


def _load_key(leaf: Parsed) -> Any:
    try:
        return leaf.load_key()
    except PARSE_ERRORS as failure:
        raise errors.UnsupportedCertificate(
            f"the key of the peer's certificate cannot be used: {errors.escape(str(failure), 200)}",
            remedy="use a P-256, P-384, P-521, Ed25519, Ed448, ML-DSA or RSA key",
            section="RFC 9846 4.5.1.2",
        ) from None


def _subject(name: ServerName) -> x509.DNSName | x509.IPAddress:
    if isinstance(name, DnsName):
        return x509.DNSName(name.text)
    assert isinstance(name, IpAddress)
    import ipaddress

    return x509.IPAddress(ipaddress.ip_address(name.text))


def _check_key_size(public_key: object, purpose: Purpose) -> None:
    lowest, highest = signatures.RSA_BITS
    if isinstance(public_key, rsa.RSAPublicKey) and not lowest <= public_key.key_size <= highest:
        raise errors.BadCertificate(
            f"the {purpose}'s certificate has an RSA key of {public_key.key_size} bits",
            remedy=f"issue it for a key of {lowest} to {highest} bits, or for a P-256 key",
            section="RFC 9325 4.5",
        )


def _check_usage(leaf: x509.Certificate, purpose: Purpose) -> None:
    extensions = leaf.extensions
    for extension in extensions:
        if extension.oid == x509.OID_KEY_USAGE:
            usage: Any = extension.value
            # RFC 9846 4.5.1.2: "the digitalSignature bit MUST be set if the Key Usage extension is present"
            if not usage.digital_signature:
                raise errors.UnsupportedCertificate(
                    f"the {purpose}'s certificate has a keyUsage without digitalSignature",
                    remedy="issue it with keyUsage = digitalSignature, or without keyUsage",
                    section="RFC 9846 4.5.1.2",
                )
        elif extension.oid == x509.OID_EXTENDED_KEY_USAGE:
            usages: Any = extension.value
            # RFC 5280 4.2.1.12: "If the extension is present, then the certificate MUST only be used for one of the
            # purposes indicated."
            wanted = extension_rules.PURPOSE_OIDS[purpose]
            if wanted not in usages and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usages:
                raise errors.UnsupportedCertificate(
                    f"the {purpose}'s certificate has an extendedKeyUsage without {purpose}Auth",
                    remedy=f"issue it with extendedKeyUsage = {purpose}Auth",
                    section="RFC 5280 4.2.1.12",
                )
