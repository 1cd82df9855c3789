"""SSLContext as a class: what it is, what its settings read and refuse, side by side with the standard library's."""

from __future__ import annotations

import copy
import pickle
import ssl as stdlib
import subprocess
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.ssl.contexts import Files, connect, outcome
from tests.support.peers import pump
from tests.support.standing import carry
from tlscore import ssl
from tlscore.config import VerifyServer
from tlscore.errors import CertificateRequired, TlsError
from tlscore.ssl import building

BOTH = (stdlib, ssl)
PROTOCOLS = (stdlib.PROTOCOL_TLS_CLIENT, stdlib.PROTOCOL_TLS_SERVER)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("shape"))


def test_context_is_one_of_the_standard_librarys() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert isinstance(context, stdlib.SSLContext)
    assert issubclass(ssl.SSLContext, stdlib.SSLContext)
    assert context.sslsocket_class is ssl.SSLSocket
    assert context.sslobject_class is ssl.SSLObject
    assert issubclass(ssl.SSLSocket, stdlib.SSLSocket)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "name",
    [
        "check_hostname",
        "hostname_checks_common_name",
        "keylog_filename",
        "maximum_version",
        "minimum_version",
        "num_tickets",
        "options",
        "post_handshake_auth",
        "protocol",
        "security_level",
        "sni_callback",
        "verify_flags",
        "verify_mode",
        "_msg_callback",
    ],
)
def test_setting_starts_as_in_the_standard_library(protocol: int, name: str) -> None:
    theirs, ours = (getattr(module.SSLContext(protocol), name) for module in BOTH)
    assert ours == theirs
    assert type(ours) is type(theirs)


SETTINGS: list[tuple[str, Any]] = [
    ("check_hostname", False),
    ("check_hostname", "yes"),
    ("hostname_checks_common_name", False),
    ("hostname_checks_common_name", True),
    ("keylog_filename", "/nowhere/at/all"),
    ("keylog_filename", "."),
    ("keylog_filename", 3),
    ("keylog_filename", None),
    ("maximum_version", stdlib.TLSVersion.TLSv1_2),
    ("maximum_version", stdlib.TLSVersion.MAXIMUM_SUPPORTED),
    ("maximum_version", 99),
    ("minimum_version", stdlib.TLSVersion.TLSv1_3),
    ("minimum_version", stdlib.TLSVersion.TLSv1),
    ("minimum_version", stdlib.TLSVersion.MINIMUM_SUPPORTED),
    ("minimum_version", "1.3"),
    ("num_tickets", 0),
    ("num_tickets", -1),
    ("num_tickets", "two"),
    ("options", stdlib.OP_ALL | stdlib.OP_NO_TICKET),
    ("options", 0),
    ("options", "all"),
    ("post_handshake_auth", True),
    ("post_handshake_auth", 1),
    ("security_level", 3),
    ("sni_callback", 3),
    ("sni_callback", None),
    ("sni_callback", print),
    ("verify_flags", stdlib.VERIFY_CRL_CHECK_CHAIN | stdlib.VERIFY_X509_STRICT),
    ("verify_flags", stdlib.VERIFY_DEFAULT),
    ("verify_flags", None),
    ("verify_mode", stdlib.CERT_NONE),
    ("verify_mode", stdlib.CERT_OPTIONAL),
    ("verify_mode", 7),
    ("verify_mode", None),
    ("_msg_callback", 3),
    ("_msg_callback", print),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_setting_takes_and_refuses_what_the_standard_library_does(protocol: int, name: str, value: Any) -> None:
    def run(module: Any) -> tuple[Any, ...]:
        context = module.SSLContext(protocol)

        def put() -> Any:
            setattr(context, name, value)
            return getattr(context, name)

        return outcome(put)

    theirs, ours = map(run, BOTH)
    if theirs[0] == "raises" and name == "security_level":
        # Both are read-only; the texts of the interpreter differ between kinds of properties.
        assert ours[:2] == theirs[:2]
    else:
        assert ours == theirs


CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("wrap as a server", lambda c: c.wrap_bio(stdlib.MemoryBIO(), stdlib.MemoryBIO(), True)),
    ("wrap without a name", lambda c: c.wrap_socket(None, server_hostname="x")),
    ("an empty name", lambda c: c.wrap_bio(stdlib.MemoryBIO(), stdlib.MemoryBIO(), False, "")),
    ("a name with a null", lambda c: c.wrap_bio(stdlib.MemoryBIO(), stdlib.MemoryBIO(), False, "a\0b")),
    ("a name with a dot in front", lambda c: c.wrap_bio(stdlib.MemoryBIO(), stdlib.MemoryBIO(), False, ".x")),
    ("locations: nothing", lambda c: c.load_verify_locations()),
    ("locations: no such file", lambda c: c.load_verify_locations("/nowhere")),
    ("locations: no certificates", lambda c: c.load_verify_locations(__file__)),
    ("locations: a number", lambda c: c.load_verify_locations(3)),
    ("locations: a number as directory", lambda c: c.load_verify_locations(None, 3)),
    ("locations: a missing directory", lambda c: c.load_verify_locations(None, "/nowhere")),
    ("locations: empty octets", lambda c: c.load_verify_locations(cadata=b"")),
    ("locations: empty text", lambda c: c.load_verify_locations(cadata="")),
    ("locations: text that is none", lambda c: c.load_verify_locations(cadata="broken")),
    ("locations: octets that are none", lambda c: c.load_verify_locations(cadata=b"broken")),
    ("locations: text outside ASCII", lambda c: c.load_verify_locations(cadata="\u00e4")),
    ("locations: an object", lambda c: c.load_verify_locations(cadata=object)),
    ("chain: no such file", lambda c: c.load_cert_chain("/nowhere")),
    ("chain: None", lambda c: c.load_cert_chain(None)),
    ("chain: a key that is None and a chain that is missing", lambda c: c.load_cert_chain("/nowhere", keyfile=None)),
    ("chain: a key that is a number", lambda c: c.load_cert_chain(__file__, keyfile=3)),
    ("chain: no certificate", lambda c: c.load_cert_chain(__file__)),
    ("chain: a directory", lambda c: c.load_cert_chain("/")),
    ("chain: a password that is none", lambda c: c.load_cert_chain(__file__, password=3)),
    ("default certs: no purpose", lambda c: c.load_default_certs("server")),
    ("ciphers: nonsense", lambda c: c.set_ciphers("^$:,;?*'dorothyx")),
    ("ciphers: octets", lambda c: c.set_ciphers(b"HIGH")),
    ("curve: unknown", lambda c: c.set_ecdh_curve("foo")),
    ("curve: unknown, as octets", lambda c: c.set_ecdh_curve(b"foo")),
    ("curve: none", lambda c: c.set_ecdh_curve(None)),
    ("curve: known", lambda c: c.set_ecdh_curve("prime256v1")),
    ("curve: known, as octets", lambda c: c.set_ecdh_curve(b"secp384r1")),
    ("alpn: an empty one", lambda c: c.set_alpn_protocols(["h2", ""])),
    ("alpn: a long one", lambda c: c.set_alpn_protocols(["x" * 256])),
    ("alpn: octets", lambda c: c.set_alpn_protocols([b"h2"])),
    ("alpn: fine", lambda c: c.set_alpn_protocols(["h2", "http/1.1"])),
    ("dh params: no such file", lambda c: c.load_dh_params("/nowhere")),
    ("dh params: no parameters", lambda c: c.load_dh_params(__file__)),
    ("servername callback: none", lambda c: c.set_servername_callback(None)),
    ("servername callback: not callable", lambda c: c.set_servername_callback("hi")),
    ("stats", lambda c: c.session_stats()),
    ("store", lambda c: c.cert_store_stats()),
    ("ca certs", lambda c: c.get_ca_certs()),
    ("ca certs in DER", lambda c: c.get_ca_certs(binary_form=True)),
    ("pickle", pickle.dumps),
    ("copy", copy.copy),
    ("deep copy", copy.deepcopy),
]


@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[name for name, _ in CALLS])
def test_call_gives_and_raises_what_the_standard_library_does(call: Callable[[Any], Any]) -> None:
    theirs, ours = (outcome(partial(call, module.SSLContext(stdlib.PROTOCOL_TLS_CLIENT))) for module in BOTH)
    if theirs[0] == "raises" and theirs[1] is AttributeError:
        assert ours[:2] == theirs[:2]
    else:
        assert ours == theirs


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS:DeprecationWarning")
def test_context_without_protocol_warns_at_the_caller() -> None:
    with pytest.warns(DeprecationWarning, match="without protocol argument") as caught:
        ssl.SSLContext()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("cls", [ssl.SSLContext])
def test_context_can_be_subclassed_and_weakly_held(cls: Any) -> None:
    class Own(cls):
        def __init__(self, protocol: int, word: str) -> None:
            self.word = word

    context = Own(ssl.PROTOCOL_TLS_CLIENT, "here")
    assert context.word == "here"
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert weakref.ref(context)() is context


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["SSLv3", "TLSv1", "TLSv1_1", "MINIMUM_SUPPORTED"])
def test_maximum_version_below_tls12_is_refused_with_the_alternative(version: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ValueError, match=r"8996.*TLSv1_2"):
        context.maximum_version = ssl.TLSVersion[version]
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({}, "TLSv1.3"),
        ({"maximum_version": ssl.TLSVersion.TLSv1_2}, "TLSv1.2"),
        ({"minimum_version": ssl.TLSVersion.TLSv1_3}, "TLSv1.3"),
        ({"minimum_version": ssl.TLSVersion.TLSv1}, "TLSv1.3"),
        ({"options": ssl.OP_ALL | ssl.OP_NO_TLSv1_3}, "TLSv1.2"),
        ({"options": ssl.OP_ALL | ssl.OP_NO_TLSv1_2}, "TLSv1.3"),
    ],
)
def test_versions_follow_options_and_bounds(files: Files, settings: dict[str, Any], version: str) -> None:
    one, _ = connect(files.client_context(**settings), files.server_context())
    assert one.version == version
    _, other = connect(files.client_context(), files.server_context(**settings))
    assert other.version == version


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_setting_that_leaves_no_version_is_an_ssl_error(files: Files) -> None:
    context = files.client_context(options=ssl.OP_ALL | ssl.OP_NO_TLSv1_3 | ssl.OP_NO_TLSv1_2)
    with pytest.raises(ssl.SSLError) as caught:
        context._new_connection(False, "x")
    assert type(caught.value) is stdlib.SSLError
    assert caught.value.reason == "NO_PROTOCOLS_AVAILABLE"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_protocol_of_one_version_speaks_it_alone(files: Files) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLSv1_2)
    context.load_cert_chain(files.chain, files.key)
    context.load_verify_locations(files.ca)
    one, other = connect(context, context)
    assert one.version == other.version == "TLSv1.2"
    old = ssl.SSLContext(ssl.PROTOCOL_TLSv1)
    with pytest.raises(ssl.SSLError, match="NO_PROTOCOLS_AVAILABLE"):
        old._new_connection(False, None)


# -- roles, names and the authentication -------------------------------------------------------------------------------


def test_role_of_the_other_end_is_refused_as_in_the_standard_library(files: Files) -> None:
    def wrapped(context: Any, server_side: bool) -> Any:
        return context.wrap_bio(stdlib.MemoryBIO(), stdlib.MemoryBIO(), server_side)

    client, server = (
        (module.SSLContext(module.PROTOCOL_TLS_CLIENT) for module in BOTH),
        (module.SSLContext(module.PROTOCOL_TLS_SERVER) for module in BOTH),
    )
    assert len({outcome(lambda c=one: wrapped(c, True))[:3] for one in client}) == 1
    assert len({outcome(lambda c=one: wrapped(c, False))[:3] for one in server}) == 1


def test_check_hostname_needs_a_name(files: Files) -> None:
    with pytest.raises(ValueError, match="check_hostname requires server_hostname"):
        files.client_context()._new_connection(False, None)


def test_name_may_be_octets_of_an_a_label(files: Files) -> None:
    one = files.client_context()._new_connection(False, b"service.example")
    other = files.server_context()._new_connection(True, None)
    pump(one, other)
    assert one.authenticated
    assert other.server_name == "service.example"


@pytest.mark.parametrize(
    ("settings", "name", "authenticated"),
    [
        ({}, "service.example", True),
        ({}, "127.0.0.1", True),
        ({"check_hostname": False}, "other.example", False),
        ({"check_hostname": False}, None, False),
        ({"check_hostname": False, "verify_mode": ssl.CERT_OPTIONAL}, None, False),
    ],
)
def test_client_authenticates_as_its_settings_say(
    files: Files, settings: dict[str, Any], name: str | None, authenticated: bool
) -> None:
    one, _ = connect(files.client_context(**settings), files.server_context(), name)
    assert one.handshake_complete
    assert one.authenticated is authenticated
    assert one.peer_chain == files.server.chain_der


def test_wrong_name_and_unknown_authority_are_refused(files: Files) -> None:
    with pytest.raises(TlsError, match="name"):
        connect(files.client_context(), files.server_context(), "other.example")
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for settings in ({}, {"check_hostname": False}):
        for name, value in settings.items():
            setattr(nobody, name, value)
        with pytest.raises(TlsError, match="unknown_ca"):
            connect(nobody, files.server_context())


def test_cert_none_accepts_anybody_without_a_warning(files: Files) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    one, _ = connect(context, files.server_context(), "whoever.example")
    assert one.handshake_complete
    assert not one.authenticated


@pytest.mark.parametrize("verify_mode", [ssl.CERT_NONE, ssl.CERT_REQUIRED])
def test_environment_that_forbids_danger_forbids_it_here_too(
    files: Files, monkeypatch: pytest.MonkeyPatch, verify_mode: ssl.VerifyMode
) -> None:
    monkeypatch.setenv("TLSCORE_FORBID_DANGEROUS", "1")
    context = files.client_context(check_hostname=False, verify_mode=verify_mode)
    with pytest.raises(ssl.SSLError, match="TLSCORE_FORBID_DANGEROUS") as caught:
        context._new_connection(False, "x")
    assert type(caught.value) is stdlib.SSLError
    assert caught.value.tlscore.code == "TLS-CONFIG-DANGEROUS"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("mode", "shows", "complete"),
    [
        (ssl.CERT_NONE, True, True),
        (ssl.CERT_OPTIONAL, False, True),
        (ssl.CERT_OPTIONAL, True, True),
        (ssl.CERT_REQUIRED, True, True),
        (ssl.CERT_REQUIRED, False, False),
    ],
)
def test_server_asks_clients_as_verify_mode_says(
    files: Files, mode: ssl.VerifyMode, shows: bool, complete: bool
) -> None:
    client, server = files.client_context(), files.server_context(verify_mode=mode)
    server.load_verify_locations(files.ca)
    if shows:
        client.load_cert_chain(files.client_chain, files.client_key)
    if not complete:
        with pytest.raises(TlsError, match="certificate_required"):
            connect(client, server)
        return
    _, other = connect(client, server)
    assert other.authenticated is (shows and mode != ssl.CERT_NONE)


def test_client_certificate_after_the_handshake(files: Files) -> None:
    client = files.client_context(post_handshake_auth=True)
    client.load_cert_chain(files.client_chain, files.client_key)
    server = files.server_context(post_handshake_auth=True, verify_mode=ssl.CERT_REQUIRED)
    server.load_verify_locations(files.ca)
    one, other = connect(client, server)
    assert not other.authenticated
    other.request_client_certificate()
    carry(other, one)
    one.events()
    carry(one, other)
    other.events()
    assert other.authenticated


@pytest.mark.parametrize("mode", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_client_without_a_certificate_is_refused_after_the_handshake_where_one_is_required(
    files: Files, mode: ssl.VerifyMode
) -> None:
    """RFC 9846 4.7.2: a client that declines answers with an empty Certificate, and the server decides."""
    client = files.client_context(post_handshake_auth=True, check_hostname=False, verify_mode=ssl.CERT_NONE)
    server = files.server_context(post_handshake_auth=True, verify_mode=mode)
    server.load_verify_locations(files.ca)
    one, other = connect(client, server)
    other.request_client_certificate()
    carry(other, one)
    one.events()
    carry(one, other)
    if mode == ssl.CERT_OPTIONAL:
        other.events()
        assert other.handshake_complete
        return
    with pytest.raises(CertificateRequired):
        other.events()
    carry(other, one)
    with pytest.raises(CertificateRequired):
        one.read()


@pytest.mark.parametrize(
    ("mode", "shows", "complete"),
    [(ssl.CERT_REQUIRED, False, False), (ssl.CERT_REQUIRED, True, True), (ssl.CERT_OPTIONAL, False, True)],
)
def test_client_of_tls12_is_asked_at_once_where_others_are_asked_later(
    files: Files, mode: ssl.VerifyMode, shows: bool, complete: bool
) -> None:
    client = files.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    if shows:
        client.load_cert_chain(files.client_chain, files.client_key)
    server = files.server_context(post_handshake_auth=True, verify_mode=mode)
    server.load_verify_locations(files.ca)
    if not complete:
        with pytest.raises(TlsError, match="certificate"):
            connect(client, server)
        return
    _, other = connect(client, server)
    assert other.version == "TLSv1.2"
    assert other.authenticated is shows


def test_server_without_a_certificate_fails_the_handshake_not_the_wrapping(files: Files) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(TlsError, match="load_cert_chain") as caught:
        connect(files.client_context(), server)
    assert caught.value.alert == 40


# -- other options -----------------------------------------------------------------------------------------------------


def test_changed_setting_counts_for_the_next_connection_and_an_unchanged_one_costs_nothing(files: Files) -> None:
    context = files.client_context()
    first = context._client_config()
    assert context._client_config() is first
    for name, value in (("options", ssl.OP_ALL), ("verify_flags", 0), ("post_handshake_auth", True)):
        setattr(context, name, value)
        following = context._client_config()
        assert following is not first
        first = following


def test_configuration_that_was_overtaken_while_it_was_built_is_not_kept(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread adds trust and turns verification on while the first one builds without them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    build = building.client_config

    def overtaken(*arguments: Any) -> Any:
        made = build(*arguments)
        monkeypatch.undo()
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        return made

    monkeypatch.setattr(building, "client_config", overtaken)
    context._client_config()
    assert isinstance(context._client_config().authentication, VerifyServer)
    # Back to the settings of before: what was built then must not come back with the trust of then.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_OPTIONAL
    assert context._client_config().authentication.trust is context._trust.store(False)


def test_configurations_for_other_contexts_are_few(files: Files) -> None:
    answering, first = files.server_context(), files.server_context()
    for number in range(30):
        first.maximum_version = ssl.TLSVersion.TLSv1_2 if number % 2 else ssl.TLSVersion.TLSv1_3
        first.options = ssl.OP_ALL ^ (number << 12)
        answering._server_config(first._fixed())
    assert len(answering._built) <= 8
    assert answering._server_config(first._fixed()) is answering._server_config(first._fixed())


def test_options_reach_the_configuration(files: Files) -> None:
    client, server = files.client_context(), files.server_context()
    assert client._client_config().middlebox_compatibility
    assert client._client_config().require_renegotiation_info
    assert server._server_config().prefer == "server"
    server.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    client.verify_flags, client.check_hostname = ssl.VERIFY_DEFAULT, False
    client.options = (client.options & ~ssl.OP_ENABLE_MIDDLEBOX_COMPAT) | ssl.OP_LEGACY_SERVER_CONNECT
    for mode in (ssl.CERT_REQUIRED, ssl.CERT_NONE):
        client.verify_mode = mode
        assert not client._client_config().middlebox_compatibility
        assert not client._client_config().require_renegotiation_info
    assert server._server_config().prefer == "client"


def test_application_protocols_are_agreed_or_left_out_as_in_the_standard_library(files: Files) -> None:
    client, server = files.client_context(), files.server_context()
    client.set_alpn_protocols(["h2", "http/1.1"])
    server.set_alpn_protocols(["http/1.1", "h2"])
    assert connect(client, server)[0].alpn == "http/1.1"
    server.set_alpn_protocols(["spdy/3"])
    one, other = connect(client, server)
    assert one.handshake_complete
    assert one.alpn is other.alpn is None


def test_session_stats_count_handshakes(files: Files) -> None:
    client, server = files.client_context(), files.server_context()
    connect(client, server)
    with pytest.raises(TlsError):
        connect(client, server, "other.example")
    assert (client.session_stats()["connect"], client.session_stats()["connect_good"]) == (2, 1)
    assert (server.session_stats()["accept"], server.session_stats()["accept_good"]) == (2, 1)
    assert client.session_stats()["hits"] == 0


@pytest.mark.parametrize(
    ("call", "alternative"),
    [
        (lambda c: c.set_npn_protocols(["h2"]), "set_alpn_protocols"),
        (lambda c: c.set_psk_client_callback(print), "certificates"),
        (lambda c: c.set_psk_server_callback(print, "hint"), "certificates"),
        (lambda c: c.set_ecdh_curve("brainpoolP256r1"), "set_groups"),
    ],
)
def test_what_openssl_alone_has_names_the_alternative(call: Callable[[Any], Any], alternative: str) -> None:
    with pytest.raises(NotImplementedError, match=alternative):
        call(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_module_says_what_there_is() -> None:
    assert not any((ssl.HAS_SSLv3, ssl.HAS_TLSv1, ssl.HAS_TLSv1_1, ssl.HAS_NPN, ssl.HAS_PSK))
    assert ssl.HAS_TLSv1_2
    assert ssl.HAS_TLSv1_3
    assert ssl.HAS_ALPN
    assert ssl.MemoryBIO is stdlib.MemoryBIO
    assert ssl.SSLError is stdlib.SSLError
    assert ssl._ssl is stdlib._ssl  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"tlscore\.ssl"):
        _ = ssl.no_such_name


def test_package_imports_without_the_shape() -> None:
    code = "import sys, tlscore.config, tlscore.connection; print('ssl' in sys.modules, 'tlscore.ssl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
