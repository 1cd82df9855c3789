"""What clients and servers have in common: the settings of both, their checks, and what a configuration may not do.

A configuration is a frozen record. Lists of names become tuples of codes, each list of the policy may be replaced, and
`replace` runs every check again. Private keys are never written anywhere, so pickling a configuration that holds an
identity is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from tlscore import clocks, defaults, policies, settings, version_lists
from tlscore.errors import ConfigError, unknown_keyword
from tlscore.iana import CipherSuite, NamedGroup, SignatureScheme
from tlscore.policies import Policy
from tlscore.record import Record
from tlscore.settings import Limits, Padding

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.policy import CertificatePolicy
    from tlscore.certs.revocation.policy import Revocation
    from tlscore.certs.watch import IdentityFile
    from tlscore.legacy import Legacy

    AnyIdentity = Identity | IdentityFile

Codes = tuple[str | int, ...] | list[str | int] | tuple[str, ...] | list[str] | tuple[int, ...] | list[int]
_POLICY_FIELDS = ("versions", "suites", "groups", "key_shares", "schemes", "cert_schemes", "certificate_policy")


# What other libraries, and the named constructors, call settings that a configuration itself has not.
_OF_CONSTRUCTORS = ("trust", "identity", "client_trust")
_ALWAYS = "verification is always on; see tlscore.danger"
_ELSEWHERE = {
    "verify": _ALWAYS,
    "check_hostname": _ALWAYS,
    "verify_mode": _ALWAYS,
    "timeout": "give connect(timeout=...), or handshake_timeout=",
    "trust": "trust for servers goes to ClientConfig.simple(trust=...) or .mutual(trust=...), trust for clients to "
    "ServerConfig.mutual(client_trust=...)",
    "identity": "use ClientConfig.mutual(identity=...), ServerConfig.simple(identity=...) or .mutual(identity=...)",
    "client_trust": "trust for clients is a server's: ServerConfig.mutual(client_trust=...)",
}


class Config(Record, kw_only=True):
    """What both ends have in common."""

    policy: Policy
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    groups: tuple[int, ...]
    key_shares: tuple[int, ...]
    schemes: tuple[int, ...]
    cert_schemes: tuple[int, ...]
    certificate_policy: CertificatePolicy
    revocation: Revocation
    identities: tuple[AnyIdentity, ...]
    alpn: tuple[str, ...]
    record_size_limit: int | None
    padding: Padding
    middlebox_compatibility: bool
    require_extended_main_secret: bool
    key_log: str | None
    handshake_timeout: float
    limits: Limits
    clock: Callable[[], datetime] | None
    interpreter_release_threshold: int
    on_reject: Literal["alert", "silent"]
    legacy: Legacy | None

    # What the handshake prepares once for a configuration; no field, so neither compared nor pickled.
    __slots__ = ("_cache",)
    _cache: ClassVar[object | None]

    role: ClassVar[str]

    def _refuse_unknown(self, unknown: Mapping[str, object]) -> None:
        owner = type(self).__name__
        for name in unknown:
            if name in _ELSEWHERE:
                raise ConfigError(f'{owner} has no "{name}"', remedy=_ELSEWHERE[name], code="TLS-CONFIG-UNKNOWN_NAME")
            raise unknown_keyword(owner, name, (*type(self)._fields, *_OF_CONSTRUCTORS))

    def _policy_values(self, given: dict[str, Any]) -> dict[str, Any]:
        """What the policy says, each part replaced where the caller gave one."""
        policy: Policy = policies.DEFAULT if given["policy"] is None else given["policy"]
        settings.instance("policy", policy, Policy, "take one from tlscore.policies, such as policies.DEFAULT")
        wanted = given["certificate_policy"]
        judged = policy.certificate_policy if wanted is None else _certificate_policy(wanted)
        if given["legacy"] is not None:
            from tlscore import legacy

            return {**legacy.policy_values(given, policy), "certificate_policy": judged}
        chosen: dict[str, Any] = {"policy": policy, "certificate_policy": judged}
        chosen["versions"] = settings.versions(
            policy.versions if given["versions"] is None else given["versions"], policies.IMPLEMENTED_VERSIONS
        )
        for field, registry, implemented in (
            ("suites", CipherSuite, policies.IMPLEMENTED_SUITES),
            ("groups", NamedGroup, policies.IMPLEMENTED_GROUPS),
            ("schemes", SignatureScheme, policies.IMPLEMENTED_SCHEMES),
            ("cert_schemes", SignatureScheme, policies.IMPLEMENTED_CERT_SCHEMES),
        ):
            value = getattr(policy, field) if given[field] is None else given[field]
            if value is getattr(policies.DEFAULT, field):
                chosen[field] = value  # checked by the tests already
                continue
            # Without cert_schemes the extension is not sent, and `schemes` speaks for certificates too (RFC 9846
            # 4.3.3).
            chosen[field] = settings.codes(field, value, registry, implemented, empty=field == "cert_schemes")
        version_lists.settle(chosen, frozenset(field for field in _POLICY_FIELDS if given[field] is not None))
        chosen["key_shares"] = settings.key_shares(
            given["key_shares"], chosen["groups"], policy.key_shares, chosen["versions"]
        )
        return chosen

    def _common_values(self, given: dict[str, Any]) -> dict[str, Any]:
        lowest, highest = defaults.RECORD_SIZE_LIMIT_OCTETS
        limit = given["record_size_limit"]
        if limit is not None:
            settings.whole_number("record_size_limit", limit, lowest, highest, "RFC 8449 4")
        padding = Padding() if given["padding"] is None else given["padding"]
        limits = Limits() if given["limits"] is None else given["limits"]
        threshold = given["interpreter_release_threshold"]
        of_policy = self._policy_values(given)
        strict = of_policy["certificate_policy"].strict
        return {
            **of_policy,
            "revocation": _revocation(given["revocation"]),
            "identities": settings.identities("identities", given["identities"], strict),
            "alpn": settings.alpn(given["alpn"]),
            "record_size_limit": limit,
            "padding": settings.instance(
                "padding", padding, Padding, "give Padding.none(), .to_multiple(n) or .full()"
            ),
            "middlebox_compatibility": settings.flag("middlebox_compatibility", given["middlebox_compatibility"]),
            "require_extended_main_secret": settings.flag(
                "require_extended_main_secret", given["require_extended_main_secret"]
            ),
            "key_log": settings.key_log(given["key_log"]),
            "handshake_timeout": settings.seconds("handshake_timeout", given["handshake_timeout"]),
            "limits": settings.instance("limits", limits, Limits, "give Limits(...)"),
            "clock": clocks.accepted(given["clock"]),
            "interpreter_release_threshold": settings.whole_number(
                "interpreter_release_threshold", threshold, 0, 2**31 - 1
            ),
            "on_reject": settings.choice("on_reject", given["on_reject"], ("alert", "silent")),
            "legacy": given["legacy"],
        }

    @property
    def current_identities(self) -> tuple[Identity, ...]:
        """The identities as they are now: those that follow files may be others in the next handshake."""
        return tuple([one.current for one in self.identities])

    def days_to_expiry(self, now: datetime | None = None) -> float | None:
        """Days until the first certificate of all identities expires, as they are now: a number to watch.

        Takes:    now: the time to judge by, in UTC where it names no zone; the configuration's clock, or the system's,
                  by default.
        Gives:    below 0 where one has expired; None where there is no identity.
        Raises:   ConfigError where the configuration's clock gives no time.
        """
        moment = clocks.read(self.clock) if now is None else clocks.aware(now)
        identities = {*self.current_identities, *(one.current for _, one in getattr(self, "names", ()))}
        return min((one.days_to_expiry(moment) for one in identities), default=None)

    def _fill(self, values: dict[str, Any]) -> None:
        if values["legacy"] is not None:
            from tlscore import legacy

            legacy.admit(values, type(self).__name__)
        Record.__init__(self, **values)
        object.__setattr__(self, "_cache", None)

    def replace(self, **changes: Any) -> Self:
        """The same configuration with some settings changed; every check runs again.

        A new `policy` replaces the lists that came from the old one; lists that were set one by one stay.
        """
        self._refuse_unknown({name: value for name, value in changes.items() if name not in type(self)._fields})
        kept = self._as_dict()
        # These four and the key shares decide about each other; a new one of them lets the policy speak for the others.
        linked = {"versions", *version_lists.REGISTRIES} & changes.keys()
        for field in _POLICY_FIELDS:
            own = getattr(self, field)
            from_policy = own == version_lists.fitting(field, getattr(self.policy, field), self.versions)
            if field not in changes and (
                (from_policy and ("policy" in changes or (linked and field != "cert_schemes")))
                or (field == "key_shares" and ("groups" in changes or "versions" in changes))
            ):
                kept[field] = None
        if self.legacy is not None or "legacy" in changes:
            # The tier names versions and suites, and what follows from them.
            renewed = "legacy" in changes or "policy" in changes
            followed = [field for field in ("groups", "schemes") if renewed and self._follows(field)]
            kept |= dict.fromkeys(("versions", "suites", "key_shares", *followed))
        return type(self)(**{**kept, **changes})

    def _follows(self, field: str) -> bool:
        """Whether a list is what the policy, or the tier, gives where none is named."""
        own: tuple[int, ...] = getattr(self, field)
        if self.legacy is None:
            return own == version_lists.fitting(field, getattr(self.policy, field), self.versions)
        from tlscore import legacy

        return own == legacy.usual_lists(self.legacy, self.policy)[field]

    def __reduce__(self) -> tuple[Any, ...]:
        if self.identities:
            raise ConfigError(
                f"this {type(self).__name__} holds an identity, and private keys are never pickled",
                remedy="build the configuration where it is used, from files or from a signer",
                code="TLS-CONFIG-PICKLE",
            )
        return super().__reduce__()

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _certificate_policy(value: object) -> CertificatePolicy:
    from tlscore.certs.policy import CertificatePolicy

    made: CertificatePolicy = settings.instance(
        "certificate_policy", value, CertificatePolicy, "give tlscore.certs.policy.CertificatePolicy(...)"
    )
    return made


def _revocation(value: object) -> Revocation:
    from tlscore.certs.revocation.policy import Revocation

    if value is None:
        return Revocation()
    made: Revocation = settings.instance(
        "revocation", value, Revocation, "give Revocation.crl(...), .stapled(...) or .off(reason=...)"
    )
    return made
