"""Fixtures of the ecosystem suite: certificates, contexts of both ends, and the proof that tlscore was used.

`client` and `server` are contexts of the module under test, `peer_client` and `peer_server` the standard library's.
Every test must make a connection on the module under test: a library that quietly fell back to OpenSSL fails here.
"""

from __future__ import annotations

import gc
import ssl as stdlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ecosystem import support
from tests.ecosystem.support import AIO, BOTH, CONTROL, Files
from tests.support.certificates import make_ca


def pytest_report_header() -> list[str]:
    under_test = "the standard library (control)" if CONTROL else "tlscore.ssl"
    transport = ", asyncio on tlscore.aio" if AIO else ""
    return [f"ecosystem: on {under_test}{transport}, its peers on {'tlscore.ssl' if BOTH else 'OpenSSL'}"]


def pytest_collection_finish() -> None:
    """Imported modules are no garbage: looking through them after each test would double the time of the run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    authority = make_ca("Ecosystem CA")
    chain, key = authority.issue("localhost", "127.0.0.1").write(folder)
    return Files(authority.write(folder), chain, key)


@pytest.fixture(scope="session")
def shape() -> Any:
    """The module under test."""
    if CONTROL:
        return stdlib
    from tlscore import ssl

    return ssl


@pytest.fixture(scope="session")
def peer_shape(shape: Any) -> Any:
    """The module at the other end."""
    return shape if BOTH else stdlib


@pytest.fixture
def client(shape: Any, files: Files) -> Any:
    return support.client_context(shape, files)


@pytest.fixture
def server(shape: Any, files: Files) -> Any:
    return support.server_context(shape, files)


@pytest.fixture
def peer_client(peer_shape: Any, files: Files) -> Any:
    return support.client_context(peer_shape, files)


@pytest.fixture
def peer_server(peer_shape: Any, files: Files) -> Any:
    return support.server_context(peer_shape, files)


@pytest.fixture(scope="session", autouse=True)
def transport_of_tlscore() -> Iterator[None]:
    """Where it was asked for, asyncio's functions take tlscore's own transport."""
    if not AIO:
        yield
        return
    from tlscore import aio

    aio.install()
    yield
    aio.uninstall()


@pytest.fixture(autouse=True)
def no_key_log_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves behind is found in that test, not in a later one."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def carried_by_tlscore(
    request: pytest.FixtureRequest, shape: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[bool]]:
    """Fails a test in whose process no connection of tlscore was made; a test about another process clears the list."""
    made: list[bool] = []
    if CONTROL or request.node.get_closest_marker("elsewhere"):
        yield made
        return
    original = shape.SSLContext._new_connection

    def counted(self: Any, *arguments: Any, **settings: Any) -> Any:
        made.append(True)
        return original(self, *arguments, **settings)

    monkeypatch.setattr(shape.SSLContext, "_new_connection", counted)
    yield made
    assert made, "no connection went through tlscore"
