"""A client: connect, verify the server, talk. Usage: python client.py HOST PORT [CA_FILE]"""

import sys

import tlscore
from tlscore import ClientConfig, TrustStore


def main(host: str, port: int, ca_file: str | None = None) -> None:
    trust = TrustStore.from_file(ca_file) if ca_file else TrustStore.system()
    config = ClientConfig.simple(trust=trust)
    with tlscore.connect((host, port), config, timeout=10.0) as tls:
        print(f"{tls.version}, {tls.suite}, {tls.group}: {tls.peer_identity}")
        tls.sendall(b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\nConnection: close\r\n\r\n")
        while data := tls.recv(65536):
            sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4])
