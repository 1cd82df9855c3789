"""The server's side: a fresh OCSP response about its own certificate, ready to be stapled.

A staple source is anything with `response()`, which gives the octets to send or None, at once and without blocking:
handshakes call it. OcspFile follows a file that some other program keeps fresh. OcspStapler asks through a fetcher, in
a thread of its own, halfway through the life of each response; a response is taken only if a client would take it, and
the old one is kept until its own end. What is no longer in time is never sent: a client must abort on it, and without
must-staple goes on without any.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Final, Protocol, Self, runtime_checkable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as parser

from tlscore import clocks
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.revocation import ocsp
from tlscore.certs.revocation.fetchers import FetchFailed, OCSPFetcher
from tlscore.certs.revocation.policy import CLOCK_SKEW_SECONDS, MAX_AGE_SECONDS
from tlscore.certs.revocation.problems import Good
from tlscore.certs.revocation.subject import Subject
from tlscore.errors import ConfigError, escape

# Never ask more often than this, nor more rarely; after a failure wait 1, 2, 4 ... minutes.
SHORTEST_WAIT_SECONDS: Final = 60.0
LONGEST_WAIT_SECONDS: Final = 86_400.0
LONGEST_RETRY_SECONDS: Final = 3600.0


@runtime_checkable
class StapleSource(Protocol):
    """Gives the response to staple, or None; called in handshakes, so it must not block."""

    def response(self) -> bytes | None: ...


class _Judge:
    """Whether a client would take a response about one certificate now, and until when."""

    def __init__(self, chain: Sequence[bytes | x509.Certificate], clock: Callable[[], datetime] | None) -> None:
        path = tuple(one if isinstance(one, x509.Certificate) else x509.load_der_x509_certificate(one) for one in chain)
        if len(path) < 2:
            raise ConfigError(
                "the certificate of the issuer is missing, which OCSP responses are checked with",
                remedy="give the own certificate and that of its issuer: OcspStapler((leaf, issuer), ...)",
                code="TLS-CONFIG-OCSP",
            )
        self.path = path
        self.certificate = path[0].public_bytes(Encoding.DER)
        self.subject = Subject(path, 0)
        self._clock = clocks.accepted(clock)

    def now(self) -> datetime:
        return clocks.read(self._clock)

    def refusal(self, data: bytes) -> str:
        """Why a client would refuse a response; empty if it would not."""
        skew = timedelta(seconds=CLOCK_SKEW_SECONDS)
        verdict = ocsp.status(data, self.subject, ocsp.Clock(self.now(), skew, timedelta(seconds=MAX_AGE_SECONDS)))
        return "" if isinstance(verdict, Good) else verdict.text

    def life(self, data: bytes) -> tuple[datetime, datetime]:
        """thisUpdate and nextUpdate of a response that was accepted."""
        first = next(iter(parser.load_der_ocsp_response(data).responses))
        start = first.this_update_utc
        return start, first.next_update_utc or start + timedelta(seconds=MAX_AGE_SECONDS)


class OcspFile:
    """A staple that stands in a file, DER, which another program renews: `openssl ocsp -respout FILE`.

    Takes:    path: the file. chain: own certificate and its issuer's (DER or objects), which let the file be checked.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        chain: Sequence[bytes | x509.Certificate],
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.problem = ""
        self._judge = _Judge(chain, clock)
        self.certificate = self._judge.certificate
        self._held: tuple[bytes, datetime] | None = None
        self._stamp: tuple[int, int, int] | None = None

    def response(self) -> bytes | None:
        try:
            found = os.stat(self.path)
            stamp = found.st_ino, found.st_mtime_ns, found.st_size
            if stamp != self._stamp:
                self._take(stamp)
        except OSError as failure:
            self.problem = f"the OCSP response cannot be read: {failure.strerror}"
        held = self._held
        return held[0] if held is not None and self._judge.now() < held[1] else None

    def _take(self, stamp: tuple[int, int, int]) -> None:
        with open(self.path, "rb") as file:
            data = file.read(ocsp.RESPONSE_OCTETS + 1)
        self.problem = self._judge.refusal(data)
        if not self.problem:
            self._held = data, self._judge.life(data)[1]
        self._stamp = stamp


class OcspStapler:
    """Keeps a response fresh through a fetcher.

    Takes:    chain: own certificate and its issuer's (an Identity's `chain`, DER or objects). fetcher: HttpFetcher(),
              or any object with fetch_ocsp(url, request). response: one to begin with. url: the responder, where the
              certificate does not name it.
    Use:      `stapler.start()` begins the thread, `stop()` ends it; as a context manager both. `refresh()` asks once,
              in the calling thread. `problem` is the text of the last failure.
    """

    def __init__(
        self,
        chain: Sequence[bytes | x509.Certificate],
        fetcher: OCSPFetcher,
        *,
        response: bytes | None = None,
        url: str | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        if not callable(getattr(fetcher, "fetch_ocsp", None)):
            raise ConfigError("the fetcher has no fetch_ocsp", remedy="give HttpFetcher(), or an object that has it")
        self._judge = _Judge(chain, clock)
        self.certificate = self._judge.certificate
        self._fetcher = fetcher
        try:
            self._urls = (url,) if url is not None else self._judge.subject.ocsp_urls
        except PARSE_ERRORS:
            self._urls = ()
        if not self._urls:
            raise ConfigError(
                "the certificate names no OCSP responder",
                remedy='give its address: OcspStapler(chain, fetcher, url="http://...")',
                code="TLS-CONFIG-OCSP",
            )
        self.problem = ""
        self._failures = 0
        self._held: tuple[bytes, datetime, datetime] | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = True
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        if response is not None:
            self.problem = self._take(response)

    def response(self) -> bytes | None:
        """The response to staple now; None where there is none in time."""
        if self._process != os.getpid():
            self._after_fork()
        held = self._held
        return held[0] if held is not None and self._judge.now() < held[2] else None

    def refresh(self) -> bool:
        """Ask the responder now. Gives whether a new response was taken; the old one stays where not."""
        with self._lock:
            try:
                request = ocsp.request_for(self._judge.path[0], self._judge.path[1])
                problem = "no responder was asked"
                for url in self._urls:
                    problem = self._ask(url, request)
                    if not problem:
                        break
            except PARSE_ERRORS as failure:
                problem = f"no request can be made ({str(failure)[:160]})"
            self.problem = problem
            self._failures = self._failures + 1 if problem else 0
            return not problem

    def _ask(self, url: str, request: bytes) -> str:
        try:
            data = self._fetcher.fetch_ocsp(url, request)
        except FetchFailed as failure:
            return str(failure)
        except Exception as failure:  # the caller's own object: whatever it raises, the thread lives on
            return f"the fetcher failed ({type(failure).__name__}: {escape(str(failure), 160)})"
        if not isinstance(data, bytes):
            return f"the fetcher gave {type(data).__name__} instead of octets"
        return self._take(data)

    def _take(self, data: bytes) -> str:
        problem = self._judge.refusal(data)
        if not problem:
            self._held = data, *self._judge.life(data)
        return problem

    @property
    def next_refresh_seconds(self) -> float:
        """How long the thread waits: to the middle of the response's life, or a little after a failure."""
        if self._failures or self._held is None:
            wait = min(SHORTEST_WAIT_SECONDS * 2.0 ** min(max(self._failures - 1, 0), 10), LONGEST_RETRY_SECONDS)
        else:
            _, start, end = self._held
            wait = (start + (end - start) / 2 - self._judge.now()).total_seconds()
        wait = min(max(wait, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
        # Many servers that began together shall not ask together.
        return wait * (0.9 + 0.2 * SystemRandom().random())

    def start(self) -> Self:
        """Begin to refresh in a daemon thread; the first response is asked for there at once."""
        if self._stopped:
            self._stopped = False
            self._begin()
        return self

    def stop(self) -> None:
        """End the thread; the response that is held stays until its time is over."""
        self._stopped = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._wake,), name="tlscore-ocsp", daemon=True)
        self._thread.start()

    def _run(self, wake: threading.Event) -> None:
        if self._held is None or self._judge.now() >= self._held[2]:
            self.refresh()
        while not wake.wait(self.next_refresh_seconds):
            self.refresh()

    def _after_fork(self) -> None:
        """Threads do not survive a fork: a child that staples begins its own, with a lock that nobody holds."""
        self._lock = threading.Lock()
        self._process = os.getpid()
        if not self._stopped:
            self._begin()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
