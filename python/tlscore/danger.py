"""The only ways around authentication. Each has to be named, gives its reason, warns, and shows in
`conn.authenticated`.

`accept_any_peer` encrypts to whoever answers: a man in the middle reads everything. `skip_name_check` verifies the
chain but not the name: every holder of a certificate from a trusted CA can pose as every other. Building a
configuration with one of them emits `UnauthenticatedTlsWarning`; with TLSCORE_FORBID_DANGEROUS=1 in the environment it
is a ConfigError, whatever the code says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tlscore.errors import ConfigError
from tlscore.record import Record

if TYPE_CHECKING:
    from tlscore.certs.trust_store import TrustStore

FORBID_VARIABLE = "TLSCORE_FORBID_DANGEROUS"


class UnauthenticatedTlsWarning(UserWarning):
    """A configuration was built that does not know whom it talks to."""


class AcceptAnyPeer(Record):
    """Encryption only: no certificate is verified, and `conn.authenticated` is False."""

    reason: str = ""
    # False where the caller has said it in words of another library that do not warn, such as ssl.CERT_NONE.
    warns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_reason("accept_any_peer", self.reason or "none given")

    def __call__(self, reason: str) -> AcceptAnyPeer:
        """The same, with the reason that audits will ask for."""
        return AcceptAnyPeer(reason)


class SkipNameCheck(Record):
    """The chain is verified against `trust`, the name is not; `conn.authenticated` is False where no name was
    checked."""

    trust: TrustStore
    reason: str
    warns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_reason("skip_name_check", self.reason)


def _check_reason(name: str, reason: object) -> None:
    if not isinstance(reason, str) or not reason.strip():
        arguments = "trust, " if name == "skip_name_check" else ""
        raise ConfigError(
            f"{name} got no reason",
            remedy=f'say why, for audits: {name}({arguments}reason="...")',
            code="TLS-CONFIG-DANGEROUS",
        )


accept_any_peer = AcceptAnyPeer()


def skip_name_check(trust: TrustStore, reason: str) -> SkipNameCheck:
    """Verify the peer's chain against `trust` and do not check whose certificate it is.

    Raises:   ConfigError where no reason is given.
    """
    return SkipNameCheck(trust, reason)


def announce(what: AcceptAnyPeer | SkipNameCheck, owner: str) -> None:
    """Warn about a dangerous configuration, or refuse it where the environment forbids it."""
    import os
    import warnings

    name = "accept_any_peer" if isinstance(what, AcceptAnyPeer) else "skip_name_check"
    reason = f" (reason given: {what.reason})" if what.reason else ""
    # Anything but an explicit no forbids: a typing mistake must not open the door.
    if os.environ.get(FORBID_VARIABLE, "0").strip().lower() not in ("", "0", "no", "off", "false"):
        raise ConfigError(
            f"{owner} uses danger.{name}{reason}, and {FORBID_VARIABLE} forbids that here",
            remedy="configure trust, a name and an identity, or unset the variable",
            code="TLS-CONFIG-DANGEROUS",
        )
    if not what.warns:
        return
    missing = "who the peer is" if isinstance(what, AcceptAnyPeer) else "whose certificate the peer shows"
    warnings.warn(
        f"{owner} with danger.{name}{reason}: nobody checks {missing}; an attacker in the middle can read and change"
        f" everything",
        UnauthenticatedTlsWarning,
        stacklevel=4,
    )
