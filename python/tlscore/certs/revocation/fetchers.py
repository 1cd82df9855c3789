"""Fetching CRLs and OCSP responses, which happens only where the caller hands a fetcher in.

The two protocols are all that the rest needs. HttpFetcher is one that serves both, over plain HTTP as RFC 5280 and RFC
6960 have it (what comes is signed), without redirections and proxies, with one time limit for everything and a bound on
octets. The addresses come out of certificates whose path is verified, so a CA chose them, not the peer; who runs inside
a network where even that is too much gives a fetcher of their own. Answers and failures are remembered.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

from tlscore.errors import ConfigError

TIMEOUT_SECONDS: Final = 5.0
CRL_OCTETS: Final = 16 * 2**20
OCSP_OCTETS: Final = 65_536
# What is remembered: entries, octets of all of them, and for how long; a failure shorter, so that a repair shows.
KEPT_ENTRIES: Final = 64
KEPT_OCTETS: Final = 64 * 2**20
KEPT_SECONDS: Final = 3600.0
KEPT_FAILURE_SECONDS: Final = 60.0


@runtime_checkable
class CRLFetcher(Protocol):
    """Gets a CRL; whatever it raises counts as "not reached"."""

    def fetch_crl(self, url: str, /) -> bytes: ...


@runtime_checkable
class OCSPFetcher(Protocol):
    """Asks an OCSP responder; whatever it raises counts as "not reached"."""

    def fetch_ocsp(self, url: str, request: bytes, /) -> bytes: ...


class FetchFailed(Exception):
    """A fetch that brought nothing; the text says why."""


class HttpFetcher:
    """A CRLFetcher and OCSPFetcher over http://.

    Takes:    timeout: seconds for one fetch, from the name lookup's end to the last octet. hosts: the only hosts that
              may be asked; None for all.
    """

    def __init__(
        self,
        timeout: float = TIMEOUT_SECONDS,
        *,
        hosts: tuple[str, ...] | None = None,
        crl_octets: int = CRL_OCTETS,
        ocsp_octets: int = OCSP_OCTETS,
    ) -> None:
        if not 0 < timeout <= 300:
            raise ConfigError(f"timeout is {timeout!r}", remedy="give seconds, up to 300")
        self.timeout, self.hosts = timeout, hosts
        self.crl_octets, self.ocsp_octets = crl_octets, ocsp_octets

    def fetch_crl(self, url: str, /) -> bytes:
        return self._fetch(url, None, self.crl_octets)

    def fetch_ocsp(self, url: str, request: bytes, /) -> bytes:
        return self._fetch(url, request, self.ocsp_octets)

    def _fetch(self, url: str, body: bytes | None, most: int) -> bytes:
        from http.client import HTTPConnection, HTTPException
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.username is not None:
            raise FetchFailed("only http:// addresses are fetched")
        if self.hosts is not None and parts.hostname not in self.hosts:
            raise FetchFailed(f"{parts.hostname} is not among the hosts that may be asked")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Content-Type": "application/ocsp-request"} if body is not None else {}
        connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=self.timeout)
        # A peer that sends one octet at a time satisfies every timeout of a single read: this one ends it all.
        alarm = threading.Timer(self.timeout, _shut, (connection,))
        alarm.daemon = True
        try:
            alarm.start()
            connection.request("GET" if body is None else "POST", target, body, {**headers, "Connection": "close"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise FetchFailed(f"{parts.hostname} answers HTTP status {answer.status}")
            data = answer.read(most + 1)
        except (OSError, HTTPException, ValueError) as failure:
            raise FetchFailed(f"{parts.hostname} was not reached ({type(failure).__name__})") from failure
        finally:
            alarm.cancel()
            connection.close()
        if len(data) > most:
            raise FetchFailed(f"{parts.hostname} sends more than {most} octets")
        return data


def _shut(connection: Any) -> None:
    from contextlib import suppress
    from socket import SHUT_RDWR

    with suppress(OSError, AttributeError):
        connection.sock.shutdown(SHUT_RDWR)


class FetchCache:
    """What fetchers brought, by address: values with their size, or failures, until their time is over."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, tuple[float, int, Any]] = OrderedDict()
        self._octets = 0

    def get(self, key: object, make: Callable[[], tuple[Any, int, float]]) -> Any:
        """The value for a key; `make` gives value, octets and seconds to keep it. Raises FetchFailed."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] > self._monotonic():
                self._kept.move_to_end(key)
                return _given(known[2])
        try:
            value, octets, seconds = make()
        except Exception as failure:
            reached = isinstance(failure, FetchFailed)
            value = FetchFailed(str(failure)[:200] if reached else f"the fetcher failed ({type(failure).__name__})")
            octets, seconds = 256, KEPT_FAILURE_SECONDS
        with self._lock:
            self._forget(key)
            if octets <= KEPT_OCTETS:
                self._kept[key] = self._monotonic() + min(max(seconds, 0.0), KEPT_SECONDS), octets, value
                self._octets += octets
            while len(self._kept) > KEPT_ENTRIES or self._octets > KEPT_OCTETS:
                self._forget(next(iter(self._kept)))
        return _given(value)

    def _forget(self, key: object) -> None:
        known = self._kept.pop(key, None)
        if known is not None:
            self._octets -= known[1]


def _given(value: Any) -> Any:
    if isinstance(value, FetchFailed):
        raise FetchFailed(str(value))
    return value
