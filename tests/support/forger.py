"""Record protection of TLS 1.3 written a second time, in Python, for tests that a real peer cannot stand for.

Secrets come from a key log file. A `Forger` with the traffic secret of one direction opens what a connection has sealed
(so it proves nonces, content types and padding), and seals what no honest peer would: empty records, unknown content
types, wrong padding, fragments of alerts. It shares no line with the library.
"""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tlscore import ClientConfig
from tlscore.connection import Connection

from . import standing
from .peers import pump

HANDSHAKE, ALERT, DATA = 22, 21, 23
# Suite -> hash, octets of the key, AEAD.
SUITES: dict[str, tuple[hashes.HashAlgorithm, int, Any]] = {
    "TLS_AES_128_GCM_SHA256": (hashes.SHA256(), 16, AESGCM),
    "TLS_AES_256_GCM_SHA384": (hashes.SHA384(), 32, AESGCM),
    "TLS_CHACHA20_POLY1305_SHA256": (hashes.SHA256(), 32, ChaCha20Poly1305),
    "TLS_AES_128_CCM_SHA256": (hashes.SHA256(), 16, AESCCM),
}


def expand_label(algorithm: hashes.HashAlgorithm, secret: bytes, label: bytes, length: int) -> bytes:
    """RFC 9846 7.1, with an empty context."""
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes((len(full),)) + full + b"\0"
    return HKDFExpand(algorithm, length, info).derive(secret)


class Forger:
    """One direction of a connection: its secret, its sequence number, nothing else."""

    def __init__(self, secret: bytes, suite: str = "TLS_AES_128_GCM_SHA256") -> None:
        self.algorithm, key_length, aead = SUITES[suite]
        self.suite, self.secret, self.sequence = suite, secret, 0
        self.key = aead(expand_label(self.algorithm, secret, b"key", key_length))
        self.iv = expand_label(self.algorithm, secret, b"iv", 12)

    def nonce(self) -> bytes:
        value = int.from_bytes(self.iv, "big") ^ self.sequence
        self.sequence += 1
        return value.to_bytes(12, "big")

    def seal(self, content: bytes, kind: int = DATA, padding: int = 0) -> bytes:
        """A record that holds `content`, its type and `padding` zeros."""
        return self.seal_inner(content + bytes((kind,)) + bytes(padding))

    def seal_inner(self, inner: bytes) -> bytes:
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        return header + self.key.encrypt(self.nonce(), inner, header)

    def open(self, record: bytes) -> tuple[int, bytes, int]:
        """Content type, content, octets of padding of the next record; raises where the nonce is another one."""
        inner = self.key.decrypt(self.nonce(), record[5:], record[:5])
        content = inner.rstrip(b"\0")
        return content[-1], content[:-1], len(inner) - len(content)

    def updated(self) -> Forger:
        """The next generation (RFC 9846 7.2)."""
        length = self.algorithm.digest_size
        return Forger(expand_label(self.algorithm, self.secret, b"traffic upd", length), self.suite)


Secrets = dict[str, bytes]


def read_key_log(path: Path, client_random: bytes | None = None) -> Secrets:
    """Secrets of one connection by the label of the key log."""
    found = {}
    for line in path.read_text().splitlines():
        label, random, secret = line.split()
        if client_random is None or bytes.fromhex(random) == client_random:
            found[label] = bytes.fromhex(secret)
    return found


class Logged:
    """A client, a server, and every secret of theirs: made by `logged()`."""

    def __init__(self, client: Connection, server: Connection, path: Path) -> None:
        self.client, self.server, self.path = client, server, path
        weakref.finalize(self, path.unlink, missing_ok=True)

    def secrets(self) -> Secrets:
        return read_key_log(self.path)

    def forger(self, label: str, suite: str | None = None) -> Forger:
        return Forger(self.secrets()[label], suite or self.client.suite or "TLS_AES_128_GCM_SHA256")

    def as_client(self) -> Forger:
        """Seals application records as the client would, and opens the client's."""
        return self.forger("CLIENT_TRAFFIC_SECRET_0")

    def as_server(self) -> Forger:
        return self.forger("SERVER_TRAFFIC_SECRET_0")


def logged(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, *, complete: bool = True
) -> Logged:
    """Two ends whose secrets are in a key log file; before the handshake where `complete` is False."""
    with tempfile.NamedTemporaryFile(suffix=".keys", delete=False) as file:
        path = Path(file.name)
    settings = {"groups": ("x25519",), **(client or {}), "key_log": path}
    config = ClientConfig.simple(standing.trust(), **settings)
    ends = Logged(config.connection(standing.NAME), standing.server_config(**(server or {})).connection(), path)
    if complete:
        pump(ends.client, ends.server)
        ends.client.events()
        ends.server.events()
    return ends
