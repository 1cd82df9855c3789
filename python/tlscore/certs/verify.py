"""Is a peer's chain what it claims: path, validity, purpose, name and revocation, each failure with its own alert.

The front of certs/paths: it parses what the peer sent, asks the memory, has a path built, asks about revocation, and
turns the result into `ChainVerified` or into the exception of the first failure. The decision stops at the first
failure of each path; the report runs every rule, and is made when somebody asks for it, or when the chain is refused.
What else is not needed for the answer (names as text, fingerprints) is made when somebody asks, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from tlscore import clocks, errors
from tlscore.certs import memory, signatures
from tlscore.certs.paths import diagnosis
from tlscore.certs.paths.budget import Budget, BudgetSpent
from tlscore.certs.paths.builder import Search
from tlscore.certs.paths.candidates import Anchors, anchors_of
from tlscore.certs.paths.facts import Facts, facts_of
from tlscore.certs.paths.path_rules import Question, all_checks, too_deep
from tlscore.certs.paths.wording import Purpose, Title
from tlscore.certs.peer import PARSE_ERRORS, PeerIdentity
from tlscore.certs.policy import DEFAULT, CertificatePolicy
from tlscore.certs.report import NAMES, Check, VerificationReport

if TYPE_CHECKING:
    from tlscore.certs.key_use import KeyUse
    from tlscore.certs.names import ServerName
    from tlscore.certs.revocation import Revocation
    from tlscore.certs.trust_store import TrustStore

# Own limit: more than any honest peer sends; each certificate is parsed before any is trusted.
CERTIFICATES = 32
_BAD = 42

Staples = bytes | Mapping[bytes, bytes] | None
Path = tuple[Facts, ...]


class ChainVerified:
    """A peer's chain after its checks; `authenticated` is False where a check was skipped on purpose."""

    __slots__ = (
        "_identity",
        "_inquiry",
        "_report",
        "authenticated",
        "certificate",
        "chain",
        "path",
        "public_key",
        "reason",
        "signature_schemes",
    )

    def __init__(
        self,
        chain: tuple[bytes, ...],
        leaf: Facts,
        authenticated: bool,
        reason: str = "",
        path: Path = (),
        inquiry: _Inquiry | None = None,
    ) -> None:
        self.chain = chain
        self.certificate = leaf.certificate
        self.public_key: signatures.PublicKey = leaf.key
        self.authenticated = authenticated
        self.reason = reason
        self.signature_schemes = leaf.schemes
        # Leaf to anchor, as it was built; empty where nothing was verified.
        self.path = path
        self._identity: PeerIdentity | None = None
        self._inquiry = inquiry
        self._report: VerificationReport | None = None

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

    @property
    def report(self) -> VerificationReport:
        """Every check with its result, as of the moment of the verification."""
        if self._report is None:
            if self._inquiry is None:
                skipped = Check("chain", "skip", f"nothing was verified ({self.reason or 'no reason given'})")
                self._report = VerificationReport((skipped,), self.chain)
            else:
                self._report = self._inquiry.report(self.path)
        return self._report


def verify_server(
    chain: tuple[bytes, ...],
    trust: TrustStore,
    name: ServerName | None,
    now: datetime | None = None,
    *,
    policy: CertificatePolicy = DEFAULT,
    revocation: Revocation | None = None,
    stapled_ocsp: Staples = None,
    key_use: KeyUse = "digitalSignature",
) -> ChainVerified:
    """Verify a server's chain for a name; without a name (danger.skip_name_check) the result is not authenticated.

    Takes:    chain: DER certificates as received, the server's own first. now: the time to judge by, in UTC where it
              names no zone; the system's clock by default. revocation: what to ask about it; nothing by
              default. stapled_ocsp: what the server sent. key_use: what the server's key is for: RSA key exchange needs
              keyEncipherment, all else a signature.
    Raises:   the AlertError of the first failure, with cause and remedy, the other failures as its notes; DecodeError
              for an empty chain.
    Source:   RFC 9846 section 4.5.1.3, RFC 5280 section 6, RFC 9525.
    """
    if not chain:
        # RFC 9846 4.5.1.3: "If the server supplies an empty Certificate message, the client MUST abort the handshake
        # with a "decode_error" alert."
        raise errors.DecodeError("the server sent no certificate", section="RFC 9846 4.5.1.3")
    inquiry = _Inquiry(chain, trust, name, now, "server", policy, revocation, stapled_ocsp, key_use)
    return inquiry.decide(authenticated=name is not None)


def verify_client(
    chain: tuple[bytes, ...],
    trust: TrustStore,
    now: datetime | None = None,
    *,
    policy: CertificatePolicy = DEFAULT,
    revocation: Revocation | None = None,
    stapled_ocsp: Staples = None,
) -> ChainVerified:
    """Verify a client's chain. Raises as verify_server; CertificateRequired for an empty chain."""
    if not chain:
        raise errors.CertificateRequired(
            "the client sent no certificate",
            remedy="give the client an identity whose issuer this server trusts",
            section="RFC 9846 4.5.1.3",
        )
    return _Inquiry(chain, trust, None, now, "client", policy, revocation, stapled_ocsp).decide(authenticated=True)


def accept_unverified(chain: tuple[bytes, ...], reason: str) -> ChainVerified:
    """Take a chain as it is, for danger.accept_any_peer: only its key is read, and nothing is authenticated."""
    if not chain:
        raise errors.DecodeError("the server sent no certificate", section="RFC 9846 4.5.1.3")
    leaf = _parse(chain[0], 1)
    if leaf.key is None:
        raise errors.UnsupportedCertificate(
            f"the key of the peer's certificate cannot be used: {leaf.key_damage}",
            remedy="use a P-256, P-384, P-521, Ed25519, Ed448, ML-DSA or RSA key",
            section="RFC 9846 4.5.1.2",
        )
    return ChainVerified(chain, leaf, False, reason)


def examine(
    chain: tuple[bytes, ...],
    trust: TrustStore,
    name: ServerName | None = None,
    now: datetime | None = None,
    *,
    purpose: Purpose = "server",
    policy: CertificatePolicy = DEFAULT,
    revocation: Revocation | None = None,
    stapled_ocsp: Staples = None,
    key_use: KeyUse = "digitalSignature",
) -> VerificationReport:
    """Run every check on a chain and tell each result; nothing is raised for a chain that is not in order.

    Takes:    as verify_server; purpose: whose chain it is.
    """
    if not chain:
        empty = Check("chain", "fail", f"the {purpose} sent no certificate", None, 50 if purpose == "server" else 116)
        return VerificationReport((empty,))
    try:
        inquiry = _Inquiry(chain, trust, name, now, purpose, policy, revocation, stapled_ocsp, key_use)
    except errors.BadCertificate as damage:
        text = Check("encoding", "fail", damage.cause, None, _BAD, damage.code, damage.remedy, damage.section)
        return VerificationReport((text,), chain)
    return inquiry.examine()


def verify_link(certificate: bytes, issuer: bytes) -> VerificationReport:
    """Whether one certificate (DER) is signed by another one: names, key and signature, with nothing else at hand."""
    from tlscore.certs.paths.signing import algorithm_of, is_signed_by

    child, above = _parse(certificate, 1), _parse(issuer, 2)
    found = algorithm_of(child)
    named = child.issuer == above.subject
    signed = is_signed_by(child, above, Budget(DEFAULT.budgets))
    who, by = Title(child, "leaf", "server"), Title(above, "intermediate", "server")
    checks = (
        Check(
            "chain", "pass" if named else "fail", f"{who} names {'' if named else 'another issuer than '}{by}", 0, 48
        ),
        Check(
            "signature",
            "pass" if signed else "fail",
            f"the signature of {who} is {'' if signed else 'not '}by {by} ({found.name if found else child.oid})",
            0,
            _BAD,
        ),
    )
    return VerificationReport(checks, (certificate, issuer))


class _Inquiry:
    """One verification, from what the peer sent to its result."""

    __slots__ = (
        "anchors",
        "chain",
        "leaf",
        "name",
        "now",
        "others",
        "policy",
        "purpose",
        "revocation",
        "stapled",
        "use",
    )

    def __init__(
        self,
        chain: tuple[bytes, ...],
        trust: TrustStore,
        name: ServerName | None,
        now: datetime | None,
        purpose: Purpose,
        policy: CertificatePolicy,
        revocation: Revocation | None,
        stapled: Staples,
        use: KeyUse = "digitalSignature",
    ) -> None:
        if len(chain) > CERTIFICATES:
            raise errors.BadCertificate(
                f"the {purpose} sent {len(chain)} certificates, more than {CERTIFICATES}", remedy="send the chain alone"
            )
        octets = sum([len(der) for der in chain])
        if octets > policy.budgets.chain_octets:
            raise errors.BadCertificate(
                f"the {purpose} sent certificates of {octets} octets, more than {policy.budgets.chain_octets}",
                remedy="send the chain alone, with fewer names in each certificate",
                code="TLS-BAD_CERTIFICATE-BUDGET",
            )
        self.chain, self.name, self.purpose, self.policy, self.use = chain, name, purpose, policy, use
        self.now = clocks.moment(now)
        self.revocation = revocation
        self.stapled = stapled
        self.anchors: Anchors = anchors_of(trust)
        self.leaf: Facts
        self.others: Path | None = None

    def decide(self, authenticated: bool) -> ChainVerified:
        """The verified chain, or the exception of the first failure."""
        policy = self.policy
        key = None
        if policy.remember:
            key = memory.key_of(self.chain, self.name, self.purpose, self.use, self.anchors, policy)
        path = memory.MEMORY.recall(key, self.now) if key is not None else None
        if path is None:
            anchors = self.anchors
            search = self._search()
            path = search.run(self.leaf)
            if path is None:
                raise self._refusal(self._failed(search))
            # Pinned keys make anchors of what a peer shows: such a set is its own, and no generation of the store.
            if key is not None and self.anchors is anchors:
                memory.MEMORY.keep(key, path, anchors, policy)
        self.leaf = path[0]
        if self.revocation is not None and self.revocation.mode != "off":
            self._ask_revocation(path)
        return ChainVerified(self.chain, path[0], authenticated, path=path, inquiry=self)

    def _ask_revocation(self, path: Path) -> None:
        leaf, policy = path[0], self.revocation
        # Without a staple, and without the promise of one (RFC 7633), a peer says nothing that could be refused. The
        # report makes its checks when somebody asks for it.
        # An empty staple is one, and no OCSP response.
        silent = self.stapled is None or self.stapled == {}
        if policy is not None and policy.hears_peer_alone and silent and not leaf.may_promise:
            return
        checks = self._revocation_checks(path)
        if any(check.outcome == "fail" for check in checks):
            raise self._refusal(VerificationReport(_sorted(checks), tuple(facts.der for facts in path)))

    def examine(self) -> VerificationReport:
        """The report, whatever the result."""
        try:
            search = self._search()
        except errors.BadCertificate as damage:
            text = Check("encoding", "fail", damage.cause, None, _BAD, damage.code, damage.remedy, damage.section)
            return VerificationReport((text,), self.chain)
        path = search.run(self.leaf)
        return self._failed(search) if path is None else self.report(path)

    def report(self, path: Path) -> VerificationReport:
        """Every check of a path that obeys."""
        question = Question(self.anchors, self.name, self.now, self.purpose, self.policy, self.use)
        chain = Check("chain", "pass", f"the chain ends in {Title(path[-1], 'anchor', self.purpose)}")
        checks = [chain, *all_checks(question, path, True), *self._revocation_checks(path)]
        return VerificationReport(tuple(checks), tuple(facts.der for facts in path))

    def _search(self) -> Search:
        self.leaf = _parse(self.chain[0], 1)
        numbered = enumerate(dict.fromkeys(self.chain[1:]), 2)
        self.others = tuple([_parse(der, number) for number, der in numbered if der != self.chain[0]])
        self.anchors = self.anchors.with_pinned((self.leaf, *self.others))
        question = Question(self.anchors, self.name, self.now, self.purpose, self.policy, self.use)
        return Search(question, (*self.others, *self.anchors.helpers))

    def _failed(self, search: Search) -> VerificationReport:
        question = search.question
        if search.spent:
            return VerificationReport((diagnosis.spent_check(question, search.spent),), (self.leaf.der,))
        try:
            path, complete = diagnosis.nearest_path(search, self.leaf)
            checks = [diagnosis.chain_check(search, path, complete), *all_checks(question, path, complete)]
        except BudgetSpent as end:
            return VerificationReport((diagnosis.spent_check(question, end.what),), (self.leaf.der,))
        if complete and not any(check.outcome == "fail" for check in checks):
            # Only the number of certificates, self-issued ones included, can have ended the search.
            checks.append(too_deep(question))
        if complete:
            checks += self._revocation_checks(path)
        else:
            checks.append(Check("revocation", "skip", "no chain to a trust anchor: nobody whose word would count"))
        return VerificationReport(_sorted(checks), tuple(facts.der for facts in path))

    def _revocation_checks(self, path: Path) -> list[Check]:
        if self.revocation is None:
            return [Check("revocation", "skip", "no revocation data is configured")]
        from tlscore.certs import revocation

        certificates = tuple([facts.certificate for facts in path])
        return list(revocation.check(certificates, self.now, self.revocation, self.stapled, peer=self.purpose))

    def _refusal(self, report: VerificationReport) -> errors.AlertError:
        try:
            report.raise_for_failure()
        except errors.AlertError as error:
            error.report = report
            return error
        return errors.InternalError("a chain was refused without a failed check")


def _sorted(checks: list[Check]) -> tuple[Check, ...]:
    """In the order of a report; certificate by certificate within one name."""
    return tuple(sorted(checks, key=lambda check: (NAMES.index(check.name), check.certificate or 0)))


def _parse(der: bytes, number: int) -> Facts:
    try:
        return facts_of(der)
    except PARSE_ERRORS as damage:
        # RFC 9846 6.2: bad_certificate is "A certificate was corrupt". The message around it was well-formed, so not
        # decode_error.
        raise errors.BadCertificate(
            f"certificate {number} of the chain cannot be parsed: {errors.escape(str(damage), 200)}",
            remedy="the peer must send X.509 v3 certificates in DER",
            section="RFC 9846 4.5.1",
        ) from None
