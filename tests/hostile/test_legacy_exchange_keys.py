"""Finite-field Diffie-Hellman and RSA key exchange of the legacy tier: what peers send, and what it tells them.

RFC 7919 5.1 and RFC 5246 7.4.7.1, 8.1.2. Attacks: Logjam, small subgroups, Bleichenbacher, ROBOT, DROWN's oracle.
"""

import copy
import hashlib
import pickle
import re
import secrets
import subprocess
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.support.legacy_records import CLIENT_RANDOM, SERVER_RANDOM, decryptor, p_hash, premaster, rsa_key
from tests.support.tools import require_tool
from tlscore import _core

GROUPS = {0x0100: 2048, 0x0101: 3072, 0x0102: 4096, 0x0103: 6144, 0x0104: 8192}
SUITE = 0x009E


def finished(secret: _core.SharedSecret) -> bytes:
    """A public value that depends on all of the secret."""
    main = _core.MainSecret12.derive(SUITE, secret, CLIENT_RANDOM, SERVER_RANDOM, None, None)
    return main.finished_mac(True, transcript())


def transcript() -> _core.Transcript:
    messages = _core.Transcript()
    messages.add(b"\x01\x00\x00\x00")
    messages.select_hash(SUITE)
    return messages


def expected_finished(secret: bytes) -> bytes:
    main = p_hash("sha256", secret, b"master secret" + CLIENT_RANDOM + SERVER_RANDOM, 48)
    return p_hash("sha256", main, b"client finished" + hashlib.sha256(b"\x01\x00\x00\x00").digest(), 12)


def number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def octets(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


@pytest.mark.parametrize("code", GROUPS)
def test_groups_of_rfc_7919_agree_with_plain_arithmetic(code: int) -> None:
    share = _core.DheShare.generate(code)
    assert share.group == code
    assert _core.dhe_group(share.p, share.g) == (code, f"ffdhe{GROUPS[code]}", GROUPS[code])
    assert len(share.public) * 8 == GROUPS[code]
    p, exponent = number(share.p), secrets.randbits(400)
    # RFC 5246 8.1.2: "Leading bytes of Z that contain all zero bits are stripped".
    shared = octets(pow(number(share.public), exponent, p))
    assert finished(share.complete(octets(pow(2, exponent, p)))) == expected_finished(shared)


def digits_of_e(bits: int) -> int:
    """floor(2^bits * e), from the series."""
    total = term = 1 << (bits + 64)
    index = 1
    while term:
        term //= index
        total += term
        index += 1
    return total >> 64


def digits_of_pi(bits: int) -> int:
    """floor(2^bits * pi), by Machin's formula."""

    def arctangent(inverse: int) -> int:
        power = total = (1 << (bits + 64)) // inverse
        odd, sign = 1, 1
        while power:
            power //= inverse * inverse
            odd, sign = odd + 2, -sign
            total += sign * (power // odd)
        return total

    return (16 * arctangent(5) - 4 * arctangent(239)) >> 64


# RFC 7919 appendix A, RFC 3526 sections 3 to 7: bits, and what is added to the digits.
NAMED = {
    "ffdhe": {2048: 560316, 3072: 2625351, 4096: 5736041, 6144: 15705020, 8192: 10965728},
    "modp": {2048: 124476, 3072: 1690314, 4096: 240904, 6144: 929484, 8192: 4743158},
}


@pytest.mark.parametrize(("family", "bits"), [(family, bits) for family in NAMED for bits in NAMED[family]])
def test_primes_are_those_of_the_rfcs_and_of_openssl(family: str, bits: int) -> None:
    digits = (digits_of_e if family == "ffdhe" else digits_of_pi)(bits - 130)
    p = (1 << bits) - (1 << (bits - 64)) + ((digits + NAMED[family][bits]) << 64) - 1
    code, name, size = _core.dhe_group(octets(p), b"\x02")
    assert (name, size, code > 0) == (f"{family}{bits}", bits, family == "ffdhe")
    # A key pair that openssl made in the group of this name is one under our prime, and under no other.
    openssl = require_tool("openssl")
    option = f"group:ffdhe{bits}" if family == "ffdhe" else f"group:modp_{bits}"
    key = subprocess.run(
        [openssl, "genpkey", "-algorithm", "DH", "-pkeyopt", option], check=True, capture_output=True, timeout=60
    ).stdout
    text = subprocess.run(
        [openssl, "pkey", "-text", "-noout"], input=key, check=True, capture_output=True, timeout=60
    ).stdout.decode()
    private, public = (
        int(re.sub(r"[\s:]", "", re.findall(rf"{part}-key:\s*((?:\s+[0-9a-f:]+\n)+)", text)[0]), 16)
        for part in ("private", "public")
    )
    assert pow(2, private, p) == public


def test_client_and_server_agree() -> None:
    share = _core.DheShare.generate(0x0100)
    code, public, client = _core.DheShare.respond(share.p, share.g, share.public)
    assert code == 0x0100
    assert finished(share.complete(public)) == finished(client)


def test_a_secret_that_begins_with_zeros_is_stripped() -> None:
    # Search for one: the peer's exponent is small and known, so that it costs little.
    share = _core.DheShare.generate(0x0100)
    p, ours = number(share.p), number(share.public)
    exponent, power = 1, ours
    while power >> 2040:
        exponent, power = exponent + 1, power * ours % p
    secret = octets(power)
    assert len(secret) < 256
    assert finished(share.complete(octets(pow(2, exponent, p)))) == expected_finished(secret)


@pytest.mark.parametrize("value", ["empty", "0", "1", "1 with zeros", "p-1", "p", "p+1", "longer"])
def test_public_values_out_of_range_are_refused(value: str) -> None:
    # RFC 7919 5.1: "Peers MUST validate each other's public key Y … by ensuring that 1 < Y < p-1."
    share = _core.DheShare.generate(0x0100)
    p = number(share.p)
    sent = {
        "empty": b"",
        "0": b"\0",
        "1": b"\x01",
        "1 with zeros": bytes(255) + b"\x01",
        "p-1": octets(p - 1),
        "p": octets(p),
        "p+1": octets(p + 1),
        "longer": b"\x01" + share.public,
    }[value]
    with pytest.raises(ValueError, match="not between 1 and p - 1 of ffdhe2048"):
        share.complete(sent)
    with pytest.raises(ValueError, match="not between 1 and p - 1"):
        _core.DheShare.respond(share.p, share.g, sent)


def test_groups_without_a_name_and_weak_ones_are_refused() -> None:
    # Logjam: nothing is computed in a group that the peer made up.
    share = _core.DheShare.generate(0x0100)
    p = number(share.p)
    for prime, generator in [
        (octets(p - 2), share.g),
        (octets(p + 2), share.g),
        (share.p, b"\x01"),
        (share.p, b"\x05"),
        (share.p, octets(p - 1)),
        (share.p, b""),
        (share.p[:128], share.g),
        (b"", share.g),
        (bytes(256), share.g),
        (b"\xff" * 64, b"\x02"),
    ]:
        with pytest.raises(ValueError, match="bits that is neither one of RFC 7919 nor one of RFC 3526"):
            _core.DheShare.respond(prime, generator, share.public)
    with pytest.raises(ValueError, match="group of 512 bits"):
        _core.dhe_group(b"\xff" * 64, b"\x02")
    for code in (0, 0x001D, 0x0105, 0x00FF, 0xFFFF):
        with pytest.raises(ValueError, match="no group of RFC 7919"):
            _core.DheShare.generate(code)


def test_a_share_serves_once_and_two_are_never_the_same() -> None:
    # Raccoon: a server that used its key again would answer an attacker's questions about it.
    share = _core.DheShare.generate(0x0100)
    share.complete(share.public)
    with pytest.raises(RuntimeError, match="used before"):
        share.complete(share.public)
    assert len({_core.DheShare.generate(0x0100).public for _ in range(100)}) == 100


def test_rsa_premaster_is_what_rfc_5246_says() -> None:
    spki = (
        rsa_key().public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    seen = set()
    for version in (0x0301, 0x0302, 0x0303):
        ciphertext, secret = _core.SharedSecret.rsa_premaster(version, spki)
        plain = rsa_key().decrypt(ciphertext, padding.PKCS1v15())
        assert (len(plain), plain[:2]) == (48, version.to_bytes(2, "big"))
        assert finished(secret) == expected_finished(plain)
        assert finished(decryptor().decrypt(ciphertext, version)) == expected_finished(plain)
        seen.add(plain[2:])
    assert len(seen) == 3


def raw_encrypt(message: bytes) -> bytes:
    numbers = rsa_key().public_key().public_numbers()
    return pow(number(message), numbers.e, numbers.n).to_bytes(256, "big")


def malformed() -> dict[str, bytes]:
    """Ciphertexts of everything but a right message, by the name of the mistake."""
    secret = premaster(0x0303)
    fill = b"\x11" * (256 - 3 - len(secret))
    messages = {
        "first octet": b"\x01\x02" + fill + b"\0" + secret,
        "block type 1": b"\0\x01" + fill + b"\0" + secret,
        "block type 0": b"\0\0" + fill + b"\0" + secret,
        "no zero": b"\0\x02" + fill + b"\x11" + secret,
        "zero too early": b"\0\x02" + fill[:-1] + b"\0\0" + secret,
        "zero in the first eight": b"\0\x02" + b"\x11" * 3 + b"\0" + fill[4:] + b"\0" + secret,
        "47 octets": b"\0\x02" + fill + b"\x11\0" + secret[:-1],
        "49 octets": b"\0\x02" + fill[:-1] + b"\0" + secret + b"\x07",
        "no octets": b"\0\x02" + b"\x11" * 253 + b"\0",
        "version below": b"\0\x02" + fill + b"\0" + b"\x03\x02" + secret[2:],
        "version above": b"\0\x02" + fill + b"\0" + b"\x03\x04" + secret[2:],
        "version 0": b"\0\x02" + fill + b"\0" + b"\0\0" + secret[2:],
        "zeros": bytes(256),
        "one": bytes(255) + b"\x01",
    }
    right = raw_encrypt(b"\0\x02" + fill + b"\0" + secret)
    modulus = rsa_key().public_key().public_numbers().n
    ciphertexts = {name: raw_encrypt(message) for name, message in messages.items()}
    return ciphertexts | {
        "right, cut": right[:-1],
        "right, longer": right + b"\0",
        "right, with a zero in front": b"\0" + right,
        "no ciphertext": b"",
        "above the modulus": b"\xff" * 256,
        "the modulus": octets(modulus),
        "one bit": right[:-1] + bytes((right[-1] ^ 1,)),
        "a megabyte": bytes(1 << 20),
    }


@pytest.mark.parametrize("mistake", malformed())
def test_every_mistake_in_a_premaster_gives_a_secret_that_nobody_knows(mistake: str) -> None:
    # RFC 5246 7.4.7.1: "a TLS server MUST NOT generate an alert if processing an RSA-encrypted premaster secret message
    # fails, or the version number is not as expected. Instead, it MUST continue the handshake with a randomly generated
    # premaster secret."
    ciphertext = malformed()[mistake]
    macs = {finished(decryptor().decrypt(ciphertext, 0x0303)) for _ in range(5)}
    assert len(macs) == 5, "a fresh secret each time"
    known = [premaster(0x0303), bytes(48), b"\x03\x03" + bytes(46), b""]
    assert macs.isdisjoint({expected_finished(secret) for secret in known})


def test_the_version_is_that_of_the_hello_and_no_other() -> None:
    ciphertext = rsa_key().public_key().encrypt(premaster(0x0303), padding.PKCS1v15())
    right = expected_finished(premaster(0x0303))
    assert finished(decryptor().decrypt(ciphertext, 0x0303)) == right
    for version in (0x0000, 0x0300, 0x0301, 0x0302, 0x0304, 0xFFFF):
        assert finished(decryptor().decrypt(ciphertext, version)) != right


def der(key: Any) -> bytes:
    return bytes(
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_only_rsa_keys_of_a_sane_size_decrypt() -> None:
    good = der(rsa_key())
    assert _core.RsaDecryptor(good).bits == 2048
    elliptic = ec.generate_private_key(ec.SECP256R1())
    for wrong in (
        b"",
        good[:-1],
        good + b"\0",
        der(elliptic),
        b"\x30\x00",
        rsa_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    ):
        with pytest.raises(ValueError, match="no PKCS#8 RSA key"):
            _core.RsaDecryptor(wrong)
    spki = elliptic.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(ValueError, match="no RSA key"):
        _core.SharedSecret.rsa_premaster(0x0303, spki)


def test_handles_show_nothing_and_cannot_be_copied() -> None:
    ciphertext, secret = _core.SharedSecret.rsa_premaster(
        0x0303,
        rsa_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    assert ciphertext
    share = _core.DheShare.generate(0x0100)
    assert repr(decryptor()) == "<RsaDecryptor 2048 bits>"
    assert repr(share) == "<DheShare ffdhe2048>"
    for handle in (secret, share, decryptor()):
        for copier in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="handle to secrets"):
                copier(handle)


def test_rsa_keys_of_every_usual_size_agree() -> None:
    for bits in (2048, 2056, 3072, 4096):
        key = rsa.generate_private_key(65537, bits)
        own = _core.RsaDecryptor(der(key))
        spki = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        ciphertext, secret = _core.SharedSecret.rsa_premaster(0x0302, spki)
        assert (own.bits, len(ciphertext)) == (bits, bits // 8)
        assert finished(own.decrypt(ciphertext, 0x0302)) == finished(secret)
