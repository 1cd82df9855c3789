"""PKCS #12 stores, also those whose key has another password than the store.

`cryptography` opens a store with one password for everything. Java's key tool and some servers give the key a password
of its own; such a store is taken apart here: its MAC is checked with the store password, its certificate safes are put
into a store without the key and opened by `cryptography`, its key bag is opened as the encrypted PKCS #8 value that it
is. Source: RFC 7292.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, pkcs12

from tlscore.certs.loading import der, rounds
from tlscore.certs.loading.passwords import Secret
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.errors import ConfigError

_DATA: Final = bytes.fromhex("2a864886f70d010701")
_BAGS: Final = bytes.fromhex("2a864886f70d010c0a01")  # 1.2.840.113549.1.12.10.1: key, shrouded key, certificate, ...
_KEY_BAG, _SHROUDED_KEY_BAG, _CERTIFICATE_BAG = _BAGS + b"\1", _BAGS + b"\2", _BAGS + b"\3"
_DIGESTS: Final = {
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040204"): "sha224",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}


class Store(NamedTuple):
    """What a store holds: the key, if any, and all certificates, the key's own first where the store says which."""

    key: Any
    certificates: tuple[x509.Certificate, ...]


def load(data: bytes, origin: str, store: Secret, key: Secret) -> Store:
    """Open a store. `key` is the password of the key where it differs from the store's."""
    rounds.check(data, f"{origin} (PKCS #12)")
    if key and key.octets() != store.octets():
        return _load_apart(data, origin, store, key)
    return _load_whole(data, origin, store)


def _load_whole(data: bytes, origin: str, store: Secret) -> Store:
    failure: Exception | None = None
    # A store without a password is made with none, or with an empty one.
    for password in (store.octets(),) if store else (None, b""):
        try:
            with warnings.catch_warnings():
                # Old programs write BER; whoever loads such a store is told nothing that would help.
                warnings.simplefilter("ignore", UserWarning)
                loaded = pkcs12.load_pkcs12(data, password)
        except PARSE_ERRORS as error:
            failure = error
            continue
        own = (loaded.cert.certificate,) if loaded.cert is not None else ()
        return Store(loaded.key, (*own, *(one.certificate for one in loaded.additional_certs)))
    raise _refused(origin, bool(store), failure)


def _refused(origin: str, given: bool, failure: Exception | None) -> ConfigError:
    if isinstance(failure, UnsupportedAlgorithm):
        return ConfigError(
            f"{origin} is PKCS #12 with an encryption that cannot be opened here ({failure})",
            remedy="export it with AES: openssl pkcs12 -export -keypbe AES-256-CBC -certpbe AES-256-CBC",
            code="TLS-CONFIG-KEY",
        )
    if not given:
        return ConfigError(
            f"{origin} is PKCS #12 and wants a password, and no password was given",
            remedy="give password=, as text, a function or a PasswordFile",
            code="TLS-CONFIG-PASSWORD",
        )
    return ConfigError(
        f"{origin} is PKCS #12, and the password does not open the store (or the file is damaged)",
        remedy="give the right password; give key_password= too where the key has a password of its own",
        code="TLS-CONFIG-PASSWORD",
    )


def _load_apart(data: bytes, origin: str, store: Secret, key: Secret) -> Store:
    try:
        version, safe, *rest = der.children(der.element(data).content)
        content_type, holder = der.children(safe.content)
        if content_type.content != _DATA:
            raise ValueError("the store is signed with a key, not with a password")
        body = der.element(der.element(holder.content).content)
        _check_mac(der.element(holder.content).content, rest, store)
        infos = der.children(body.content)
        plain = [info for info in infos if der.children(info.content)[0].content == _DATA]
        bags = [bag for info in plain for bag in _bags(info)]
    except (ValueError, IndexError) as error:
        raise ConfigError(
            f"{origin} is PKCS #12 that cannot be read with a key password of its own ({error})",
            remedy="export it again with one password, or convert it: openssl pkcs12 -in FILE -out bundle.pem",
            code="TLS-CONFIG-KEY",
        ) from None
    except _WrongPassword:
        raise _refused(origin, bool(store), None) from None
    certificates = _plain_certificates(bags, origin)
    sealed = [info for info in infos if info not in plain]
    if sealed:
        inner = der.encode(der.SEQUENCE, b"".join(info.whole for info in sealed))
        held = der.encode(der.CONTEXT_0, der.encode(der.OCTET_STRING, inner))
        authenticated = der.encode(der.SEQUENCE, content_type.whole + held)
        rebuilt = der.encode(der.SEQUENCE, version.whole + authenticated)
        certificates += _load_whole(rebuilt, origin, store).certificates
    return Store(_key(bags, origin, key), tuple(certificates))


class _WrongPassword(Exception):
    pass


def _bags(info: der.Element) -> list[tuple[bytes, bytes]]:
    """(type, value) of every bag of an unencrypted safe."""
    _, holder = der.children(info.content)
    contents = der.element(der.element(holder.content).content)
    found = []
    for bag in der.children(contents.content):
        kind, value = der.children(bag.content)[:2]
        found.append((kind.content, value.content))
    return found


def _plain_certificates(bags: list[tuple[bytes, bytes]], origin: str) -> list[x509.Certificate]:
    found = []
    for kind, value in bags:
        if kind != _CERTIFICATE_BAG:
            continue
        try:
            _, holder = der.children(der.element(value).content)
            found.append(x509.load_der_x509_certificate(der.element(holder.content).content))
        except PARSE_ERRORS as error:
            raise ConfigError(
                f"{origin}: a certificate of the PKCS #12 store is damaged ({error})", code="TLS-CONFIG-CERTIFICATE"
            ) from None
    return found


def _key(bags: list[tuple[bytes, bytes]], origin: str, secret: Secret) -> Any:
    for kind, value in bags:
        if kind not in (_KEY_BAG, _SHROUDED_KEY_BAG):
            continue
        try:
            return load_der_private_key(value, secret.octets() if kind == _SHROUDED_KEY_BAG else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(
                f"{origin}: key_password does not open the private key of the PKCS #12 store ({type(error).__name__})",
                remedy="give the password of the key, or leave key_password out where it is that of the store",
                code="TLS-CONFIG-PASSWORD",
            ) from None
    return None


def _check_mac(content: bytes, rest: list[der.Element], store: Secret) -> None:
    """Check the MAC of a store with its password. Raises _WrongPassword where it differs."""
    if not rest:
        raise ValueError("the store has no MAC")
    info, salt, *counted = der.children(rest[0].content)
    algorithm, expected = der.children(info.content)
    digest = _DIGESTS.get(der.element(algorithm.content).content)
    if digest is None:
        raise ValueError("the MAC of the store is of an unknown kind")
    iterations = int.from_bytes(counted[0].content, "big") if counted else 1
    if not 1 <= iterations <= rounds.MOST:
        raise ValueError(f"the MAC asks for {iterations} rounds")
    key = mac_key(digest, store.octets() or b"", salt.content, iterations)
    if not hmac.compare_digest(hmac.digest(key, content, digest), expected.content):
        raise _WrongPassword


def mac_key(digest: str, password: bytes, salt: bytes, iterations: int) -> bytes:
    """The key of a store's MAC (RFC 7292 B.2, for one block of output)."""
    block = hashlib.new(digest).block_size
    text = password.decode("utf-8", "surrogateescape").encode("utf-16-be", "surrogatepass") + b"\0\0"
    material = _filled(salt, block) + _filled(text, block)
    # RFC 7292 B.3: "If ID=3, then the pseudorandom bits being produced are to be used as an integrity key for MACing."
    value = hashlib.new(digest, b"\3" * block + material).digest()
    for _ in range(iterations - 1):
        value = hashlib.new(digest, value).digest()
    return value


def _filled(part: bytes, block: int) -> bytes:
    """Copies of `part` up to the next multiple of the block size."""
    length = -(-len(part) // block) * block
    return (part * (length // len(part) + 1))[:length] if part else b""
