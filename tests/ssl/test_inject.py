"""inject_into_ssl and extract_from_ssl: what a whole program gets, and that it comes back as it was."""

from __future__ import annotations

import http.client
import itertools
import ssl as stdlib
import sys
import types
import urllib.request
from collections.abc import Iterator

import pytest

import tlscore
from tests.ssl.contexts import Files, connect
from tlscore import ssl
from tlscore import urllib3 as adapter
from tlscore.errors import UsageError

ORIGINAL = stdlib.SSLContext


@pytest.fixture
def injected() -> Iterator[None]:
    tlscore.inject_into_ssl()
    try:
        yield
    finally:
        tlscore.extract_from_ssl()


def test_every_way_to_a_context_gives_ours(injected: None) -> None:
    assert stdlib.SSLContext is ssl.SSLContext
    for context in (
        stdlib.create_default_context(),
        stdlib._create_unverified_context(),
        stdlib._create_default_https_context(),
        stdlib.SSLContext(stdlib.PROTOCOL_TLS_SERVER),
    ):
        assert type(context) is ssl.SSLContext
    assert type(http.client.HTTPSConnection("x")._context) is ssl.SSLContext  # type: ignore[attr-defined]
    assert type(urllib.request.HTTPSHandler()._context) in (ssl.SSLContext, type(None))  # type: ignore[attr-defined]


def test_settings_of_ours_go_on_under_the_changed_name(injected: None) -> None:
    context = stdlib.create_default_context()
    context.options |= stdlib.OP_NO_TICKET
    context.verify_flags |= stdlib.VERIFY_X509_STRICT
    context.minimum_version = stdlib.TLSVersion.TLSv1_3
    context.maximum_version = stdlib.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = stdlib.CERT_NONE
    context._msg_callback = print  # type: ignore[attr-defined]
    assert context.minimum_version == stdlib.TLSVersion.TLSv1_3
    assert context.verify_mode == stdlib.CERT_NONE


def test_contexts_of_before_go_on_working() -> None:
    before = ORIGINAL(stdlib.PROTOCOL_TLS_CLIENT)
    tlscore.inject_into_ssl()
    try:
        before.options |= stdlib.OP_NO_TICKET
        before.verify_flags |= stdlib.VERIFY_X509_STRICT
        before.minimum_version = stdlib.TLSVersion.TLSv1_2
        before.maximum_version = stdlib.TLSVersion.TLSv1_3
        before.check_hostname = False
        before.verify_mode = stdlib.CERT_NONE
        before._msg_callback = print  # type: ignore[attr-defined]
        assert before._msg_callback is print  # type: ignore[attr-defined]
        assert before.options & stdlib.OP_NO_TICKET
        assert before.minimum_version == stdlib.TLSVersion.TLSv1_2
    finally:
        tlscore.extract_from_ssl()


def test_reverse_puts_back_exactly_what_was_there() -> None:
    before = dict(vars(stdlib)), dict(vars(ORIGINAL))
    for _ in range(2):
        tlscore.inject_into_ssl()
        tlscore.inject_into_ssl()
        made = stdlib.create_default_context()
        tlscore.extract_from_ssl()
        tlscore.extract_from_ssl()
    assert (dict(vars(stdlib)), dict(vars(ORIGINAL))) == before
    assert type(made) is ssl.SSLContext
    assert type(stdlib.create_default_context()) is ORIGINAL
    made.verify_flags |= stdlib.VERIFY_X509_STRICT


def test_handshake_runs_under_the_changed_name(injected: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = Files(tmp_path_factory.mktemp("inject"))
    one, _ = connect(files.client_context(stdlib), files.server_context(stdlib))
    assert one.authenticated


def test_class_of_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign(ORIGINAL):
        pass

    monkeypatch.setattr(stdlib, "SSLContext", Foreign)
    for call in (tlscore.inject_into_ssl, tlscore.extract_from_ssl):
        with pytest.raises(UsageError, match="test_inject"):
            call()
    assert stdlib.SSLContext is Foreign


def test_copy_that_a_library_made_at_its_import_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("urllib3.util.ssl_")
    module.SSLContext = ORIGINAL  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "urllib3.util.ssl_", module)
    tlscore.inject_into_ssl()
    assert module.SSLContext is ssl.SSLContext  # type: ignore[attr-defined]
    tlscore.extract_from_ssl()
    assert module.SSLContext is ORIGINAL  # type: ignore[attr-defined]


# -- with the adapter of urllib3 ---------------------------------------------------------------------------------------


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[types.ModuleType]:
    """What urllib3 has copied from the module ssl, in both of its modules."""
    modules = []
    for name in ("urllib3.util.ssl_", "urllib3.util"):
        module = types.ModuleType(name)
        module.SSLContext = stdlib.SSLContext  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
        modules.append(module)
    return modules


IN_SSL = (tlscore.inject_into_ssl, tlscore.extract_from_ssl)
IN_URLLIB3 = (adapter.inject_into_urllib3, adapter.extract_from_urllib3)


@pytest.mark.parametrize("order", list(itertools.permutations([(0, 0), (0, 1), (1, 0), (1, 1)])))
def test_both_injections_in_every_order(library: list[types.ModuleType], order: list[tuple[int, int]]) -> None:
    """Each step in (whose, in or out): after each, urllib3 has ours exactly as long as one of the two holds."""
    holds = [False, False]
    for whose, step in [*order, (0, 1), (1, 1)]:
        (IN_SSL, IN_URLLIB3)[whose][step]()
        holds[whose] = step == 0
        assert stdlib.SSLContext is (ssl.SSLContext if holds[0] else ORIGINAL)
        expected = ssl.SSLContext if any(holds) else ORIGINAL
        assert [module.SSLContext for module in library] == [expected, expected]


def test_copies_that_were_made_under_the_injection_go_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    tlscore.inject_into_ssl()
    modules = [types.ModuleType(name) for name in ("urllib3.util.ssl_", "urllib3.util")]
    for module in modules:
        module.SSLContext = stdlib.SSLContext  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    adapter.inject_into_urllib3()
    adapter.extract_from_urllib3()
    assert modules[0].SSLContext is ssl.SSLContext  # type: ignore[attr-defined]
    tlscore.extract_from_ssl()
    assert [module.SSLContext for module in modules] == [ORIGINAL, ORIGINAL]  # type: ignore[attr-defined]


def test_class_of_another_library_in_urllib3_comes_back(library: list[types.ModuleType]) -> None:
    class Foreign:
        pass

    library[0].SSLContext = Foreign  # type: ignore[attr-defined]
    adapter.inject_into_urllib3()
    adapter.inject_into_urllib3()
    assert library[0].SSLContext is ssl.SSLContext  # type: ignore[attr-defined]
    adapter.extract_from_urllib3()
    assert library[0].SSLContext is Foreign  # type: ignore[attr-defined]
    assert library[1].SSLContext is ORIGINAL  # type: ignore[attr-defined]
