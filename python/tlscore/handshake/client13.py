"""The client of TLS 1.3, in the order of the flights (RFC 9846 A.1).

ClientHello                     send_client_hello
                                on_hello_retry_request ► send_second_client_hello
                ServerHello     on_server_hello
        EncryptedExtensions     on_encrypted_extensions
        CertificateRequest*     on_certificate_request
                Certificate     on_server_certificate      the chain is verified here
          CertificateVerify     on_server_certificate_verify
                                on_authorization, where `authorize` takes its time
                                ► client_end13.py
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import EarlySchedule, HandshakeSchedule, KeyShare, Transcript
from tlscore.errors import DecodeError, IllegalParameter
from tlscore.handshake import client_hello
from tlscore.handshake.certificate_auth import authorized, chain_of, staples_of, verify_server_chain, verify_signature
from tlscore.handshake.client_hello import Hello
from tlscore.handshake.client_identity import Wanted, read_request
from tlscore.handshake.machine import Awaiting, State, resumption, transition
from tlscore.handshake.output import Output
from tlscore.handshake.plans import FULL_RECORD, ClientPlan
from tlscore.handshake.proofs import SignatureVerified
from tlscore.handshake.server_hello import check_retry, check_server_hello
from tlscore.iana import ProtocolVersion
from tlscore.pending import Pending
from tlscore.record import Record
from tlscore.wire import (
    Alpn,
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    HelloRetryRequest,
    KeyShareHelloRetryRequest,
    RecordSizeLimit,
    ServerHello,
    check_solicited,
)
from tlscore.wire import Cookie as CookieExtension

if TYPE_CHECKING:
    from tlscore.certs.names import ServerName
    from tlscore.certs.verify import ChainVerified


class Context(Record):
    """What a client knows from the start: its offer, and whom it expects."""

    hello: Hello
    name: "ServerName | None"
    reference: "ServerName | None"


class Keyed(Record):
    """What is known once the ServerHello is there: the first context, what was agreed, and the handshake keys."""

    context: Context
    suite: int
    group: int
    retried: bool
    transcript: Transcript
    schedule: HandshakeSchedule


class ClientState(State):
    role: ClassVar[str] = "client"


class ExpectServerHello(ClientState):
    """The ClientHello is out; the server answers, or asks for another one.

    It also selects the version: client12.py goes on from here with TLS 1.2.
    """

    stage: ClassVar[int] = 6
    initial: ClassVar[bool] = True

    context: Context
    shares: tuple[KeyShare, ...]
    transcript: Transcript


class ExpectServerHelloAfterRetry(ClientState):
    """The second ClientHello is out: a second HelloRetryRequest has no place in the table."""

    stage: ClassVar[int] = 6

    context: Context
    shares: tuple[KeyShare, ...]
    transcript: Transcript
    suite: int


class ExpectEncryptedExtensions(ClientState):
    stage: ClassVar[int] = 8

    keyed: Keyed


class ExpectCertificateOrRequest(ClientState):
    stage: ClassVar[int] = 9

    keyed: Keyed
    alpn: str | None


class ExpectCertificate(ClientState):
    """The server has asked for our certificate; its own must follow."""

    stage: ClassVar[int] = 9

    keyed: Keyed
    alpn: str | None
    wanted: Wanted


class ExpectCertificateVerify(ClientState):
    """The server's chain is verified, or accepted by a named opt-out; whether it owns the key is open."""

    stage: ClassVar[int] = 10

    keyed: Keyed
    alpn: str | None
    wanted: Wanted | None
    chain: "ChainVerified"


class AwaitServerAuthorization(Awaiting):
    """The server owns the key of its verified chain; `authorize` takes its time over it."""

    role: ClassVar[str] = "client"
    stage: ClassVar[int] = 10

    keyed: Keyed
    alpn: str | None
    wanted: Wanted | None


class ExpectFinished(ClientState):
    stage: ClassVar[int] = 12

    keyed: Keyed
    alpn: str | None
    wanted: Wanted | None
    peer: SignatureVerified


# -- first flight ------------------------------------------------------------------------------------------------------


def send_client_hello(
    plan: ClientPlan, name: "ServerName | None", reference: "ServerName | None", out: Output
) -> ExpectServerHello:
    """Start: offer, key shares."""
    hello, shares = client_hello.prepare(plan, name)
    transcript = Transcript()
    out.send(client_hello.encode(hello, hello.blocks), transcript)
    out.flush()
    out.allow_change_cipher_spec(ProtocolVersion.TLS13 in plan.config.versions)
    out.step(trace.STARTED)
    out.step(trace.CLIENT_OFFERED)
    if shares:
        out.step(trace.CLIENT_SENT_SHARES)
    out.step(trace.CLIENT_WAITS)
    return ExpectServerHello(Context(hello, name, reference), shares, transcript)


@transition
def on_hello_retry_request(
    state: ExpectServerHello, message: HelloRetryRequest, out: Output
) -> ExpectServerHelloAfterRetry:
    context, transcript = state.context, state.transcript
    out.require_boundary()
    check_retry(message, context.hello, tuple([share.group for share in state.shares]))
    out.step(trace.SERVER_ASKED_RETRY)
    transcript.select_hash(message.cipher_suite)
    transcript.fold_hello_retry()
    out.receive(transcript)
    return send_second_client_hello(state, message, out)


def send_second_client_hello(
    state: ExpectServerHello, message: HelloRetryRequest, out: Output
) -> ExpectServerHelloAfterRetry:
    context, transcript, shares = state.context, state.transcript, state.shares
    wanted, cookie = message.extensions.get(KeyShareHelloRetryRequest), message.extensions.get(CookieExtension)
    share = KeyShare.generate(wanted.selected_group) if wanted is not None else None
    _change_cipher_spec(context, out)
    out.send(client_hello.again(context.hello, share, cookie.cookie if cookie is not None else None), transcript)
    out.flush()
    out.step(trace.CLIENT_OFFERED_AGAIN)
    return ExpectServerHelloAfterRetry(
        context, (share,) if share is not None else shares, transcript, message.cipher_suite
    )


def _change_cipher_spec(context: Context, out: Output) -> None:
    # RFC 9846 E.4: "If not offering early data, the client sends a dummy change_cipher_spec record [...] immediately
    # before its second flight. This may either be before its second ClientHello or before its encrypted handshake
    # flight."
    if context.hello.session_id:
        out.change_cipher_spec()


# -- the server's flight -----------------------------------------------------------------------------------------------


@transition
def on_server_hello(
    state: ExpectServerHello | ExpectServerHelloAfterRetry, message: ServerHello, out: Output
) -> ExpectEncryptedExtensions:
    context, transcript = state.context, state.transcript
    retried = isinstance(state, ExpectServerHelloAfterRetry)
    entry = check_server_hello(
        message, context.hello, state.suite if isinstance(state, ExpectServerHelloAfterRetry) else None
    )
    out.step(trace.SERVER_CONFIRMED)
    out.step(trace.SERVER_SELECTED)
    share = next((one for one in state.shares if one.group == entry.group), None)
    if share is None:
        # RFC 9846 4.3.8: "This value MUST be in the same group as the KeyShareEntry value offered by the client", and
        # after a HelloRetryRequest in the group that it asked for: then we hold no other share.
        raise IllegalParameter(
            "the server answers with a key share of a group that we sent none for", section="RFC 9846 4.3.8"
        )
    try:
        shared = share.complete(entry.key_exchange)
    except ValueError as failure:
        raise bad_share("server", failure) from None
    suite = message.cipher_suite
    if not retried:
        transcript.select_hash(suite)
    out.receive(transcript)
    schedule = EarlySchedule(suite).into_handshake(shared, transcript, context.hello.plan.key_log, context.hello.random)
    # Here and not with Finished: whatever we send next is encrypted, and it may be an alert about the server's flight.
    if not retried:
        _change_cipher_spec(context, out)
    out.install_read(schedule)
    out.install_write(schedule)
    out.step(trace.CLIENT_ACCEPTED)
    return ExpectEncryptedExtensions(Keyed(context, suite, entry.group, retried, transcript, schedule))


def bad_share(role: str, failure: ValueError) -> IllegalParameter:
    """A key share that is no valid public value (RFC 9846 4.3.8.2, 7.4.2)."""
    return IllegalParameter(
        f"the key share of the {role} is not valid: {failure}", section="RFC 9846 4.3.8.2", code="TLS-BAD_KEY_SHARE"
    )


@transition
def on_encrypted_extensions(
    state: ExpectEncryptedExtensions, message: EncryptedExtensions, out: Output
) -> ExpectCertificateOrRequest:
    hello, extensions = state.keyed.context.hello, message.extensions
    plan, alpn = hello.plan, None
    if len(extensions):
        check_solicited(extensions, hello.offered, "EncryptedExtensions")
        selected, limit = extensions.get(Alpn), extensions.get(RecordSizeLimit)
        if selected is not None:
            alpn = selected_protocol(plan, selected)
        if limit is not None:
            # RFC 8449 4: "A client MAY abort the handshake with an "illegal_parameter" alert if the record_size_limit
            # extension includes a value greater than the maximum record size permitted by the negotiated protocol
            # version and extensions."
            if limit.limit > FULL_RECORD:
                raise IllegalParameter(f"the server's record_size_limit is {limit.limit}", section="RFC 8449 4")
            out.limit_records(plan.config.record_size_limit or FULL_RECORD, limit.limit)
    out.receive(state.keyed.transcript)
    return ExpectCertificateOrRequest(state.keyed, alpn)


def selected_protocol(plan: ClientPlan, selected: Alpn) -> str:
    """The application protocol that the server selected, of those that we offered."""
    name = selected.protocol_name_list[0]
    if name not in plan.alpn:
        # RFC 7301 3.1: the server's list holds one name, of those that the client sent.
        raise IllegalParameter(
            "the server selected an application protocol that we did not offer", section="RFC 7301 3.1"
        )
    return name.decode("ascii")


@transition
def on_certificate_request(
    state: ExpectCertificateOrRequest, message: CertificateRequest, out: Output
) -> ExpectCertificate:
    # RFC 9846 4.4.2: "This field SHALL be zero length unless used for the post-handshake authentication exchanges"
    if message.certificate_request_context:
        raise IllegalParameter(
            "the server's CertificateRequest has a context in the main handshake", section="RFC 9846 4.4.2"
        )
    wanted = read_request(message)
    out.receive(state.keyed.transcript)
    out.step(trace.SERVER_ASKED_CERTIFICATE)
    return ExpectCertificate(state.keyed, state.alpn, wanted)


@transition
def on_server_certificate(
    state: ExpectCertificateOrRequest | ExpectCertificate, message: Certificate, out: Output
) -> ExpectCertificateVerify:
    context = state.keyed.context
    if message.certificate_request_context:
        # RFC 9846 4.5.1: "Otherwise (in the case of server authentication), this field SHALL be zero length."
        raise IllegalParameter("the server's Certificate has a request context", section="RFC 9846 4.5.1")
    if not message.certificate_list:
        # RFC 9846 4.5.1.3: "If the server supplies an empty Certificate message, the client MUST abort the handshake
        # with a "decode_error" alert."
        raise DecodeError("the server's Certificate message holds no certificate", section="RFC 9846 4.5.1.3")
    for entry in message.certificate_list:
        # RFC 9846 4.5.1: "Extensions in the Certificate message from the server MUST correspond to ones from the
        # ClientHello message."
        if len(entry.extensions):
            check_solicited(entry.extensions, context.hello.offered, "Certificate")
    out.step(trace.SERVER_SENT_CERTIFICATE)
    entries = message.certificate_list
    chain = verify_server_chain(context.hello.plan.config, context.reference, chain_of(entries), staples_of(entries))
    out.step(trace.CLIENT_VERIFIED_SERVER if chain.authenticated else trace.PEER_NOT_VERIFIED)
    out.receive(state.keyed.transcript)
    wanted = state.wanted if isinstance(state, ExpectCertificate) else None
    return ExpectCertificateVerify(state.keyed, state.alpn, wanted, chain)


@transition
def on_server_certificate_verify(
    state: ExpectCertificateVerify, message: CertificateVerify, out: Output
) -> AwaitServerAuthorization | ExpectFinished:
    keyed = state.keyed
    config = keyed.context.hello.plan.config
    peer = authorized(config, verify_signature(state.chain, message, config.schemes, "server", keyed.transcript))
    out.receive(keyed.transcript)
    out.step(trace.SERVER_SIGNED)
    if isinstance(peer, Pending):
        return AwaitServerAuthorization(peer, keyed, state.alpn, state.wanted)
    return ExpectFinished(keyed, state.alpn, state.wanted, peer)


@resumption
def on_authorization(state: AwaitServerAuthorization, peer: SignatureVerified, out: Output) -> ExpectFinished:
    return ExpectFinished(state.keyed, state.alpn, state.wanted, peer)
