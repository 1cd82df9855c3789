"""Raw peers of TLS 1.2: each step of a flight is a method with an honest default; tests change it or leave it out."""

from __future__ import annotations

from typing import Any

from tlscore import _core
from tlscore.certs import signatures
from tlscore.connection import Connection
from tlscore.handshake.key_exchange12 import params
from tlscore.iana import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from tlscore.wire import (
    Certificate12,
    CertificateRequest12,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    EcPointFormats,
    ExtendedMainSecret,
    Extensions,
    Finished12,
    Message,
    RenegotiationInfo,
    ServerHello12,
    ServerHelloDone,
    ServerKeyExchange,
    SignatureAlgorithms,
    SupportedGroups,
    decode,
    encode,
)

from .certificates import Issued
from .peers import Raw, replaced

X25519, P256 = NamedGroup.x25519, NamedGroup.secp256r1
ECDSA_AES128 = CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
ALL_SCHEMES12 = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.ed25519,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pkcs1_sha256,
)


def first_scheme(key: Any) -> int:
    return signatures.schemes12(signatures.schemes_for(key.public_key()))[0]


class Raw12(Raw):
    """What raw clients and servers of TLS 1.2 have in common."""

    identity: Issued
    client_random: bytes
    server_random: bytes

    def __init__(self) -> None:
        super().__init__()
        self.layer._expect_change_cipher_spec(False)
        self.suite = ECDSA_AES128
        self.messages = b""
        self.secret: Any = None

    def send(self, message: Message | bytes, *, hidden: bool = False) -> Any:
        octets = message if isinstance(message, bytes) else encode(message)
        if not hidden:
            self.messages += octets
        return super().send(octets, hidden=hidden)

    def pull(self) -> Message | int | None:
        item = self.layer._pull()
        if isinstance(item, bytes):
            self.messages += item
            self.transcript.add(item)
            return decode(item, ProtocolVersion.TLS12)
        return item

    def derive(self, shared: Any, extended: bool = True) -> None:
        digest = self.transcript.digest() if extended else None
        self.secret = _core.MainSecret12.derive(
            self.suite, shared, self.client_random, self.server_random, digest, None
        )

    def certificate(self, chain: tuple[bytes, ...] | None = None, context: bytes = b"", **fields: Any) -> Any:
        return self.send(Certificate12(self.identity.chain_der if chain is None else chain))

    def certificate_verify(
        self, scheme: int | None = None, key: Any = None, role: str | None = None, content: bytes | None = None
    ) -> Any:
        private = self.identity.key if key is None else key
        sign_with = first_scheme(private)
        signature = signatures.sign(private, sign_with, self.messages if content is None else content, None, True)
        return self.send(CertificateVerify(sign_with if scheme is None else scheme, signature))

    def change(self) -> Any:
        """change_cipher_spec, and our keys."""
        self.secret.change_write(self.layer)
        return self

    def finished(self, verify_data: bytes | None = None) -> Any:
        mac = self.secret.finished_mac(self.is_client, self.transcript) if verify_data is None else verify_data
        return self.send(Finished12(mac))


class RawServer12(Raw12):
    is_client = False

    def __init__(self, identity: Issued, client: Connection | None = None) -> None:
        super().__init__()
        self.identity = identity
        self.extended = True
        if client is not None:
            self.take_hello(client.data_to_send())

    def take_hello(self, wire: bytes) -> ClientHello:
        self.feed(wire)
        hello = self.pull()
        assert isinstance(hello, ClientHello)
        self.client_hello, self.client_random = hello, hello.random
        return hello

    def hello_message(self, *values: Any, drop: tuple[int, ...] = (), **fields: Any) -> ServerHello12:
        extensions = Extensions((RenegotiationInfo(b""), ExtendedMainSecret(), EcPointFormats((0,))))
        message = ServerHello12(
            ProtocolVersion.TLS12, _core.random_bytes(32), b"", self.suite, 0, replaced(extensions, *values, drop=drop)
        )
        return message.replace(**fields)

    def hello(self, message: ServerHello12 | None = None) -> RawServer12:
        message = self.hello_message() if message is None else message
        self.server_random, self.suite = message.random, message.cipher_suite
        self.extended = ExtendedMainSecret in message.extensions
        self.transcript.select_hash(self.suite)
        self.send(message)
        return self

    def key_exchange(
        self,
        group: int = X25519,
        public: bytes | None = None,
        scheme: int | None = None,
        key: Any = None,
        content: bytes | None = None,
        curve_type: int = 3,
    ) -> RawServer12:
        """ServerKeyExchange. `content` is what is signed; `public` another share than the one that is signed for."""
        if group in _core.supported_groups():
            self.share = _core.KeyShare.generate(group)
            own = self.share.public
        else:
            own = bytes(32)
        shown = own if public is None else public
        private = self.identity.key if key is None else key
        signed = self.client_random + self.server_random + params(group, shown) if content is None else content
        with_scheme = first_scheme(private)
        if scheme is not None and scheme in signatures.schemes12(signatures.schemes_for(private.public_key())):
            with_scheme = scheme
        signature = signatures.sign(private, with_scheme, signed, None, True)
        self.send(ServerKeyExchange(curve_type, group, shown, with_scheme if scheme is None else scheme, signature))
        return self

    def request(
        self, kinds: tuple[int, ...] = (64, 1), schemes: tuple[int, ...] = ALL_SCHEMES12, cas: tuple[bytes, ...] = ()
    ) -> RawServer12:
        self.send(CertificateRequest12(kinds, schemes, cas))
        return self

    def done(self) -> RawServer12:
        self.send(ServerHelloDone())
        return self

    def flight(self) -> RawServer12:
        """The whole honest flight, without a request."""
        self.hello().certificate()
        return self.key_exchange().done()

    def take_flight(self, wire: bytes) -> list[Message]:
        """Read the client's flight up to its Finished."""
        self.feed(wire)
        found: list[Message] = []
        while not found or not isinstance(found[-1], Finished12):
            message = self.pull()
            if isinstance(message, ClientKeyExchange):
                self.derive(self.share.complete(message.public), self.extended)
            assert isinstance(message, Message), message
            found.append(message)
            if isinstance(message, CertificateVerify if self.expects_proof(found) else ClientKeyExchange):
                self.secret.expect_read(self.layer)
        return found

    @staticmethod
    def expects_proof(found: list[Message]) -> bool:
        return isinstance(found[0], Certificate12) and bool(found[0].certificate_list)

    def finish(self, wire: bytes) -> RawServer12:
        """Take the client's flight, answer with the honest end."""
        self.take_flight(wire)
        self.change().finished()
        self.layer._open()
        return self


class RawClient12(Raw12):
    is_client = True

    def __init__(self, identity: Issued | None = None, groups: tuple[int, ...] = (X25519, P256)) -> None:
        super().__init__()
        if identity is not None:
            self.identity = identity
        self.groups = groups
        self.client_random = _core.random_bytes(32)

    def hello_message(self, *values: Any, drop: tuple[int, ...] = (), **fields: Any) -> ClientHello:
        extensions = Extensions(
            (
                SupportedGroups(self.groups),
                EcPointFormats((0,)),
                SignatureAlgorithms(ALL_SCHEMES12),
                ExtendedMainSecret(),
                RenegotiationInfo(b""),
            )
        )
        message = ClientHello(
            ProtocolVersion.TLS12,
            self.client_random,
            b"",
            (self.suite,),
            b"\0",
            replaced(extensions, *values, drop=drop),
        )
        return message.replace(**fields)

    def hello(self, message: ClientHello | bytes | None = None) -> RawClient12:
        self.send(self.hello_message() if message is None else message)
        return self

    def take_flight(self, wire: bytes) -> list[Message]:
        """Read the server's flight up to its ServerHelloDone."""
        self.feed(wire)
        found: list[Message] = []
        while not found or not isinstance(found[-1], ServerHelloDone):
            item = self.layer._pull()
            assert isinstance(item, bytes), item
            message = decode(item, ProtocolVersion.TLS12)
            if isinstance(message, ServerHello12):
                self.server_hello, self.server_random, self.suite = message, message.random, message.cipher_suite
                self.transcript.select_hash(self.suite)
            if isinstance(message, ServerKeyExchange):
                self.own_public, self.shared = _core.KeyShare.respond(message.named_curve, message.public)
            self.messages += item
            self.transcript.add(item)
            found.append(message)
        return found

    def key_exchange(self, public: bytes | None = None) -> RawClient12:
        self.send(ClientKeyExchange(self.own_public if public is None else public))
        self.derive(self.shared, ExtendedMainSecret in self.server_hello.extensions)
        return self

    def flight(self) -> RawClient12:
        """The whole honest flight of a client that was not asked for a certificate."""
        self.key_exchange().change().finished()
        return self

    def complete(self, wire: bytes) -> RawClient12:
        """Take the server's change_cipher_spec and Finished."""
        self.secret.expect_read(self.layer)
        self.feed(wire)
        transcript = self.transcript.fork()
        message = self.pull()
        assert isinstance(message, Finished12), message
        assert self.secret.verify_finished(False, transcript, message.verify_data)
        self.layer._open()
        return self
