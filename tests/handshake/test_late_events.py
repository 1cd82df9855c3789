"""The event of a finished handshake is made when somebody asks, and tells of the moment at which it finished."""

from __future__ import annotations

from tests.support import standing
from tests.support.peers import pump
from tlscore import ServerConfig
from tlscore.events import ClientCertificateReceived, HandshakeCompleted, PeerClosed


def test_event_asked_for_late_tells_of_the_moment_of_the_handshake() -> None:
    """Who the client showed itself to be later is no part of it, and a later end takes nothing from it."""
    client = standing.mutual_client_config(post_handshake_auth=True).connection(standing.NAME)
    server = ServerConfig.simple(
        standing.identity(), client_auth="post_handshake", client_trust=standing.trust()
    ).connection()
    pump(client, server)
    server.request_client_certificate()
    client.receive(server.data_to_send())
    told, *_ = client.events()
    server.receive(client.data_to_send())
    assert server.read() == b""
    assert server.authenticated
    completed, received = server.events()
    assert isinstance(completed, HandshakeCompleted)
    assert isinstance(received, ClientCertificateReceived)
    assert (completed.chain, completed.authenticated) == (None, False)
    assert isinstance(told, HandshakeCompleted)
    assert told.authenticated
    assert told.chain is not None
    assert (told.version, told.suite, told.group) == (completed.version, completed.suite, completed.group)


def test_event_survives_the_end_of_the_connection() -> None:
    client, server = standing.client_config().connection(standing.NAME), standing.server_config().connection()
    pump(client, server)
    client.close()
    server.receive(client.data_to_send())
    first, last = server.events()
    assert isinstance(first, HandshakeCompleted)
    assert isinstance(last, PeerClosed)
    assert server.events() == []
