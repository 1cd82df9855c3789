"""Fetching happens only where the caller gave a fetcher, is bounded, and is remembered."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.support.certificates import Authority, Issued
from tests.support.revocation import NOW, REVOKED, make_crl, make_response, point, uri
from tlscore.certs.revocation import HttpFetcher, Revocation, check
from tlscore.certs.revocation.fetchers import KEPT_ENTRIES, FetchCache, FetchFailed
from tlscore.errors import ConfigError

CRL_URL, OCSP_URL = "http://crl.example/ca.crl", "http://ocsp.example/"


@pytest.fixture(scope="module")
def online(root: Authority) -> Issued:
    """A leaf that names where its CRL and its OCSP responder are."""
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(OCSP_URL))]
    )
    points = x509.CRLDistributionPoints([x509.DistributionPoint(uri(CRL_URL), None, None, None)])
    return root.issue("example.org", extra=((access, False), (points, False)))


class Fetcher:
    """Both kinds of fetchers, answering by themselves."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, list[str]()

    def fetch_crl(self, url: str, /) -> bytes:
        self.asked.append(url)
        if isinstance(self.answer, Exception):
            raise self.answer
        result: bytes = self.answer
        return result

    def fetch_ocsp(self, url: str, request: bytes, /) -> bytes:
        return self.fetch_crl(url)


def judge(online: Issued, root: Authority, policy: Revocation, times: int = 1) -> Any:
    found = None
    for _ in range(times):
        found = check((*online.chain, root.certificate), NOW, policy)[0]
    return found


def test_nothing_is_fetched_by_default(online: Issued, root: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for policy in (Revocation(), Revocation.stapled("require"), Revocation.crl(data=make_crl(root), scope="chain")):
        judge(online, root, policy)


@pytest.mark.parametrize("scope", [None, point(full_name=uri(CRL_URL))])
def test_a_crl_is_fetched_and_remembered(online: Issued, root: Authority, scope: Any) -> None:
    good = Fetcher(make_crl(root, scope=scope))
    assert judge(online, root, Revocation(mode="require", crl_fetcher=good), 3).outcome == "pass"
    assert good.asked == [CRL_URL]
    bad = Fetcher(make_crl(root, [online.certificate], scope=scope))
    assert judge(online, root, Revocation(crl_fetcher=bad)).code == "TLS-REVOKED"


def test_a_responder_is_asked_and_remembered(online: Issued, root: Authority) -> None:
    good = Fetcher(make_response(online.certificate, root))
    assert judge(online, root, Revocation(mode="require", ocsp_fetcher=good), 3).outcome == "pass"
    assert good.asked == [OCSP_URL]
    bad = Fetcher(make_response(online.certificate, root, REVOKED))
    assert judge(online, root, Revocation(ocsp_fetcher=bad)).code == "TLS-REVOKED"


def test_lists_at_hand_are_asked_before_the_network(online: Issued, root: Authority) -> None:
    fetcher = Fetcher(RuntimeError("asked"))
    policy = Revocation.crl(data=make_crl(root), mode="require", crl_fetcher=fetcher, ocsp_fetcher=fetcher)
    assert judge(online, root, policy).outcome == "pass"
    assert not fetcher.asked


@pytest.mark.parametrize("answer", [OSError("down"), FetchFailed("no"), b"nonsense", 7], ids=repr)
def test_a_failure_is_an_open_question_and_remembered_for_a_while(online: Issued, root: Authority, answer: Any) -> None:
    fetcher = Fetcher(answer)
    policy = Revocation(mode="require", crl_fetcher=fetcher)
    found = judge(online, root, policy, 3)
    assert (found.outcome, found.alert) == ("fail", 46)
    assert found.code == "TLS-REVOCATION_NOT_REACHED"
    assert fetcher.asked == [CRL_URL]
    assert judge(online, root, Revocation(crl_fetcher=fetcher)).outcome == "skip"


def test_a_fetched_response_that_is_not_in_order_is_no_bad_staple(online: Issued, root: Authority) -> None:
    fetcher = Fetcher(make_response(online.certificate, root)[:-3] + b"\0\0\0")
    found = judge(online, root, Revocation(mode="require", ocsp_fetcher=fetcher))
    assert (found.code, found.alert) == ("TLS-OCSP_BAD_SIGNATURE", 46)


def test_cache_is_bounded_in_entries_octets_and_time() -> None:
    clock = [0.0]
    cache = FetchCache(lambda: clock[0])
    made: list[object] = []

    def maker(key: object, octets: int = 10) -> Callable[[], tuple[object, int, float]]:
        def make() -> tuple[object, int, float]:
            made.append(key)
            return key, octets, 100.0

        return make

    for number in range(2 * KEPT_ENTRIES):
        cache.get(number, maker(number))
    assert len(cache._kept) == KEPT_ENTRIES
    cache.get("large", maker("large", 60 * 2**20))
    cache.get("larger", maker("larger", 60 * 2**20))
    assert list(cache._kept) == ["larger"]
    cache.get("larger", maker("again"))
    assert made[-1] == "larger"
    clock[0] = 101
    assert cache.get("larger", maker("again")) == "again"


# -- HttpFetcher -------------------------------------------------------------------------------------------------------


@contextmanager
def http(answer: bytes, drip: float = 0) -> Iterator[tuple[str, list[bytes]]]:
    """A server for one request, which answers with octets, one by one where `drip` says so."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(65_536))
                try:
                    for at in range(len(answer)) if drip else (0,):
                        connection.sendall(answer[at : at + 1] if drip else answer)
                        time.sleep(drip)
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/ca.crl?x=1", seen
    thread.join()


def reply(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_http_fetcher_gets_and_posts() -> None:
    with http(reply(b"a list")) as (url, seen):
        assert HttpFetcher().fetch_crl(url) == b"a list"
    assert seen[0].startswith(b"GET /ca.crl?x=1 HTTP/1.1")
    with http(reply(b"a response")) as (url, seen):
        assert HttpFetcher().fetch_ocsp(url, b"request") == b"a response"
    assert b"application/ocsp-request" in seen[0]


@pytest.mark.parametrize("answer", [reply(b"", "404 Not Found"), reply(b"", "302 Found"), b"nonsense\r\n\r\n", b""])
def test_http_fetcher_refuses_every_other_answer(answer: bytes) -> None:
    with http(answer) as (url, _), pytest.raises(FetchFailed):
        HttpFetcher().fetch_crl(url)


def test_http_fetcher_is_bounded_in_octets() -> None:
    with http(reply(bytes(101))) as (url, _), pytest.raises(FetchFailed, match="more than 100"):
        HttpFetcher(crl_octets=100).fetch_crl(url)


def test_http_fetcher_is_bounded_in_time_where_octets_drip() -> None:
    start = time.monotonic()
    with http(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50, drip=0.05) as (url, _):
        with pytest.raises(FetchFailed):
            HttpFetcher(0.4).fetch_crl(url)
        # Without the bound the header alone takes 15 seconds.
        assert time.monotonic() - start < 8


@pytest.mark.parametrize(
    "url",
    ["https://crl.example/", "file:///etc/passwd", "ldap://x/", "http://", "http://u:p@h/", "http://[", "gopher:x"],
)
def test_http_fetcher_asks_plain_http_alone(url: str) -> None:
    with pytest.raises((FetchFailed, ValueError)):
        HttpFetcher().fetch_crl(url)
    with pytest.raises(FetchFailed, match="not among"):
        HttpFetcher(hosts=("crl.example",)).fetch_crl("http://169.254.169.254/latest")
    with pytest.raises(ConfigError):
        HttpFetcher(0)
