"""The dict of getpeercert: equal to what OpenSSL's decoder makes of the same certificate."""

from __future__ import annotations

import datetime
import ipaddress
import ssl as stdlib
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tlscore.certs.loading import der
from tlscore.ssl import peercert
from tlscore.ssl.certificate import DER, PEM, Certificate

_KEY = ec.generate_private_key(ec.SECP256R1())
_THEIRS: Any = stdlib
_CPYTHON = Path(sys.base_prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "test", "certdata")


def reference(certificate: bytes, folder: Path) -> dict[str, Any]:
    """What OpenSSL makes of it."""
    path = folder / "certificate.pem"
    path.write_text(stdlib.DER_cert_to_PEM_cert(certificate))
    return _THEIRS._ssl._test_decode_cert(str(path))  # type: ignore[no-any-return]


def made(
    *extensions: x509.ExtensionType,
    subject: x509.Name | None = None,
    serial: int = 255,
    before: datetime.datetime = datetime.datetime(2024, 2, 3, 4, 5, 6),
    after: datetime.datetime = datetime.datetime(2061, 12, 31, 23, 59, 59),
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    builder = x509.CertificateBuilder(name, subject or name, _KEY.public_key(), serial, before, after)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def same(certificate: bytes, folder: Path) -> dict[str, Any]:
    ours, theirs = peercert.decode(certificate), reference(certificate, folder)
    assert ours == theirs
    assert list(ours) == list(theirs)
    return ours


def test_names_of_every_kind(tmp_path: Path) -> None:
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("www.example.org"),
            x509.RFC822Name("user@example.org"),
            x509.UniformResourceIdentifier("https://example.org/"),
            x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
            x509.IPAddress(ipaddress.ip_address("2001:db8::ff")),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4.5")),
            x509.RegisteredID(NameOID.COMMON_NAME),
            x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "XY")])),
            x509.OtherName(x509.ObjectIdentifier("1.2.3.4.6"), der.encode(0x0C, b"hidden")),
            x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), der.encode(0x0C, b"user@realm")),
            x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), der.encode(0x16, b"_ldap.example.org")),
        ]
    )
    assert len(same(made(names), tmp_path)["subjectAltName"]) == 11


def test_places_of_status_issuers_and_lists(tmp_path: Path) -> None:
    places = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://o.example/")),
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.DNSName("no.uri.example")),
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://c.example/ca")
        ),
    ]
    points = [
        x509.DistributionPoint(
            [x509.UniformResourceIdentifier("http://l.example/1"), x509.DNSName("l.example")], None, None, None
        ),
        x509.DistributionPoint([x509.UniformResourceIdentifier("http://l.example/2")], None, None, None),
    ]
    found = same(made(x509.AuthorityInformationAccess(places), x509.CRLDistributionPoints(points)), tmp_path)
    assert found["OCSP"] == ("http://o.example/",)
    assert found["crlDistributionPoints"] == ("http://l.example/1", "http://l.example/2")


def test_subjects_of_several_types_and_groups(tmp_path: Path) -> None:
    attribute, kinds = x509.NameAttribute, x509.name._ASN1Type
    subject = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [attribute(NameOID.COMMON_NAME, "Kön ig"), attribute(NameOID.USER_ID, "u1", kinds.PrintableString)]
            ),
            x509.RelativeDistinguishedName([attribute(NameOID.ORGANIZATION_NAME, "Größe", kinds.BMPString)]),
            x509.RelativeDistinguishedName([attribute(x509.ObjectIdentifier("1.2.3.4.7"), "unknown")]),
            x509.RelativeDistinguishedName([attribute(NameOID.EMAIL_ADDRESS, "a@b.example", kinds.IA5String)]),
        ]
    )
    assert same(made(subject=subject), tmp_path)["subject"][1] == (("organizationName", "Größe"),)


@pytest.mark.parametrize("serial", [1, 15, 16, 127, 128, 255, 256, 2**64 + 5, 2**159 - 1])
def test_serial_numbers(serial: int, tmp_path: Path) -> None:
    same(made(serial=serial), tmp_path)


@pytest.mark.parametrize("year", [1950, 1969, 1999, 2000, 2049, 2050, 9999])
def test_times_of_both_encodings(year: int, tmp_path: Path) -> None:
    before, after = datetime.datetime(1950, 1, 2, 3, 4, 5), datetime.datetime(year, 6, 7, 8, 9, 10)
    assert same(made(before=before, after=after), tmp_path)["notAfter"] == f"Jun  7 08:09:10 {year} GMT"


@pytest.mark.skipif(not _CPYTHON.is_dir(), reason="this interpreter has no test/certdata")
def test_the_certificates_of_cpython(tmp_path: Path) -> None:
    compared = 0
    for path in sorted(_CPYTHON.rglob("*")):
        text = path.read_text("latin-1") if path.is_file() else ""
        _, begin, rest = text.partition("-----BEGIN CERTIFICATE-----")
        if not begin:
            continue
        try:
            octets = stdlib.PEM_cert_to_DER_cert(begin + rest.partition("-----END")[0] + "-----END CERTIFICATE-----")
            reference(octets, tmp_path)
        except (ValueError, stdlib.SSLError):
            # Some are broken on purpose.
            continue
        same(octets, tmp_path)
        compared += 1
    assert compared > 15


def test_each_caller_gets_a_dict_of_its_own() -> None:
    certificate = made()
    peercert.decode(certificate)["subject"] = "changed"
    assert peercert.decode(certificate)["subject"] != "changed"


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x30\x03\x02\x01\x01", bytes(40)])
def test_octets_that_are_no_certificate_raise(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        peercert.decode(octets)


def test_certificates_of_chains_have_the_surface_of_openssls(tmp_path: Path) -> None:
    octets = made()
    one, twin, other = Certificate(octets), Certificate(octets), Certificate(made(serial=7))
    assert one == twin
    assert hash(one) == hash(twin)
    assert one != other
    assert one != octets
    assert one.public_bytes(DER) == octets
    assert one.public_bytes(PEM) == one.public_bytes() == stdlib.DER_cert_to_PEM_cert(octets)
    assert one.get_info() == peercert.decode(octets)
    assert "CN=somebody" in repr(one)
    with pytest.raises(ValueError, match="Unsupported format"):
        one.public_bytes(7)
