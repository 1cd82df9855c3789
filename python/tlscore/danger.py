"""The only ways around authentication, and around encryption. Each has to be named, gives its reason, warns, and shows
in `conn.authenticated`, or in the suite.

`accept_any_peer` encrypts to whoever answers: a man in the middle reads everything. `skip_name_check` verifies the
chain but not the name: every holder of a certificate from a trusted CA can pose as every other. `no_encryption` lets
the legacy tier have its NULL suites. Building a configuration with one of them emits a warning and a record of the
logger "tlscore.danger"; with TLSCORE_FORBID_DANGEROUS=1 in the environment it is a ConfigError, whatever the code says.
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


class UnencryptedTlsWarning(UserWarning):
    """A configuration was built that may encrypt nothing."""


class AcceptAnyPeer(Record):
    """Encryption only: no certificate is verified, and `conn.authenticated` is False."""

    reason: str = ""
    opt_out: ClassVar[str] = "accept_any_peer"
    loss: ClassVar[str] = "nobody checks who the peer is; an attacker in the middle can read and change everything"
    category: ClassVar[type[UserWarning]] = UnauthenticatedTlsWarning
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
    opt_out: ClassVar[str] = "skip_name_check"
    loss: ClassVar[str] = (
        "nobody checks whose certificate the peer shows; an attacker in the middle can read and change everything"
    )
    category: ClassVar[type[UserWarning]] = UnauthenticatedTlsWarning
    warns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_reason("skip_name_check", self.reason)


class NoEncryption(Record):
    """Suites that encrypt nothing may be used, for debugging: everybody on the way reads everything."""

    reason: str
    opt_out: ClassVar[str] = "no_encryption"
    loss: ClassVar[str] = "nothing may be encrypted; everybody on the way can read everything"
    category: ClassVar[type[UserWarning]] = UnencryptedTlsWarning
    warns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_reason("no_encryption", self.reason)


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


def no_encryption(reason: str) -> NoEncryption:
    """Allow the NULL suites of the legacy tier: `Legacy(no_encryption=danger.no_encryption("why"), ...)`.

    Raises:   ConfigError where no reason is given.
    """
    return NoEncryption(reason)


def require_allowed(what: str, remedy: str) -> None:
    """Refuse what is dangerous where the environment forbids it. Raises ConfigError."""
    import os

    # Anything but an explicit no forbids: a typing mistake must not open the door.
    if os.environ.get(FORBID_VARIABLE, "0").strip().lower() not in ("", "0", "no", "off", "false"):
        raise ConfigError(
            f"{what}, and {FORBID_VARIABLE} forbids that here", remedy=remedy, code="TLS-CONFIG-DANGEROUS"
        )


def announce(what: AcceptAnyPeer | SkipNameCheck | NoEncryption, owner: str) -> None:
    """Warn about a dangerous configuration, or refuse it where the environment forbids it.

    Effects:  UnauthenticatedTlsWarning or UnencryptedTlsWarning; a warning of the logger "tlscore.danger", whose record
              has the attributes `tlscore_danger` (which opt-out), `tlscore_owner` (which configuration) and
              `tlscore_reason`.
    """
    import logging
    import warnings

    reason = f" (reason given: {what.reason})" if what.reason else ""
    named = f"danger.{what.opt_out}{reason}"
    require_allowed(f"{owner} uses {named}", "configure trust, a name and an identity, or unset the variable")
    if not what.warns:
        return
    logger = logging.getLogger("tlscore.danger")
    if not logger.handlers:
        # Without a handler of the program's own, logging would write beside the warning to standard error.
        logger.addHandler(logging.NullHandler())
    facts = {"tlscore_danger": what.opt_out, "tlscore_owner": owner, "tlscore_reason": what.reason}
    logger.warning("%s with %s", owner, named, extra=facts)
    warnings.warn(f"{owner} with {named}: {what.loss}", what.category, stacklevel=4)
