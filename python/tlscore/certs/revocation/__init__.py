"""Whether a certificate that is valid in every other respect was taken back by its issuer.

Two sources answer: CRLs that the operator lays down (crl.py, crl_store.py, crl_check.py) and OCSP responses that the
peer staples (ocsp.py). policy.py says what is wanted; checking.py puts the answers together and is what path
verification calls. Nothing here opens a connection by itself: fetchers.py holds what a caller may switch on. stapler.py
is the other side, a server that keeps a fresh response about its own certificate.

The names below are loaded when first used, since most of them bring `cryptography` in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlscore.certs.revocation.checking import check as check
    from tlscore.certs.revocation.crl_store import CrlStore as CrlStore
    from tlscore.certs.revocation.fetchers import CRLFetcher as CRLFetcher
    from tlscore.certs.revocation.fetchers import HttpFetcher as HttpFetcher
    from tlscore.certs.revocation.fetchers import OCSPFetcher as OCSPFetcher
    from tlscore.certs.revocation.policy import Revocation as Revocation
    from tlscore.certs.revocation.stapler import OcspFile as OcspFile
    from tlscore.certs.revocation.stapler import OcspStapler as OcspStapler

_HOMES = {
    "CRLFetcher": "fetchers",
    "CrlStore": "crl_store",
    "HttpFetcher": "fetchers",
    "OCSPFetcher": "fetchers",
    "OcspFile": "stapler",
    "OcspStapler": "stapler",
    "Revocation": "policy",
    "check": "checking",
}

__all__ = ["CRLFetcher", "CrlStore", "HttpFetcher", "OCSPFetcher", "OcspFile", "OcspStapler", "Revocation", "check"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
