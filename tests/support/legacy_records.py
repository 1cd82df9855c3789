"""Key schedule and record protection of TLS 1.0 to 1.2 with CBC or NULL, written a second time in Python.

It shares no line with the library. The secret is known, because the test encrypts one of its own to the RSA key of a
`RsaDecryptor`; everything else follows: main secret, key block, records. A `Forged` direction seals what no honest
peer would (any padding, wrong padding, wrong MACs, any IV), and opens what the library has sealed.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tlscore import _core

# Suite -> octets of the key, hash of the MAC, hash of the PRF in TLS 1.2.
SUITES = {
    0x002F: (16, "sha1", "sha256"),
    0x0035: (32, "sha1", "sha256"),
    0x003C: (16, "sha256", "sha256"),
    0x003D: (32, "sha256", "sha256"),
    0xC028: (32, "sha384", "sha384"),
    0x0002: (0, "sha1", "sha256"),
    0x003B: (0, "sha256", "sha256"),
}
CLIENT_RANDOM, SERVER_RANDOM = bytes(range(32)), bytes(range(32, 64))
PREMASTER_RANDOM = bytes(range(100, 146))


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def decryptor() -> _core.RsaDecryptor:
    form = serialization.PrivateFormat.PKCS8
    der = rsa_key().private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    return _core.RsaDecryptor(der)


def premaster(version: int) -> bytes:
    return version.to_bytes(2, "big") + PREMASTER_RANDOM


def known_secret(version: int) -> _core.SharedSecret:
    """A handle of the library to `premaster(version)`."""
    ciphertext = rsa_key().public_key().encrypt(premaster(version), padding.PKCS1v15())
    return decryptor().decrypt(ciphertext, version)


def p_hash(name: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """RFC 5246 5: P_hash."""
    out, link = b"", seed
    while len(out) < length:
        link = hmac.digest(secret, link, name)
        out += hmac.digest(secret, link + seed, name)
    return out[:length]


def prf(version: int, hash_name: str, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """RFC 5246 5; before TLS 1.2 that of RFC 2246 5, whatever the suite."""
    if version >= 0x0303:
        return p_hash(hash_name, secret, label + seed, length)
    half = (len(secret) + 1) // 2
    left = p_hash("md5", secret[:half], label + seed, length)
    right = p_hash("sha1", secret[-half:], label + seed, length)
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def transcript_hash(version: int, hash_name: str, messages: bytes) -> bytes:
    if version >= 0x0303:
        return hashlib.new(hash_name, messages).digest()
    return hashlib.md5(messages).digest() + hashlib.sha1(messages).digest()


@dataclass
class Forged:
    """One direction under known keys."""

    version: int
    mac_name: str
    mac_key: bytes
    key: bytes
    chain: bytes
    encrypt_then_mac: bool
    sequence: int = 0

    def mac(self, kind: int, body: bytes) -> bytes:
        header = bytes((kind,)) + self.version.to_bytes(2, "big") + len(body).to_bytes(2, "big")
        return hmac.digest(self.mac_key, self.sequence.to_bytes(8, "big") + header + body, self.mac_name)

    def cbc(self, iv: bytes, octets: bytes, *, seal: bool) -> bytes:
        cipher = Cipher(algorithms.AES(self.key), modes.CBC(iv))
        context = cipher.encryptor() if seal else cipher.decryptor()
        return context.update(octets) + context.finalize()

    def raw(self, kind: int, plain: bytes, iv: bytes) -> bytes:
        """A record whose decryption is exactly `plain`, without a MAC of its own."""
        if self.version == 0x0301:
            sealed = self.cbc(self.chain, plain, seal=True)
            self.chain = sealed[-16:]
        else:
            sealed = iv + self.cbc(iv, plain, seal=True)
        return record(kind, self.version, sealed)

    def seal(self, kind: int, content: bytes, *, blocks: int = 0, iv: bytes = bytes(16)) -> bytes:
        """An honest record; `blocks` more of padding than it needs."""
        if not self.key:
            sealed = record(kind, self.version, content + self.mac(kind, content))
        elif self.encrypt_then_mac:
            plain = content + pad(len(content), blocks)
            body = self.raw(kind, plain, iv)[5:]
            sealed = record(kind, self.version, body + self.mac(kind, body))
        else:
            inner = content + self.mac(kind, content)
            sealed = self.raw(kind, inner + pad(len(inner), blocks), iv)
        self.sequence += 1
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """The content of one record of the library."""
        kind, body = sealed[0], sealed[5:]
        assert int.from_bytes(sealed[1:3], "big") == self.version
        octets = hashlib.new(self.mac_name).digest_size
        if self.encrypt_then_mac or not self.key:
            body, tag = body[:-octets], body[-octets:]
            assert tag == self.mac(kind, body)
        plain = body
        if self.key:
            iv, body = (self.chain, body) if self.version == 0x0301 else (body[:16], body[16:])
            plain = self.cbc(iv, body, seal=False)
            self.chain = body[-16:]
            padding_octets = plain[-1] + 1
            assert plain[-padding_octets:] == bytes((plain[-1],)) * padding_octets
            plain = plain[:-padding_octets]
            if not self.encrypt_then_mac:
                plain, tag = plain[:-octets], plain[-octets:]
                assert tag == self.mac(kind, plain)
        self.sequence += 1
        return plain


def record(kind: int, version: int, body: bytes) -> bytes:
    return bytes((kind,)) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def pad(octets: int, blocks: int = 0) -> bytes:
    value = 15 - octets % 16 + 16 * blocks
    return bytes((value,)) * (value + 1)


@dataclass(frozen=True)
class Schedule:
    """The main secret of a connection with the known pre-main secret, derived here."""

    suite: int
    version: int
    encrypt_then_mac: bool = False
    session_hash: bytes | None = None

    @property
    def prf_hash(self) -> str:
        return SUITES[self.suite][2]

    def main_secret(self) -> bytes:
        label, seed = b"master secret", CLIENT_RANDOM + SERVER_RANDOM
        if self.session_hash is not None:
            label, seed = b"extended master secret", self.session_hash
        return prf(self.version, self.prf_hash, premaster(self.version), label, seed, 48)

    def finished(self, label: bytes, messages: bytes) -> bytes:
        digest = transcript_hash(self.version, self.prf_hash, messages)
        return prf(self.version, self.prf_hash, self.main_secret(), label, digest, 12)

    def export(self, label: bytes, length: int) -> bytes:
        seed = CLIENT_RANDOM + SERVER_RANDOM
        return prf(self.version, self.prf_hash, self.main_secret(), label, seed, length)

    def directions(self) -> tuple[Forged, Forged]:
        """(client's, server's)."""
        key, mac_name, _ = SUITES[self.suite]
        mac = hashlib.new(mac_name).digest_size
        lengths = [mac, mac, key, key, 16, 16]
        seed = SERVER_RANDOM + CLIENT_RANDOM
        block = prf(self.version, self.prf_hash, self.main_secret(), b"key expansion", seed, sum(lengths))
        parts = []
        for length in lengths:
            parts.append(block[:length])
            block = block[length:]
        client, server = (
            Forged(self.version, mac_name, parts[side], parts[2 + side], parts[4 + side], self.encrypt_then_mac)
            for side in (0, 1)
        )
        return client, server

    def library(self) -> _core.MainSecret12:
        """The same, of the library."""
        return _core.MainSecret12.derive(
            self.suite,
            known_secret(self.version),
            CLIENT_RANDOM,
            SERVER_RANDOM,
            self.session_hash,
            None,
            self.version,
            self.encrypt_then_mac,
        )


class Layer(_core.RecordLayer):
    """A record layer whose failures are exceptions with the code and the alert in them."""

    failures: tuple[str, int, str] | None = None

    def _record_error(self, code: str, alert: int, detail: str, /) -> BaseException:
        return RecordFailure(code, alert, detail)


class RecordFailure(Exception):
    """What the record layer reported: code, alert, text."""


def opened(schedule: Schedule) -> Layer:
    """A server's record layer, open under the keys of `schedule`."""
    layer = Layer(False)
    main = schedule.library()
    layer._set_record_version(schedule.version)
    main.change_write(layer)
    main.expect_read(layer)
    layer._feed(record(20, schedule.version, b"\x01"))
    assert layer._pull() is None
    layer._open()
    assert layer.data_to_send() == record(20, schedule.version, b"\x01")
    return layer
