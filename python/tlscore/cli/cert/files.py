"""What the certificate commands read: certificates of any format, and a moment in time from the command line.

Errors are those of the configuration: they name the file and the PEM block, and end the command with exit code 2.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tlscore import clocks
from tlscore.errors import ConfigError, escape

if TYPE_CHECKING:
    from tlscore.certs.loading.material import Placed
    from tlscore.certs.loading.passwords import Secret
    from tlscore.certs.paths.facts import Facts


def secret(password_file: str | None) -> Secret:
    """What opens an encrypted file."""
    from tlscore.certs.loading.passwords import PasswordFile, Secret

    return Secret(PasswordFile(password_file) if password_file is not None else None)


def certificates(path: str, what: str, password_file: str | None = None) -> list[Placed]:
    """Every certificate of a file, with its place. Raises ConfigError where there is none."""
    from tlscore.certs.loading import material
    from tlscore.certs.reading import read

    return material.certificates(read(path, what), what, secret(password_file))


def der(placed: Placed) -> bytes:
    """A certificate's octets."""
    from cryptography.hazmat.primitives.serialization import Encoding

    encoded: bytes = placed.value.public_bytes(Encoding.DER)
    return encoded


def facts(placed: Placed) -> Facts:
    """A certificate as the rules read it, old roots with odd serial numbers too. Raises ConfigError for a damaged
    one."""
    import warnings

    from cryptography.utils import CryptographyDeprecationWarning

    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.peer import PARSE_ERRORS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            return Facts(der(placed), placed.value)
        except PARSE_ERRORS as damage:
            raise ConfigError(
                f"{placed.where}: the certificate cannot be read: {escape(str(damage), 200)}",
                remedy="have it issued again",
                code="TLS-CONFIG-CERTIFICATE",
            ) from None


def moment(text: str | None) -> datetime:
    """The time to judge by: ISO 8601, in UTC where it names no zone; now by default."""
    if text is None:
        return datetime.now(UTC)
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no time", remedy='give it in ISO 8601, such as "2027-01-31" or "2027-01-31T12:00:00Z"'
        ) from None
    return clocks.aware(given)
