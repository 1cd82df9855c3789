"""Mutual TLS: both ends show a certificate.

Usage: python mutual.py CA_FILE SERVER_CHAIN SERVER_KEY CLIENT_CHAIN CLIENT_KEY NAME
NAME is the name in the server's certificate. Server and client run in this one process, over loopback TCP.
"""

import sys
import threading

import tlscore
from tlscore import ClientConfig, Identity, ServerConfig, TlsListener, TrustStore


def serve_one(listener: TlsListener) -> None:
    tls, address = listener.accept()
    with tls:
        print(f"server: {address} is {tls.peer_identity}, verified: {tls.authenticated}")
        tls.sendall(tls.recv(1024).upper())


def main(ca: str, server_chain: str, server_key: str, client_chain: str, client_key: str, name: str) -> None:
    trust = TrustStore.from_file(ca)
    server = ServerConfig.mutual(identity=Identity.load(server_chain, server_key), client_trust=trust)
    client = ClientConfig.mutual(trust=trust, identity=Identity.load(client_chain, client_key))
    with tlscore.listen(("127.0.0.1", 0), server) as listener:
        thread = threading.Thread(target=serve_one, args=(listener,))
        thread.start()
        with tlscore.connect(listener.getsockname(), client, server_name=name) as tls:
            print(f"client: the server is {tls.peer_identity}, verified: {tls.authenticated}")
            tls.sendall(b"hello")
            print(f"client: the answer is {tls.recv(1024)!r}")
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:7])
