"""A server's context that gives way to another one, in an sni_callback or by assignment: it brings its identity, its
trust and its offers. Who is let in stays the word of the context that the object was made from, as with OpenSSL: each
case here is asked of both.
"""

from __future__ import annotations

import ssl as stdlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ssl.contexts import Files, connect
from tests.ssl.pairs import OURS, THEIRS, Bios
from tlscore import ssl

TLS12 = stdlib.TLSVersion.TLSv1_2
TLS13 = stdlib.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("switch"))


def asking(files: Files, module: Any, **settings: Any) -> Any:
    """A server's context that verifies clients."""
    context = files.server_context(module, **{"verify_mode": stdlib.CERT_REQUIRED, **settings})
    context.load_verify_locations(files.ca)
    return context


def crl_checking(files: Files, module: Any) -> Any:
    context = asking(files, module)
    context.verify_flags |= stdlib.VERIFY_CRL_CHECK_LEAF
    return context


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_SSL:DeprecationWarning")
def without_tls12(files: Files, module: Any) -> Any:
    context = files.server_context(module)
    context.options |= stdlib.OP_NO_TLSv1_2
    return context


def plain(files: Files, module: Any) -> Any:
    return files.server_context(module)


def late(files: Files, module: Any) -> Any:
    return asking(files, module, post_handshake_auth=True)


def newest(files: Files, module: Any) -> Any:
    return files.server_context(module, minimum_version=TLS13)


def by_callback(first: Any, second: Any) -> Callable[[Any], None]:
    def choose(owner: Any, name: str, context: Any) -> None:
        owner.context = second

    first.sni_callback = choose
    return lambda server: None


def by_assignment(first: Any, second: Any) -> Callable[[Any], None]:
    def assign(server: Any) -> None:
        server.context = second

    return assign


def ending(client: Any, first: Any, switch: Callable[[Any], None]) -> tuple[Any, ...]:
    """What becomes of the server's end, and what it knows of the client."""
    both = Bios(client, first)
    switch(both.server)
    for _ in range(5):
        for end in (both.client, both.server):
            try:
                end.do_handshake()
            except stdlib.SSLWantReadError:
                pass
            except stdlib.SSLError as refused:
                both.move()
                if end is both.server:
                    return type(refused), refused.reason
            both.move()
    return both.server.version(), bool(both.server.getpeercert())


CASES = {
    "asked, then late": (asking, late, {}, False, (stdlib.SSLError, "PEER_DID_NOT_RETURN_A_CERTIFICATE")),
    "asked, then not": (asking, plain, {}, False, (stdlib.SSLError, "PEER_DID_NOT_RETURN_A_CERTIFICATE")),
    "late, then not": (late, plain, {"post_handshake_auth": True}, False, ("TLSv1.3", False)),
    "late, then asked": (late, asking, {"post_handshake_auth": True}, False, ("TLSv1.3", False)),
    "not asked, then asked": (plain, asking, {}, True, ("TLSv1.3", False)),
    "asked twice": (asking, asking, {}, True, ("TLSv1.3", True)),
    "crl, then none": (crl_checking, asking, {}, True, (stdlib.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED")),
    "no crl, then one": (asking, crl_checking, {}, True, ("TLSv1.3", True)),
    "newest, then any": (newest, plain, {"maximum_version": TLS12}, False, (stdlib.SSLError, "UNSUPPORTED_PROTOCOL")),
    "no 1.2, then any": (
        without_tls12,
        plain,
        {"maximum_version": TLS12},
        False,
        (stdlib.SSLError, "UNSUPPORTED_PROTOCOL"),
    ),
    "any, then newest": (plain, newest, {"maximum_version": TLS12}, False, ("TLSv1.2", False)),
}


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_SSL:DeprecationWarning")
@pytest.mark.parametrize("module", [OURS, THEIRS], ids=["ours", "openssl"])
@pytest.mark.parametrize("way", [by_callback, by_assignment])
@pytest.mark.parametrize("case", CASES)
def test_first_context_decides_who_is_let_in(files: Files, case: str, way: Any, module: Any) -> None:
    first, second, settings, shows, expected = CASES[case]
    one, other = first(files, module), second(files, module)
    client = files.client_context(module, **settings)
    if shows:
        client.load_cert_chain(files.client_chain, files.client_key)
    assert ending(client, one, way(one, other)) == expected


@pytest.mark.parametrize("module", [OURS, THEIRS], ids=["ours", "openssl"])
@pytest.mark.parametrize("mode", [stdlib.CERT_NONE, stdlib.CERT_REQUIRED])
def test_settings_are_those_of_the_making_and_not_of_the_client_hello(files: Files, mode: Any, module: Any) -> None:
    """Changed on the very context, before the handshake and inside the callback, where TLS 1.2 and the late question
    make the configuration anew."""
    other = stdlib.CERT_REQUIRED if mode == stdlib.CERT_NONE else stdlib.CERT_NONE
    context = asking(files, module, verify_mode=mode, post_handshake_auth=True)
    context.sni_callback = lambda owner, name, first: setattr(first, "verify_mode", other)
    client = files.client_context(module, maximum_version=TLS12)
    asked = (stdlib.SSLError, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    expected = asked if mode == stdlib.CERT_REQUIRED else ("TLSv1.2", False)
    assert ending(client, context, lambda server: setattr(context, "verify_mode", other)) == expected


@pytest.mark.parametrize("module", [OURS, THEIRS], ids=["ours", "openssl"])
def test_context_that_is_put_back_at_the_second_client_hello_answers(files: Files, module: Any) -> None:
    first, second = plain(files, module), files.server_context(module)
    first.set_ecdh_curve("secp384r1")
    first.set_alpn_protocols(["first"])
    second.set_alpn_protocols(["second"])
    choices = [second, first]

    def choose(owner: Any, name: str, context: Any) -> None:
        if choices:
            owner.context = choices.pop(0)

    first.sni_callback = choose
    second.sni_callback = choose
    client = files.client_context(module)
    client.set_alpn_protocols(["first", "second"])
    both = Bios(client, first).shake_hands()
    assert not choices
    assert both.client.selected_alpn_protocol() == "first"


def test_client_that_declines_late_is_judged_by_the_mode_of_the_making(files: Files) -> None:
    server = late(files, OURS)
    both = Bios(files.client_context(post_handshake_auth=True), server).shake_hands()
    server.verify_mode = ssl.CERT_NONE
    both.server.verify_client_post_handshake()
    both.server.write(b"asked")
    both.move()
    assert both.client.read() == b"asked"
    both.client.write(b"declined")
    both.move()
    with pytest.raises(stdlib.SSLError, match="certificate"):
        both.server.read()


def test_server_refuses_to_verify_the_name_of_a_client(files: Files, tmp_path: Path) -> None:
    """The standard library would compare the client's certificate with it: letting it pass would let anybody in."""
    context = asking(files, OURS)
    context.check_hostname = True
    buffers = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ValueError, match="server_hostname can only be specified in client mode under check_hostname"):
        context.wrap_bio(*buffers, server_side=True, server_hostname="admin.example")
    with pytest.raises(ValueError, match="compares getpeercert"):
        context._new_connection(True, "admin.example")
    # Without a name, and without check_hostname, nothing is compared there either.
    context.wrap_bio(*buffers, server_side=True)
    context.check_hostname = False
    context.wrap_bio(*buffers, server_side=True, server_hostname="admin.example")


@pytest.mark.parametrize("name", ["straße.example", "bücher.example"])
def test_name_beyond_ascii_is_one_name_on_every_road(files: Files, name: str) -> None:
    """The standard library encodes "ß" as "ss": a connection must not verify another name than wrap_bio does."""
    encoded = name.encode("idna").decode("ascii")
    leaf = files.authority.issue(encoded)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*leaf.write(files.directory, "idna"))
    asked: list[str] = []
    server.sni_callback = lambda owner, sent, context: asked.append(sent)
    for module in (OURS, THEIRS):
        Bios(files.client_context(module), server, name).shake_hands()
    one, other = connect(files.client_context(), server, name)
    assert one.authenticated
    assert other.handshake_complete
    assert set(asked) == {encoded}
