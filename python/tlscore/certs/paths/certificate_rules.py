"""The rules that one certificate obeys or breaks by its octets alone, for the place it has in a path.

`verdict` gives the failed checks of a certificate as leaf, intermediate or anchor; the answer is a function of octets,
place, purpose and policy, so it is kept with the facts. Time, signatures and everything that needs the rest of the path
are in path_rules.py. Of an anchor only what restricts it is judged: neither its own signature nor its serial number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from tlscore.certs import algorithms, key_use
from tlscore.certs.paths import signing
from tlscore.certs.paths.constraints import constraint_problem
from tlscore.certs.paths.facts import NETSCAPE_TYPE, Facts, serial_octets
from tlscore.certs.paths.policy_tree import read_mappings
from tlscore.certs.paths.profile import profile_problems
from tlscore.certs.paths.wording import Purpose, Role, Title
from tlscore.certs.report import Check

if TYPE_CHECKING:
    from tlscore.certs.key_use import KeyUse
    from tlscore.certs.policy import CertificatePolicy

BAD, UNSUPPORTED, ILLEGAL = 42, 43, 47
PURPOSE_OIDS: Final = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
# Names of the rules here, in the order of a report.
RULES: Final = (
    "encoding",
    "hash",
    "key_size",
    "version",
    "serial",
    "critical_extensions",
    "basic_constraints",
    "key_usage",
    "extended_key_usage",
    "netscape_cert_type",
    "name_constraints",
    "policies",
)
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_OTHER_KEYS: Final = (
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
    mldsa.MLDSA44PublicKey,
    mldsa.MLDSA65PublicKey,
    mldsa.MLDSA87PublicKey,
)
# Critical extensions that are processed here or in tlscore.certs.revocation.
_PROCESSED: Final = frozenset(
    oid.dotted_string
    for oid in (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.TLS_FEATURE,
    )
) | {NETSCAPE_TYPE}
_PURPOSE_NAMES: Final = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}
_NETSCAPE_BITS: Final = (
    "SSL client",
    "SSL server",
    "S/MIME",
    "object signing",
    "reserved",
    "SSL CA",
    "S/MIME CA",
    "object signing CA",
)


def verdict(
    facts: Facts, role: Role, purpose: Purpose, policy: CertificatePolicy, use: KeyUse = "digitalSignature"
) -> tuple[Check, ...]:
    """Failed checks of a certificate in its place; empty if it may stand there.

    Takes:    use: what the key of a leaf is for; of others nothing but signatures over certificates is asked.
    """
    key = (role, purpose, use)
    known = facts.verdicts.get(key)
    if known is not None and known[0] is policy:
        checks: tuple[Check, ...] = known[1]
        return checks
    found = tuple(_problems(facts, role, purpose, policy, use))
    facts.verdicts[key] = (policy, found)
    return found


def _fail(name: str, facts: Facts, alert: int, text: str, remedy: str, section: str, code: str = "") -> Check:
    return Check(name, "fail", text, None, alert, code, remedy, section)


def _problems(facts: Facts, role: Role, purpose: Purpose, policy: CertificatePolicy, use: KeyUse) -> Iterator[Check]:
    who = Title(facts, role, purpose)
    if facts.damage:
        yield _fail(
            "encoding",
            facts,
            BAD,
            f"{who} has extensions that cannot be parsed: {facts.damage}",
            "issue it anew, with each extension once and in DER",
            "RFC 5280 4.2",
        )
    if role != "anchor":
        yield from _form(facts, who)
        yield from _hash(facts, who)
    yield from _key(facts, who, policy)
    yield from _critical(facts, who)
    yield from _key_usage(facts, who, role, use)
    if role != "leaf":
        yield from _authority(facts, who)
    yield from _purpose(facts, who, role, purpose, policy)
    problem = constraint_problem(facts, role)
    if problem:
        yield _fail("name_constraints", facts, BAD, f"{who} {problem}", "issue it anew", "RFC 5280 4.2.1.10")
    yield from _policies(facts, who)
    yield from profile_problems(facts, who, role, policy)


def _form(facts: Facts, who: object) -> Iterator[Check]:
    if facts.certificate.version is not x509.Version.v3:
        yield _fail(
            "version",
            facts,
            UNSUPPORTED,
            f"{who} is an X.509 v1 certificate, which says nothing about what it may be used for",
            "issue it as version 3",
            "RFC 5280 4.1.2.1",
        )
    serial = serial_octets(facts.der)
    # RFC 5280 4.1.2.2: "The serial number MUST be a positive integer", "Conforming CAs MUST NOT use serialNumber values
    # longer than 20 octets."
    if not serial.strip(b"\0") or serial[0] & 0x80 or len(serial) > 20:
        yield _fail(
            "serial",
            facts,
            BAD,
            f"{who} has a serial number that is "
            + ("longer than 20 octets" if len(serial) > 20 else "zero" if not serial.strip(b"\0") else "negative"),
            "have the CA give it a positive serial number of at most 20 octets",
            "RFC 5280 4.1.2.2",
        )
    # RFC 5280 4.1.1.2: "This field MUST contain the same algorithm identifier as the signature field in the sequence
    # tbsCertificate"
    if facts.inner_algorithm != facts.outer_algorithm:
        yield _fail(
            "encoding",
            facts,
            BAD,
            f"{who} names one signature algorithm inside its signed part and another one outside",
            "somebody changed the certificate, or its CA is broken",
            "RFC 5280 4.1.1.2",
        )
    if not facts.issuer:
        yield _fail(
            "encoding", facts, BAD, f"{who} names no issuer", "have a CA with a name issue it", "RFC 5280 4.1.2.4"
        )


def _hash(facts: Facts, who: object) -> Iterator[Check]:
    found = signing.algorithm_of(facts)
    if found is None:
        yield _fail(
            "hash",
            facts,
            UNSUPPORTED,
            f"{who} has a signature of an unknown kind ({facts.oid})",
            "have the CA sign it with ECDSA, RSA, Ed25519, Ed448 or ML-DSA",
            "RFC 9846 4.3.3",
        )
    elif found.key is None and found.hash_name in algorithms.FORGEABLE:
        # RFC 9846 4.5.1.3: "Any endpoint receiving any certificate which it would need to validate using any signature
        # algorithm using an MD5 hash MUST abort the handshake with a "bad_certificate" alert."
        yield forged(facts, who, found.hash_name)
    elif found.key is None:
        yield _fail(
            "hash",
            facts,
            UNSUPPORTED,
            f"{who} is signed with {found.name}, which is not supported",
            "have the CA sign it with SHA-256",
            "RFC 9325 4.5",
        )


def forged(facts: Facts, who: object, hash_name: str) -> Check:
    """The check of a hash that can be forged."""
    return _fail(
        "hash",
        facts,
        BAD,
        f"{who} is signed with {hash_name}, which can be forged",
        "have the CA sign it with SHA-256",
        "RFC 9846 4.5.1.3",
        "TLS-BAD_CERTIFICATE-HASH",
    )


def _key(facts: Facts, who: object, policy: CertificatePolicy) -> Iterator[Check]:
    key = facts.key
    remedy = "issue it for a P-256, P-384, P-521, Ed25519, Ed448, ML-DSA or RSA key"
    if key is None:
        yield _fail("key_size", facts, UNSUPPORTED, f"the key of {who} cannot be used: {facts.key_damage}", remedy, "")
    elif isinstance(key, rsa.RSAPublicKey):
        if not policy.min_rsa_bits <= key.key_size <= policy.max_rsa_bits:
            yield _fail(
                "key_size",
                facts,
                BAD,
                f"{who} has an RSA key of {key.key_size} bits",
                f"issue it for a key of {policy.min_rsa_bits} to {policy.max_rsa_bits} bits, or for a P-256 key",
                "RFC 9325 4.5",
            )
        elif not signing.is_cheap(key):
            yield _fail(
                "key_size",
                facts,
                BAD,
                f"{who} has an RSA key with an exponent above 2^33",
                "issue it for a key with the exponent 65537",
                "RFC 9325 4.5",
            )
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES or not facts.named_curve:
            curve = (
                f"the curve {key.curve.name}" if facts.named_curve else "a curve that it spells out, not a named one"
            )
            yield _fail("key_size", facts, UNSUPPORTED, f"{who} has a key on {curve}", remedy, "RFC 9325 4.5")
    elif not isinstance(key, _OTHER_KEYS):
        yield _fail(
            "key_size",
            facts,
            UNSUPPORTED,
            f"{who} has a key of a kind that makes no signatures in TLS ({type(key).__name__})",
            remedy,
            "RFC 9846 4.5.1.2",
        )


def _critical(facts: Facts, who: object) -> Iterator[Check]:
    unknown = [oid for oid, one in facts.extensions.items() if one.critical and oid not in _PROCESSED]
    if unknown:
        # RFC 5280 4.2: "A certificate-using system MUST reject the certificate if it encounters a critical extension it
        # does not recognize or a critical extension that contains information that it cannot process."
        yield _fail(
            "critical_extensions",
            facts,
            UNSUPPORTED,
            f"{who} has critical extensions that nobody here knows: " + ", ".join(unknown[:8]),
            "issue it without them, or not critical",
            "RFC 5280 4.2",
        )


def _authority(facts: Facts, who: object) -> Iterator[Check]:
    constraints = facts.basic_constraints
    if constraints is None or not constraints.ca:
        yield _fail(
            "basic_constraints",
            facts,
            BAD,
            f"{who} is no CA certificate (basicConstraints)",
            "have a CA sign: this certificate may not",
            "RFC 5280 6.1.4",
        )
    # RFC 5280 4.1.2.6: "If the subject is a CA [...] then the subject field MUST be populated with a non-empty
    # distinguished name"
    if not facts.subject:
        yield _fail(
            "encoding", facts, BAD, f"{who} has no name", "issue the CA certificate with a subject", "RFC 5280 4.1.2.6"
        )


def _key_usage(facts: Facts, who: object, role: Role, use: KeyUse) -> Iterator[Check]:
    usage: x509.KeyUsage | None = facts.value(ExtensionOID.KEY_USAGE)
    if role == "leaf":
        yield from _use_of_leaf(facts, who, usage, use)
    # RFC 5280 6.1.4 (n): "If a key usage extension is present, verify that the keyCertSign bit is set."
    elif usage is not None and not usage.key_cert_sign:
        yield _fail(
            "key_usage",
            facts,
            BAD,
            f"{who} may not sign certificates (keyUsage)",
            "issue the CA certificate with keyCertSign",
            "RFC 5280 6.1.4",
        )


def _use_of_leaf(facts: Facts, who: object, usage: x509.KeyUsage | None, use: KeyUse) -> Iterator[Check]:
    # RFC 5246 7.4.2: "The end entity certificate's public key (and associated restrictions) MUST be compatible with the
    # selected key exchange algorithm."
    if use == "keyEncipherment" and not key_use.encrypts(facts.certificate):
        text, remedy = "is for a key that only signs, and RSA key exchange encrypts to it", "use a certificate for RSA"
        section = key_use.section_of(use)
        yield _fail("key_usage", facts, ILLEGAL, f"{who} {text}", remedy, section, "TLS-WRONG_CERTIFICATE_KIND")
    elif usage is not None and not key_use.allows(usage, use):
        why = ", which RSA key exchange needs" if use == "keyEncipherment" else ""
        text, remedy = f"has a keyUsage without {use}{why}", f"issue it with keyUsage = {use}, or without keyUsage"
        yield _fail("key_usage", facts, UNSUPPORTED, f"{who} {text}", remedy, key_use.section_of(use))
    constraints = facts.basic_constraints
    # RFC 5280 4.2.1.9: "If the cA boolean is not asserted, then the keyCertSign bit in the key usage extension MUST NOT
    # be asserted."
    if usage is not None and usage.key_cert_sign and constraints is not None and not constraints.ca:
        yield _fail(
            "key_usage",
            facts,
            BAD,
            f"{who} is no CA certificate and has keyCertSign",
            "issue it without keyCertSign",
            "RFC 5280 4.2.1.9",
        )


def _purpose(facts: Facts, who: object, role: Role, purpose: Purpose, policy: CertificatePolicy) -> Iterator[Check]:
    purposes: x509.ExtendedKeyUsage | None = facts.value(ExtensionOID.EXTENDED_KEY_USAGE)
    may = f"may not issue for {purpose}Auth (extendedKeyUsage)"
    if purposes is None:
        yield from _netscape(facts, who, role, purpose)
        return
    # RFC 5280 4.2.1.12: "If the extension is present, then the certificate MUST only be used for one of the purposes
    # indicated."; in a CA certificate it restricts what is issued below it. anyExtendedKeyUsage: "Applications that
    # require the presence of a particular purpose MAY reject certificates" that have it alone.
    if PURPOSE_OIDS[purpose] in purposes:
        return
    if policy.allow_any_purpose and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        return
    text = f"has an extendedKeyUsage without {purpose}Auth" if role == "leaf" else may
    has = _purposes_shown(purposes)
    yield _fail(
        "extended_key_usage",
        facts,
        UNSUPPORTED,
        f"{who} {text}; it has {has}",
        f"issue it with extendedKeyUsage = {purpose}Auth" if role == "leaf" else "use a CA for this purpose",
        "RFC 5280 4.2.1.12",
    )


def _purposes_shown(purposes: x509.ExtendedKeyUsage) -> str:
    """The purposes that a certificate has, by name where they have one."""
    shown = [_PURPOSE_NAMES.get(one.dotted_string, one.dotted_string) for one in purposes]
    return ", ".join(shown[:6]) or "none"


def netscape_type(facts: Facts) -> tuple[str, ...] | None:
    """The Netscape certificate type as names of its bits; None where it is absent, empty where it is unreadable."""
    value = facts.extensions.get(NETSCAPE_TYPE)
    if value is None:
        return None
    octets = getattr(value.value, "value", b"")
    # BIT STRING of one octet: tag, length, unused bits, the bits.
    if len(octets) != 4 or octets[0] != 3 or octets[1] != 2 or octets[2] > 7:
        return ()
    return tuple(name for number, name in enumerate(_NETSCAPE_BITS) if octets[3] & (0x80 >> number))


def _netscape(facts: Facts, who: object, role: Role, purpose: Purpose) -> Iterator[Check]:
    """Without extended key usage, the obsolete extension restricts further; it never allows what others forbid."""
    bits = netscape_type(facts)
    wanted = "SSL CA" if role != "leaf" else f"SSL {purpose}"
    if bits is not None and wanted not in bits:
        yield _fail(
            "netscape_cert_type",
            facts,
            UNSUPPORTED,
            f"{who} has a Netscape certificate type without the bit {wanted!r}; it has {', '.join(bits) or 'none'}",
            "issue it with an extendedKeyUsage, and without the Netscape extension, which is obsolete",
            "RFC 5280 4.2.1.12",
        )


def _policies(facts: Facts, who: object) -> Iterator[Check]:
    mappings: Any = facts.extensions.get(ExtensionOID.POLICY_MAPPINGS.dotted_string)
    if mappings is not None and read_mappings(getattr(mappings.value, "value", b"")) is None:
        yield _fail("policies", facts, BAD, f"{who} has policy mappings that cannot be read", "issue it anew", "")
