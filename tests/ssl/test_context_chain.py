"""load_cert_chain: files, keys, passwords in every form, and the exceptions of each mistake."""

from __future__ import annotations

import ssl as stdlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12

from tests.ssl.contexts import NAME, Files, connect, outcome
from tests.support.certificates import make_ca
from tlscore import ssl
from tlscore.errors import TlsError

PASSWORD = "open sesame"
BOTH = (stdlib, ssl)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    made = Files(tmp_path_factory.mktemp("chain"))
    locked = made.server.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())
    )
    (made.directory / "locked.key").write_bytes(locked)
    (made.directory / "together.pem").write_bytes(locked + made.server.chain_pem)
    (made.directory / "nothing.pem").write_bytes(b"")
    return made


def server(module: Any = ssl) -> Any:
    return module.SSLContext(module.PROTOCOL_TLS_SERVER)


class Asker:
    """An object whose method gives the password."""

    def give(self) -> str:
        return PASSWORD

    def __call__(self) -> bytes:
        return PASSWORD.encode()


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        PASSWORD.encode(),
        bytearray(PASSWORD.encode()),
        lambda: PASSWORD,
        Asker(),
        Asker().give,
        lambda: bytearray(PASSWORD.encode()),
    ],
)
@pytest.mark.parametrize("form", ["apart", "together", "paths"])
def test_key_opens_with_a_password_in_every_form(files: Files, password: Any, form: str) -> None:
    locked, together = files.directory / "locked.key", files.directory / "together.pem"
    context = server()
    if form == "together":
        context.load_cert_chain(str(together), password=password)
    elif form == "apart":
        context.load_cert_chain(files.chain, str(locked), password)
    else:
        context.load_cert_chain(Path(files.chain), keyfile=locked, password=password)
    assert connect(files.client_context(), context)[0].authenticated


def test_password_function_is_called_once_and_only_for_a_locked_key(files: Files) -> None:
    calls = []

    def ask() -> str:
        calls.append(1)
        return PASSWORD

    server().load_cert_chain(files.chain, files.key, ask)
    assert not calls
    server().load_cert_chain(files.chain, files.directory / "locked.key", ask)
    assert calls == [1]


def raising() -> str:
    raise LookupError("no keyring")


@pytest.mark.parametrize(
    ("chain", "key", "password"),
    [
        ("chain", "locked", "wrong"),
        ("chain", "locked", b"wrong"),
        ("chain", "locked", lambda: "wrong"),
        ("chain", "locked", raising),
        ("chain", "locked", lambda: 9),
        ("chain", "locked", lambda: "x" * 1025),
        ("chain", "locked", "x" * 102400),
        ("chain", "locked", True),
        ("chain", "key", "needless"),
        ("chain", "client_key", None),
        ("chain", "ca", None),
        ("chain", "missing", None),
        ("chain", "nothing", None),
        ("chain", None, None),
        ("key", None, None),
        ("missing", "key", None),
        ("nothing", "key", None),
        ("chain", object(), None),
        (3, None, None),
    ],
)
def test_mistake_raises_what_the_standard_library_raises(files: Files, chain: Any, key: Any, password: Any) -> None:
    paths = {
        **{name: getattr(files, name) for name in ("chain", "key", "ca", "client_key")},
        "locked": files.directory / "locked.key",
        "nothing": files.directory / "nothing.pem",
        "missing": files.directory / "missing.pem",
    }
    chosen = [paths.get(one, one) if isinstance(one, str) else one for one in (chain, key)]
    theirs, ours = (outcome(lambda m=module: server(m).load_cert_chain(*chosen, password)) for module in BOTH)  # type: ignore[misc]
    assert ours == theirs


def test_failed_load_leaves_what_was_loaded(files: Files) -> None:
    context = server()
    context.load_cert_chain(files.chain, files.key)
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(files.chain, files.client_key)
    assert connect(files.client_context(), context)[0].authenticated


def test_chain_of_each_kind_of_key_stays_and_a_newer_one_of_a_kind_replaces_it(files: Files) -> None:
    context = server()
    for number, key in enumerate(("rsa2048", "p256", "p256")):
        leaf = files.authority.issue(NAME, key=key)
        context.load_cert_chain(*leaf.write(files.directory, f"kind{number}"))
    assert len(context._identities) == 2
    client = files.client_context()
    assert connect(client, context)[0].peer_chain == leaf.chain_der
    client.set_server_sigalgs("rsa_pss_rsae_sha256")
    one, _ = connect(client, context)
    assert one.peer_scheme == "rsa_pss_rsae_sha256"


def test_pkcs12_store_is_taken_too(files: Files) -> None:
    store = files.directory / "server.p12"
    locked = BestAvailableEncryption(PASSWORD.encode())
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(b"server", files.server.key, files.server.certificate, None, locked)
    )
    context = server()
    context.load_cert_chain(store, password=PASSWORD)
    assert connect(files.client_context(), context)[0].authenticated


def test_lone_certificate_goes_out_with_the_issuers_that_the_context_has_loaded(files: Files) -> None:
    """As OpenSSL completes it; a chain that its own file completes stays as it is."""
    between = files.authority.intermediate()
    leaf = between.issue(NAME)
    chain, key = leaf.write(files.directory, "whole")
    alone = files.directory / "alone.pem"
    alone.write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    context = server()
    context.load_cert_chain(alone, key)
    context.load_verify_locations(cadata=between.pem.decode() + files.authority.pem.decode())
    sent = connect(files.client_context(), context)[0].peer_chain
    assert sent == (*leaf.chain_der, files.authority.der)
    context.load_cert_chain(chain, key)
    assert connect(files.client_context(), context)[0].peer_chain == leaf.chain_der
    stranger = server()
    stranger.load_cert_chain(alone, key)
    stranger.load_verify_locations(cadata=make_ca("stranger").der)
    with pytest.raises(TlsError, match="unknown_ca"):
        connect(files.client_context(), stranger)


def test_key_file_that_others_can_read_is_taken_as_the_standard_library_takes_it(files: Files) -> None:
    open_key = files.directory / "open.key"
    open_key.write_bytes(files.server.key_pem)
    open_key.chmod(0o644)
    server().load_cert_chain(files.chain, open_key)


def test_what_only_this_library_refuses_is_an_ssl_error_with_its_cause(files: Files) -> None:
    leaf = files.authority.issue(NAME, key="rsa1024")
    chain, key = leaf.write(files.directory, "short")
    stdlib_context = server(stdlib)
    stdlib_context.set_ciphers("HIGH:@SECLEVEL=0")
    stdlib_context.load_cert_chain(chain, key)
    with pytest.raises(ssl.SSLError) as caught:
        server().load_cert_chain(chain, key)
    assert type(caught.value) is stdlib.SSLError


def test_identity_shows_in_no_repr_and_the_context_stays_unpickled(files: Files) -> None:
    context = server()
    context.load_cert_chain(files.directory / "together.pem", password=PASSWORD)
    assert PASSWORD not in repr(context) + repr(vars(context))
    assert "PRIVATE" not in repr(vars(context))
