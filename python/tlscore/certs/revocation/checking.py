"""What path verification calls: one Check per certificate, from every source that the policy names.

The order of sources is that of their cost: the staple that the peer sent, the CRLs at hand, then, only where the caller
gave fetchers, the network. The first that knows the answer gives it. Nothing is raised: what goes wrong is a Check,
with the alert that the peer gets where it fails, and `skip` where the policy lets an open question pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlscore import clocks
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.report import Check
from tlscore.certs.revocation import crl_check, names, ocsp
from tlscore.certs.revocation.crl import Crl
from tlscore.certs.revocation.crl_store import read_crls
from tlscore.certs.revocation.fetchers import KEPT_SECONDS, FetchFailed
from tlscore.certs.revocation.policy import Revocation
from tlscore.certs.revocation.problems import (
    BAD_STAPLE,
    REVOKED,
    UNDECIDED,
    Good,
    Problem,
    Unreadable,
    Verdict,
    furthest,
)
from tlscore.certs.revocation.subject import Subject, subject_of

Peer = Literal["server", "client"]
Staples = bytes | Mapping[bytes, bytes] | None

# Addresses of one certificate that are asked, one after the other.
_ADDRESSES: Final = 2


def check(
    path: tuple[x509.Certificate, ...],
    now: datetime,
    policy: Revocation,
    stapled_ocsp: Staples = None,
    *,
    peer: Peer = "server",
) -> list[Check]:
    """Judge a verified path.

    Takes:    path: leaf to anchor. now: the time to judge by, in UTC where it names no zone. stapled_ocsp: the response
              for the leaf, or responses by DER certificate. peer: whose path it is; a staple that is not in order has
              another alert where a client sent it.
    Gives:    a "revocation" Check for each certificate in scope, and a "must_staple" one for the leaf.
    """
    if policy.mode == "off":
        return [Check("revocation", "skip", f"revocation is off: {policy.reason}", code="TLS-REVOCATION_OFF")]
    now = clocks.aware(now)
    staples = _by_certificate(path, stapled_ocsp)
    last = len(path) - 1 if policy.scope == "chain" else min(1, len(path) - 1)
    checks = [_check_one(path, place, now, policy, staples, peer) for place in range(last)]
    if not checks:
        text = "the certificate is a trust anchor itself: nobody could revoke it"
        checks = [Check("revocation", "skip", text, 0, code="TLS-REVOCATION_ANCHOR")]
    if path:
        checks.append(_must_staple(path, policy, staples, peer))
    return checks


def _by_certificate(path: tuple[x509.Certificate, ...], given: Staples) -> Mapping[bytes, bytes]:
    if given is None or not path:
        return {}
    if isinstance(given, (bytes, bytearray)):
        return {path[0].public_bytes(Encoding.DER): bytes(given)}
    return given


def _check_one(
    path: tuple[x509.Certificate, ...],
    place: int,
    now: datetime,
    policy: Revocation,
    staples: Mapping[bytes, bytes],
    peer: Peer,
) -> Check:
    try:
        subject = subject_of(path, place)
        return _told(_Inquiry(subject, now, policy, peer).verdict(staples), place, policy)
    except PARSE_ERRORS as failure:
        text = f"certificate {place + 1} of the path has extensions that cannot be read ({str(failure)[:160]})"
        problem = Problem("TLS-REVOCATION_UNREADABLE", text, "have it issued again", "RFC 5280 4.2")
        return _told(problem, place, policy)


def _told(verdict: Verdict, place: int, policy: Revocation) -> Check:
    if isinstance(verdict, Good):
        return Check("revocation", "pass", verdict.text, place)
    refused = (
        policy.mode == "require" or verdict.alert in (REVOKED, BAD_STAPLE) or verdict.code.startswith("TLS-STAPLE")
    )
    return Check(
        "revocation",
        "fail" if refused else "skip",
        verdict.text,
        place,
        verdict.alert if refused else None,
        verdict.code,
        verdict.remedy,
        verdict.section,
    )


class _Inquiry:
    """The sources for one certificate, asked in turn."""

    def __init__(self, subject: Subject, now: datetime, policy: Revocation, peer: Peer) -> None:
        self.subject, self.policy, self.peer = subject, policy, peer
        skew = timedelta(seconds=policy.clock_skew_seconds)
        self.clock = ocsp.Clock(now, skew, timedelta(seconds=policy.max_age_seconds))
        store = policy.store
        self.asking: crl_check.Asking | None = None
        if store is not None:
            known = () if store.issued_by(subject.issuer) else crl_check.issuer_texts(store.crls)
            self.asking = crl_check.Asking(store.issued_by, policy.issuers, now, skew, known)

    def verdict(self, staples: Mapping[bytes, bytes]) -> Verdict:
        policy, problems = self.policy, list[Problem]()
        for source in (self._staple(staples), self._lists(), self._responders(), self._fetched_lists()):
            for verdict in source:
                if isinstance(verdict, Good) or verdict.alert in (REVOKED, BAD_STAPLE):
                    return verdict
                if verdict.code.startswith("TLS-STAPLE"):
                    return verdict
                problems.append(verdict)
        if problems:
            return furthest(problems)
        return Problem(
            "TLS-REVOCATION_NO_ANSWER",
            f"{self.subject.text}: no OCSP response was stapled"
            + ("" if policy.asks(self.peer) else " or asked for")
            + ", and no CRLs are configured",
            "have the peer staple an OCSP response, or give CRLs: Revocation.crl(directory=...)",
            "RFC 5280 6.3",
        )

    def _staple(self, staples: Mapping[bytes, bytes]) -> Iterable[Verdict]:
        if not staples or not self.policy.asks(self.peer):
            return
        response = staples.get(self.subject.octets)
        if response is None:
            return
        # RFC 6066 8: "Clients requesting an OCSP response and receiving an OCSP response in a "CertificateStatus"
        # message MUST check the OCSP response and abort the handshake if the response is not satisfactory with
        # bad_certificate_status_response(113) alert." RFC 9846 6.2 has that alert sent by clients alone.
        verdict = self._response(response, BAD_STAPLE)
        if isinstance(verdict, Problem) and verdict.alert == BAD_STAPLE:
            code = verdict.code.replace("TLS-OCSP", "TLS-STAPLE")
            alert = BAD_STAPLE if self.peer == "server" else UNDECIDED
            verdict = verdict._replace(code=code, alert=alert, text=f"{self.subject.text}: {verdict.text}")
        yield verdict

    def _response(self, data: bytes, alert: int) -> Verdict:
        required = self.policy.mode == "require"
        return ocsp.status(data, self.subject, self.clock, self.asking, required=required, alert=alert)

    def _lists(self) -> Iterable[Verdict]:
        if self.asking is not None:
            yield crl_check.status(self.subject, self.asking)

    def _responders(self) -> Iterable[Verdict]:
        fetcher = self.policy.ocsp_fetcher
        if fetcher is None:
            return
        subject = self.subject
        for url in subject.ocsp_urls[:_ADDRESSES]:

            def ask(url: str = url) -> tuple[bytes, int, float]:
                data = fetcher.fetch_ocsp(url, ocsp.request_for(subject.certificate, subject.above[0]))
                verdict = self._response(data, UNDECIDED)
                # A response that decides nothing is asked for again soon.
                return data, len(data), KEPT_SECONDS if isinstance(verdict, Good) else 60.0

            try:
                data = self.policy.fetched().get((url, subject.issuer, subject.serial), ask)
            except FetchFailed as failure:
                yield _not_reached("OCSP responder", failure)
            else:
                yield self._response(data, UNDECIDED)

    def _fetched_lists(self) -> Iterable[Verdict]:
        fetcher = self.policy.crl_fetcher
        if fetcher is None:
            return
        found: list[Crl] = list(self.policy.store.crls) if self.policy.store is not None else []
        for url in self.subject.crl_urls[:_ADDRESSES]:

            def ask(url: str = url) -> tuple[tuple[Crl, ...], int, float]:
                data = fetcher.fetch_crl(url)
                try:
                    crls = read_crls(data, f"the CRL from {url[:160]}")
                except Unreadable as failure:
                    raise FetchFailed(f"{url[:160]} gives no CRL: {failure}") from None
                left = [(crl.next_update - self.clock.now).total_seconds() for crl in crls if crl.next_update]
                return crls, len(data), min([KEPT_SECONDS, *left])

            try:
                found += self.policy.fetched().get(url, ask)
            except FetchFailed as failure:
                yield _not_reached("CRL", failure)
        listed: dict[names.Normal, list[Crl]] = {}
        for crl in found:
            listed.setdefault(crl.issuer, []).append(crl)
        asking = crl_check.Asking(
            lambda issuer: listed.get(issuer, ()), self.policy.issuers, self.clock.now, self.clock.skew
        )
        yield crl_check.status(self.subject, asking)


def _not_reached(what: str, failure: FetchFailed) -> Problem:
    return Problem(
        "TLS-REVOCATION_NOT_REACHED",
        f"the {what} of the certificate was not reached: {failure}",
        "check the network, or lay the CRL down as a file",
        "RFC 5280 6.3",
        15,
    )


def _must_staple(
    path: tuple[x509.Certificate, ...], policy: Revocation, staples: Mapping[bytes, bytes], peer: Peer
) -> Check:
    """RFC 7633: a certificate with the TLS feature status_request is good with a staple only."""
    leaf = path[0]
    try:
        promised = subject_of(path, 0).promises_staple
    except PARSE_ERRORS as failure:
        return Check("must_staple", "skip", f"the certificate's extensions cannot be read ({str(failure)[:160]})", 0)
    if not promised:
        return Check("must_staple", "pass", "the certificate promises no OCSP response", 0)
    if leaf.public_bytes(Encoding.DER) in staples:
        return Check("must_staple", "pass", "the promised OCSP response is there", 0)
    if not policy.asks(peer) or not policy.must_staple:
        return Check(
            "must_staple", "skip", "the promised OCSP response was not asked for", 0, code="TLS-MUST_STAPLE_OFF"
        )
    return Check(
        "must_staple",
        "fail",
        f"the {peer}'s certificate promises a stapled OCSP response (TLS feature), and none came",
        0,
        BAD_STAPLE if peer == "server" else UNDECIDED,
        "TLS-MUST_STAPLE",
        "switch OCSP stapling on at the peer",
        "RFC 7633 4.2.3.1",
    )
