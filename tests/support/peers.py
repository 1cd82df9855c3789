"""Peers for tests of the handshake: pairs of real connections, and raw peers that send whatever a test wants.

`pair()` runs a client against a server in memory. `RawServer` and `RawClient` speak the protocol with the record layer
and the codec alone: each step of a flight is a method with an honest default, and a test changes, repeats or leaves
out single messages to see which alert the real side answers with.
"""

from __future__ import annotations

from typing import Any

from tlscore import _core
from tlscore.certs import signatures
from tlscore.config import ClientConfig, ServerConfig
from tlscore.connection import Connection
from tlscore.handshake.certificate_auth import signed_content
from tlscore.iana import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from tlscore.wire import (
    HRR_RANDOM,
    Certificate,
    CertificateEntry,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    Extensions,
    Finished,
    HelloRetryRequest,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    Message,
    SelectedVersion,
    ServerHello,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    decode,
    encode,
)

from .certificates import Issued

X25519 = NamedGroup.x25519
AES128 = CipherSuite.TLS_AES_128_GCM_SHA256
ALL_SCHEMES = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.ed25519,
    SignatureScheme.rsa_pss_rsae_sha256,
)


def pump(one: Connection, other: Connection, rounds: int = 20) -> None:
    """Carry octets between two connections until both are silent."""
    for _ in range(rounds):
        moved = False
        for sender, receiver in ((one, other), (other, one)):
            wire = sender.data_to_send()
            if wire:
                receiver.receive(wire)
                moved = True
        if not moved:
            return
    raise AssertionError("the two ends never fall silent")


def pair(
    client_config: ClientConfig, server_config: ServerConfig, name: str | None = "example.org"
) -> tuple[Connection, Connection]:
    """A client and a server, connected."""
    client, server = client_config.connection(name), server_config.connection()
    pump(client, server)
    return client, server


def failure(call: Any, *arguments: Any) -> Any:
    """The exception that a call raises."""
    try:
        call(*arguments)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


class RecordError(Exception):
    """What the record layer of a raw peer reports."""


class _Layer(_core.RecordLayer):
    def _record_error(self, code: str, alert: int, detail: str, /) -> BaseException:
        return RecordError(f"{code}: {detail}")


def replaced(extensions: Extensions, *values: Any, drop: tuple[int, ...] = ()) -> Extensions:
    """Extensions with some put in place of those of the same code (or added at the end), and some dropped."""
    new = {value.code: value for value in values}
    kept = [new.pop(value.code, value) for value in extensions if value.code not in drop]
    return Extensions([*kept, *new.values()])


class Raw:
    """What raw clients and raw servers have in common."""

    is_client: bool

    def __init__(self) -> None:
        self.layer = _Layer(self.is_client)
        self.layer._expect_change_cipher_spec(True)
        self.transcript = _core.Transcript()
        self.schedule: Any = None
        self.suite = AES128
        self.key: Any = None

    def feed(self, wire: bytes) -> None:
        self.layer._feed(wire)

    def pull(self) -> Message | int | None:
        """The next message, decoded, or alert (level << 8 | description). Messages enter the transcript."""
        item = self.layer._pull()
        if isinstance(item, bytes):
            self.transcript.add(item)
            return decode(item)
        return item

    def alert(self, wire: bytes) -> int:
        """The description of the alert that comes in with these octets."""
        self.feed(wire)
        while True:
            item = self.layer._pull()
            assert item is not None, "no alert came"
            if isinstance(item, int):
                return item & 0xFF

    def send(self, message: Message | bytes, *, hidden: bool = False) -> Raw:
        """Queue a message; `hidden` keeps it out of the transcript."""
        octets = message if isinstance(message, bytes) else encode(message)
        if not hidden:
            self.transcript.add(octets)
        self.layer._send_handshake(octets)
        return self

    def wire(self) -> bytes:
        return self.layer.data_to_send()

    def certificate(self, chain: tuple[bytes, ...] | None = None, context: bytes = b"", **fields: Any) -> Raw:
        """Certificate: the chain of `identity` unless another is given."""
        ders = self.identity.chain_der if chain is None else chain
        entries = tuple(CertificateEntry(der, fields.get("extensions", Extensions())) for der in ders)
        return self.send(Certificate(context, entries))

    identity: Issued

    def certificate_verify(self, scheme: int | None = None, key: Any = None, role: str | None = None) -> Raw:
        own_role = "client" if self.is_client else "server"
        private = self.identity.key if key is None else key
        sign_with = signatures.schemes_for(private.public_key())[0]
        content = signed_content(role or own_role, self.transcript.digest())  # type: ignore[arg-type]
        signature = signatures.sign(private, sign_with, content)
        return self.send(CertificateVerify(sign_with if scheme is None else scheme, signature))


class RawServer(Raw):
    """A server whose every message a test may change."""

    is_client = False

    def __init__(self, identity: Issued, client: Connection | None = None) -> None:
        super().__init__()
        self.identity = identity
        if client is not None:
            self.take_hello(client.data_to_send())

    def take_hello(self, wire: bytes) -> ClientHello:
        self.feed(wire)
        hello = self.pull()
        assert isinstance(hello, ClientHello)
        self.client_hello = hello
        return hello

    def hello_message(self, group: int = X25519, public: bytes | None = None, **fields: Any) -> ServerHello:
        """An honest ServerHello, with some fields changed."""
        if public is None:
            shares = self.client_hello.extensions.get(KeyShareClientHello)
            assert shares is not None
            offered = next((share for share in shares.client_shares if share.group == group), None)
            if offered is not None:
                public, self.shared = _core.KeyShare.respond(group, offered.key_exchange)
            else:
                public, self.shared = _core.KeyShare.respond(group, _core.KeyShare.generate(group).public)
        values: dict[str, Any] = {
            "legacy_version": ProtocolVersion.TLS12,
            "random": _core.random_bytes(32),
            "legacy_session_id_echo": self.client_hello.legacy_session_id,
            "cipher_suite": self.suite,
            "legacy_compression_method": 0,
            "extensions": Extensions(
                (SelectedVersion(ProtocolVersion.TLS13), KeyShareServerHello(KeyShareEntry(group, public)))
            ),
        }
        return ServerHello(**{**values, **fields})

    def hello(self, message: ServerHello | None = None, *, after_retry: bool = False) -> RawServer:
        """Send the ServerHello and go on to handshake keys."""
        message = self.hello_message() if message is None else message
        if not after_retry:
            self.transcript.select_hash(message.cipher_suite)
        self.send(message)
        self.schedule = _core.EarlySchedule(message.cipher_suite).into_handshake(
            self.shared, self.transcript, None, self.client_hello.random
        )
        self.schedule.install_write(self.layer)
        self.schedule.install_read(self.layer)
        return self

    def retry_message(self, *values: Any, **fields: Any) -> HelloRetryRequest:
        extensions = Extensions(values or (SelectedVersion(0x0304), KeyShareHelloRetryRequest(NamedGroup.secp256r1)))
        session_id = self.client_hello.legacy_session_id
        message = HelloRetryRequest(ProtocolVersion.TLS12, HRR_RANDOM, session_id, self.suite, 0, extensions)
        return message.replace(**fields)

    def retry(self, message: HelloRetryRequest | None = None) -> RawServer:
        message = self.retry_message() if message is None else message
        self.transcript.select_hash(message.cipher_suite)
        self.transcript.fold_hello_retry()
        self.send(message)
        return self

    def encrypted_extensions(self, *values: Any) -> RawServer:
        self.send(EncryptedExtensions(Extensions(values)))
        return self

    def finished(self, verify_data: bytes | None = None) -> RawServer:
        mac = self.schedule.finished_mac(False, self.transcript) if verify_data is None else verify_data
        self.send(Finished(mac))
        self.application = self.schedule.into_application(self.transcript)
        self.application.install_write(self.layer)
        return self

    def flight(self) -> RawServer:
        """The whole honest flight."""
        self.hello().encrypted_extensions().certificate().certificate_verify()
        return self.finished()

    def complete(self, wire: bytes) -> RawServer:
        """Take the client's second flight, without looking at it, and go on to application keys."""
        self.feed(wire)
        while self.pull() is not None:
            pass
        self.application.install_read(self.layer)
        self.layer._open()
        return self


class RawClient(Raw):
    """A client whose every message a test may change."""

    is_client = True

    def __init__(self, identity: Issued | None = None, groups: tuple[int, ...] = (X25519,)) -> None:
        super().__init__()
        if identity is not None:
            self.identity = identity
        self.groups = groups
        self.share = _core.KeyShare.generate(groups[0])
        self.random = _core.random_bytes(32)
        self.session_id = _core.random_bytes(32)

    def hello_message(self, *values: Any, drop: tuple[int, ...] = (), **fields: Any) -> ClientHello:
        """An honest ClientHello, with extensions replaced or dropped and fields changed."""
        extensions = Extensions(
            (
                SupportedVersions((ProtocolVersion.TLS13,)),
                SupportedGroups(self.groups),
                SignatureAlgorithms(ALL_SCHEMES),
                KeyShareClientHello((KeyShareEntry(self.groups[0], self.share.public),)),
            )
        )
        message = ClientHello(
            ProtocolVersion.TLS12,
            self.random,
            self.session_id,
            (self.suite,),
            b"\0",
            replaced(extensions, *values, drop=drop),
        )
        return message.replace(**fields)

    def hello(self, message: ClientHello | bytes | None = None) -> RawClient:
        self.send(self.hello_message() if message is None else message)
        return self

    def take_hello(self, wire: bytes) -> ServerHello:
        """Read the ServerHello and go on to handshake keys."""
        self.feed(wire)
        item = self.layer._pull()
        assert isinstance(item, bytes), item
        message = decode(item)
        assert isinstance(message, ServerHello), message
        share = message.extensions.get(KeyShareServerHello)
        assert share is not None
        self.transcript.select_hash(message.cipher_suite)
        self.transcript.add(item)
        shared = self.share.complete(share.server_share.key_exchange)
        self.schedule = _core.EarlySchedule(message.cipher_suite).into_handshake(
            shared, self.transcript, None, self.random
        )
        self.schedule.install_read(self.layer)
        self.schedule.install_write(self.layer)
        return message

    def take_flight(self, wire: bytes) -> list[Message]:
        """Read the server's flight up to its Finished; application keys for reading stand afterwards."""
        self.take_hello(wire)
        found: list[Message] = []
        while not found or not isinstance(found[-1], Finished):
            message = self.pull()
            assert isinstance(message, Message), message
            found.append(message)
        self.application = self.schedule.into_application(self.transcript)
        self.application.install_read(self.layer)
        return found

    def finished(self, verify_data: bytes | None = None) -> RawClient:
        mac = self.application.finished_mac(True, self.transcript) if verify_data is None else verify_data
        self.send(Finished(mac))
        self.application.install_write(self.layer)
        return self

    def complete(self) -> RawClient:
        """Application data may pass, as far as this end is concerned."""
        self.layer._open()
        return self
