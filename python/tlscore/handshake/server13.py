"""The server of TLS 1.3, in the order of the flights (RFC 9846 A.2); hellos13.py takes the hellos.

ServerHello                     send_server_flight
  EncryptedExtensions
  CertificateRequest*
  Certificate
  CertificateVerify             on_signature, where the signer takes its time
  Finished
Certificate*                    on_client_certificate      the chain is verified here
CertificateVerify*              on_client_certificate_verify
                                on_authorization, where `authorize` takes its time
Finished                        on_client_finished         ► ServerConnected
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import ApplicationSchedule, EarlySchedule, HandshakeSchedule, KeyShare, Transcript, random_bytes
from tlscore.errors import CertificateRequired, IllegalParameter
from tlscore.handshake import messages
from tlscore.handshake.certificate_auth import (
    authorized,
    chain_of,
    sign,
    staples_of,
    verify_client_chain,
    verify_finished,
    verify_signature,
)
from tlscore.handshake.machine import Awaiting, State, resumption, transition
from tlscore.handshake.negotiation import Offer, Selection
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import ServerPlan
from tlscore.handshake.post_handshake import ServerAuthentication, ServerConnected
from tlscore.handshake.proofs import NoClientCertificate, PeerProof, SignatureVerified
from tlscore.handshake.selections import FreshParts
from tlscore.iana import ProtocolVersion
from tlscore.pending import Pending
from tlscore.record import Record
from tlscore.wire import (
    Certificate,
    CertificateVerify,
    Finished,
    check_solicited,
)

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified


class Agreed(Record):
    """What the rest of the handshake needs to know of the hellos."""

    plan: ServerPlan
    suite: int
    group: int
    alpn: bytes | None
    server_name: str | None
    retried: bool
    scheme: int
    leaf: bytes
    late_authentication: bool


class ServerState(State):
    role: ClassVar[str] = "server"


class AwaitSignature(Awaiting):
    """Our signer takes its time over CertificateVerify. The ServerHello is out, what follows it waits."""

    role: ClassVar[str] = "server"
    stage: ClassVar[int] = 10

    agreed: Agreed
    transcript: Transcript
    schedule: HandshakeSchedule


class ExpectClientCertificate(ServerState):
    """Our flight is out, with a CertificateRequest in it."""

    stage: ClassVar[int] = 14

    agreed: Agreed
    transcript: Transcript
    schedule: ApplicationSchedule


class ExpectClientCertificateVerify(ServerState):
    """The client's chain is verified; whether it owns the key is open."""

    stage: ClassVar[int] = 16

    agreed: Agreed
    transcript: Transcript
    schedule: ApplicationSchedule
    chain: "ChainVerified"


class AwaitAuthorization(Awaiting):
    """The client owns the key of its verified chain; `authorize` takes its time over it."""

    role: ClassVar[str] = "server"
    stage: ClassVar[int] = 16

    agreed: Agreed
    transcript: Transcript
    schedule: ApplicationSchedule


class ExpectClientFinished(ServerState):
    """Who the client is (or that nobody asked) is known; its Finished is missing."""

    stage: ClassVar[int] = 16

    agreed: Agreed
    transcript: Transcript
    schedule: ApplicationSchedule
    peer: PeerProof


# -- the server's flight -----------------------------------------------------------------------------------------------


def send_server_flight(
    plan: ServerPlan,
    fresh: FreshParts,
    offer: Offer,
    selection: Selection,
    transcript: Transcript,
    retried: bool,
    out: Output,
) -> AwaitSignature | ExpectClientCertificate | ExpectClientFinished:
    """ServerHello, EncryptedExtensions, CertificateRequest*, Certificate, CertificateVerify, Finished."""
    identity, scheme = selection.identity, selection.scheme
    schedule = _send_server_hello(plan, fresh, selection, transcript, retried, out)
    _send_encrypted_extensions(plan, offer, selection, transcript, out)
    if plan.request is not None:
        out.send(plan.request, transcript)
        out.step(trace.SERVER_ASKED_CERTIFICATE)
    out.send(plan.certificate(identity, offer.staple), transcript)
    out.step(trace.SERVER_SENT_CERTIFICATE)
    agreed = _agree(plan, offer, selection, retried)
    signature = sign(identity, scheme, "server", transcript)
    if isinstance(signature, Pending):
        return AwaitSignature(signature, agreed, transcript, schedule)
    return _end_server_flight(agreed, transcript, schedule, signature, out)


@resumption
def on_signature(
    state: AwaitSignature, signature: bytes, out: Output
) -> ExpectClientCertificate | ExpectClientFinished:
    return _end_server_flight(state.agreed, state.transcript, state.schedule, signature, out)


def _end_server_flight(
    agreed: Agreed, transcript: Transcript, schedule: HandshakeSchedule, signature: bytes, out: Output
) -> ExpectClientCertificate | ExpectClientFinished:
    """CertificateVerify, Finished."""
    out.send(messages.certificate_verify(agreed.scheme, signature), transcript)
    out.step(trace.SERVER_SIGNED)
    out.send(messages.finished(schedule.finished_mac(False, transcript)), transcript)
    application = schedule.into_application(transcript)
    # RFC 9846 4.5.3: "Any records following a Finished message MUST be encrypted under the appropriate application
    # traffic key [...]. In particular, this includes any alerts sent by the server in response to client Certificate"
    out.install_write(application)
    out.step(trace.SERVER_SENT_FINISHED)
    out.step(trace.SERVER_WAITS)
    if agreed.plan.request is not None:
        return ExpectClientCertificate(agreed, transcript, application)
    return ExpectClientFinished(agreed, transcript, application, NoClientCertificate("not asked for"))


def _agree(plan: ServerPlan, offer: Offer, selection: Selection, retried: bool) -> Agreed:
    return Agreed(
        plan,
        selection.suite,
        selection.group,
        selection.alpn,
        offer.server_name,
        retried,
        selection.scheme,
        selection.identity.chain[0],
        offer.late_authentication and plan.config.client_trust is not None,
    )


def _send_server_hello(
    plan: ServerPlan,
    fresh: FreshParts,
    selection: Selection,
    transcript: Transcript,
    retried: bool,
    out: Output,
) -> HandshakeSchedule:
    """ServerHello; from here on both directions are under handshake keys."""
    try:
        public, shared = KeyShare.respond(selection.group, fresh.share)
    except ValueError as failure:
        raise IllegalParameter(
            f"the key share of the client is not valid: {failure}", section="RFC 9846 4.3.8.2", code="TLS-BAD_KEY_SHARE"
        ) from None
    out.step(trace.SERVER_CONFIRMED)
    message = messages.server_hello(random_bytes(32), fresh.session_id, selection.suite, selection.group, public)
    out.send(message, transcript)
    if not retried:
        change_cipher_spec(fresh.session_id, out)
    out.step(trace.SERVER_SELECTED)
    schedule = EarlySchedule(selection.suite).into_handshake(shared, transcript, plan.key_log, fresh.random)
    out.install_write(schedule)
    # Raises unexpected_message where octets follow the ClientHello in its record: the change of keys must be between.
    out.install_read(schedule)
    return schedule


def change_cipher_spec(session_id: bytes, out: Output) -> None:
    # RFC 9846 E.4: "if the client sends a non-empty session ID, the server MUST send the change_cipher_spec as
    # described in this appendix": immediately after its first handshake message.
    if session_id:
        out.change_cipher_spec()


def _send_encrypted_extensions(
    plan: ServerPlan, offer: Offer, selection: Selection, transcript: Transcript, out: Output
) -> None:
    # RFC 6066 3: "A server that receives a client hello containing the "server_name" extension MAY use the information
    # [...] In this event, the server SHALL include an extension of type "server_name" in the (extended) server hello."
    limit, fragment = offer.record_size_limit, offer.fragment
    out.send(plan.answer(selection.alpn, selection.name_used, limit is not None, fragment), transcript)
    if limit is not None:
        out.limit_records(plan.own_limit, limit)
    elif fragment:
        # RFC 6066 4: "Once a maximum fragment length other than 2^14 has been successfully negotiated, the client and
        # server MUST immediately begin fragmenting messages (including handshake messages)". The limit of the record
        # layer counts the content type octet.
        out.limit_records(fragment + 1, fragment + 1)


# -- the client's second flight ----------------------------------------------------------------------------------------


@transition
def on_client_certificate(
    state: ExpectClientCertificate, message: Certificate, out: Output
) -> ExpectClientCertificateVerify | ExpectClientFinished:
    agreed, transcript = state.agreed, state.transcript
    if message.certificate_request_context:
        # RFC 9846 4.5.1: "the value of certificate_request_context in that message", which was empty.
        raise IllegalParameter(
            "the client's Certificate has a request context that we did not send", section="RFC 9846 4.5.1"
        )
    for entry in message.certificate_list:
        # RFC 9846 4.5.1: "Extensions in the Certificate message from the client MUST correspond to extensions in the
        # CertificateRequest message from the server."
        check_solicited(entry.extensions, agreed.plan.request_codes, "Certificate")
    if not message.certificate_list:
        return _without_certificate(state, out)
    out.step(trace.CLIENT_SENT_CERTIFICATE)
    entries = message.certificate_list
    chain = verify_client_chain(agreed.plan.config, chain_of(entries), staples_of(entries))
    out.receive(transcript)
    return ExpectClientCertificateVerify(agreed, transcript, state.schedule, chain)


def _without_certificate(state: ExpectClientCertificate, out: Output) -> ExpectClientFinished:
    out.step(trace.CLIENT_HAS_NO_CERTIFICATE)
    # RFC 9846 4.5.1.3: "the server MAY at its discretion either continue the handshake without client authentication,
    # or abort the handshake with a "certificate_required" alert."
    if state.agreed.plan.config.client_auth != "optional":
        raise CertificateRequired(
            "the client sent no certificate, and this server requires one",
            remedy="give the client an identity from one of the CAs in client_trust",
            section="RFC 9846 4.5.1.3",
        )
    out.step(trace.SERVER_WENT_WITHOUT_CERTIFICATE)
    out.receive(state.transcript)
    nobody = NoClientCertificate("optional and not sent")
    return ExpectClientFinished(state.agreed, state.transcript, state.schedule, nobody)


@transition
def on_client_certificate_verify(
    state: ExpectClientCertificateVerify, message: CertificateVerify, out: Output
) -> AwaitAuthorization | ExpectClientFinished:
    agreed, transcript = state.agreed, state.transcript
    config = agreed.plan.config
    peer = authorized(config, verify_signature(state.chain, message, config.schemes, "client", transcript))
    out.receive(transcript)
    if isinstance(peer, Pending):
        return AwaitAuthorization(peer, agreed, transcript, state.schedule)
    out.step(trace.SERVER_VERIFIED_CLIENT)
    return ExpectClientFinished(agreed, transcript, state.schedule, peer)


@resumption
def on_authorization(state: AwaitAuthorization, peer: SignatureVerified, out: Output) -> ExpectClientFinished:
    out.step(trace.SERVER_VERIFIED_CLIENT)
    return ExpectClientFinished(state.agreed, state.transcript, state.schedule, peer)


@transition
def on_client_finished(state: ExpectClientFinished, message: Finished, out: Output) -> ServerConnected:
    agreed, transcript, schedule = state.agreed, state.transcript, state.schedule
    finished = verify_finished(schedule, "client", transcript, message)
    out.receive(transcript)
    out.step(trace.SERVER_CHECKED_FINISHED)
    out.install_read(schedule)
    schedule.forget_handshake()
    out.step(trace.SERVER_HAS_KEYS)
    out.open(state.peer, finished)
    if agreed.plan.config.confirm_client_auth:
        out.confirm()
    out.step(trace.ESTABLISHED)
    outcome = Outcome(
        ProtocolVersion.TLS13,
        agreed.suite,
        agreed.group,
        agreed.alpn.decode("ascii") if agreed.alpn is not None else None,
        agreed.server_name,
        agreed.retried,
        state.peer,
        agreed.scheme,
        agreed.leaf,
        schedule,
    )
    late = ServerAuthentication(agreed.plan, transcript, {}) if agreed.late_authentication else None
    return ServerConnected(outcome, late)
