"""Throw-away certificate authorities for tests.

`make_ca()` gives an `Authority`; `authority.issue("name")` gives an `Issued` certificate with its key. Keys are made
when asked for, RSA keys once per process and size, since making them is slow. The library uses nothing of this.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Usage = Literal["server", "client", "both", "none"]

_CURVES: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
_USAGES = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


@functools.cache
def _rsa_key(bits: int, number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def make_key(kind: str) -> Any:
    """A private key: p256, p384, p521, rsa<bits>, ed25519, ed448, mldsa44, mldsa65, mldsa87."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    if kind.startswith("rsa"):
        bits, _, number = kind[3:].partition("#")
        return _rsa_key(int(bits or 2048), int(number or 0))
    makers: dict[str, Any] = {
        "ed25519": ed25519.Ed25519PrivateKey,
        "ed448": ed448.Ed448PrivateKey,
        "mldsa44": mldsa.MLDSA44PrivateKey,
        "mldsa65": mldsa.MLDSA65PrivateKey,
        "mldsa87": mldsa.MLDSA87PrivateKey,
    }
    return makers[kind].generate()


def _hash_for(key: Any) -> Any:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {256: hashes.SHA256(), 384: hashes.SHA384()}.get(key.key_size, hashes.SHA512())
    if isinstance(key, rsa.RSAPrivateKey):
        return hashes.SHA256()
    return None


def _pem_key(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _san(name: str) -> x509.GeneralName:
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Issued:
    """A certificate, the chain up to (not including) the root, and its private key."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: Any = field(repr=False)

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        return tuple(certificate.public_bytes(Encoding.DER) for certificate in self.chain)

    @property
    def chain_pem(self) -> bytes:
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)

    @property
    def key_pem(self) -> bytes:
        return _pem_key(self.key)

    def write(self, directory: str | Path, stem: str = "leaf") -> tuple[Path, Path]:
        """Write <stem>.pem and <stem>.key (mode 0600); gives both paths."""
        chain_path, key_path = Path(directory) / f"{stem}.pem", Path(directory) / f"{stem}.key"
        chain_path.write_bytes(self.chain_pem)
        key_path.touch(mode=0o600)
        key_path.write_bytes(self.key_pem)
        return chain_path, key_path


@dataclass(frozen=True)
class Authority:
    """A certificate authority: a root, or an intermediate made by `intermediate()`."""

    certificate: x509.Certificate
    key: Any = field(repr=False)
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def name_der(self) -> bytes:
        """The subject as DER, as it stands in certificate_authorities."""
        return self.certificate.subject.public_bytes()

    def write(self, directory: str | Path, stem: str = "ca") -> Path:
        path = Path(directory) / f"{stem}.pem"
        path.write_bytes(self.pem)
        return path

    def intermediate(self, name: str = "Test intermediate CA", key: str = "p256") -> Authority:
        private = make_key(key)
        certificate = _sign(private, name, self.certificate, self.key, ca=True, days=3650)
        return Authority(certificate, private, (certificate, *self.above))

    def issue(
        self,
        *names: str,
        key: str | Any = "p256",
        usage: Usage = "both",
        days: float = 30,
        not_before: dt.datetime | None = None,
        common_name: str | None = None,
        extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
        key_usage: bool = True,
    ) -> Issued:
        """A leaf for `names` (DNS names, IP addresses or mail addresses) signed by this authority."""
        private = make_key(key) if isinstance(key, str) else key
        leaf = _sign(
            private,
            common_name if common_name is not None else (names[0] if names else "leaf")[:64],
            self.certificate,
            self.key,
            names=names,
            usage=usage,
            days=days,
            not_before=not_before,
            extra=extra,
            key_usage=key_usage,
        )
        return Issued(leaf, (leaf, *self.above), private)


_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def make_ca(name: str = "Test CA", key: str = "p256") -> Authority:
    """A self-signed root."""
    private = make_key(key)
    return Authority(_sign(private, name, None, private, ca=True, days=3650), private)


def issue_rsa_pss(authority: Authority, name: str, directory: Path, program: str) -> tuple[Path, Path]:
    """Certificate and key under the OID RSASSA-PSS, which only the program openssl makes, as paths."""
    chain, key, request, ca, signer = (
        directory / f"rsapss{end}" for end in (".pem", ".key", ".csr", "-ca.pem", "-ca.key")
    )
    for path in (key, signer):
        path.touch(mode=0o600)
    signer.write_bytes(_pem_key(authority.key))
    ca.write_bytes(authority.pem)
    extensions = ("-addext", f"subjectAltName=DNS:{name}", "-addext", "keyUsage=critical,digitalSignature")
    for command in (
        ("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key),
        ("req", "-new", "-key", key, "-subj", f"/CN={name}", *extensions, "-out", request),
        ("x509", "-req", "-in", request, "-CA", ca, "-CAkey", signer, "-copy_extensions", "copyall", "-days", "30",
         "-out", chain),
    ):  # fmt: skip
        subprocess.run([program, *command], check=True, capture_output=True, timeout=60)
    return chain, key


def _sign(
    private: Any,
    common_name: str,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    *,
    names: tuple[str, ...] = (),
    usage: Usage = "none",
    days: float = 30,
    not_before: dt.datetime | None = None,
    ca: bool = False,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    key_usage: bool = True,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    start = not_before or dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if key_usage:
        builder = builder.add_extension(_key_usage(ca), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
    if usage != "none":
        builder = builder.add_extension(x509.ExtendedKeyUsage(_USAGES[usage]), critical=False)
    for value, critical in extra:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(issuer_key, _hash_for(issuer_key))


def _key_usage(ca: bool) -> x509.KeyUsage:
    return key_usage("key_cert_sign", "crl_sign") if ca else key_usage("digital_signature")


def key_usage(*bits: str) -> x509.KeyUsage:
    """A keyUsage with some bits, by the names that `x509.KeyUsage` has for them."""
    every = dict.fromkeys(_USAGE_BITS, False)
    assert set(bits) <= every.keys()
    return x509.KeyUsage(**{**every, **dict.fromkeys(bits, True)})
