"""Why revocation could not be decided, or that it was: the results that the rooms pass to each other.

A Problem carries what a report and an alert need. `progress` orders the problems of several candidates: the one that
got furthest is the one worth telling, since a CRL that is stale says more than another CRL that belongs to somebody
else.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tlscore.iana import AlertDescription

# RFC 9846 6.2: certificate_unknown is "Some other (unspecified) issue arose in processing the certificate, rendering it
# unacceptable". unknown_ca and certificate_expired would send the peer to look at its chain or at its clock.
UNDECIDED: Final = AlertDescription.certificate_unknown
REVOKED: Final = AlertDescription.certificate_revoked
# RFC 9846 6.2: "Sent by clients when an invalid or unacceptable OCSP response is provided by the server"
BAD_STAPLE: Final = AlertDescription.bad_certificate_status_response


class Good(NamedTuple):
    """The issuer vouches that the certificate is not revoked."""

    text: str


class Problem(NamedTuple):
    """Revoked, or undecided for one reason."""

    code: str
    text: str
    remedy: str
    section: str
    progress: int = 0
    alert: int = UNDECIDED


Verdict = Good | Problem


def furthest(problems: list[Problem]) -> Problem:
    """The problem of the candidate that came nearest to an answer."""
    return max(problems, key=lambda one: one.progress)


class Unreadable(ValueError):
    """A CRL or an OCSP response that is no such thing, or not in DER."""
