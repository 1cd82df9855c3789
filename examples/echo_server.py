"""A TLS echo server with a thread for each client.

    python examples/echo_server.py chain.pem key.pem [--clients clients.pem] [--port 8443]

With --clients it demands a certificate from a CA in that file, and prints whose it is. A client whose handshake fails,
or that cuts its stream, costs one line of text.
"""

import argparse
import threading

import tlscore
from tlscore import Identity, ServerConfig, TlsSocket, TrustStore


def serve(tls: TlsSocket, address: object) -> None:
    """Send back what one client sends, until it closes."""
    try:
        with tls:
            tls.do_handshake()
            who = tls.peer_identity.subject if tls.peer_identity else "somebody"
            print(f"{address}: {who}, {tls.version} {tls.suite} {tls.group}", flush=True)
            buffer = bytearray(65536)
            while octets := tls.recv_into(buffer):
                tls.sendall(memoryview(buffer)[:octets])
    except tlscore.TlsError as error:
        print(f"{address}: {error}", flush=True)


def main() -> None:
    """Listen until interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("chain")
    parser.add_argument("key")
    parser.add_argument("--clients", help="PEM file of the CAs whose clients are let in")
    parser.add_argument("--port", type=int, default=8443)
    options = parser.parse_args()
    identity = Identity.load(options.chain, options.key)
    if options.clients:
        config = ServerConfig.mutual(identity=identity, client_trust=TrustStore.from_file(options.clients))
    else:
        config = ServerConfig.simple(identity=identity)
    # The handshake runs in the client's own thread, so that a slow one delays nobody.
    with tlscore.listen(("127.0.0.1", options.port), config, handshake_on_accept=False) as listener:
        print(f"listening at {listener.getsockname()}", flush=True)
        while True:
            tls, address = listener.accept()
            threading.Thread(target=serve, args=(tls, address), daemon=True).start()


if __name__ == "__main__":
    main()
