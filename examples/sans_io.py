"""No sockets: two connections in memory, octets carried by hand.

Usage: python sans_io.py CA_FILE CHAIN_FILE KEY_FILE NAME
The same calls serve any transport: an event loop, a serial line, a test.
"""

import sys

from tlscore import ClientConfig, Connection, Identity, ServerConfig, TrustStore


def carry(sender: Connection, receiver: Connection) -> bool:
    """Move what waits from one end to the other; whether there was anything."""
    wire = sender.data_to_send()
    if wire:
        receiver.receive(wire)
    return bool(wire)


def main(ca_file: str, chain_file: str, key_file: str, name: str) -> None:
    client = ClientConfig.simple(trust=TrustStore.from_file(ca_file)).connection(name)
    server = ServerConfig.simple(identity=Identity.load(chain_file, key_file)).connection()
    while carry(client, server) or carry(server, client):
        pass
    for event in client.events():
        print(f"client: {event}")

    client.write(b"hello")
    carry(client, server)
    print(f"server read {server.read()!r}")

    server.close()
    carry(server, client)
    print(f"client: read {client.read()!r}, the peer has closed: {client.peer_closed}")


if __name__ == "__main__":
    main(*sys.argv[1:5])
