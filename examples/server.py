"""An echo server, a thread per client. Usage: python server.py PORT CHAIN_FILE KEY_FILE

The handshake runs in the client's thread (handshake_on_accept=False), so that a slow client delays nobody else.
"""

import sys
import threading

import tlscore
from tlscore import Identity, ServerConfig, TlsError, TlsSocket


def echo(tls: TlsSocket, address: object) -> None:
    try:
        with tls:
            tls.do_handshake()
            buffer = memoryview(bytearray(65536))
            while octets := tls.recv_into(buffer):
                tls.sendall(buffer[:octets])
    except TlsError as error:
        print(f"{address}: {error}", file=sys.stderr)


def main(port: int, chain_file: str, key_file: str) -> None:
    config = ServerConfig.simple(identity=Identity.load(chain_file, key_file))
    with tlscore.listen(("127.0.0.1", port), config, handshake_on_accept=False) as listener:
        print(f"listening on {listener.getsockname()}")
        while True:
            tls, address = listener.accept()
            threading.Thread(target=echo, args=(tls, address), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
