"""Configurations of the legacy tier for tests: quiet about what they are, with keys for every suite of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from tlscore import ClientConfig, Identity, ServerConfig, UnauthenticatedTlsWarning, danger
from tlscore.legacy import IMPLEMENTED, Legacy, LegacyTlsWarning
from tlscore.suites import Suite, suite
from tlscore.version_settings import TLS10, TLS11, TLS12, version_code

from .certificates import Issued, key_usage, make_key
from .standing import NAME, authority, trust

T = TypeVar("T")
VERSIONS = ("1.0", "1.1", "1.2")
GROUPS = ("x25519", "secp256r1", "secp384r1", "secp521r1", "ffdhe2048")
# The key that serves a suite, by its authentication.
KEYS = {"ECDSA": "p256", "RSA": "rsa2048"}
SIGNS = ("digital_signature",)
ENCRYPTS = ("key_encipherment",)
BOTH = SIGNS + ENCRYPTS
NULLS = danger.no_encryption("a test")


def quiet(build: Callable[..., T], *given: Any, **settings: Any) -> T:
    """Build a configuration that warns, without the warnings."""
    with warnings.catch_warnings():
        for category in (LegacyTlsWarning, UnauthenticatedTlsWarning, danger.UnencryptedTlsWarning):
            warnings.simplefilter("ignore", category)
        return build(*given, **settings)


def tier(versions: Any = VERSIONS, suites: Any = IMPLEMENTED, **settings: Any) -> Legacy:
    """A tier; without names, with every suite that authenticates and encrypts and that a version can use."""
    if suites is IMPLEMENTED:
        suites = [one.name for one in every_suite() if not one.missing]
    return Legacy(reason="a test", versions=versions, suites=suites, **settings)


def every_suite() -> list[Suite]:
    """Every suite of the tier."""
    return [suite(name) for name in IMPLEMENTED]


def suites_of(version: str) -> list[Suite]:
    return [one for one in every_suite() if one.usable_in(version_code(version))]


def issued(key: str = "p256", bits: tuple[str, ...] = BOTH) -> Issued:
    """A leaf whose key may encrypt too, or do what `bits` of keyUsage say."""
    return _issued(key, bits)


@cache
def _issued(key: str, bits: tuple[str, ...]) -> Issued:
    return authority().issue(NAME, key=make_key(key), key_usage=False, extra=((key_usage(*bits), True),))


def identity(key: str = "p256", bits: tuple[str, ...] = BOTH) -> Identity:
    return _identity(key, bits)


@cache
def _identity(key: str, bits: tuple[str, ...]) -> Identity:
    return Identity.load(issued(key, bits).chain_pem, issued(key, bits).key_pem)


def client(legacy: Legacy | None = None, key: str | None = None, **settings: Any) -> ClientConfig:
    given = {"groups": groups_of(legacy), **settings, "legacy": legacy or tier()}
    if key is None:
        return quiet(ClientConfig.simple, trust(), **given)
    return quiet(ClientConfig.mutual, trust(), identity=identity(key), **given)


def server(
    legacy: Legacy | None = None, key: str | tuple[str, ...] = "p256", mutual: bool = False, **settings: Any
) -> ServerConfig:
    own = tuple(identity(one) for one in ((key,) if isinstance(key, str) else key))
    given = {"groups": groups_of(legacy), **settings, "legacy": legacy or tier()}
    if not mutual:
        return quiet(ServerConfig.simple, own, **given)
    return quiet(ServerConfig.mutual, own, client_trust=trust(), **given)


def groups_of(legacy: Legacy | None) -> tuple[str, ...] | None:
    """All the groups that the suites can use."""
    uses = {one.key_exchange for one in (legacy or tier()).parts()}
    chosen = GROUPS[:4] * ("ECDHE" in uses) + GROUPS[4:] * ("DHE" in uses)
    return chosen or None


__all__ = [
    "BOTH",
    "ENCRYPTS",
    "KEYS",
    "NULLS",
    "SIGNS",
    "TLS10",
    "TLS11",
    "TLS12",
    "VERSIONS",
    "client",
    "every_suite",
    "groups_of",
    "identity",
    "issued",
    "quiet",
    "server",
    "suites_of",
    "tier",
]
