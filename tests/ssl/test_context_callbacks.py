"""The callbacks of a context: server names, messages, and the key log."""

from __future__ import annotations

import re
import ssl as stdlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ssl.contexts import NAME, Files, connect
from tests.support.certificates import make_ca
from tests.support.peers import pump
from tlscore import ssl
from tlscore.errors import AlertError, TlsError
from tlscore.ssl.connections import ShapeConnection, WatchedConnection


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("callbacks"))


class Owner:
    """What a socket or object is to its connection."""

    def __init__(self, context: Any) -> None:
        self.context = context


def answered(files: Files, server: Any, name: str | None = NAME, **settings: Any) -> tuple[Any, Any, Owner]:
    """A handshake with a server whose connection has an owner, as far as it comes."""
    owner = Owner(server)
    client = files.client_context(**settings)
    one, other = client._new_connection(False, name), server._new_connection(True, None, owner)
    pump(one, other)
    return one, other, owner


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    caught: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: caught.append((report.exc_type, str(report.exc_value))))
    return caught


# -- sni_callback ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, None])
def test_sni_callback_gets_the_owner_the_name_and_the_context(files: Files, name: str | None) -> None:
    calls = []
    server = files.server_context()
    server.sni_callback = lambda *arguments: calls.append(arguments)
    _, other, owner = answered(files, server, name, check_hostname=False)
    assert calls == [(owner, name, server)]
    assert other.handshake_complete


def test_context_that_the_callback_chooses_answers(files: Files) -> None:
    """As in OpenSSL: its chain, its application protocols, its trust; verify_mode stays that of the first context."""
    second = make_ca("second CA")
    leaf = second.issue(NAME)
    chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chosen.load_cert_chain(*leaf.write(files.directory, "chosen"))
    chosen.set_alpn_protocols(["h2"])
    chosen.verify_mode = ssl.CERT_REQUIRED
    chosen.load_verify_locations(files.ca)
    server = files.server_context()
    server.set_alpn_protocols(["http/1.1"])

    def choose(owner: Owner, name: str, first: Any) -> None:
        owner.context = chosen

    server.sni_callback = choose
    client = files.client_context()
    client.load_verify_locations(cadata=second.pem.decode())
    client.set_alpn_protocols(["http/1.1", "h2"])
    owner = Owner(server)
    one, other = client._new_connection(False, NAME), server._new_connection(True, None, owner)
    pump(one, other)
    assert one.peer_chain == leaf.chain_der
    assert one.alpn == "h2"
    assert other.handshake_complete
    assert not other.peer_chain


def test_sni_callback_is_asked_again_for_the_second_client_hello(files: Files) -> None:
    names = []
    server = files.server_context()
    server.set_ecdh_curve("secp384r1")
    server.sni_callback = lambda owner, name, context: names.append(name)
    one, _, _ = answered(files, server)
    assert one.hello_retried
    assert names == [NAME, NAME]


@pytest.mark.parametrize("maximum", ["TLSv1_2", "TLSv1_3"])
def test_number_that_the_sni_callback_gives_is_the_alert(files: Files, maximum: str) -> None:
    server = files.server_context(maximum_version=ssl.TLSVersion[maximum])
    server.sni_callback = lambda owner, name, context: ssl.ALERT_DESCRIPTION_ACCESS_DENIED
    with pytest.raises(AlertError, match="access_denied") as caught:
        answered(files, server)
    assert caught.value.alert_sent == 49


def test_exception_of_the_sni_callback_is_handshake_failure_and_unraisable(files: Files, unraisable: list[Any]) -> None:
    server = files.server_context()

    def fail(owner: Any, name: Any, context: Any) -> None:
        raise ZeroDivisionError("in the callback")

    server.sni_callback = fail
    with pytest.raises(AlertError) as caught:
        answered(files, server)
    assert caught.value.alert_sent == 40
    assert unraisable == [(ZeroDivisionError, "in the callback")]


def test_something_else_from_the_sni_callback_is_internal_error_and_unraisable(
    files: Files, unraisable: list[Any]
) -> None:
    server = files.server_context()
    server.sni_callback = lambda owner, name, context: "foo"
    with pytest.raises(AlertError) as caught:
        answered(files, server)
    assert caught.value.alert_sent == 80
    assert unraisable == [(TypeError, "'str' object cannot be interpreted as an integer")]


def test_interpreter_reports_the_exception_of_a_callback_by_itself() -> None:
    code = (
        "from tlscore.ssl.connections import _unraisable\n"
        "def mine(): pass\n"
        "_unraisable(ZeroDivisionError('in the callback'), mine)\n"
        "print('on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "on\n"
    assert "ZeroDivisionError: in the callback" in done.stderr
    assert "<function mine" in done.stderr


def test_connection_without_an_owner_lets_the_callback_choose_too(files: Files) -> None:
    chosen = files.server_context()
    chosen.set_alpn_protocols(["h2"])
    server = files.server_context()

    def choose(owner: Any, name: str, first: Any) -> None:
        assert owner.context is first
        owner.context = chosen

    server.sni_callback = choose
    client = files.client_context()
    client.set_alpn_protocols(["h2"])
    assert connect(client, server)[0].alpn == "h2"


def test_callback_of_an_owner_that_is_gone_ends_the_handshake(files: Files) -> None:
    server = files.server_context(sni_callback=print)
    one = files.client_context()._new_connection(False, NAME)
    other = server._new_connection(True, None, Owner(server))
    with pytest.raises(AlertError, match="is gone"):
        pump(one, other)


def test_servername_callback_gets_the_name_encoded(files: Files) -> None:
    names = []
    server = files.server_context()
    server.set_servername_callback(lambda owner, name, context: names.append(name))
    answered(files, server)
    server.set_servername_callback(None)
    answered(files, server)
    assert names == [NAME]


# -- _msg_callback -----------------------------------------------------------------------------------------------------


def watched(context: Any) -> list[tuple[Any, ...]]:
    seen: list[tuple[Any, ...]] = []
    context._msg_callback = lambda *arguments: seen.append(arguments)
    return seen


def test_message_callback_sees_each_message_of_tls13(files: Files) -> None:
    client, server = files.client_context(), files.server_context()
    sent, received = watched(client), watched(server)
    one, other = connect(client, server)
    one.close()
    pump(one, other)
    other.events()
    kinds = [(direction, kind.name) for _, direction, _, _, kind, _ in sent]
    assert kinds == [
        ("write", "CLIENT_HELLO"),
        ("read", "SERVER_HELLO"),
        ("write", "CHANGE_CIPHER_SPEC"),
        ("read", "ENCRYPTED_EXTENSIONS"),
        ("read", "CERTIFICATE"),
        ("read", "CERTIFICATE_VERIFY"),
        ("read", "FINISHED"),
        ("write", "FINISHED"),
        ("write", "CLOSE_NOTIFY"),
    ]
    handshake = [data for _, direction, _, content, _, data in sent if direction == "write" and content == 22]
    assert handshake == [
        data for _, direction, _, content, _, data in received if direction == "read" and content == 22
    ]
    whole = [
        data[0] == kind and len(data) == 4 + int.from_bytes(data[1:4])
        for *_, content, kind, data in sent
        if content == 22
    ]
    assert all(whole)
    assert received[-1][2:5] == (ssl.TLSVersion.TLSv1_3, 21, 0)
    assert type(sent[0][3]).__name__ == "_TLSContentType"


def test_message_callback_sees_each_message_of_tls12(files: Files) -> None:
    client, server = files.client_context(maximum_version=ssl.TLSVersion.TLSv1_2), files.server_context()
    sent = watched(client)
    connect(client, server)
    assert [(direction, kind.name) for _, direction, _, _, kind, _ in sent] == [
        ("write", "CLIENT_HELLO"),
        ("read", "SERVER_HELLO"),
        ("read", "CERTIFICATE"),
        ("read", "SERVER_KEY_EXCHANGE"),
        ("read", "SERVER_DONE"),
        ("write", "CLIENT_KEY_EXCHANGE"),
        ("write", "CHANGE_CIPHER_SPEC"),
        ("write", "FINISHED"),
        ("read", "CHANGE_CIPHER_SPEC"),
        ("read", "FINISHED"),
    ]
    assert sent[3][2] == ssl.TLSVersion.TLSv1_2


def test_message_callback_sees_the_alert_of_a_refusal(files: Files) -> None:
    client = files.client_context()
    seen = watched(client)
    with pytest.raises(TlsError):
        connect(client, files.server_context(), "other.example")
    assert seen[-1][1] == "write"
    assert seen[-1][3].name == "ALERT"
    assert seen[-1][5] == bytes((2, seen[-1][4]))


def test_exception_of_the_message_callback_comes_after_the_step_and_costs_nothing(files: Files) -> None:
    client = files.client_context()

    def fail(conn: Any, direction: str, *rest: Any) -> None:
        if direction == "read":
            raise LookupError("in the callback")

    client._msg_callback = fail
    one, other = client._new_connection(False, NAME), files.server_context()._new_connection(True, None)
    other.receive(one.data_to_send())
    with pytest.raises(LookupError, match="in the callback"):
        one.receive(other.data_to_send())
    pump(one, other)
    assert one.handshake_complete
    assert other.handshake_complete


def test_message_callback_reads_back_and_goes_away(files: Files) -> None:
    context = files.client_context()
    context._msg_callback = print
    assert context._msg_callback is print
    context._msg_callback = None
    assert context._msg_callback is None
    assert type(context._new_connection(False, NAME)) is ShapeConnection


def test_connection_is_watched_only_where_a_callback_is_set(files: Files) -> None:
    server = files.server_context()
    assert type(server._new_connection(True, None)) is ShapeConnection
    server.sni_callback = print
    assert type(server._new_connection(True, None)) is WatchedConnection


# -- keylog_filename ---------------------------------------------------------------------------------------------------

LINE = re.compile(r"[A-Z0-9_]+ [0-9a-f]{64} [0-9a-f]{64,96}")


def test_key_log_gets_a_header_and_the_secrets_of_each_connection(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    client = files.client_context(keylog_filename=path)
    assert client.keylog_filename == str(path)
    assert path.read_text().startswith("# TLS secrets log file")
    assert len(path.read_text().splitlines()) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    connect(client, files.server_context())
    lines = path.read_text().splitlines()[1:]
    assert all(LINE.fullmatch(line) for line in lines)
    assert {line.split()[0] for line in lines} >= {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    }
    files.client_context(keylog_filename=str(path))
    assert path.read_text().splitlines()[1:] == lines
    client.keylog_filename = None
    connect(client, files.server_context())
    assert path.read_text().splitlines()[1:] == lines


def test_key_log_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.touch(0o644)
    path.chmod(0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(PermissionError, match="chmod 600"):
        context.keylog_filename = path
    assert context.keylog_filename is None


def test_environment_names_the_key_log_of_default_contexts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    assert ssl.create_default_context().keylog_filename == str(path)
    assert ssl._create_unverified_context().keylog_filename == str(path)
    assert ssl.SSLContext(stdlib.PROTOCOL_TLS_CLIENT).keylog_filename is None
