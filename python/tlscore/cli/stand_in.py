"""Certificates that stand in for those whose keys are not at hand: same kind of key, same names, another authority.

They let a negotiation run that depends on the kind of key. What they prove is worth nothing, and they never leave the
process.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlscore.certs import signatures
from tlscore.certs.identity import Identity
from tlscore.certs.loading import der
from tlscore.certs.trust_store import TrustStore
from tlscore.errors import ConfigError

_NAME = "stand-in.invalid"
_BOTH_ENDS: Final = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
# What a certificate says about the use of its key; the verification of the described chain judges the rest.
_USES: Final = (x509.KeyUsage, x509.ExtendedKeyUsage)
_MAKERS: Final[tuple[tuple[type[Any], type[Any]], ...]] = (
    (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
    (ed448.Ed448PublicKey, ed448.Ed448PrivateKey),
    (mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey),
    (mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey),
    (mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey),
)


class _Model(NamedTuple):
    """What a stand-in takes over from the certificate that it stands for."""

    subject: x509.Name
    extensions: tuple[x509.Extension[Any], ...]
    # The AlgorithmIdentifier of an RSASSA-PSS key; cryptography writes such keys as plain RSA keys.
    algorithm: bytes = b""


class StandIns:
    """An authority in memory, and what it issues.

    Takes:    names: what the client asks for and checks; without any, one that exists nowhere.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._asked = bool(names)
        self.names = names or (_NAME,)
        self._made: dict[bytes | str, Identity] = {}
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_x509_name("stand-in authority"), self._key.public_key(), ca=True)
        self.trust = TrustStore.from_certificates((builder.sign(self._key, hashes.SHA256()),))

    def identity(self) -> Identity:
        """One with a P-256 key."""
        if "P-256" not in self._made:
            self._made["P-256"] = self._plain(ec.generate_private_key(ec.SECP256R1()), encipherment=False)
        return self._made["P-256"]

    def rsa_identity(self) -> Identity:
        """One with an RSA key that may sign and encipher keys."""
        if "RSA" not in self._made:
            self._made["RSA"] = self._plain(rsa.generate_private_key(65537, 2048), encipherment=True)
        return self._made["RSA"]

    def like(self, described: bytes) -> Identity:
        """One with a key of the same kind as that of a certificate, with the same uses and names; always the same.

        Raises:   ConfigError where no identity could have such a key.
        """
        if described not in self._made:
            self._made[described] = self._like(described)
        return self._made[described]

    def _like(self, described: bytes) -> Identity:
        certificate = x509.load_der_x509_certificate(described)
        oid = certificate.public_key_algorithm_oid.dotted_string
        private = _same_kind(certificate, oid)
        kinds = (*_USES, x509.SubjectAlternativeName) if self._asked else _USES
        taken = [found for kind in kinds if (found := _extension(certificate, kind)) is not None]
        if not self._asked:
            taken.append(self._own_names())
        pss = oid == signatures.PSS_KEY_OID
        algorithm = _algorithm(certificate) if pss else b""
        return self._issue(private, _Model(certificate.subject, tuple(taken), algorithm))

    def _plain(self, private: Any, *, encipherment: bool) -> Identity:
        usage = x509.KeyUsage(True, False, encipherment, False, False, False, False, False, False)
        extensions = (
            x509.Extension(x509.KeyUsage.oid, True, usage),
            x509.Extension(x509.ExtendedKeyUsage.oid, False, _BOTH_ENDS),
            self._own_names(),
        )
        return self._issue(private, _Model(_x509_name(self.names[0]), extensions))

    def _own_names(self) -> x509.Extension[Any]:
        names = x509.SubjectAlternativeName([_general_name(name) for name in self.names])
        return x509.Extension(x509.SubjectAlternativeName.oid, False, names)

    def _issue(self, private: Any, model: _Model) -> Identity:
        builder = self._builder(model.subject, private.public_key(), ca=False)
        for extension in model.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        certificate = builder.sign(self._key, hashes.SHA256())
        signed = certificate.public_bytes(Encoding.DER)
        return Identity((self._renamed(signed, model.algorithm) if model.algorithm else signed,), private)

    def _builder(self, subject: x509.Name, public: Any, *, ca: bool) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_x509_name("stand-in authority"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _renamed(self, certificate: bytes, algorithm: bytes) -> bytes:
        """The same certificate with another AlgorithmIdentifier of its key, signed again."""
        body, signed_with, _ = der.children(der.element(certificate).content)
        parts = der.children(body.content)
        at = _key_at(parts)
        _, key = der.children(parts[at].content)
        parts[at] = der.element(der.encode(der.SEQUENCE, algorithm + key.whole))
        body = der.element(der.encode(der.SEQUENCE, b"".join([part.whole for part in parts])))
        signature = self._key.sign(body.whole, ec.ECDSA(hashes.SHA256()))
        return der.encode(
            der.SEQUENCE, body.whole + signed_with.whole + der.encode(der.BIT_STRING, b"\x00" + signature)
        )


def _key_at(parts: list[der.Element]) -> int:
    """Where subjectPublicKeyInfo stands in a TBSCertificate."""
    # RFC 5280 4.1: version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo. The first of them
    # is not written in version 1.
    return 6 if parts[0].tag == der.CONTEXT_0 else 5


def _algorithm(certificate: x509.Certificate) -> bytes:
    """The AlgorithmIdentifier of a certificate's key in DER."""
    parts = der.children(der.element(certificate.tbs_certificate_bytes).content)
    return der.children(parts[_key_at(parts)].content)[0].whole


def _same_kind(certificate: x509.Certificate, oid: str) -> Any:
    """A fresh private key of the kind of a certificate's."""
    try:
        key: Any = certificate.public_key()
    except (ValueError, TypeError):
        key = None
    shortest, longest = signatures.RSA_BITS
    if signatures.schemes_for(key, oid):
        if isinstance(key, ec.EllipticCurvePublicKey):
            return ec.generate_private_key(key.curve)
        if isinstance(key, rsa.RSAPublicKey) and shortest <= key.key_size <= longest:
            return rsa.generate_private_key(65537, 2048)
        for public, private in _MAKERS:
            if isinstance(key, public):
                return private.generate()
    raise ConfigError(
        "a certificate is described whose key can make no signature that TLS 1.3 has",
        remedy="use a P-256, P-384, P-521, Ed25519, Ed448, ML-DSA or RSA key (of 2048 bits or more)",
    )


def _extension(certificate: x509.Certificate, kind: type[Any]) -> x509.Extension[Any] | None:
    try:
        found: x509.Extension[Any] = certificate.extensions.get_extension_for_class(kind)
    except (x509.ExtensionNotFound, ValueError):
        return None
    return found


def _x509_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(name: str) -> x509.GeneralName:
    from ipaddress import ip_address

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
