"""Raw peers of the legacy tier, as those of peers12: steps with honest defaults, which tests change or leave out."""

from __future__ import annotations

from typing import Any

from tlscore import _core
from tlscore.certs import legacy_signatures, signatures
from tlscore.handshake.key_exchange12 import params
from tlscore.iana import NamedGroup, ProtocolVersion
from tlscore.suites import Suite, suite
from tlscore.wire import (
    Certificate12,
    ClientHello,
    EncryptThenMac,
    ExtendedMainSecret,
    Extensions,
    Finished12,
    Message,
    RenegotiationInfo,
    ServerHello12,
    ServerHelloDone,
    SignatureAlgorithms,
    SupportedGroups,
    decode,
    encode_struct,
)
from tlscore.wire.messages_legacy import (
    CertificateRequestBody,
    CertificateVerifyBody,
    ClientDhPublic,
    ClientEcdhPublic,
    ClientKeyExchangeBody,
    EncryptedPremaster,
    Request10,
    Request12,
    ServerDhParams,
    ServerEcdhParams,
    ServerKeyExchangeBody,
    Signed10,
    Signed12,
    decode_first,
)
from tlscore.wire.struct import decode_struct

from .certificates import Issued
from .legacy import issued
from .peers import replaced
from .peers12 import ALL_SCHEMES12, Raw12, RawServer12, first_scheme

TLS12 = ProtocolVersion.TLS12
TLS11 = ProtocolVersion.TLS11
RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"


class RawLegacy(Raw12):
    """What both raw peers of the tier have in common."""

    version: int
    number: int
    etm: bool

    def take_suite(self, name: str) -> None:
        self.part: Suite = suite(name)
        self.suite = self.part.code

    def agree(self, version: int, code: int, extensions: Extensions) -> None:
        self.version = version
        self.part = suite(code)
        self.suite = code
        self.transcript.select_hash(code, version)
        self.layer._set_record_version(version)
        self.extended = ExtendedMainSecret in extensions
        self.etm = EncryptThenMac in extensions

    def pull(self) -> Message | int | None:
        item = self.layer._pull()
        if isinstance(item, bytes):
            self.messages += item
            self.transcript.add(item)
            return decode(item, TLS11)
        return item

    def derive(self, shared: Any, extended: bool = True) -> None:
        digest = self.transcript.digest() if extended else None
        self.secret = _core.MainSecret12.derive(
            self.suite, shared, self.client_random, self.server_random, digest, None, self.version, self.etm
        )

    def signed(self, content: bytes, key: Any = None, scheme: int | None = None) -> bytes:
        """A signature as it stands in the messages of the version."""
        private = self.identity.key if key is None else key
        if self.version == TLS12:
            chosen = first_scheme(private) if scheme is None else scheme
            if chosen in (0x0201, 0x0203):
                return encode_struct(Signed12(chosen, sha1_signature(private, chosen, content)))
            return encode_struct(Signed12(chosen, signatures.sign(private, chosen, content, None, True)))
        schemes13 = signatures.schemes_for(private.public_key())
        old = legacy_signatures.old_scheme(signatures.key_kind(schemes13), schemes13)
        return encode_struct(Signed10(sha1_signature(private, old, content)))

    def certificate_verify(
        self, scheme: int | None = None, key: Any = None, role: str | None = None, content: bytes | None = None
    ) -> Any:
        body = self.signed(self.messages if content is None else content, key, scheme)
        return self.send(CertificateVerifyBody(body))


class _Holder:
    """What legacy_signatures reads of an identity."""

    _sign_checked = False

    def __init__(self, private: Any) -> None:
        self._private = private


def sha1_signature(private: Any, scheme: int | None, content: bytes) -> bytes:
    assert scheme is not None
    return legacy_signatures.sign(_Holder(private), scheme, content)  # type: ignore[arg-type]


class RawLegacyServer(RawLegacy, RawServer12):
    is_client = False

    def __init__(self, client: Any = None, version: int = TLS11, name: str = RSA_CBC, key: str = "rsa2048") -> None:
        self.version, self.etm = version, True
        RawServer12.__init__(self, issued(key))
        self.take_suite(name)
        if client is not None:
            self.take_hello(client.data_to_send())
            self.number = self.client_hello.legacy_version

    def hello_message(self, *values: Any, drop: tuple[int, ...] = (), **fields: Any) -> ServerHello12:
        own = [RenegotiationInfo(b""), ExtendedMainSecret()]
        if "CBC" in self.part.encryption:
            own.append(EncryptThenMac())  # type: ignore[arg-type]
        message = ServerHello12(
            self.version, _core.random_bytes(32), b"", self.suite, 0, replaced(Extensions(own), *values, drop=drop)
        )
        return message.replace(**fields)

    def hello(self, message: ServerHello12 | None = None) -> RawLegacyServer:
        message = self.hello_message() if message is None else message
        self.server_random = message.random
        self.agree(message.server_version, message.cipher_suite, message.extensions)
        self.send(message)
        return self

    def key_exchange(  # type: ignore[override]
        self,
        group: int | None = None,
        public: bytes | None = None,
        key: Any = None,
        content: bytes | None = None,
        field: tuple[bytes, bytes] | None = None,
        scheme: int | None = None,
        behind: bytes = b"",
    ) -> RawLegacyServer:
        """ServerKeyExchange; unsigned with anonymous suites. `field` is another (p, g)."""
        if self.part.key_exchange == "ECDHE":
            self.share: Any = _core.KeyShare.generate(NamedGroup.x25519 if group is None else group)
            shown = params(self.share.group, self.share.public if public is None else public)
        else:
            self.share = _core.DheShare.generate(NamedGroup.ffdhe2048 if group is None else group)
            p, g = field or (self.share.p, self.share.g)
            shown = encode_struct(ServerDhParams(p, g, self.share.public if public is None else public))
        signature = b""
        if self.part.authentication != "anon":
            covered = self.client_random + self.server_random + shown if content is None else content
            signature = self.signed(covered, key, scheme)
        self.send(ServerKeyExchangeBody(shown + signature + behind))
        return self

    def request(self, kinds: tuple[int, ...] = (64, 1), schemes: tuple[int, ...] = ALL_SCHEMES12,
                cas: tuple[bytes, ...] = ()) -> RawLegacyServer:  # fmt: skip
        body = Request12(kinds, schemes, cas) if self.version == TLS12 else Request10(kinds, cas)
        self.send(CertificateRequestBody(encode_struct(body)))
        return self

    def flight(self) -> RawLegacyServer:
        self.hello()
        if self.part.authentication != "anon":
            self.certificate()
        if self.part.key_exchange != "RSA":
            self.key_exchange()
        self.done()
        return self

    def take_flight(self, wire: bytes) -> list[Message]:
        self.feed(wire)
        found: list[Message] = []
        while not found or not isinstance(found[-1], Finished12):
            message = self.pull()
            if isinstance(message, ClientKeyExchangeBody):
                self.derive(self.complete(message.body), self.extended)
            assert isinstance(message, Message), message
            found.append(message)
            last = CertificateVerifyBody if self.expects_proof(found) else ClientKeyExchangeBody
            if isinstance(message, last):
                self.secret.expect_read(self.layer)
        return found

    def complete(self, body: bytes) -> Any:
        if self.part.key_exchange == "RSA":
            from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

            der = self.identity.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            encrypted = decode_struct(EncryptedPremaster, body).encrypted
            return _core.RsaDecryptor(der).decrypt(encrypted, self.number)
        if self.part.key_exchange == "DHE":
            return self.share.complete(decode_struct(ClientDhPublic, body).dh_public)
        return self.share.complete(decode_struct(ClientEcdhPublic, body).public)


class RawLegacyClient(RawLegacy):
    is_client = True

    def __init__(
        self,
        version: int = TLS11,
        name: str = RSA_CBC,
        identity: Issued | None = None,
        groups: tuple[int, ...] = (NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.ffdhe2048),
    ) -> None:
        super().__init__()
        self.version = self.number = version
        self.etm = True
        self.groups = groups
        self.take_suite(name)
        if identity is not None:
            self.identity = identity
        self.client_random = _core.random_bytes(32)

    def hello_message(self, *values: Any, drop: tuple[int, ...] = (), **fields: Any) -> ClientHello:
        own: list[Any] = [SupportedGroups(self.groups), ExtendedMainSecret(), RenegotiationInfo(b""), EncryptThenMac()]
        if self.number == TLS12:
            own.append(SignatureAlgorithms(ALL_SCHEMES12))
        message = ClientHello(
            self.number, self.client_random, b"", (self.suite,), b"\0", replaced(Extensions(own), *values, drop=drop)
        )
        return message.replace(**fields)

    def hello(self, message: ClientHello | bytes | None = None) -> RawLegacyClient:
        self.send(self.hello_message() if message is None else message)
        return self

    def take_flight(self, wire: bytes) -> list[Message]:
        """Read the server's flight up to its ServerHelloDone."""
        self.feed(wire)
        found: list[Message] = []
        while not found or not isinstance(found[-1], ServerHelloDone):
            item = self.layer._pull()
            assert isinstance(item, bytes), item
            message = decode(item, TLS11)
            if isinstance(message, ServerHello12):
                self.server_hello, self.server_random = message, message.random
                self.agree(message.server_version, message.cipher_suite, message.extensions)
            if isinstance(message, Certificate12):
                self.peer_chain = message.certificate_list
            if isinstance(message, ServerKeyExchangeBody):
                self._respond(message.body)
            self.messages += item
            self.transcript.add(item)
            found.append(message)
        return found

    def _respond(self, body: bytes) -> None:
        if self.part.key_exchange == "ECDHE":
            given, _, _ = decode_first(ServerEcdhParams, body)
            public, self.shared = _core.KeyShare.respond(given.named_curve, given.public)
            self.body = encode_struct(ClientEcdhPublic(public))
        else:
            field, _, _ = decode_first(ServerDhParams, body)
            _, public, self.shared = _core.DheShare.respond(field.dh_p, field.dh_g, field.dh_public)
            self.body = encode_struct(ClientDhPublic(public))

    def key_exchange(self, body: bytes | None = None, number: int | None = None) -> RawLegacyClient:
        """ClientKeyExchange; `number` is another version inside an RSA premaster secret."""
        if self.part.key_exchange == "RSA":
            from cryptography import x509
            from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

            public = x509.load_der_x509_certificate(self.peer_chain[0]).public_key()
            spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            encrypted, self.shared = _core.SharedSecret.rsa_premaster(self.number if number is None else number, spki)
            self.body = encode_struct(EncryptedPremaster(encrypted))
        self.send(ClientKeyExchangeBody(self.body if body is None else body))
        self.derive(self.shared, self.extended)
        return self

    def flight(self) -> RawLegacyClient:
        self.key_exchange().change().finished()
        return self

    def complete(self, wire: bytes) -> RawLegacyClient:
        """Take the server's change_cipher_spec and Finished."""
        self.secret.expect_read(self.layer)
        self.feed(wire)
        transcript = self.transcript.fork()
        message = self.pull()
        assert isinstance(message, Finished12), message
        assert self.secret.verify_finished(False, transcript, message.verify_data)
        self.layer._open()
        return self
