"""The order of a chain: own certificate first, each followed by its issuer (RFC 9846 4.5.1).

Peers of TLS 1.3 are told to bear any order; strict ones and older ones do not. A chain that is loaded is therefore put
in order, and the identity's notes tell.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from tlscore.certs.loading.material import Placed
from tlscore.certs.loading.notes import Note

# A bundle with more is no chain; the search below is quadratic.
_LONGEST = 32


def in_order(found: list[Placed], public: Any, told: bool = True) -> tuple[list[Placed], list[Note]]:
    """The certificates with the one for the key first, each followed by its issuer; and what was changed.

    Takes:    public: the public key; None where the signer does not tell. told: whether somebody chose the order.
    """
    notes = list[Note]()
    distinct = {one.value: one for one in reversed(found)}
    chain = [one for one in found if distinct[one.value] is one]
    if len(chain) < len(found):
        notes.append(Note("TLS-NOTE-REPEATED", f"{found[0].where}: the chain names a certificate twice; sent once"))
    if len(chain) > _LONGEST:
        return chain, notes
    path = [_own(chain, public)]
    rest = [one for one in chain if one is not path[0]]
    while rest and (above := _issuer(path[-1].value, rest)) is not None:
        path.append(above)
        rest.remove(above)
    if rest:
        places = ", ".join(one.where for one in rest)
        notes.append(Note("TLS-NOTE-EXTRA", f"not on the path from the own certificate, and sent after it: {places}"))
    ordered = [*path, *rest]
    if told and [one.value for one in ordered] != [one.value for one in chain]:
        places = "; ".join(f"{number}. {one.where}" for number, one in enumerate(ordered, 1))
        text = f"the chain stands out of order, which strict peers refuse; it is sent in this order: {places}"
        notes.append(Note("TLS-NOTE-ORDER", text))
    return ordered, notes


def _own(chain: list[Placed], public: Any) -> Placed:
    """The certificate of the key; where the key does not tell, the one that issued no other."""
    for one in chain:
        if public is not None and public_key(one.value) == public:
            return one
    if public is not None:
        return chain[0]
    issuers = {one.value.issuer for one in chain if one.value.issuer != one.value.subject}
    return next((one for one in chain if one.value.subject not in issuers), chain[0])


def public_key(certificate: x509.Certificate) -> Any:
    """The public key, None where it is of no known kind."""
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _issuer(certificate: x509.Certificate, among: list[Placed]) -> Placed | None:
    if certificate.issuer == certificate.subject:
        return None
    named = [one for one in among if one.value.subject == certificate.issuer]
    for one in named if len(named) > 1 else ():
        try:
            certificate.verify_directly_issued_by(one.value)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return one
    return named[0] if named else None
