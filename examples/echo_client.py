"""Send a text to a TLS echo server and print what comes back.

python examples/echo_client.py ca.pem "good morning" [--identity client.pem client-key.pem] [--port 8443]
"""

import argparse

import tlscore
from tlscore import ClientConfig, Identity, TrustStore


def main() -> None:
    """One connection, one text."""
    parser = argparse.ArgumentParser()
    parser.add_argument("ca")
    parser.add_argument("text")
    parser.add_argument("--identity", nargs=2, metavar=("CHAIN", "KEY"))
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8443)
    options = parser.parse_args()
    trust = TrustStore.from_file(options.ca)
    if options.identity:
        config = ClientConfig.mutual(trust=trust, identity=Identity.load(*options.identity))
    else:
        config = ClientConfig.simple(trust=trust)
    with tlscore.connect((options.host, options.port), config, timeout=10) as tls:
        data = options.text.encode()
        tls.sendall(data)
        echoed = b""
        while len(echoed) < len(data):
            echoed += tls.recv(65536)
        print(echoed.decode())


if __name__ == "__main__":
    main()
