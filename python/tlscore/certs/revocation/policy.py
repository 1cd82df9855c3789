"""What is asked about revocation: which sources, how far up the chain, and what an open question means.

`best_effort` refuses what is known to be revoked, and a stapled response that is not in order; that no source answers
is told in the report and passes. `require` refuses whatever is not known to be good. `off` asks nothing and says why:
the reason stands in every report, so that nobody finds out by accident. This module is loaded with the configuration,
so it imports no cryptography.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from tlscore.errors import ConfigError
from tlscore.record import Record

if TYPE_CHECKING:
    from cryptography import x509

    from tlscore.certs.revocation.crl_store import CrlStore
    from tlscore.certs.revocation.fetchers import CRLFetcher, FetchCache, OCSPFetcher

Mode = Literal["off", "best_effort", "require"]
Scope = Literal["leaf", "chain"]
Path = str | os.PathLike[str]

# Clocks of CAs, responders and peers differ: two minutes are what NTP failures reach before anybody notices.
CLOCK_SKEW_SECONDS = 120
# RFC 6960 4.2.2.1: without nextUpdate "newer revocation information is available all the time"; how old a response may
# be is our own bound.
MAX_AGE_SECONDS = 86_400


class Revocation(Record, kw_only=True):
    """A revocation policy; make it with `off`, `crl`, `stapled`, or without arguments for stapled OCSP, best effort.

    `staple`: a server is asked for an OCSP response. `staple_from_clients`: a client is asked too, which few can
    answer. `must_staple`: a certificate that promises a response (RFC 7633) is refused without it. `issuers`:
    certificates of CRL issuers and of rolled-over CA keys, which need not be trusted themselves.
    """

    mode: Mode = "best_effort"
    scope: Scope = "leaf"
    reason: str = ""
    store: CrlStore | None = None
    staple: bool = True
    staple_from_clients: bool = False
    must_staple: bool = True
    issuers: tuple[x509.Certificate, ...] = ()
    crl_fetcher: CRLFetcher | None = None
    ocsp_fetcher: OCSPFetcher | None = None
    clock_skew_seconds: float = CLOCK_SKEW_SECONDS
    max_age_seconds: float = MAX_AGE_SECONDS

    __slots__ = ("_fetched",)
    _fetched: ClassVar[object | None]

    def __post_init__(self) -> None:
        if self.mode not in ("off", "best_effort", "require"):
            raise ConfigError(
                f"the revocation mode is {self.mode!r}",
                remedy='give "best_effort" or "require", or Revocation.off(...)',
            )
        if self.scope not in ("leaf", "chain"):
            raise ConfigError(f"the revocation scope is {self.scope!r}", remedy='give "leaf" or "chain"')
        if self.mode == "off":
            _check_off(self)
        elif self.mode == "require":
            _check_required(self)
        for field in ("clock_skew_seconds", "max_age_seconds"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 366 * 86_400:
                raise ConfigError(f"{field} is {value!r}", remedy="give seconds, 0 to a year")
        for field, method in (("crl_fetcher", "fetch_crl"), ("ocsp_fetcher", "fetch_ocsp")):
            fetcher = getattr(self, field)
            if fetcher is not None and not callable(getattr(fetcher, method, None)):
                raise ConfigError(
                    f"{field} has no method {method}", remedy="give HttpFetcher(), or an object that has it"
                )
        object.__setattr__(self, "_fetched", None)

    @classmethod
    def off(cls, reason: str) -> Revocation:
        """Ask nothing, for a reason that reports will show, such as "the enterprise CA disables accounts instead"."""
        return cls(mode="off", reason=reason, staple=False, must_staple=False)

    @classmethod
    def crl(
        cls,
        files: Path | Sequence[Path] = (),
        directory: Path | Sequence[Path] | None = None,
        data: bytes | str | Sequence[bytes | str] = (),
        *,
        issuers: Path | bytes | Sequence[Path | bytes | x509.Certificate] = (),
        scope: Scope = "leaf",
        mode: Mode = "best_effort",
        **others: Any,
    ) -> Revocation:
        """Ask the CRLs of files, directories and bytes (PEM or DER), and stapled OCSP responses as well.

        Takes:    issuers: certificates (path, PEM, DER or objects) of CRL issuers that stand in no chain.
        Raises:   ConfigError where a file holds no CRL.
        """
        from tlscore.certs.revocation.crl_store import CrlStore

        store = CrlStore(files, directory, data)
        return cls(store=store, issuers=_certificates(issuers), scope=scope, mode=mode, **others)

    @classmethod
    def stapled(cls, mode: Mode = "best_effort", **others: Any) -> Revocation:
        """Ask for a stapled OCSP response alone; "require" refuses a leaf that comes without one."""
        return cls(mode=mode, **others)

    def asks(self, peer: Literal["server", "client"]) -> bool:
        """Whether a peer is asked for an OCSP response (status_request)."""
        return self.mode != "off" and (self.staple if peer == "server" else self.staple_from_clients)

    @property
    def hears_peer_alone(self) -> bool:
        """Whether nobody but the peer could say that a certificate is revoked, and its silence passes."""
        nobody = self.store is None and self.crl_fetcher is None and self.ocsp_fetcher is None
        return nobody and self.mode == "best_effort"

    @property
    def generation(self) -> int:
        """Grows when other CRLs are in force: part of what a remembered verification depends on."""
        return self.store.generation if self.store is not None else 0

    def as_dict(self) -> dict[str, object]:
        """For reports: what is asked, and of whom."""
        told: dict[str, object] = {"mode": self.mode}
        if self.mode == "off":
            return {**told, "reason": self.reason}
        told.update(
            scope=self.scope,
            stapled_ocsp=self.staple,
            staple_from_clients=self.staple_from_clients,
            must_staple=self.must_staple,
        )
        if self.store is not None:
            told["crls"] = len(self.store.crls)
            if self.store.problems:
                told["crl_problems"] = dict(self.store.problems)
        told["fetches"] = [name for name in ("crl", "ocsp") if getattr(self, f"{name}_fetcher") is not None]
        return told

    def __reduce__(self) -> tuple[Any, ...]:
        # Certificates of the `cryptography` package cannot be pickled; their octets can.
        values = {**self._as_dict(), "issuers": tuple(one.public_bytes(_der()) for one in self.issuers)}
        return _again, (values,)

    def fetched(self) -> FetchCache:
        """What fetchers brought, kept beside this policy."""
        cache = cast("FetchCache | None", self._fetched)
        if cache is None:
            from tlscore.certs.revocation.fetchers import FetchCache

            cache = FetchCache()
            object.__setattr__(self, "_fetched", cache)
        return cache


def _der() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


def _again(values: dict[str, Any]) -> Revocation:
    return Revocation(**{**values, "issuers": _certificates(values["issuers"])})


def _check_off(policy: Revocation) -> None:
    if not isinstance(policy.reason, str) or not policy.reason.strip():
        raise ConfigError(
            "revocation is off without a reason",
            remedy='say why: Revocation.off(reason="certificates live for 7 days")',
            code="TLS-CONFIG-REVOCATION",
        )
    if policy.store is not None or policy.crl_fetcher is not None or policy.ocsp_fetcher is not None:
        raise ConfigError(
            "revocation is off, and CRLs or fetchers are given: they would be ignored",
            remedy='leave them out, or use mode="best_effort"',
            code="TLS-CONFIG-CONTRADICTION",
        )


def _check_required(policy: Revocation) -> None:
    has_lists = policy.store is not None or policy.crl_fetcher is not None or policy.ocsp_fetcher is not None
    if not has_lists and (policy.scope == "chain" or not (policy.staple or policy.staple_from_clients)):
        raise ConfigError(
            "revocation is required, and no source could ever answer for every certificate",
            remedy='give CRLs: Revocation.crl(directory=..., mode="require"), or a fetcher; stapled responses '
            "answer for the leaf",
            code="TLS-CONFIG-REVOCATION",
        )


def _certificates(given: Any) -> tuple[x509.Certificate, ...]:
    from tlscore.certs.loading import material
    from tlscore.certs.reading import read

    several = (given,) if isinstance(given, (str, bytes, bytearray, os.PathLike)) else tuple(given)
    found: list[x509.Certificate] = []
    for one in several:
        if isinstance(one, (str, bytes, bytearray, os.PathLike)):
            found += [placed.value for placed in material.certificates(read(one, "CRL issuer"), "a CRL issuer")]
        else:
            found.append(one)
    return tuple(found)
