"""The server of TLS 1.2, in the order of the flights (RFC 5246 7.3); server13.py takes the ClientHello and selects it.

ClientHello                     answer_client_hello
                                on_identity, where the resolver takes its time
ServerHello                     send_server_flight
Certificate
CertificateStatus*
ServerKeyExchange               on_signature, where the signer takes its time
CertificateRequest*
ServerHelloDone
Certificate*                    on_client_certificate      the chain is verified here
ClientKeyExchange               on_client_key_exchange     the keys are known
CertificateVerify*              on_client_certificate_verify
                                on_authorization, where `authorize` takes its time
[change_cipher_spec]            the record layer takes it where expect_change has armed it, and nowhere else
Finished                        on_client_finished
[change_cipher_spec]            send_finished
Finished                        ► ServerConnected12
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import KeyShare, MainSecret12, Transcript, random_bytes
from tlscore.errors import HandshakeFailure
from tlscore.handshake import key_exchange12 as exchange
from tlscore.handshake import messages
from tlscore.handshake.answer12 import agree_sizes, server_hello
from tlscore.handshake.certificate_auth import authorized, signature_over, verify_client_chain, verify_finished
from tlscore.handshake.key_exchange12 import new_transcript
from tlscore.handshake.machine import Awaiting, State, resumption, transition
from tlscore.handshake.negotiation import Selection
from tlscore.handshake.negotiation12 import Offer12, check_offer12
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import ServerPlan
from tlscore.handshake.proofs import NoClientCertificate, PeerProof, SignatureVerified
from tlscore.handshake.selections import Known, remember, selected
from tlscore.handshake.server_hello12 import DOWNGRADED_TO_12
from tlscore.iana import AlertDescription, CertificateStatusType, ProtocolVersion
from tlscore.pending import Pending
from tlscore.record import Record
from tlscore.wire import (
    Certificate12,
    CertificateStatus12,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    Finished12,
    ServerHelloDone,
    encode,
)

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified
    from tlscore.config import ServerConfig


class Agreed12(Record):
    """What the rest of the handshake needs to know of the hellos."""

    plan: ServerPlan
    offer: Offer12
    selection: Selection
    randoms: tuple[bytes, bytes]
    transcript: Transcript


class ServerState12(State):
    role: ClassVar[str] = "server"
    version: ClassVar[int] = ProtocolVersion.TLS12


class ServerAwaiting12(Awaiting):
    role: ClassVar[str] = "server"
    version: ClassVar[int] = ProtocolVersion.TLS12


class AwaitIdentity12(ServerAwaiting12):
    """The resolver takes its time to say who we are for this ClientHello. Nothing is agreed."""

    stage: ClassVar[int] = 3

    plan: ServerPlan
    offer: Offer12
    random: bytes


class AwaitSignature12(ServerAwaiting12):
    """Our signer takes its time over ServerKeyExchange. The flight waits."""

    stage: ClassVar[int] = 10

    agreed: Agreed12
    share: KeyShare
    params: bytes


class ExpectClientCertificate12(ServerState12):
    """Our flight is out, with a CertificateRequest in it."""

    stage: ClassVar[int] = 14

    agreed: Agreed12
    share: KeyShare


class ExpectClientKeyExchange(ServerState12):
    """The client's chain is verified, or it showed none; its share is missing."""

    stage: ClassVar[int] = 15

    agreed: Agreed12
    share: KeyShare
    client: "ChainVerified | NoClientCertificate"


class ExpectClientCertificateVerify12(ServerState12):
    """The keys are known; whether the client owns the key of its certificate is open. No change_cipher_spec yet."""

    stage: ClassVar[int] = 16

    agreed: Agreed12
    secret: MainSecret12
    chain: "ChainVerified"


class AwaitAuthorization12(ServerAwaiting12):
    """The client owns the key of its verified chain; `authorize` takes its time over it. No change_cipher_spec yet."""

    stage: ClassVar[int] = 16

    agreed: Agreed12
    secret: MainSecret12


class ExpectClientFinished12(ServerState12):
    """Who the client is (or that nobody asked) is known; change_cipher_spec and its Finished are missing."""

    stage: ClassVar[int] = 16

    agreed: Agreed12
    secret: MainSecret12
    peer: PeerProof


class ServerConnected12(ServerState12):
    """Both Finished are verified."""

    stage: ClassVar[int] = 22
    terminal: ClassVar[bool] = True

    outcome: Outcome


# -- hellos and the server's flight ------------------------------------------------------------------------------------


_Answered = AwaitSignature12 | ExpectClientCertificate12 | ExpectClientKeyExchange
_CONFIRMED = bytes((trace.SERVER_CONFIRMED, trace.SERVER_SELECTED, trace.SERVER_SENT_CERTIFICATE))
_SIGNED = bytes((trace.SERVER_SIGNED, trace.SERVER_WAITS))
_SIGNED_AND_ASKED = bytes((trace.SERVER_SIGNED, trace.SERVER_ASKED_CERTIFICATE, trace.SERVER_WAITS))
_NOT_ASKED = NoClientCertificate("not asked for")
SERVER_HELLO_DONE = encode(ServerHelloDone())


def answer_client_hello(plan: ServerPlan, message: ClientHello, out: Output) -> AwaitIdentity12 | _Answered:
    """A ClientHello that selects TLS 1.2."""
    _take_nothing_more(out)
    offer = check_offer12(message, plan.config)
    out.step(trace.CLIENT_OFFERED)
    memory = plan.memory()
    selection = selected(plan, memory, offer, message, out.raw)
    if isinstance(selection, Pending):
        return AwaitIdentity12(selection, plan, offer, message.random)
    remember(memory, message, out.raw, Known(ProtocolVersion.TLS12, offer, selection))
    return _agree(plan, offer, selection, message.random, out)


def answer_known(plan: ServerPlan, offer: Offer12, selection: Selection, random: bytes, out: Output) -> _Answered:
    """A ClientHello that says what an earlier one said."""
    _take_nothing_more(out)
    out.step(trace.CLIENT_OFFERED)
    return _agree(plan, offer, selection, random, out)


@resumption
def on_identity(state: AwaitIdentity12, selection: Selection, out: Output) -> _Answered:
    return _agree(state.plan, state.offer, selection, state.random, out)


def _take_nothing_more(out: Output) -> None:
    # Here change_cipher_spec means something: none may come before the keys are known (CVE-2014-0224).
    out.allow_change_cipher_spec(False)
    # RFC 5246 7.4.1.2: "After sending the ClientHello message, the client waits for a ServerHello message."
    out.require_boundary()


def _agree(plan: ServerPlan, offer: Offer12, selection: Selection, client_random: bytes, out: Output) -> _Answered:
    """A ClientHello whose parameters are selected."""
    transcript = new_transcript(selection.suite, plan.request12 is not None)
    out.receive(transcript)
    random = random_bytes(32)
    if plan.newer:
        # RFC 9846 4.2.3: "If negotiating TLS 1.2, TLS 1.3 servers MUST set the last 8 bytes of their Random value to
        # the bytes: 44 4F 57 4E 47 52 44 01".
        random = random[:-8] + DOWNGRADED_TO_12
    return _send_server_flight(Agreed12(plan, offer, selection, (client_random, random), transcript), out)


def _send_server_flight(agreed: Agreed12, out: Output) -> _Answered:
    """ServerHello, Certificate, CertificateStatus*; then what is signed."""
    plan, offer, selection = agreed.plan, agreed.offer, agreed.selection
    identity = selection.identity
    share = KeyShare.generate(selection.group)
    staple = identity.staple_response() if offer.staple else None
    hello = server_hello(plan, offer, selection, agreed.randoms[1], staple is not None)
    flight = hello + plan.certificate(identity, version=ProtocolVersion.TLS12)
    if staple is not None:
        flight += encode(CertificateStatus12(CertificateStatusType.ocsp, staple))
    out.send(flight, agreed.transcript)
    agree_sizes(plan, offer, out)
    out.steps(_CONFIRMED)
    params = exchange.params(selection.group, share.public)
    signature = signature_over(identity, selection.scheme, b"".join((*agreed.randoms, params)), tls12=True)
    if isinstance(signature, Pending):
        return AwaitSignature12(signature, agreed, share, params)
    return _end_server_flight(agreed, share, params, signature, out)


@resumption
def on_signature(
    state: AwaitSignature12, signature: bytes, out: Output
) -> ExpectClientCertificate12 | ExpectClientKeyExchange:
    return _end_server_flight(state.agreed, state.share, state.params, signature, out)


def _end_server_flight(
    agreed: Agreed12, share: KeyShare, params: bytes, signature: bytes, out: Output
) -> ExpectClientCertificate12 | ExpectClientKeyExchange:
    """ServerKeyExchange, CertificateRequest*, ServerHelloDone."""
    request = agreed.plan.request12
    key_exchange = messages.server_key_exchange(params, agreed.selection.scheme, signature)
    out.send(b"".join((key_exchange, request or b"", SERVER_HELLO_DONE)), agreed.transcript)
    out.flush()
    if request is not None:
        out.steps(_SIGNED_AND_ASKED)
        return ExpectClientCertificate12(agreed, share)
    out.steps(_SIGNED)
    return ExpectClientKeyExchange(agreed, share, _NOT_ASKED)


# -- the client's second flight ----------------------------------------------------------------------------------------


@transition
def on_client_certificate(
    state: ExpectClientCertificate12, message: Certificate12, out: Output
) -> ExpectClientKeyExchange:
    agreed = state.agreed
    config = agreed.plan.config
    if not message.certificate_list:
        return ExpectClientKeyExchange(agreed, state.share, without_certificate(config, agreed.transcript, out))
    out.step(trace.CLIENT_SENT_CERTIFICATE)
    chain = verify_client_chain(config, message.certificate_list, None)
    exchange.check_client_leaf(chain)
    out.receive(agreed.transcript)
    return ExpectClientKeyExchange(agreed, state.share, chain)


def without_certificate(config: "ServerConfig", transcript: Transcript, out: Output) -> NoClientCertificate:
    """Go on with a client that answers the CertificateRequest with an empty list, where the configuration lets it."""
    out.step(trace.CLIENT_HAS_NO_CERTIFICATE)
    # RFC 5246 7.4.6: "If the client does not send any certificates, the server MAY at its discretion either continue
    # the handshake without client authentication, or respond with a fatal handshake_failure alert."
    if config.client_auth != "optional":
        raise HandshakeFailure(
            "the client sent no certificate, and this server requires one",
            remedy="give the client an identity from one of the CAs in client_trust",
            section="RFC 5246 7.4.6",
            code="TLS-CERTIFICATE_REQUIRED",
        )
    out.step(trace.SERVER_WENT_WITHOUT_CERTIFICATE)
    out.receive(transcript)
    transcript.forget_messages()
    return NoClientCertificate("optional and not sent")


@transition
def on_client_key_exchange(
    state: ExpectClientKeyExchange, message: ClientKeyExchange, out: Output
) -> ExpectClientCertificateVerify12 | ExpectClientFinished12:
    agreed, client = state.agreed, state.client
    shared = exchange.complete(state.share, message.public)
    out.receive(agreed.transcript)
    secret = exchange.main_secret(
        agreed.selection.suite, shared, agreed.randoms, agreed.transcript, agreed.offer.extended, agreed.plan.key_log
    )
    out.step(trace.SERVER_HAS_KEYS)
    if isinstance(client, NoClientCertificate):
        out.expect_change(secret)
        return ExpectClientFinished12(agreed, secret, client)
    return ExpectClientCertificateVerify12(agreed, secret, client)


@transition
def on_client_certificate_verify(
    state: ExpectClientCertificateVerify12, message: CertificateVerify, out: Output
) -> AwaitAuthorization12 | ExpectClientFinished12:
    agreed = state.agreed
    proof = exchange.verify_client(state.chain, message, agreed.plan.schemes12, agreed.transcript)
    peer = authorized(agreed.plan.config, proof)
    out.receive(agreed.transcript)
    if isinstance(peer, Pending):
        return AwaitAuthorization12(peer, agreed, state.secret)
    return _let_in(agreed, state.secret, peer, out)


@resumption
def on_authorization(state: AwaitAuthorization12, peer: SignatureVerified, out: Output) -> ExpectClientFinished12:
    return _let_in(state.agreed, state.secret, peer, out)


def _let_in(agreed: Agreed12, secret: MainSecret12, peer: SignatureVerified, out: Output) -> ExpectClientFinished12:
    out.step(trace.SERVER_VERIFIED_CLIENT)
    # Only now: a client that leaves CertificateVerify out is stopped at its change_cipher_spec.
    out.expect_change(secret)
    return ExpectClientFinished12(agreed, secret, peer)


@transition
def on_client_finished(state: ExpectClientFinished12, message: Finished12, out: Output) -> ServerConnected12:
    agreed, secret = state.agreed, state.secret
    out.require_changed()
    finished = verify_finished(secret, "client", agreed.transcript, message)
    out.receive(agreed.transcript)
    out.step(trace.SERVER_CHECKED_FINISHED)
    send_finished(agreed, secret, out)
    out.open(state.peer, finished)
    out.step(trace.ESTABLISHED)
    return ServerConnected12(_outcome(state, message.verify_data))


def send_finished(agreed: Agreed12, secret: MainSecret12, out: Output) -> None:
    """change_cipher_spec, Finished."""
    out.change_write(secret)
    out.send(messages.finished(secret.finished_mac(False, agreed.transcript)), agreed.transcript)
    out.step(trace.SERVER_SENT_FINISHED)


def _outcome(state: ExpectClientFinished12, first_finished: bytes) -> Outcome:
    agreed, selection = state.agreed, state.agreed.selection
    return Outcome(
        ProtocolVersion.TLS12,
        selection.suite,
        selection.group,
        selection.alpn.decode("ascii") if selection.alpn is not None else None,
        agreed.offer.server_name,
        False,
        state.peer,
        selection.scheme,
        selection.identity.chain[0],
        state.secret,
        False,
        agreed.offer.extended,
        first_finished,
    )


# -- afterwards --------------------------------------------------------------------------------------------------------


@transition
def on_renegotiation(state: ServerConnected12, message: ClientHello, out: Output) -> ServerConnected12:
    # RFC 5246 7.2.2: "no_renegotiation: Sent by the client in response to a hello request or by the server in response
    # to a client hello after initial handshaking." The record layer bounds how often that may happen.
    out.warn(AlertDescription.no_renegotiation)
    return state
