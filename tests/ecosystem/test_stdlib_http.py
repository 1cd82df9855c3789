"""HTTP of the standard library: http.client, urllib, xmlrpc, http.server."""

import http.client
import ssl as stdlib
import urllib.error
import urllib.request
import xmlrpc.client
import xmlrpc.server
from typing import Any

import pytest

from tests.ecosystem.support import DEADLINE, LARGE, entry, http_server, in_thread


@entry("http.client", "client", "HTTPSConnection(context=)")
def test_http_client_keeps_a_connection_over_several_requests(client: Any, peer_server: Any) -> None:
    with http_server(peer_server) as port:
        connection = http.client.HTTPSConnection("localhost", port, context=client, timeout=DEADLINE)
        connection.request("GET", "/first")
        assert connection.getresponse().read() == b"/first"
        stream = connection.sock
        connection.request("POST", "/second", body=LARGE)
        assert connection.getresponse().read() == LARGE
        assert connection.sock is stream
        assert isinstance(stream, stdlib.SSLSocket)
        assert stream.version() == "TLSv1.3"
        assert ("DNS", "localhost") in stream.getpeercert()["subjectAltName"]
        connection.close()


@entry("urllib.request", "client", "urlopen(context=)")
def test_urllib_reads_a_page(client: Any, peer_server: Any) -> None:
    with (
        http_server(peer_server) as port,
        urllib.request.urlopen(f"https://localhost:{port}/page", context=client, timeout=DEADLINE) as response,
    ):
        assert response.read() == b"/page"


def test_urllib_gives_the_verification_error_as_its_reason(shape: Any, peer_server: Any) -> None:
    """Programs look at `error.reason` to tell a bad certificate from a network that is down."""
    untrusting = shape.create_default_context()
    url = "https://localhost:{}/"
    with http_server(peer_server) as port, pytest.raises(urllib.error.URLError) as caught:
        urllib.request.urlopen(url.format(port), context=untrusting, timeout=DEADLINE)
    assert type(caught.value.reason) is stdlib.SSLCertVerificationError
    assert caught.value.reason.reason == "CERTIFICATE_VERIFY_FAILED"


class Quiet(xmlrpc.server.SimpleXMLRPCRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def calculator() -> Any:
    server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), Quiet, bind_and_activate=True)
    server.register_function(lambda left, right: left + right, "add")
    return server


@entry("xmlrpc.client", "client", "ServerProxy(context=)")
def test_xmlrpc_client_calls(client: Any, peer_server: Any, calculator: Any) -> None:
    calculator.socket = peer_server.wrap_socket(calculator.socket, server_side=True)
    with in_thread(calculator), xmlrpc.client.ServerProxy(url_of(calculator), context=client) as proxy:
        assert proxy.add("x" * 40_000, "y") == "x" * 40_000 + "y"


@entry("xmlrpc.server", "server", "wrap_socket of the listening socket")
def test_xmlrpc_server_answers(server: Any, peer_client: Any, calculator: Any) -> None:
    calculator.socket = server.wrap_socket(calculator.socket, server_side=True)
    with in_thread(calculator), xmlrpc.client.ServerProxy(url_of(calculator), context=peer_client) as proxy:
        assert proxy.add(20, 22) == 42
        assert proxy.add("x" * 40_000, "y") == "x" * 40_000 + "y"


def url_of(calculator: Any) -> str:
    return f"https://localhost:{calculator.server_address[1]}"


@entry("http.server", "server", "wrap_socket of the listening socket or of each connection")
@pytest.mark.parametrize("wrap_listener", [True, False])
def test_http_server_answers(server: Any, peer_client: Any, wrap_listener: bool) -> None:
    with http_server(server, wrap_listener=wrap_listener) as port:
        connection = http.client.HTTPSConnection("localhost", port, context=peer_client, timeout=DEADLINE)
        for _ in range(2):
            connection.request("POST", "/", body=LARGE)
            assert connection.getresponse().read() == LARGE
        connection.close()
