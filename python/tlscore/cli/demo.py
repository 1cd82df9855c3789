"""`tlscore demo`: what the library does, on this machine, in one run.

A throw-away authority signs a server and a client. A server process answers on a free loopback port; this process
connects, shows the handshake step by step, moves data with its hash checked at both ends, and counts handshakes; each
beside stdlib ssl, which does the same things with the same certificates, suite and group, in turns.
"""

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlscore.cli.demo_run import Measured
    from tlscore.sockets import TlsSocket

HELP = "mutual TLS on loopback: the handshake step by step, then throughput and handshake rate beside stdlib ssl"
SUITE = "TLS_AES_128_GCM_SHA256"
LIBRARIES = ("tlscore", "ssl")
SEGMENT_MIB = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", metavar="MIB", type=int, default=1024, help="data to move, in MiB (1024)")
    parser.add_argument("--handshakes", metavar="N", type=int, default=300, help="handshakes per library (300)")


def run(arguments: argparse.Namespace) -> int:
    from tlscore.cli.throwaway import CLIENT_NAME, SERVER_NAME, ThrowawayAuthority, openssl_configuration
    from tlscore.errors import ConfigError

    if arguments.size < 1 or arguments.handshakes < 1:
        raise ConfigError("--size and --handshakes must be at least 1", remedy="leave them out for the usual run")
    with TemporaryDirectory(prefix="tlscore-demo-") as name:
        directory = Path(name)
        authority = ThrowawayAuthority(directory)
        authority.issue(SERVER_NAME)
        authority.issue(CLIENT_NAME, client=True)
        print(f"A throw-away CA signs {SERVER_NAME} and {CLIENT_NAME} (P-256), in {directory}")
        before = os.environ.get("OPENSSL_CONF")
        # Stdlib ssl has no call for the suites of TLS 1.3; it reads them from here when it is first loaded.
        os.environ["OPENSSL_CONF"] = str(openssl_configuration(directory, SUITE))
        try:
            return _demonstrate(directory, arguments.size, arguments.handshakes)
        finally:
            if before is None:
                del os.environ["OPENSSL_CONF"]
            else:
                os.environ["OPENSSL_CONF"] = before


def _demonstrate(directory: Path, size: int, handshakes: int) -> int:
    from tlscore.cli.demo_run import ServerProcess, count_handshakes, move_segments

    with ServerProcess("tlscore", directory) as own, ServerProcess("ssl", directory) as other:
        servers = {"tlscore": own, "ssl": other}
        print(f"The server, process {own.pid}, listens on 127.0.0.1:{own.port} and asks for a client certificate\n")
        with own.connect() as tls:
            _show_handshake(tls)
        segments = [SEGMENT_MIB] * (size // SEGMENT_MIB) + ([size % SEGMENT_MIB] if size % SEGMENT_MIB else [])
        print(f"\nMoving {size} MiB from client to server over TCP, with each library, in turns of {SEGMENT_MIB} MiB")
        moved = move_segments(servers, segments, _progress)
        print(f"Counting {handshakes} mutual handshakes with each library, in turns of 50")
        rates = count_handshakes(servers, handshakes, _progress)
    return _show_results(moved, rates)


def _show_handshake(tls: "TlsSocket") -> None:
    print("The handshake, as the client sees it")
    for step, text in tls.connection.trace:
        print(f"  step {step:>2}  {text}")
    server = tls.peer_identity
    assert server is not None
    print("\nAgreed")
    for name, value in (
        ("version", tls.version),
        ("suite", tls.suite),
        ("group", tls.group),
        ("application protocol", tls.alpn),
        ("server", f"{server.subject}, verified as {tls.server_name}: {tls.authenticated}"),
    ):
        print(f"  {name:<24}{value}")
    # The server writes first what it knows of us: its side of the mutual authentication.
    said = tls.recv(4096).decode().rstrip()
    print(f"  {'client, says the server':<24}{said}")


def _show_results(moved: "dict[str, Measured]", rates: dict[str, list[float]]) -> int:
    widths = "{:<32}{:>14}{:>14}{:>10}"
    print("\n" + widths.format("", *LIBRARIES, "ratio"))
    rows: list[tuple[str, str, dict[str, float]]] = [
        ("throughput, MB/s (median)", "{:,.0f}", {name: moved[name].rate() for name in LIBRARIES}),
        ("CPU of both ends, ns/B", "{:.2f}", {name: moved[name].cost() for name in LIBRARIES}),
        ("mutual handshakes/s (median)", "{:,.0f}", {name: median(rates[name]) for name in LIBRARIES}),
    ]
    for title, form, values in rows:
        own, other = (values[name] for name in LIBRARIES)
        print(widths.format(title, form.format(own), form.format(other), f"{own / other:.2f}"))
    suites = [moved[name].suite for name in LIBRARIES]
    print(f"Both used {suites[0]} and x25519." if suites[0] == suites[1] else f"NOT the same suite: {suites}")
    failed = [name for name in LIBRARIES if not moved[name].hashes_match]
    for name in LIBRARIES:
        verdict = "differs" if name in failed else "the same at both ends"
        octets, digest = moved[name].octets, moved[name].digest[:16]
        print(f"SHA-256 of the {octets:,} octets that {name} moved: {verdict} ({digest}...)")
    print("Hashing and checking ran between the timed segments, not inside them.")
    if failed:
        print(f"tlscore: the hash differs: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
