"""The server process of `tlscore demo`: `python -m tlscore.cli.demo_server LIBRARY DIRECTORY`.

It prints its port as JSON, serves one client after the other, and ends when its standard input does.
"""

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_server
from time import process_time
from typing import Any

from tlscore.cli.demo_run import MIB, RECEIVED, receive_exactly
from tlscore.cli.throwaway import CLIENT_NAME, SERVER_NAME


def server_wrapper(library: str, directory: Path) -> Callable[[Any], Any]:
    """A function that runs a server handshake, client certificate required, over an accepted socket."""
    trust, chain = str(directory / "ca.pem"), str(directory / f"{SERVER_NAME}.pem")
    key = str(directory / f"{SERVER_NAME}.key")
    if library == "ssl":
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(trust)
        context.load_cert_chain(chain, key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["demo"])
        # tlscore sends no tickets here, so ssl must not pay for its own.
        context.num_tickets = 0
        return lambda sock: context.wrap_socket(sock, server_side=True)
    from tlscore import Identity, ServerConfig, TrustStore
    from tlscore.sockets import wrap_server

    config = ServerConfig.mutual(identity=Identity.load(chain, key), client_trust=TrustStore.from_file(trust)).replace(
        alpn=("demo",)
    )
    return lambda sock: wrap_server(sock, config)


def introduce(tls: Any) -> str:
    """A line about the client, as the server verified it."""
    if hasattr(tls, "getpeercert"):
        return f"{tls.getpeercert()['subject'][0][0][1]}, verified: True\n"
    identity = tls.peer_identity
    return f"{identity.subject if identity else 'nobody'}, verified: {tls.authenticated}\n"


def serve(tls: Any, space: bytearray) -> None:
    tls.sendall(introduce(tls).encode())
    digest = hashlib.sha256()
    view = memoryview(space)
    while header := tls.recv(8):
        if len(header) < 8:
            header += receive_exactly(tls, 8 - len(header))
        octets = int.from_bytes(header)
        cpu, got = process_time(), 0
        while got < octets:
            taken = tls.recv_into(view[got:octets])
            if not taken:
                raise ConnectionError(f"{CLIENT_NAME} closed in the middle of a segment")
            got += taken
        tls.sendall(RECEIVED)
        cpu = process_time() - cpu
        digest.update(view[:octets])
        tls.sendall(digest.digest() + round(cpu * 1e9).to_bytes(8))


def main() -> None:
    library, directory = sys.argv[1:]
    wrap = server_wrapper(library, Path(directory))
    # Touched before anything is timed: page faults of the first segment would count against whoever goes first.
    space = bytearray(64 * MIB)
    space[:: os.sysconf("SC_PAGE_SIZE")] = b"\x01" * (len(space) // os.sysconf("SC_PAGE_SIZE"))
    listener = create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        try:
            tls = wrap(sock)
            try:
                serve(tls, space)
            finally:
                tls.close()
        except OSError as error:
            print(f"demo server ({library}): {error}", file=sys.stderr)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
