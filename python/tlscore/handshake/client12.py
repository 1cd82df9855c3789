"""The client of TLS 1.2, in the order of the flights (RFC 5246 7.3); client13.py sends the ClientHello.

                ServerHello     on_server_hello            the server selected TLS 1.2
                Certificate     on_server_certificate      the chain is verified here, or
         CertificateStatus*     on_certificate_status      here, with the OCSP response that was promised
          ServerKeyExchange     on_server_key_exchange     signed: the server owns its key
                                on_authorization, where `authorize` takes its time
        CertificateRequest*     on_certificate_request
            ServerHelloDone     on_server_hello_done
Certificate*                    send_client_flight
ClientKeyExchange
CertificateVerify*              on_signature, where the signer takes its time
[change_cipher_spec]
Finished
       [change_cipher_spec]     the record layer takes it where expect_change has armed it, and nowhere else
                   Finished     on_server_finished         ► ClientConnected12
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import MainSecret12, SharedSecret, Transcript
from tlscore.errors import DecodeError, IllegalParameter
from tlscore.handshake import client_hello, messages
from tlscore.handshake import key_exchange12 as exchange
from tlscore.handshake.certificate_auth import authorized, signature_over, verify_finished, verify_server_chain
from tlscore.handshake.client13 import (
    Context,
    ExpectServerHello,
    ExpectServerHelloAfterRetry,
    selected_protocol,
)
from tlscore.handshake.client_identity import Wanted, choose, doubts
from tlscore.handshake.key_exchange12 import new_transcript
from tlscore.handshake.machine import Awaiting, State, resumption, transition
from tlscore.handshake.negotiation12 import LARGEST_RECORD_LIMIT12
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import FULL_RECORD
from tlscore.handshake.proofs import SignatureVerified
from tlscore.handshake.server_hello12 import check_server_hello12
from tlscore.iana import AlertDescription, CertificateStatusType, ProtocolVersion
from tlscore.pending import Pending
from tlscore.record import Record
from tlscore.version_lists import CURVES
from tlscore.wire import (
    Alpn,
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    ClientKeyExchange,
    Extensions,
    Finished12,
    HelloRequest,
    RecordSizeLimit,
    ServerHello12,
    ServerHelloDone,
    ServerKeyExchange,
    StatusRequestServerHello,
    encode,
)

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.verify import ChainVerified


class Agreed12(Record):
    """What is known once the ServerHello is there."""

    context: Context
    suite: int
    alpn: str | None
    extended: bool
    stapled: bool
    randoms: tuple[bytes, bytes]
    transcript: Transcript


class Shares(Record):
    """Both shares: ours as it goes out, and what they gave together."""

    group: int
    public: bytes
    shared: SharedSecret


class Sent(Record):
    """What the outcome needs to know of our flight."""

    group: int
    scheme: int | None
    leaf: bytes | None
    verify_data: bytes
    asked: bool


class ClientState12(State):
    role: ClassVar[str] = "client"
    version: ClassVar[int] = ProtocolVersion.TLS12
    # RFC 5246 7.4.1.1: "This message will be ignored by the client if the client is currently negotiating a session."
    ignored: ClassVar[bytes] = encode(HelloRequest())


class ExpectCertificate12(ClientState12):
    stage: ClassVar[int] = 9

    agreed: Agreed12


class ExpectCertificateStatus(ClientState12):
    """The server has promised an OCSP response, and may break the promise; its chain waits to be verified."""

    stage: ClassVar[int] = 9

    agreed: Agreed12
    certificates: tuple[bytes, ...]


class ExpectServerKeyExchange(ClientState12):
    """The server's chain is verified, or accepted by a named opt-out; whether it owns the key is open."""

    stage: ClassVar[int] = 10

    agreed: Agreed12
    chain: "ChainVerified"


class ExpectServerHelloDoneOrRequest(ClientState12):
    stage: ClassVar[int] = 11

    agreed: Agreed12
    peer: SignatureVerified
    shares: Shares


class ExpectServerHelloDone(ClientState12):
    """The server has asked for our certificate."""

    stage: ClassVar[int] = 12

    agreed: Agreed12
    peer: SignatureVerified
    shares: Shares
    wanted: Wanted


class AwaitServerAuthorization12(Awaiting):
    """The server owns the key of its verified chain; `authorize` takes its time over it."""

    role: ClassVar[str] = "client"
    version: ClassVar[int] = ProtocolVersion.TLS12
    stage: ClassVar[int] = 10

    agreed: Agreed12
    shares: Shares


class AwaitClientSignature12(Awaiting):
    """Our signer takes its time over CertificateVerify. The keys are known; nothing of the flight has left."""

    role: ClassVar[str] = "client"
    version: ClassVar[int] = ProtocolVersion.TLS12
    stage: ClassVar[int] = 14

    before: ExpectServerHelloDone
    secret: MainSecret12
    own: "tuple[Identity, int]"


class ExpectFinished12(ClientState12):
    """Our flight is out, our keys are in force; change_cipher_spec and the server's Finished are missing."""

    stage: ClassVar[int] = 19

    agreed: Agreed12
    peer: SignatureVerified
    secret: MainSecret12
    sent: Sent


class ClientConnected12(ClientState12):
    """Both Finished are verified; the outcome holds the proof that the server is who it should be."""

    stage: ClassVar[int] = 22
    terminal: ClassVar[bool] = True
    ignored: ClassVar[bytes] = b""

    outcome: Outcome


# -- the server's flight -----------------------------------------------------------------------------------------------


@transition
def on_server_hello(
    state: ExpectServerHello | ExpectServerHelloAfterRetry, message: ServerHello12, out: Output
) -> ExpectCertificate12:
    context, hello = state.context, state.context.hello
    extended = check_server_hello12(message, hello, isinstance(state, ExpectServerHelloAfterRetry))
    # Here change_cipher_spec means something: none may come before the keys are known (CVE-2014-0224).
    out.allow_change_cipher_spec(False)
    out.step(trace.SERVER_CONFIRMED)
    out.step(trace.SERVER_SELECTED)
    transcript = new_transcript(message.cipher_suite, True)
    transcript.add(client_hello.encode(hello, hello.blocks))
    out.receive(transcript)
    selected = message.extensions.get(Alpn)
    alpn = selected_protocol(hello.plan, selected) if selected is not None else None
    limit_records(context, message.extensions, out)
    out.step(trace.CLIENT_ACCEPTED)
    randoms = (hello.random, message.random)
    stapled = StatusRequestServerHello in message.extensions
    return ExpectCertificate12(Agreed12(context, message.cipher_suite, alpn, extended, stapled, randoms, transcript))


def limit_records(context: Context, extensions: Extensions, out: Output) -> None:
    limit = extensions.get(RecordSizeLimit)
    if limit is not None:
        own = context.hello.plan.config.record_size_limit or FULL_RECORD
        out.limit_records(min(own, LARGEST_RECORD_LIMIT12), limit.limit)


@transition
def on_server_certificate(
    state: ExpectCertificate12, message: Certificate12, out: Output
) -> ExpectCertificateStatus | ExpectServerKeyExchange:
    agreed = state.agreed
    if not message.certificate_list:
        # RFC 5246 7.4.2 has the server send a chain with every suite that is left; only a client may have none.
        raise DecodeError("the server's Certificate message holds no certificate", section="RFC 5246 7.4.2")
    out.step(trace.SERVER_SENT_CERTIFICATE)
    if agreed.stapled:
        out.receive(agreed.transcript)
        return ExpectCertificateStatus(agreed, message.certificate_list)
    chain = _verified(agreed, message.certificate_list, None, out)
    out.receive(agreed.transcript)
    return ExpectServerKeyExchange(agreed, chain)


@transition
def on_certificate_status(
    state: ExpectCertificateStatus, message: CertificateStatus12, out: Output
) -> ExpectServerKeyExchange:
    if message.status_type != CertificateStatusType.ocsp:
        raise IllegalParameter(
            f"the server's CertificateStatus is of type {message.status_type}, which we did not ask for",
            section="RFC 6066 8",
        )
    # RFC 6066 8 has one response: about the server's own certificate.
    chain = _verified(state.agreed, state.certificates, {state.certificates[0]: message.response}, out)
    out.receive(state.agreed.transcript)
    return ExpectServerKeyExchange(state.agreed, chain)


def _verified(
    agreed: Agreed12, certificates: tuple[bytes, ...], staples: dict[bytes, bytes] | None, out: Output
) -> "ChainVerified":
    """The server's chain after its checks."""
    config = agreed.context.hello.plan.config
    chain = verify_server_chain(config, agreed.context.reference, certificates, staples)
    exchange.check_leaf(agreed.suite, chain, config.groups)
    out.step(trace.CLIENT_VERIFIED_SERVER if chain.authenticated else trace.PEER_NOT_VERIFIED)
    return chain


@transition
def on_server_key_exchange(
    state: ExpectCertificateStatus | ExpectServerKeyExchange, message: ServerKeyExchange, out: Output
) -> AwaitServerAuthorization12 | ExpectServerHelloDoneOrRequest:
    agreed, plan = state.agreed, state.agreed.context.hello.plan
    # RFC 6066 8: "Note that a server MAY also choose not to send a "CertificateStatus" message, even if has received a
    # "status_request" extension in the client hello message and has sent a "status_request" extension in the server
    # hello message."
    if isinstance(state, ExpectCertificateStatus):
        chain = _verified(agreed, state.certificates, None, out)
    else:
        chain = state.chain
    # First the signature: nothing is computed with a share of somebody else.
    peer = authorized(plan.config, exchange.verify_key_exchange(chain, message, plan.schemes12, agreed.randoms))
    curves = [group for group in plan.config.groups if group in CURVES]
    public, shared = exchange.respond(message, curves)
    shares = Shares(message.named_curve, public, shared)
    out.receive(agreed.transcript)
    out.step(trace.SERVER_SIGNED)
    if isinstance(peer, Pending):
        return AwaitServerAuthorization12(peer, agreed, shares)
    return ExpectServerHelloDoneOrRequest(agreed, peer, shares)


@resumption
def on_authorization(
    state: AwaitServerAuthorization12, peer: SignatureVerified, out: Output
) -> ExpectServerHelloDoneOrRequest:
    return ExpectServerHelloDoneOrRequest(state.agreed, peer, state.shares)


@transition
def on_certificate_request(
    state: ExpectServerHelloDoneOrRequest, message: CertificateRequest12, out: Output
) -> ExpectServerHelloDone:
    schemes = message.supported_signature_algorithms
    wanted = Wanted(b"", schemes, schemes, message.certificate_authorities, (), kinds=message.certificate_types)
    out.receive(state.agreed.transcript)
    out.step(trace.SERVER_ASKED_CERTIFICATE)
    return ExpectServerHelloDone(state.agreed, state.peer, state.shares, wanted)


@transition
def on_server_hello_done(
    state: ExpectServerHelloDoneOrRequest | ExpectServerHelloDone, message: ServerHelloDone, out: Output
) -> AwaitClientSignature12 | ExpectFinished12:
    out.receive(state.agreed.transcript)
    out.step(trace.SERVER_WAITS)
    return send_client_flight(state, out)


# -- the client's flight -----------------------------------------------------------------------------------------------


def send_client_flight(
    state: ExpectServerHelloDoneOrRequest | ExpectServerHelloDone, out: Output
) -> AwaitClientSignature12 | ExpectFinished12:
    """Certificate*, ClientKeyExchange, CertificateVerify*, change_cipher_spec, Finished."""
    agreed, shares, transcript = state.agreed, state.shares, state.agreed.transcript
    plan = agreed.context.hello.plan
    own = _send_certificate(agreed, state.wanted, out) if isinstance(state, ExpectServerHelloDone) else None
    out.send(encode(ClientKeyExchange(shares.public)), transcript)
    secret = exchange.main_secret(
        agreed.suite, shares.shared, agreed.randoms, transcript, agreed.extended, plan.key_log
    )
    out.step(trace.CLIENT_HAS_KEYS)
    if own is None or not isinstance(state, ExpectServerHelloDone):
        return _send_finished(state, secret, None, out)
    signature = signature_over(*own, transcript.take_messages(), tls12=True)
    if isinstance(signature, Pending):
        return AwaitClientSignature12(signature, state, secret, own)
    return _send_certificate_verify(state, secret, own, signature, out)


@resumption
def on_signature(state: AwaitClientSignature12, signature: bytes, out: Output) -> ExpectFinished12:
    return _send_certificate_verify(state.before, state.secret, state.own, signature, out)


def _send_certificate_verify(
    state: ExpectServerHelloDone, secret: MainSecret12, own: "tuple[Identity, int]", signature: bytes, out: Output
) -> ExpectFinished12:
    out.send(messages.certificate_verify(own[1], signature), state.agreed.transcript)
    return _send_finished(state, secret, own, out)


def _send_finished(
    state: ExpectServerHelloDoneOrRequest | ExpectServerHelloDone,
    secret: MainSecret12,
    own: "tuple[Identity, int] | None",
    out: Output,
) -> ExpectFinished12:
    """change_cipher_spec, Finished."""
    agreed, shares, transcript = state.agreed, state.shares, state.agreed.transcript
    transcript.forget_messages()
    out.change_write(secret)
    verify_data = secret.finished_mac(True, transcript)
    out.send(messages.finished(verify_data), transcript)
    out.flush()
    out.step(trace.CLIENT_SENT_FINISHED)
    # RFC 5246 7.3: the server's change_cipher_spec answers ours.
    out.expect_change(secret)
    scheme_used, leaf = (own[1], own[0].chain[0]) if own is not None else (None, None)
    asked = isinstance(state, ExpectServerHelloDone)
    return ExpectFinished12(agreed, state.peer, secret, Sent(shares.group, scheme_used, leaf, verify_data, asked))


def _send_certificate(agreed: Agreed12, wanted: Wanted, out: Output) -> "tuple[Identity, int] | None":
    plan = agreed.context.hello.plan
    choice = choose(plan.config, wanted)
    if isinstance(choice, str):
        # RFC 5246 7.4.6: "If no suitable certificate is available, the client MUST send a certificate message
        # containing no certificates."
        out.send(_NO_CERTIFICATE, agreed.transcript)
        out.diagnostic = choice
        out.step(trace.CLIENT_HAS_NO_CERTIFICATE)
        return None
    out.send(plan.certificate(choice[0], version=ProtocolVersion.TLS12), agreed.transcript)
    out.diagnostic = doubts(plan.config, choice[0])
    out.step(trace.CLIENT_SENT_CERTIFICATE)
    return choice


_NO_CERTIFICATE = encode(Certificate12(()))


@transition
def on_server_finished(state: ExpectFinished12, message: Finished12, out: Output) -> ClientConnected12:
    agreed = state.agreed
    out.require_changed()
    finished = verify_finished(state.secret, "server", agreed.transcript, message)
    out.step(trace.SERVER_SENT_FINISHED)
    out.step(trace.CLIENT_CHECKED_FINISHED)
    out.open(state.peer, finished)
    out.step(trace.ESTABLISHED)
    return ClientConnected12(_outcome(state))


def _outcome(state: ExpectFinished12) -> Outcome:
    agreed, sent, name = state.agreed, state.sent, state.agreed.context.name
    return Outcome(
        ProtocolVersion.TLS12,
        agreed.suite,
        sent.group,
        agreed.alpn,
        name.text if name is not None else None,
        False,
        state.peer,
        sent.scheme,
        sent.leaf,
        state.secret,
        sent.asked,
        agreed.extended,
        sent.verify_data,
    )


# -- afterwards --------------------------------------------------------------------------------------------------------


@transition
def on_hello_request(state: ClientConnected12, message: HelloRequest, out: Output) -> ClientConnected12:
    # RFC 5246 7.4.1.1: "This message MAY be ignored by the client if it does not wish to renegotiate a session, or the
    # client may, if it wishes, respond with a no_renegotiation alert." The record layer bounds how often.
    out.warn(AlertDescription.no_renegotiation)
    return state
