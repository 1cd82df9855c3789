"""Which certificate extensions the path verifier demands, and the budget of one verification.

The verifier's own profile (CA/Browser Forum) refuses certificates that every TLS peer accepts: those without key
identifiers, as in-house CAs issue them. Here every extension may be absent but basicConstraints of a CA and
subjectAltName of a server; what is present is checked: keyCertSign and extended key usage of CAs here, the leaf's in
verify.py, unknown critical ones by the verifier. The verifier tries each issuer whose name fits, which a peer can make
exponential with certificates that issue each other; so every candidate costs one step of a budget, and when it is used
up no further candidate is a CA.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Literal

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

Purpose = Literal["server", "client"]
PURPOSE_OIDS: Final = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}

# Own limit: no honest chain needs more than a dozen; one check costs up to 0.3 ms.
SIGNATURE_CHECKS: Final = 100


class _Budget(threading.local):
    left = SIGNATURE_CHECKS


_budget = _Budget()


def start_budget() -> None:
    """Give the verification that this thread starts its full budget."""
    _budget.left = SIGNATURE_CHECKS


def budget_is_spent() -> bool:
    return _budget.left <= 0


def _check_authority_key_usage(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    _budget.left -= 1
    if _budget.left <= 0:
        raise ValueError("too many signatures to check")
    # RFC 5280 4.2.1.3: a key that signs certificates asserts keyCertSign, where the extension is present.
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("keyUsage without keyCertSign")


def _purpose_check(purpose: Purpose) -> Callable[[Policy, x509.Certificate, x509.ExtendedKeyUsage | None], None]:
    wanted = PURPOSE_OIDS[purpose]

    def check(policy: Policy, certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
        # In a CA certificate the extension restricts what may be issued below it: every TLS implementation reads it so.
        if usage is not None and wanted not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
            raise ValueError("extendedKeyUsage for another purpose")

    return check


def authority_policy(purpose: Purpose) -> ExtensionPolicy:
    checks: Any = _purpose_check(purpose)
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_authority_key_usage)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, checks)
    )


def leaf_policy(named: bool) -> ExtensionPolicy:
    policy = ExtensionPolicy.permit_all()
    if named:
        # RFC 9525 6: only subjectAltName names a server; the verifier matches it with the name.
        return policy.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    return policy
