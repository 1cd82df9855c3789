"""The Rust half of tlscore, as Python sees it.

Everything that holds a secret is an opaque handle: no repr of the secret, no copy, no pickle. Methods that take a wire
buffer or an application buffer are positional-only, since they are the hot paths.
"""

from collections.abc import Sequence
from typing import Final, Literal, Self, final

from typing_extensions import Buffer, disjoint_base

__all__ = [
    "SUITES",
    "SUITES12",
    "SUITES_LEGACY",
    "ApplicationSchedule",
    "CookieKey",
    "DheShare",
    "EarlySchedule",
    "HandshakeSchedule",
    "KeyLog",
    "KeyShare",
    "MainSecret12",
    "Psk",
    "RecordLayer",
    "RsaDecryptor",
    "SharedSecret",
    "Transcript",
    "__version__",
    "aead_limit",
    "build_facts",
    "constant_time_equal",
    "dhe_group",
    "fork_generation",
    "post_handshake_finished_mac",
    "random_bytes",
    "supported_groups",
]

__version__: Final[str]

def build_facts() -> dict[str, str]:
    """Facts of this build: "version", "providers", "aes_gcm" and "chacha20_poly1305" (provider chosen), "cpu",
    "profile", "target".
    """

@disjoint_base
class RecordLayer:
    """Record layer of one connection: a read half and a write half, each behind its own lock; no socket, no clock.

    Meant to be subclassed; Rust calls the hooks `_advance`, `_on_post_handshake`, `_on_alert` and `_record_error` on
    the subclass.
    """

    def __new__(cls, is_client: bool, /, *args: object, **kwargs: object) -> Self: ...
    # -- application side (hot) --
    def receive(self, wire: Buffer, /) -> None:
        """Take wire octets from the peer; while the handshake runs, this drives it.

        Takes:    wire: bytes are kept as they are until they are opened; any other buffer is copied.
        Raises:   the AlertError of what is wrong in the handshake. Records after the handshake are opened, and
                  complained about, by read, read_into and events.
        Effects:  in the handshake, messages to send may wait in data_to_send().
        Source:   RFC 9846 section 5.1.
        """

    def read(self, /) -> bytes:
        """Open the complete records that wait, and give their application data.

        Gives:    at most 256 KiB; b"" when more wire octets are needed, or after the peer's close_notify (peer_closed).
        Raises:   BadRecordMac if a record fails its check; RecordOverflow; HandshakeNotComplete; TruncationError
                  where the stream ended without close_notify; after a failure the original error.
        Effects:  read sequence number + 1 per record; the interpreter is released above the threshold (128 KiB).
        Source:   RFC 9846 section 5.2, 5.5.
        """

    def read_into(self, buffer: Buffer, /) -> int:
        """Open every complete record that waits, writing application data into `buffer`.

        Takes:    buffer: writable, contiguous, at least 1 octet. Octets behind those that count may be overwritten.
        Gives:    octets written, 0..len(buffer); 0 when more wire octets are needed, or after the peer's close_notify.
        Raises:   as read; BufferError for an empty buffer.
        Effects:  as read. It stops at each handshake message, alert and change of keys.
        Source:   RFC 9846 section 5.2, 5.5.
        """

    def write(self, data: Buffer, /) -> int:
        """Seal application data; data_to_send() hands out the records.

        Takes:    data: any contiguous buffer.
        Gives:    len(data): all of it is sealed.
        Raises:   HandshakeNotComplete; ConnectionClosedError after close(); after a failure the original error.
        Effects:  write sequence number + 1 per record; keys are updated by themselves before the limit of the AEAD.
        Source:   RFC 9846 section 5.1, 5.5.
        """

    def write_many(self, buffers: Sequence[Buffer], /) -> int:
        """Seal several buffers as one stream of full records.

        Takes:    buffers: a sequence of contiguous buffers.
        Gives:    the octets of all of them.
        Raises:   as write.
        Source:   RFC 9846 section 5.1.
        """

    def write_into(self, data: Buffer, out: Buffer, /) -> int:
        """Seal application data into `out`, behind whatever waited to be sent.

        Takes:    data: any contiguous buffer; out: writable, at least wire_size(len(data)) octets, apart from data.
        Gives:    octets written to `out`; data_to_send() has nothing left then.
        Raises:   as write; BufferTooSmall; ValueError where data and out share memory.
        Source:   RFC 9846 section 5.1, 5.5.
        """

    def wire_size(self, octets: int, /) -> int:
        """Octets that write_into may need for `octets` of application data, with all that waits to be sent.

        Raises:   OverflowError where no memory holds that much; after a failure the original error.
        """

    def data_to_send(self, /) -> bytes:
        """Everything that waits to be sent, once.

        Gives:    wire octets; b"" when nothing waits. After a failure it still hands out what waits: the alert.
        Raises:   ForkedConnectionError in a child of the process that made the connection.
        """

    # -- descriptor calls: one interpreter-free call each; timeout None = for ever, 0 = do not wait, else seconds --
    def read_from(self, fd: int, buffer: Buffer, timeout: float | None, /) -> int:
        """Receive from a descriptor and open, until application data is there.

        Takes:    fd: a connected stream socket; buffer: as read_into; timeout: seconds, 0 or None (for ever).
        Gives:    octets written, at least 1; 0 after the peer's close_notify.
        Raises:   WantReadError; TimeoutError; TruncationError at end of stream; OSError of the call; as read_into.
        Effects:  one call without the interpreter; before it waits it sends what the peer may be waiting for.
        """

    def read_bytes_from(self, fd: int, limit: int, timeout: float | None, /) -> bytes:
        """As read_from, into a bytes object of at most `limit` octets, and at most 256 KiB.

        Gives:    b"" after the peer's close_notify.
        """

    def send_to(self, fd: int, data: Buffer, timeout: float | None, /) -> int:
        """Seal all of `data` and send it on a descriptor.

        Takes:    timeout: as read_from.
        Gives:    octets of `data` whose records have left: all of them, but with timeout 0.
        Raises:   WantWriteError: call again with the same data; UsageError where that call gives fewer octets, which
                  leaves all as it is; TimeoutError: how much has left is not known; OSError of the system call; as
                  write.
        Effects:  one call without the interpreter per 256 KiB.
        """

    def flush_to(self, fd: int, timeout: float | None, /) -> None:
        """Send everything that waits: flights, alerts, records that an earlier call could not send.

        Raises:   WantWriteError; TimeoutError; OSError of the system call.
        """

    def fill_from(self, fd: int, timeout: float | None, /) -> int:
        """Receive once from a descriptor; while the handshake runs, this drives it.

        Gives:    octets received; 0 at end of stream.
        Raises:   WantReadError; TimeoutError; OSError of the system call; as receive.
        """

    # -- for event loops: they never wait, and say so without an exception --
    def try_read_from(self, fd: int, buffer: Buffer, /) -> int:
        """Receive from a descriptor at most once and open, without waiting.

        Takes:    fd, buffer: as read_from.
        Gives:    octets written; 0 after the peer's close_notify; -1 where nothing whole has come.
        Raises:   TruncationError at end of stream; OSError of the call; as read_into.
        Effects:  one call without the interpreter; answers that the peer asked for are sent as far as that goes.
        """

    def try_read_bytes_from(self, fd: int, limit: int, /) -> bytes | None:
        """As try_read_from, into a bytes object of at most `limit` octets, and at most 256 KiB.

        Gives:    b"" after the peer's close_notify; None where nothing whole has come.
        """

    def try_send_to(self, fd: int, data: Buffer, /) -> int:
        """Seal all of `data` and send what the descriptor takes, without waiting; what it does not take waits here.

        Takes:    data: any contiguous buffer; an empty one sends what waits.
        Gives:    sealed octets that wait, 0 where all has left.
        Raises:   OSError of the system call; as write.
        Effects:  one call without the interpreter.
        """

    # -- state --
    @property
    def pending_wire(self) -> int:
        """Sealed octets that wait to be sent."""
    @property
    def pending_plaintext(self) -> int:
        """Application octets that are opened already and wait to be read (never more than one record)."""
    @property
    def buffered_wire(self) -> int:
        """Wire octets received and not yet opened."""
    @property
    def peer_closed(self) -> bool:
        """close_notify arrived (authenticated)."""
    @property
    def write_closed(self) -> bool: ...
    @property
    def counters(self) -> tuple[int, int, int, int]:
        """(records opened, records sealed) under the current keys, (key updates received, sent)."""
    # -- for the handshake --
    def _feed(self, wire: Buffer, /) -> None:
        """Like receive, without driving the handshake."""
    def _pull(self, /) -> bytes | int | None:
        """Next non-application thing: a whole handshake message; an alert as level << 8 | description; None when more
        wire is needed or application data stands first."""
    def _poll(self, /) -> None:
        """Open records at the head until application data stands first or nothing whole waits, calling the hooks."""
    def _require_boundary(self, /) -> None:
        """Raise unexpected_message where handshake data waits behind the message just taken."""

    def _skip_early_data(self, octets: int, /) -> None:
        """Drop up to so many octets of early data that was not accepted; ends with the first record that opens.

        Source:   RFC 9846 section 4.3.10.
        """
    def _set_sequence(self, writing: bool, records: int, /) -> None:
        """Pretend that so many records passed under the keys of one direction: tests reach the AEAD limits so."""
    def _send_handshake(self, messages: Buffer, /) -> None: ...
    def _send_late_authentication(self, messages: bytes, transcript: Transcript, /) -> None:
        """Queue the messages of a post-handshake authentication and the Finished over `transcript`, under one lock."""

    def _mark_end_of_stream(self, /) -> None:
        """Nothing more will be received: once what waits is read, read and read_into raise TruncationError."""

    def _send_change_cipher_spec(self, /) -> None: ...
    def _send_alert(self, level: int, description: int, /) -> None: ...
    def _close_write(self, /) -> None:
        """Queue close_notify; later writes raise. Idempotent."""
    def _request_key_update(self, request_peer: bool, /) -> None: ...
    def _expect_change_cipher_spec(self, allowed: bool, /) -> None:
        """Whether a compatibility change_cipher_spec may stand here (from the first ClientHello until the peer's
        Finished).
        """
    def _set_record_version(self, version: int, /) -> None:
        """Version (0x0301, 0x0302, 0x0303) of every record header that is written from here on.

        Without the call it is 0x0301 for the first flight of a client, and 0x0303 for all else.
        Source:   RFC 5246 section 6.2.1, appendix E.1.
        """
    def _allow_sslv2_hello(self, allowed: bool, /) -> None:
        """Whether the peer's first octets may be an SSLv2-format CLIENT-HELLO of TLS (octets 3 and 4 are 1 and 3).

        _pull() gives it as one bytes object, its two length octets first: its high bit is set, which no TLS handshake
        type has. Anything behind it is TLS records. Off, it is an unexpected_message, as is one over 1,024 octets.
        Source:   RFC 5246 appendix E.2.
        """
    def _set_peer_record_size_limit(self, limit: int, /) -> None: ...
    def _set_own_record_size_limit(self, limit: int, /) -> None: ...
    def _set_padding(self, kind: Literal["none", "multiple", "full"], value: int, /) -> None: ...
    def _set_limits(self, limits: dict[str, int], /) -> None: ...
    def _set_release_threshold(self, octets: int, /) -> None: ...
    def _set_frugal(self, frugal: bool, /) -> None:
        """Descriptor calls receive record by record: whatever a later read could give, `select` and `poll` on the
        descriptor or `pending_plaintext` show. Reads into a buffer leave a record's type octet out of the memory
        behind its content."""
    def _open(self, /) -> None:
        """From here on application data may be written and read: both Finished are verified and the application keys
        are installed.
        """
    def _kill(self, error: BaseException, /) -> None:
        """Wipe all keys; every later call raises `error` (data_to_send still hands out what waits, so that the alert
        can leave).
        """
    # -- hooks, overridden by the subclass --
    def _advance(self, /) -> None: ...
    def _on_post_handshake(self, message: bytes, /) -> None: ...
    def _on_alert(self, level: int, description: int, /) -> None: ...
    def _record_error(self, code: str, alert: int, detail: str, /) -> BaseException:
        """Build (and for alert >= 0: send the alert, kill) the exception that Rust then raises. alert is -1 for misuse
        and for transport errors. Codes: bad_record_mac, record_overflow, unexpected_message, decode_error,
        illegal_parameter, internal_error, handshake_not_complete, forked, closed, truncated, limit, buffer_too_small,
        want_read, want_write, bad_length, timed_out.
        """

@final
class Transcript:
    """Hash of the handshake messages in order; holds the raw first messages until the hash is known.

    With `keep`, the messages themselves too: the client of TLS 1.2 signs them, not their hash (RFC 5246 7.4.8).
    """

    def __new__(cls, keep: bool = False, /) -> Self: ...
    def add(self, messages: Buffer, /) -> None:
        """Enter whole messages, one or more."""
    def take_messages(self, /) -> bytes:
        """All messages so far, one behind the other. Once: they are not kept longer. RuntimeError where none are."""
    def forget_messages(self, /) -> None:
        """Keep the messages no longer, where they are kept."""
    def select_hash(self, suite: int, version: int = 0x0303, /) -> None:
        """The hash of the suite; before TLS 1.2 it is MD5 and SHA-1 side by side (36 octets), whatever the suite."""
    def digest(self, /) -> bytes: ...
    def fold_hello_retry(self, /) -> None:
        """Replace all messages so far (ClientHello1) by the synthetic message_hash message (RFC 9846 4.1)."""
    @staticmethod
    def from_client_hello1_hash(suite: int, digest: bytes, /) -> Transcript:
        """Stateless server: the transcript that starts with message_hash(ClientHello1)."""
    def fork(self, /) -> Transcript: ...

@final
class KeyShare:
    """One ephemeral private key; for one agreement at most (RFC 9846 4.3.8: never one share on two connections)."""

    @staticmethod
    def generate(group: int, /) -> KeyShare: ...
    @property
    def group(self) -> int: ...
    @property
    def public(self) -> bytes: ...
    def complete(self, peer_share: Buffer, /) -> SharedSecret:
        """Raises ValueError for an invalid share (wrong length, not on the curve, all-zero result), RuntimeError if
        used before.
        """
    @staticmethod
    def respond(group: int, peer_share: Buffer, /) -> tuple[bytes, SharedSecret]:
        """Server side in one step: own share (or KEM ciphertext) and the shared secret. Raises ValueError for an
        invalid share.
        """

def supported_groups() -> tuple[int, ...]: ...

@final
class SharedSecret:
    """Result of a key exchange; consumed by EarlySchedule.into_handshake, or by MainSecret12.derive."""

    @staticmethod
    def rsa_premaster(version_offered: int, spki: bytes, /) -> tuple[bytes, SharedSecret]:
        """Client side of the RSA key exchange: a fresh secret, and its encryption to the server's key.

        Takes:    version_offered: the highest version that the ClientHello offered (its legacy_version); spki: the
                  SubjectPublicKeyInfo of the server's certificate, DER.
        Gives:    (EncryptedPreMasterSecret without its length octets, the secret).
        Raises:   ValueError where spki is no RSA key of 1,024 to 8,192 bits.
        Source:   RFC 5246 section 7.4.7.1.
        """

@final
class RsaDecryptor:
    """Server side of the RSA key exchange: a private key that does nothing else here."""

    def __new__(cls, pkcs8: bytes, /) -> Self:
        """Takes an unencrypted PKCS#8 RSA key of 1,024 to 8,192 bits, DER. Raises ValueError for anything else."""
    @property
    def bits(self) -> int:
        """Bits of the modulus."""
    def decrypt(self, ciphertext: bytes, client_version: int, /) -> SharedSecret:
        """The client's secret, or a random one where anything about it is wrong: nothing tells which of the two.

        Takes:    ciphertext: EncryptedPreMasterSecret, of any length; client_version: legacy_version of the
                  ClientHello, which the secret must repeat.
        Raises:   nothing for any ciphertext. The handshake goes on, and fails at the client's Finished.
        Source:   RFC 5246 section 7.4.7.1.
        """

@final
class DheShare:
    """One ephemeral finite-field Diffie-Hellman key; for one agreement at most."""

    @staticmethod
    def generate(group: int, /) -> DheShare:
        """A fresh key in a group of RFC 7919 (0x0100..0x0104). Raises ValueError for another code."""
    @property
    def group(self) -> int: ...
    @property
    def p(self) -> bytes:
        """dh_p of ServerKeyExchange, without leading zeros."""
    @property
    def g(self) -> bytes: ...
    @property
    def public(self) -> bytes:
        """dh_Ys, as long as the prime."""
    def complete(self, peer_public: bytes, /) -> SharedSecret:
        """Raises ValueError unless 1 < peer_public < p - 1; RuntimeError if used before (RFC 7919 5.1)."""
    @staticmethod
    def respond(p: bytes, g: bytes, peer_public: bytes, /) -> tuple[int, bytes, SharedSecret]:
        """Client side in one step: check the server's parameters, make a key, agree.

        Gives:    (code of the group, or 0 for a group of RFC 3526; our dh_Yc; the secret without its leading zeros,
                  as RFC 5246 8.1.2 has it).
        Raises:   ValueError, which says what is wrong: a group that is neither of RFC 7919 nor a 2,048 to 8,192 bit one
                  of RFC 3526, or a public value outside 1 < y < p - 1.
        """

def dhe_group(p: bytes, g: bytes, /) -> tuple[int, str, int]:
    """(code or 0, name, bits) of known parameters: (0x0100, "ffdhe2048", 2048), (0, "modp2048", 2048).

    Raises ValueError for others.
    """

@final
class Psk:
    """A pre-shared key held in Rust: from the resumption secret, or external."""

    @staticmethod
    def external(suite: int, secret: Buffer, /) -> Psk: ...

@final
class KeyLog:
    """Appends NSS key log lines to a file made with mode 0600; one handle may serve many connections."""

    def __new__(cls, path: str, /) -> Self: ...

@final
class EarlySchedule:
    """State "early secret". Consumed by into_handshake; later use raises RuntimeError."""

    def __new__(cls, suite: int, psk: Psk | None = None, /) -> Self: ...
    def binder(self, truncated_transcript: Transcript, external: bool, /) -> bytes: ...
    def verify_binder(self, truncated_transcript: Transcript, external: bool, binder: Buffer, /) -> bool: ...
    def into_handshake(
        self, shared: SharedSecret | None, transcript: Transcript, key_log: KeyLog | None, client_random: bytes, /
    ) -> HandshakeSchedule: ...

@final
class HandshakeSchedule:
    """State "handshake secret": transcript ClientHello..ServerHello."""

    def install_read(self, layer: RecordLayer, /) -> None:
        """Install the peer's handshake traffic keys. Raises the record layer's unexpected_message where a partial
        message is buffered.
        """
    def install_write(self, layer: RecordLayer, /) -> None: ...
    def finished_mac(self, sender_is_client: bool, transcript: Transcript, /) -> bytes: ...
    def verify_finished(self, sender_is_client: bool, transcript: Transcript, verify_data: Buffer, /) -> bool: ...
    def into_application(self, transcript: Transcript, /) -> ApplicationSchedule:
        """Transcript ClientHello..server Finished. Client handshake keys stay usable: finished_mac and verify_finished
        move along.
        """

@final
class ApplicationSchedule:
    """State "main secret": application traffic, exporter, and after the client Finished the resumption secret."""

    def finished_mac(self, sender_is_client: bool, transcript: Transcript, /) -> bytes:
        """As in HandshakeSchedule (the client's Finished is made after the application secrets are derived)."""
    def verify_finished(self, sender_is_client: bool, transcript: Transcript, verify_data: Buffer, /) -> bool: ...
    def install_read(self, layer: RecordLayer, /) -> None: ...
    def install_write(self, layer: RecordLayer, /) -> None: ...
    def forget_handshake(self, /) -> None:
        """Wipe the handshake traffic secrets once both Finished are done."""
    def derive_resumption(self, transcript: Transcript, /) -> None:
        """Transcript ClientHello..client Finished."""
    def resumption_psk(self, ticket_nonce: Buffer, /) -> Psk: ...
    def export(self, label: bytes, context: bytes, length: int, /) -> bytes: ...

def post_handshake_finished_mac(layer: RecordLayer, own: bool, transcript: Transcript, /) -> bytes:
    """Finished of post-handshake authentication, under the client's current application traffic secret (RFC 9846
    4.4.4); `own` says whether the client is this end."""

@final
class MainSecret12:
    """Main secret of one connection of TLS 1.2 or before, and the keys of both directions until they are installed."""

    @staticmethod
    def derive(
        suite: int,
        shared: SharedSecret,
        client_random: bytes,
        server_random: bytes,
        session_hash: bytes | None,
        key_log: KeyLog | None,
        version: int = 0x0303,
        encrypt_then_mac: bool = False,
        /,
    ) -> MainSecret12:
        """With a session hash the extended main secret (RFC 7627), without it that of RFC 5246. `shared` is used up.

        Takes:    version: 0x0301 to 0x0303, which chooses the PRF and the kind of IV; encrypt_then_mac: RFC 7366 was
                  negotiated; for CBC suites alone.
        Raises:   ValueError where the suite is not one of SUITES12 or SUITES_LEGACY, or needs TLS 1.2.
        """

    def change_write(self, layer: RecordLayer, /) -> None:
        """Queue change_cipher_spec and change to our keys."""

    def expect_read(self, layer: RecordLayer, /) -> None:
        """From here on the peer's change_cipher_spec may come; it changes to the peer's keys."""

    def finished_mac(self, sender_is_client: bool, transcript: Transcript, /) -> bytes: ...
    def verify_finished(self, sender_is_client: bool, transcript: Transcript, verify_data: Buffer, /) -> bool: ...
    def export(self, label: bytes, context: bytes | None, length: int, /) -> bytes: ...

@final
class CookieKey:
    """Random AEAD key for stateless HelloRetryRequest cookies; never leaves Rust."""

    def __new__(cls) -> Self: ...
    def seal(self, data: Buffer, associated: Buffer, /) -> bytes: ...
    def open(self, cookie: Buffer, associated: Buffer, /) -> bytes | None: ...

def random_bytes(octets: int, /) -> bytes: ...
def constant_time_equal(a: Buffer, b: Buffer, /) -> bool: ...
def fork_generation() -> int: ...
def aead_limit(provider: str, suite: int, octets: int, rounds: int, open: bool, /) -> float | None:
    """Seconds that `rounds` raw AEAD operations of `octets` take on this thread: the limit in `tlscore bench`."""

SUITES: Final[tuple[int, ...]]
SUITES12: Final[tuple[int, ...]]
"""TLS 1.2 suites with ECDHE and an AEAD."""
SUITES_LEGACY: Final[tuple[int, ...]]
"""Every other suite that this build can protect records of TLS 1.0 to 1.2 with: CBC, NULL, and AEADs without ECDHE."""
