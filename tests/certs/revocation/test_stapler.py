"""What a server staples: asked for in the background, taken only if a client would take it, never out of date."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.support.certificates import Authority, Issued
from tests.support.revocation import DAY, HOUR, NOW, REVOKED, UNKNOWN_STATUS, make_response
from tlscore.certs.revocation import OcspFile, OcspStapler
from tlscore.certs.revocation.fetchers import FetchFailed
from tlscore.errors import ConfigError

URL = "http://ocsp.example/"


class Responder:
    """A fetcher that answers by itself, and counts."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked, self.seen = list(answers), 0, threading.Event()
        self.requests: list[tuple[str, bytes]] = []

    def fetch_ocsp(self, url: str, request: bytes, /) -> bytes:
        self.requests.append((url, request))
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        self.seen.set()
        if isinstance(answer, Exception):
            raise answer
        result: bytes = answer
        return result


@pytest.fixture
def chain(leaf: Issued, root: Authority) -> tuple[x509.Certificate, ...]:
    return (*leaf.chain, root.certificate)


@pytest.fixture
def good(leaf: Issued, root: Authority) -> bytes:
    return make_response(leaf.certificate, root)


def test_stapler_asks_about_its_own_certificate(chain: Any, leaf: Issued, good: bytes) -> None:
    responder = Responder(good)
    stapler = OcspStapler(chain, responder, url=URL)
    assert stapler.response() is None
    assert stapler.refresh()
    assert stapler.response() == good
    url, request = responder.requests[0]
    assert url == URL
    assert ocsp.load_der_ocsp_request(request).serial_number == leaf.certificate.serial_number


def test_stapler_takes_the_address_from_the_certificate(root: Authority) -> None:
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://a.example/")
            )
        ]
    )
    issued = root.issue("example.org", extra=((access, False),))
    responder = Responder(make_response(issued.certificate, root))
    assert OcspStapler((*issued.chain_der, root.der), responder).refresh()
    assert responder.requests[0][0] == "http://a.example/"


@pytest.mark.parametrize("kind", ["revoked", "unknown", "stale", "another", "nonsense", "text", "failed", "raises"])
def test_stapler_keeps_the_old_response_where_a_client_would_refuse_the_new(
    chain: Any, leaf: Issued, root: Authority, good: bytes, kind: str
) -> None:
    answers: dict[str, Any] = {
        "revoked": make_response(leaf.certificate, root, REVOKED),
        "unknown": make_response(leaf.certificate, root, UNKNOWN_STATUS),
        "stale": make_response(leaf.certificate, root, this_update=NOW - 3 * DAY, next_update=NOW - DAY),
        "another": make_response(root.issue("other").certificate, root),
        "nonsense": b"nonsense",
        "text": "text",
        "failed": FetchFailed("no route"),
        "raises": RuntimeError("bug"),
    }
    stapler = OcspStapler(chain, Responder(answers[kind]), response=good, url=URL)
    assert not stapler.refresh()
    assert stapler.problem
    assert stapler.response() == good


def test_stapler_never_gives_what_is_out_of_date(chain: Any, good: bytes) -> None:
    clock = [NOW]
    stapler = OcspStapler(chain, Responder(FetchFailed("no")), response=good, url=URL, clock=lambda: clock[0])
    assert stapler.response() == good
    clock[0] = NOW + DAY + dt.timedelta(seconds=1)
    assert stapler.response() is None


def test_stapler_waits_for_half_a_life_and_less_after_a_failure(chain: Any, good: bytes) -> None:
    stapler = OcspStapler(chain, Responder(FetchFailed("no")), response=good, url=URL, clock=lambda: NOW)
    half = ((DAY + HOUR) / 2 - HOUR).total_seconds()
    assert 0.9 * half <= stapler.next_refresh_seconds <= 1.1 * half
    waits = []
    for _ in range(12):
        stapler.refresh()
        waits.append(stapler.next_refresh_seconds)
    assert 54 <= waits[0] <= 66
    assert 108 <= waits[1] <= 132
    assert 3240 <= waits[-1] <= 3960


def test_thread_refreshes_and_ends(chain: Any, good: bytes) -> None:
    responder = Responder(good)
    with OcspStapler(chain, responder, url=URL) as stapler:
        assert responder.seen.wait(10)
        thread = stapler._thread
        assert thread is not None
        assert thread.daemon
    assert not thread.is_alive()
    assert stapler.response() == good
    stapler.stop()


def test_child_process_begins_its_own_thread(chain: Any, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    responder = Responder(good)
    stapler = OcspStapler(chain, responder, response=good, url=URL).start()
    first = stapler._thread
    own = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: own + 1)
    assert stapler.response() == good
    second = stapler._thread
    assert second is not first
    assert second is not None
    stapler.stop()
    assert first is not None
    first.join(0)


def test_contradictions_are_refused(chain: Any, leaf: Issued, good: bytes) -> None:
    makers: tuple[Callable[[], object], ...] = (
        lambda: OcspStapler(leaf.chain, Responder(good), url=URL),
        lambda: OcspStapler(chain, Responder(good)),
        lambda: OcspStapler(chain, object(), url=URL),  # type: ignore[arg-type]
    )
    for make in makers:
        with pytest.raises(ConfigError):
            make()


def test_file_is_followed_and_checked(tmp_path: Path, chain: Any, leaf: Issued, root: Authority, good: bytes) -> None:
    path = tmp_path / "staple.der"
    source = OcspFile(path, chain)
    assert source.response() is None
    assert source.problem
    path.write_bytes(good)
    assert source.response() == good
    assert not source.problem
    path.write_bytes(good[:100])
    assert source.response() == good
    assert source.problem
    new = make_response(leaf.certificate, root, next_update=NOW + 2 * DAY)
    path.write_bytes(new)
    assert source.response() == new
    path.unlink()
    assert source.response() == new


def test_file_is_not_stapled_after_its_end(tmp_path: Path, chain: Any, good: bytes) -> None:
    path, clock = tmp_path / "staple.der", [NOW]
    path.write_bytes(good)
    source = OcspFile(path, chain, clock=lambda: clock[0])
    assert source.response() == good
    clock[0] = NOW + 2 * DAY
    assert source.response() is None
