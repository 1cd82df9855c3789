"""Loading identities: every format gives the same identity, and every mistake is told with its place."""

import datetime as dt
import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from tests.support.certificates import Authority, Issued, make_ca, make_key
from tlscore import errors
from tlscore.certs.identity import Identity, PasswordFile
from tlscore.certs.loading import der, permissions, rounds
from tlscore.certs.loading import pkcs12 as stores
from tlscore.certs.loading.permissions import KeyFilePermissionWarning
from tlscore.certs.loading.sniff import kind_of

SECRET = BestAvailableEncryption(b"secret")
CLEAR = NoEncryption()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_ca()


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.intermediate().issue("www.example.org", key="rsa2048")


@pytest.fixture(scope="module")
def ecdsa(authority: Authority) -> Issued:
    return authority.intermediate().issue("www.example.org")


def put(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.touch(mode=mode)
    path.write_bytes(data)
    path.chmod(mode)
    return path


def store_of(issued: Issued, encryption: Any = SECRET) -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"name", issued.key, issued.certificate, list(issued.chain[1:]), encryption
    )


def key_in(issued: Issued, encoding: Encoding, style: PrivateFormat, encryption: Any = CLEAR) -> bytes:
    return bytes(issued.key.private_bytes(encoding, style, encryption))


CHAINS: dict[str, Callable[[Issued], bytes]] = {
    "pem": lambda one: one.chain_pem,
    "p7b pem": lambda one: pkcs7.serialize_certificates(list(one.chain), Encoding.PEM),
    "p7b der": lambda one: pkcs7.serialize_certificates(list(one.chain), Encoding.DER),
}
OLD, NEW = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8
KEYS: dict[str, Callable[[Issued], bytes]] = {
    "pkcs8 pem": lambda one: key_in(one, Encoding.PEM, NEW),
    "pkcs8 der": lambda one: key_in(one, Encoding.DER, NEW),
    "traditional pem": lambda one: key_in(one, Encoding.PEM, OLD),
    "traditional der": lambda one: key_in(one, Encoding.DER, OLD),
    "encrypted pkcs8 pem": lambda one: key_in(one, Encoding.PEM, NEW, SECRET),
    "encrypted pkcs8 der": lambda one: key_in(one, Encoding.DER, NEW, SECRET),
    "encrypted traditional pem": lambda one: key_in(one, Encoding.PEM, OLD, SECRET),
    "pkcs12": store_of,
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["issued", "ecdsa"])
def test_every_format_of_chain_and_key_gives_the_same_identity(
    chain: str, key: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    one: Issued = request.getfixturevalue(kind)
    path = put(tmp_path / "a.dat", CHAINS[chain](one), 0o644)
    identity = Identity.load(path, put(tmp_path / "b.dat", KEYS[key](one)), "secret")
    assert identity.chain == one.chain_der
    assert identity.notes == ()
    assert identity.sign(identity.schemes[0], b"data")
    from_memory = Identity.load(CHAINS[chain](one), KEYS[key](one), b"secret")
    assert from_memory.chain == one.chain_der


@pytest.mark.parametrize(
    ("encryption", "password"), [(SECRET, "secret"), (CLEAR, None), (CLEAR, ""), (SECRET, lambda: b"secret")]
)
def test_store_alone_is_an_identity(issued: Issued, encryption: Any, password: Any) -> None:
    assert Identity.load(store_of(issued, encryption), password=password).chain == issued.chain_der


def test_der_certificate_and_der_key_make_an_identity(ecdsa: Issued) -> None:
    assert Identity.load(ecdsa.chain_der[0], KEYS["traditional der"](ecdsa)).chain == ecdsa.chain_der[:1]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda one: one.chain_der[0], "certificate"),
        (CHAINS["p7b der"], "pkcs7"),
        (KEYS["pkcs8 der"], "pkcs8"),
        (KEYS["traditional der"], "pkcs1"),
        (KEYS["encrypted pkcs8 der"], "encrypted"),
        (store_of, "pkcs12"),
        (lambda one: one.chain_pem, "pem"),
        (lambda one: b" \n", "empty"),
        (lambda one: b"hello", "unknown"),
        (lambda one: b"\xfe\xed\xfe\xed\0\0\0\2", "jks"),
        (lambda one: b"\x30\x03\x02\x01", "der"),
        (lambda one: b"\x30\0", "der"),
        (lambda one: b"\x30\x03\x02\x01\x05", "der"),
    ],
)
def test_content_tells_the_format(issued: Issued, make: Callable[[Issued], bytes], kind: str) -> None:
    assert kind_of(make(issued)) == kind


def test_sniffing_survives_any_octets(issued: Issued, ecdsa: Issued) -> None:
    """Cut and changed files of every format: some kind is told, and nothing but a ConfigError comes out."""
    for data in (issued.chain_der[0], store_of(ecdsa, CLEAR), *(make(ecdsa) for make in KEYS.values())):
        for at in range(0, min(len(data), 160), 3):
            for changed in (data[:at], data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]):
                assert kind_of(changed)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    for arguments in ((changed,), (ecdsa.chain_pem, changed)):
                        try:
                            Identity.load(*arguments)
                        except errors.ConfigError:
                            continue


# -- passwords --


def test_password_comes_from_a_file_or_a_function_and_is_asked_for_once(ecdsa: Issued, tmp_path: Path) -> None:
    key, asked = KEYS["encrypted pkcs8 pem"](ecdsa), []
    file = put(tmp_path / "password", b"secret\r\nsecond line\n")
    assert Identity.load(ecdsa.chain_pem, key, PasswordFile(file))

    def ask() -> str:
        asked.append(1)
        return "secret"

    assert Identity.load(ecdsa.chain_pem, key, ask)
    assert asked == [1]
    assert Identity.load(ecdsa.chain_pem, KEYS["pkcs8 pem"](ecdsa), ask)
    assert asked == [1]


@pytest.mark.parametrize(
    ("password", "text"),
    [
        (lambda: 1 / 0, r"the password function failed \(ZeroDivisionError\)"),
        (lambda: 5, "the password function gave int"),
        (5, "the password is int"),
        (PasswordFile("/nowhere/password"), "the password file '/nowhere/password' cannot be read"),
        ("secret\n", "the password does not open the private key.*every space and line end"),
    ],
)
def test_bad_passwords_are_told_apart(ecdsa: Issued, password: Any, text: str) -> None:
    with pytest.raises(errors.ConfigError, match=text) as caught:
        Identity.load(ecdsa.chain_pem, KEYS["encrypted pkcs8 pem"](ecdsa), password)
    assert "secret" not in str(caught.value).replace("secret\\n", "")


def test_empty_password_file_is_named(ecdsa: Issued, tmp_path: Path) -> None:
    file = put(tmp_path / "password", b"\n")
    with pytest.raises(errors.ConfigError, match=r"password is empty.*first line"):
        Identity.load(ecdsa.chain_pem, KEYS["encrypted pkcs8 pem"](ecdsa), PasswordFile(file))


@pytest.mark.parametrize("key", ["encrypted pkcs8 der", "encrypted pkcs8 pem", "encrypted traditional pem", "pkcs12"])
@pytest.mark.parametrize(
    ("password", "text"), [(None, "no password was given"), ("wrong", "the password does not open")]
)
def test_wrong_and_missing_passwords_name_the_place(
    ecdsa: Issued, key: str, password: str | None, text: str, tmp_path: Path
) -> None:
    path = put(tmp_path / "my.key", KEYS[key](ecdsa))
    with pytest.raises(errors.ConfigError, match=rf"my\.key.*{text}") as caught:
        Identity.load(ecdsa.chain_pem, path, password)
    assert caught.value.code == "TLS-CONFIG-PASSWORD"


# -- PKCS #12 with two passwords --


def content_infos(store: bytes) -> tuple[der.Element, list[der.Element]]:
    version, safe, *_ = der.children(der.element(store).content)
    holder = der.children(safe.content)[1]
    octets = der.element(holder.content).content
    return version, der.children(der.element(octets).content)


def two_passwords(issued: Issued) -> bytes:
    """A store whose certificates and MAC have the password "store", and whose key has "key", as Java makes it."""
    import hashlib
    import hmac

    outer = pkcs12.serialize_key_and_certificates(
        b"n", issued.key, issued.certificate, list(issued.chain[1:]), BestAvailableEncryption(b"store")
    )
    inner = pkcs12.serialize_key_and_certificates(b"n", issued.key, None, None, BestAvailableEncryption(b"key"))
    version, infos = content_infos(outer)
    data = bytes.fromhex("06092a864886f70d010701")
    certificates = [one for one in infos if not one.content.startswith(data)]
    keys = [one for one in content_infos(inner)[1] if one.content.startswith(data)]
    safes = der.encode(0x30, b"".join(one.whole for one in (*certificates, *keys)))
    salt, rounds = b"saltsalt", 2000
    mac = hmac.digest(stores.mac_key("sha256", b"store", salt, rounds), safes, hashlib.sha256)
    algorithm = der.encode(0x30, bytes.fromhex("0609608648016503040201") + b"\5\0")
    digest_info = der.encode(0x30, algorithm + der.encode(4, mac))
    mac_data = der.encode(0x30, digest_info + der.encode(4, salt) + der.encode(2, rounds.to_bytes(2, "big")))
    content = der.encode(0x30, data + der.encode(0xA0, der.encode(4, safes)))
    return der.encode(0x30, version.whole + content + mac_data)


def test_mac_key_is_that_of_other_implementations(issued: Issued) -> None:
    """The store that `cryptography` makes has the MAC that we compute."""
    data = pkcs12.serialize_key_and_certificates(
        b"n", issued.key, issued.certificate, None, BestAvailableEncryption("pässwort".encode())
    )
    loaded = stores.load(data, "x", stores.Secret("pässwort"), stores.Secret("pässwort"))
    assert loaded.certificates
    # A key password that differs makes the store be taken apart: the MAC is right, and the key does not open.
    with pytest.raises(errors.ConfigError, match="key_password does not open the private key"):
        stores.load(data, "x", stores.Secret("pässwort"), stores.Secret("other"))
    with pytest.raises(errors.ConfigError, match="the password does not open the store"):
        stores.load(data, "x", stores.Secret("passwort"), stores.Secret("other"))


def test_store_and_key_may_have_two_passwords(issued: Issued, tmp_path: Path) -> None:
    data = two_passwords(issued)
    identity = Identity.load(put(tmp_path / "x.p12", data), password="store", key_password=lambda: "key")
    assert set(identity.chain) == set(issued.chain_der)
    assert identity.sign(identity.schemes[0], b"data")
    for wrong in ({"password": "store"}, {"password": "key"}, {"password": "x", "key_password": "key"}):
        with pytest.raises(errors.ConfigError, match="does not open the store") as caught:
            Identity.load(data, **wrong)  # type: ignore[arg-type]
        assert caught.value.code == "TLS-CONFIG-PASSWORD"
    with pytest.raises(errors.ConfigError, match="key_password does not open"):
        Identity.load(data, password="store", key_password="x")


def test_key_password_alone_opens_a_pem_key(ecdsa: Issued) -> None:
    key = KEYS["encrypted pkcs8 pem"](ecdsa)
    assert Identity.load(ecdsa.chain_pem, key, key_password="secret")
    assert Identity.load(ecdsa.chain_pem, key, "other", key_password="secret")


# -- order, pairs, places --


def test_chain_out_of_order_is_put_in_order_and_told(authority: Authority) -> None:
    deep = authority.intermediate("One").intermediate("Two").issue("deep.example")
    leaf, two, one = deep.chain
    mixed = (one, leaf, authority.certificate, two)
    identity = Identity.load(b"".join(each.public_bytes(Encoding.PEM) for each in mixed), deep.key)
    assert identity.chain == deep.chain_der
    (note,) = identity.notes
    assert note.code == "TLS-NOTE-ORDER"
    assert "1. the certificate chain given as bytes, PEM block 2; 2." in str(note)
    assert Identity.load(deep.chain_pem, deep.key).notes == ()


def test_foreign_and_repeated_certificates_are_told(authority: Authority, issued: Issued) -> None:
    other = make_ca("Other").intermediate("Foreign")
    pem = issued.chain_pem + other.pem + issued.chain[1].public_bytes(Encoding.PEM)
    identity = Identity.load(pem, issued.key)
    assert identity.chain == (*issued.chain_der, other.der)
    assert [note.code for note in identity.notes] == ["TLS-NOTE-REPEATED", "TLS-NOTE-EXTRA"]
    assert "PEM block 3" in identity.notes[1].text


def test_signer_that_tells_no_key_gets_the_leaf_first(issued: Issued) -> None:
    class Signer:
        def sign(self, scheme: int, data: bytes) -> bytes:
            return b""

    pem = issued.chain[1].public_bytes(Encoding.PEM) + issued.certificate.public_bytes(Encoding.PEM)
    assert Identity.load(pem, Signer()).chain == issued.chain_der


def test_mismatch_names_both_keys_and_the_file_that_fits(authority: Authority, ecdsa: Issued, tmp_path: Path) -> None:
    other = authority.issue("other.example")
    chain = put(tmp_path / "chain.pem", ecdsa.chain_pem, 0o644)
    put(tmp_path / "right.key", ecdsa.key_pem)
    wrong = put(tmp_path / "wrong.key", other.key_pem)
    put(tmp_path / "other.pem", other.chain_pem, 0o644)
    put(tmp_path / "notes.txt", b"nothing")
    with pytest.raises(errors.ConfigError) as caught:
        Identity.load(chain, wrong)
    text = str(caught.value)
    assert caught.value.code == "TLS-CONFIG-KEY_MISMATCH"
    assert "chain.pem, PEM block 1 and" in text
    assert "wrong.key, PEM block 1: the key does not belong" in text
    for key in (ecdsa.key, other.key):
        digest = hashes.Hash(hashes.SHA256())
        digest.update(
            key.public_key().public_bytes(
                Encoding.DER,
                __import__("cryptography").hazmat.primitives.serialization.PublicFormat.SubjectPublicKeyInfo,
            )
        )
        assert digest.finalize().hex() in text
    assert "The file right.key in the same directory holds the key of this certificate" in text
    assert "the file other.pem in the same directory holds the certificate of this key" in text


def test_missing_key_names_the_file_beside_that_has_it(ecdsa: Issued, tmp_path: Path) -> None:
    chain, _ = ecdsa.write(tmp_path, "site")
    with pytest.raises(errors.ConfigError, match=r"has no PRIVATE KEY block.*site\.key in the same directory holds"):
        Identity.load(chain)


def test_of_several_keys_in_a_bundle_the_fitting_one_is_taken(ecdsa: Issued, authority: Authority) -> None:
    bundle = authority.issue("x").key_pem + ecdsa.chain_pem + ecdsa.key_pem
    assert Identity.load(bundle).chain == ecdsa.chain_der


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (lambda one: one.chain_pem[:-40], r"PEM block 2 \(CERTIFICATE, line \d+\) does not end"),
        (lambda one: one.chain_pem.replace(b"M", b"!", 1), "PEM block 1: a CERTIFICATE block is damaged"),
        (lambda one: one.chain_pem + one.key_pem.replace(b"M", b"*", 1), "PEM block 3: the private key is damaged"),
        (
            lambda one: one.chain_pem + b"-----BEGIN OPENSSH PRIVATE KEY-----\nAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "PEM block 3 is a key in the format of OpenSSH.*ssh-keygen",
        ),
        (lambda one: one.chain_der[0][:-5], "no certificate for an identity: it is DER of another kind"),
        (lambda one: b"\xfe\xed\xfe\xed\0\0\0\2", "it is a Java keystore.*keytool"),
        (lambda one: key_in(one, Encoding.DER, NEW), r"it is a DER private key \(PKCS #8\)"),
    ],
)
def test_damage_is_told_with_path_and_block(
    ecdsa: Issued, data: Callable[[Issued], bytes], text: str, tmp_path: Path
) -> None:
    path = put(tmp_path / "bundle.pem", data(ecdsa))
    with pytest.raises(errors.ConfigError, match=rf"bundle\.pem.*{text}"):
        Identity.load(path)


# -- permissions --


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
@pytest.mark.parametrize(
    ("mode", "who"), [(0o640, "its group"), (0o604, "everybody"), (0o644, "its group and everybody")]
)
def test_key_file_that_others_can_read_warns_and_strict_refuses(
    ecdsa: Issued, mode: int, who: str, tmp_path: Path
) -> None:
    chain, key = ecdsa.write(tmp_path)
    key.chmod(mode)
    with pytest.warns(KeyFilePermissionWarning, match=rf"leaf\.key' can be read by {who} \(mode {mode:04o}\)") as told:
        identity = Identity.load(chain, key)
    assert told[0].filename == __file__
    assert identity.exposed is not None
    assert "TLS-NOTE-EXPOSED_KEY" in [note.code for note in identity.notes]
    with pytest.raises(errors.ConfigError, match=r"can be read by.*chmod 600") as caught:
        Identity.load(chain, key, strict=True)
    assert caught.value.code == "TLS-CONFIG-EXPOSED_KEY"
    key.chmod(0o600)
    assert Identity.load(chain, key, strict=True).exposed is None


def test_password_file_that_others_can_read_warns(ecdsa: Issued, tmp_path: Path) -> None:
    file = put(tmp_path / "password", b"secret", 0o644)
    with pytest.warns(KeyFilePermissionWarning, match="the password file"):
        Identity.load(ecdsa.chain_pem, KEYS["encrypted pkcs8 pem"](ecdsa), PasswordFile(file))


def test_systems_without_modes_say_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = str(put(tmp_path / "key", b"", 0o644))
    assert permissions.exposure(path, "private key") is not None
    monkeypatch.setattr(permissions.os, "name", "nt")
    assert permissions.exposure(path, "private key") is None


# -- lint --


def codes(identity: Identity, **named: Any) -> list[str]:
    return [note.code for note in identity.lint(**named)]


def test_lint_tells_roles_dates_and_names(authority: Authority) -> None:
    now = dt.datetime.now(dt.UTC)
    fine = authority.issue("a.example", days=100)
    assert codes(Identity(fine.chain, fine.key)) == []
    assert codes(Identity(fine.chain, fine.key), now=now + dt.timedelta(days=80)) == ["TLS-NOTE-EXPIRES"]
    assert codes(Identity(fine.chain, fine.key), now=now + dt.timedelta(days=101)) == ["TLS-NOTE-EXPIRED"]
    assert codes(Identity(fine.chain, fine.key), now=now - dt.timedelta(days=1)) == ["TLS-NOTE-NOT_YET_VALID"]
    server = authority.issue("a.example", usage="server", days=100)
    identity = Identity(server.chain, server.key)
    assert identity.roles == ("server",)
    assert [str(note) for note in identity.notes] == [
        "the certificate is for servers only: its extendedKeyUsage does not list clientAuth"
    ]
    nameless = authority.issue(common_name="only a CN", days=100)
    assert codes(Identity(nameless.chain, nameless.key)) == ["TLS-NOTE-NO_SAN"]
    own = make_ca()
    assert {"TLS-NOTE-SELF_SIGNED", "TLS-NOTE-KEY_USAGE"} <= set(codes(Identity((own.certificate,), own.key)))


def test_lint_tells_weak_keys_of_the_chain(authority: Authority) -> None:
    weak = authority.intermediate("Weak", key="rsa1024").issue("a.example", days=100)
    (note,) = Identity(weak.chain, weak.key).lint()
    assert "certificate 2 of the chain (CN=Weak) has an RSA key of 1024 bits" in str(note)


def test_days_to_expiry_counts_the_first_that_expires(authority: Authority) -> None:
    one = authority.issue("a.example", days=10)
    now = one.certificate.not_valid_after_utc - dt.timedelta(days=3)
    identity = Identity(one.chain, one.key)
    assert identity.days_to_expiry(now) == pytest.approx(3)
    assert identity.days_to_expiry(now + dt.timedelta(days=5)) == pytest.approx(-2)
    assert 9 < identity.days_to_expiry() < 10


def test_any_purpose_is_every_role(authority: Authority) -> None:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    for purposes, roles in (
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], ("server", "client")),
        ([ExtendedKeyUsageOID.CODE_SIGNING], ()),
    ):
        one = authority.issue("a", usage="none", extra=((x509.ExtendedKeyUsage(purposes), False),))
        identity = Identity(one.chain, one.key)
        assert identity.roles == roles
        assert bool(identity.notes) == (not roles)


def test_key_of_another_kind_is_a_mismatch(ecdsa: Issued) -> None:
    with pytest.raises(errors.ConfigError, match="does not belong"):
        Identity.load(ecdsa.chain_pem, make_key("ed25519"))


# -- files of another program --


@pytest.mark.parametrize("options", [[], ["-legacy"], ["-certpbe", "NONE"], ["-keypbe", "NONE", "-certpbe", "NONE"]])
def test_stores_that_openssl_makes_are_read(
    ecdsa: Issued, options: list[str], tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    chain, key = ecdsa.write(tmp_path)
    store = put(tmp_path / "openssl.p12", b"")
    command = [require_tool("openssl"), "pkcs12", "-export", "-in", str(chain), "-inkey", str(key)]
    subprocess.run([*command, "-out", str(store), "-passout", "pass:secret", *options], check=True, capture_output=True)
    store.chmod(0o600)
    assert set(Identity.load(store, password="secret").chain) == set(ecdsa.chain_der)


@pytest.mark.parametrize("arguments", [["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"], ["pkcs8", "-topk8", "-scrypt"]])
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_encrypted_keys_that_openssl_makes_are_read(
    ecdsa: Issued, arguments: list[str], form: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    _, key = ecdsa.write(tmp_path)
    sealed = put(tmp_path / "sealed.key", b"")
    command = [require_tool("openssl"), *arguments, "-in", str(key), "-outform", form, "-out", str(sealed)]
    subprocess.run([*command, "-passout", "pass:secret"], check=True, capture_output=True)
    sealed.chmod(0o600)
    assert Identity.load(ecdsa.chain_pem, sealed, "secret")
    with pytest.raises(errors.ConfigError, match="the password does not open the private key"):
        Identity.load(ecdsa.chain_pem, sealed, "wrong")


def test_certificate_with_a_damaged_name_is_a_config_error() -> None:
    """The parser reads names when they are asked for: the error must come as one of the configuration even so."""
    leaf = make_ca().issue("example.org")
    # The issuer's SET becomes an unknown type.
    der = leaf.chain_der[0].replace(b"\x30\x12\x31\x10\x30", b"\x30\x12\x0b\x10\x30", 1)
    assert der != leaf.chain_der[0]
    for load in (lambda: Identity.load(der, leaf.key), lambda: Identity([der], leaf.key)):
        with pytest.raises(errors.ConfigError, match="damaged"):
            load()


def test_file_that_asks_for_endless_key_derivation_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged or hostile file must not keep its reader busy: the rounds are read before any is done."""
    for number in (b"\x02\x04\x01\x31\x2d\x00", b"\x02\x09\x01" + bytes(8)):
        with pytest.raises(errors.ConfigError, match="rounds of key derivation"):
            rounds.check(der.encode(der.SEQUENCE, b"\x04\x02ab" + number), "a file")
    leaf = make_ca().issue("example.org")
    many = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(5000).build(b"sesame")
    store = pkcs12.serialize_key_and_certificates(b"x", leaf.key, leaf.certificate, None, many)
    forms = [
        (encoding, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")) for encoding in (Encoding.PEM, Encoding.DER)
    ]
    keys = [leaf.key.private_bytes(*form) for form in forms]
    assert Identity.load(store, password="sesame").certificate == leaf.certificate
    monkeypatch.setattr(rounds, "MOST", 2000)
    for given in ((store,), *((leaf.chain_pem, key) for key in keys)):
        with pytest.raises(errors.ConfigError, match="2,000 are the most") as refused:
            Identity.load(*given, password="sesame")
        assert "sesame" not in str(refused.value)
