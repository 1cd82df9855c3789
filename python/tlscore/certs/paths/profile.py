"""The rules of `CertificatePolicy(strict=True)`: what the CA/Browser Forum's profile asks beyond RFC 5280's musts.

In-house authorities often break them without harm, so the default policy does not ask. RFC 5280 itself makes the key
identifiers a must for issuers and lets verifiers do without; what is refused here is refused for the issuer's sake.
`CertificatePolicy(issuer_rules=True)` asks for these musts alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from tlscore.certs.report import Check

if TYPE_CHECKING:
    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.paths.wording import Role
    from tlscore.certs.policy import CertificatePolicy

_BAD = 42


def profile_problems(facts: Facts, who: object, role: Role, policy: CertificatePolicy) -> Iterator[Check]:
    """Failed checks of the strict profile, or of RFC 5280's part of it; none where the policy asks for neither."""
    if not policy.strict and not policy.issuer_rules:
        return
    found = [*(_all(facts, role) if policy.strict else _of_rfc5280(facts, role))]
    if policy.issuer_rules:
        found += _usage_of_issuers(facts, role)
    for name, text, section in found:
        yield Check(name, "fail", f"{who} {text}", None, _BAD, "TLS-BAD_CERTIFICATE-STRICT", "issue it anew", section)


def _of_rfc5280(facts: Facts, role: Role) -> Iterator[tuple[str, str, str]]:
    """What RFC 5280 asks of whoever issues, since X.509 v3."""
    extensions = facts.extensions
    if facts.certificate.version is x509.Version.v1:
        return
    yield from _key_identifiers(facts, role)
    for oid in (ExtensionOID.POLICY_CONSTRAINTS, ExtensionOID.INHIBIT_ANY_POLICY):
        extension = extensions.get(oid.dotted_string)
        if extension is not None and not extension.critical:
            yield "policies", "has constraints of policies that are not critical", "RFC 5280 4.2.1.11"
    constraints: Any = extensions.get(ExtensionOID.BASIC_CONSTRAINTS.dotted_string)
    if role != "leaf" and constraints is not None and not constraints.critical:
        yield "basic_constraints", "has a basicConstraints that is not critical", "RFC 5280 4.2.1.9"


def _usage_of_issuers(facts: Facts, role: Role) -> Iterator[tuple[str, str, str]]:
    # RFC 5280 4.2.1.3: "Conforming CAs MUST include this extension in certificates that contain public keys that are
    # used to validate digital signatures on other public key certificates or CRLs."
    if (
        role != "leaf"
        and facts.certificate.version is not x509.Version.v1
        and ExtensionOID.KEY_USAGE.dotted_string not in facts.extensions
    ):
        yield "key_usage", "has no keyUsage", "RFC 5280 4.2.1.3"


def _all(facts: Facts, role: Role) -> Iterator[tuple[str, str, str]]:
    extensions = facts.extensions
    yield from _of_rfc5280(facts, role)
    yield from _anchor_identifiers(facts, role)
    key = facts.key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size % 8:
        yield "key_size", f"has an RSA key of {key.key_size} bits, which is no multiple of 8", "CABF BR 6.1.5"
    constraints: Any = extensions.get(ExtensionOID.BASIC_CONSTRAINTS.dotted_string)
    if role != "leaf":
        if role == "anchor" and ExtensionOID.EXTENDED_KEY_USAGE.dotted_string in extensions:
            yield "extended_key_usage", "is a root with an extendedKeyUsage", "CABF BR 7.1.2.1.2"
        return
    if constraints is not None and constraints.value.ca:
        yield "basic_constraints", "is a CA certificate and stands as a leaf", "CABF BR 7.1.2.7.8"
    purposes: Any = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE.dotted_string)
    if purposes is None:
        yield "extended_key_usage", "has no extendedKeyUsage", "CABF BR 7.1.2.7.6"
    elif purposes.critical:
        yield "extended_key_usage", "has a critical extendedKeyUsage", "CABF BR 7.1.2.7.6"
    elif ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes.value:
        yield "extended_key_usage", "has anyExtendedKeyUsage", "CABF BR 7.1.2.7.6"
    names: Any = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string)
    # RFC 5280 4.1.2.6: with an empty subject "the subjectAltName extension MUST be critical".
    if names is not None and not names.critical and not facts.subject:
        yield "encoding", "has no subject, and a subjectAltName that is not critical", "RFC 5280 4.1.2.6"
    if names is not None and names.critical and facts.subject:
        yield "encoding", "has a critical subjectAltName beside a subject", "CABF BR 7.1.2.7.12"
    from tlscore.certs.paths.constraints import names_of

    if any("_" in name for name in names_of(facts).dns):
        yield "name", "lists a DNS name with an underscore", "RFC 5280 4.2.1.6"


def _key_identifiers(facts: Facts, role: Role) -> Iterator[tuple[str, str, str]]:
    extension: Any = facts.extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string)
    if role != "leaf" and facts.ski is None:
        yield "encoding", "has no subjectKeyIdentifier", "RFC 5280 4.2.1.2"
    # RFC 5280 4.2.1.1: only where "a CA distributes its public key in the form of a "self-signed" certificate, the
    # authority key identifier MAY be omitted."
    if extension is None and (role == "intermediate" or not facts.self_issued):
        yield "encoding", "has no authorityKeyIdentifier", "RFC 5280 4.2.1.1"


def _anchor_identifiers(facts: Facts, role: Role) -> Iterator[tuple[str, str, str]]:
    extension: Any = facts.extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string)
    if role != "anchor" or extension is None:
        return
    value = extension.value
    if value.key_identifier is None or value.authority_cert_issuer or value.authority_cert_serial_number is not None:
        yield "encoding", "has an authorityKeyIdentifier that is no plain key identifier", "CABF BR 7.1.2.1.3"
    elif facts.self_issued and value.key_identifier != facts.ski:
        yield "encoding", "is self-signed and names another key as its issuer's", "CABF BR 7.1.2.1.3"
