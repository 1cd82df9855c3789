"""The first state of a connection: which of the handshakes it runs, by role and by configuration.

A client of TLS 1.3 and 1.2 sends one ClientHello for both, a server waits for one; the legacy tier has states of its
own, loaded here with the first connection that needs them.
"""

from typing import TYPE_CHECKING

from tlscore.handshake.client13 import send_client_hello
from tlscore.handshake.hellos13 import ExpectClientHello
from tlscore.handshake.plans import client_plan, server_plan

if TYPE_CHECKING:
    from tlscore.certs.names import ServerName
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.handshake.machine import State
    from tlscore.handshake.output import Output


def start_client(
    config: "ClientConfig", name: "ServerName | None", reference: "ServerName | None", out: "Output"
) -> "State":
    """Send the ClientHello.

    Takes:    name: what the client sends; reference: whom the server's certificate must be for.
    """
    plan = client_plan(config)
    plan.prepare(out.layer)
    if config.legacy is not None:
        from tlscore.handshake import legacy_client

        return legacy_client.send_client_hello(plan, name, reference, out)
    return send_client_hello(plan, name, reference, out)


def start_server(config: "ServerConfig", cookie_context: bytes, out: "Output") -> "State":
    """Wait for a ClientHello.

    Takes:    cookie_context: what the cookies of HelloRetryRequest are bound to.
    """
    plan = server_plan(config)
    plan.prepare(out.layer)
    if config.legacy is not None:
        from tlscore.handshake import legacy_server

        return legacy_server.wait_for_client_hello(plan, out)
    if plan.cookie_key is not None:
        # RFC 9846 4.3.2: "it may receive an unprotected record of type change_cipher_spec between the first and second
        # ClientHello [...]. Servers operating statelessly MUST ignore these records."
        out.allow_change_cipher_spec(True)
    return ExpectClientHello(plan, cookie_context)
