"""Contexts of both modules for the tests of the shape, and ways to compare what the two do."""

from __future__ import annotations

import re
import ssl as stdlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority, Issued, make_ca
from tests.support.peers import pump
from tlscore import ssl
from tlscore.connection import Connection

NAME = "service.example"


class Files:
    """A CA, a server's and a client's chain, as the files that contexts load."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority: Authority = make_ca("shape CA")
        self.server: Issued = self.authority.issue(NAME, "127.0.0.1")
        self.client: Issued = self.authority.issue("client.example", usage="client")
        self.ca = str(self.authority.write(directory))
        self.chain, self.key = map(str, self.server.write(directory, "server"))
        self.client_chain, self.client_key = map(str, self.client.write(directory, "client"))

    def client_context(self, module: Any = ssl, **settings: Any) -> Any:
        """A client's context that trusts the CA."""
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca)
        return changed(context, settings)

    def server_context(self, module: Any = ssl, **settings: Any) -> Any:
        """A server's context with the server's chain."""
        context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return changed(context, settings)


def changed(context: Any, settings: dict[str, Any]) -> Any:
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def connect(client: Any, server: Any, name: str | None = NAME) -> tuple[Connection, Connection]:
    """Two connections of contexts of ours, as far as the handshake takes them."""
    one, other = client._new_connection(False, name), server._new_connection(True, None)
    pump(one, other)
    return one, other


def outcome(call: Callable[[], Any]) -> tuple[Any, ...]:
    """What a call gives, or the class and the text of what it raises, without the place in the C source."""
    try:
        return ("gives", call())
    except Exception as error:
        arguments = tuple(_plain(one) for one in error.args)
        reason = getattr(error, "reason", None), getattr(error, "library", None)
        return ("raises", type(error), arguments, reason if isinstance(error, stdlib.SSLError) else None)


def _plain(argument: Any) -> Any:
    return re.sub(r" \((?:_ssl\.c:\d+|tlscore)\)$", "", argument) if isinstance(argument, str) else argument
