"""After the handshake: session tickets, and authentication of the client at the server's request (RFC 9846 4.7).

KeyUpdate is the record layer's own business. The two connected states are ordinary states of the table, so a message
out of turn is refused here as everywhere. Post-handshake authentication needs the transcript of the main handshake
(ClientHello up to the client's Finished), which is kept only where the client offered it; each request continues it on
a fork of its own, and requests never see each other (RFC 9846 4.1).

Nobody stands still for a slow signer or `authorize` here: application data flows on, and the rest of the authentication
is a `Late` record, which connection.py keeps until it is settled.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from tlscore import trace
from tlscore._core import Transcript, constant_time_equal, post_handshake_finished_mac, random_bytes
from tlscore.errors import ConnectionClosedError, IllegalParameter, UnexpectedMessage, UsageError
from tlscore.events import ClientCertificateReceived, ClientCertificateRequested, TicketReceived
from tlscore.handshake import messages
from tlscore.handshake.certificate_auth import (
    authorized,
    bad_finished,
    chain_of,
    sign,
    staples_of,
    verify_client_chain,
    verify_signature,
)
from tlscore.handshake.client_identity import Wanted, choose, read_request
from tlscore.handshake.machine import State, transition, unexpected
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import ClientPlan, ServerPlan, certificate_message
from tlscore.handshake.proofs import NoClientCertificate, PeerProof, SignatureVerified
from tlscore.iana import ProtocolVersion
from tlscore.pending import Pending
from tlscore.record import Record
from tlscore.wire import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    Finished,
    NewSessionTicket,
    TicketEarlyData,
    check_solicited,
)

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified

# RFC 9846 4.7.1: "Servers MUST NOT use any value greater than 604800 seconds (7 days)."
TICKET_LIFETIME_SECONDS = 604_800
# Requests that a server may leave unanswered at one time: our own bound, each keeps a transcript.
REQUESTS_AT_A_TIME = 8
# Requests that a client answers on one connection, and octets of answers that may wait for a server that does not read:
# our own bounds, each answer costs a signature and stays until it is sent.
ANSWERS_PER_CONNECTION = 16
WAITING_OCTETS = 64 * 1024
# Own assumption: no implementation cuts handshake messages into smaller records, unless our record_size_limit says so.
_SMALLEST_FRAGMENT = 512
_CONTEXT_OCTETS = 32
# What a CertificateVerify counts for while it is awaited: the largest, by ML-DSA-87.
_SIGNATURE_OCTETS = 4_635


class ClientAuthentication(Record):
    """Client: what answering a request needs. `used` holds the contexts that were answered, `octets` counts the answers
    themselves."""

    plan: ClientPlan
    transcript: Transcript
    used: frozenset[bytes]
    octets: int = 0


class ServerAuthentication(Record):
    """Server: what asking needs. `waiting` maps the context of each open request to its transcript."""

    plan: ServerPlan
    transcript: Transcript
    waiting: dict[bytes, Transcript]


class Place(Record):
    """Where in the stream of the peer's records a message ended."""

    records: int
    key_updates: int


class Late(Record):
    """The rest of a late authentication, whose answer is awaited beside what the connection does meanwhile."""

    pending: Pending[Any]

    def settle(self, state: State, answer: Any, out: Output) -> State:
        """Go on with the answer, in whatever connected state; gives the next one."""
        raise NotImplementedError


class ClientConnected(State):
    """Both Finished are verified; the outcome holds the proof that the server is who it should be."""

    role: ClassVar[str] = "client"
    stage: ClassVar[int] = 22
    terminal: ClassVar[bool] = True

    outcome: Outcome
    authentication: ClientAuthentication | None


class ServerConnected(State):
    """Both Finished are verified."""

    role: ClassVar[str] = "server"
    stage: ClassVar[int] = 22
    terminal: ClassVar[bool] = True

    outcome: Outcome
    authentication: ServerAuthentication | None


class ExpectLateCertificateVerify(State):
    """Server: a client answered a request with a chain that is verified."""

    role: ClassVar[str] = "server"
    stage: ClassVar[int] = 22

    outcome: Outcome
    authentication: ServerAuthentication
    request: bytes
    transcript: Transcript
    after: "Place"
    chain: "ChainVerified"


class ExpectLateFinished(State):
    """Server: only the Finished of the client's answer is missing."""

    role: ClassVar[str] = "server"
    stage: ClassVar[int] = 22

    outcome: Outcome
    authentication: ServerAuthentication
    request: bytes
    transcript: Transcript
    after: "Place"
    peer: PeerProof | Pending[SignatureVerified]


# -- client ------------------------------------------------------------------------------------------------------------


@transition
def on_new_session_ticket(state: ClientConnected, message: NewSessionTicket, out: Output) -> ClientConnected:
    if message.ticket_lifetime > TICKET_LIFETIME_SECONDS:
        # RFC 9846 4.7.1: "Servers MUST NOT use any value greater than 604800 seconds (7 days)."
        raise IllegalParameter(
            f"the server's ticket lives for {message.ticket_lifetime} seconds, more than 7 days",
            section="RFC 9846 4.7.1",
        )
    early = message.extensions.get(TicketEarlyData)
    out.event(TicketReceived(message.ticket_lifetime, early.max_early_data_size if early is not None else 0))
    return state


@transition
def on_late_certificate_request(state: ClientConnected, message: CertificateRequest, out: Output) -> ClientConnected:
    authentication = state.authentication
    if authentication is None:
        # RFC 9846 4.7.2: "A client that receives a post-handshake CertificateRequest message without having sent the
        # "post_handshake_auth" extension MUST send an "unexpected_message" fatal alert."
        raise unexpected(state, "a post-handshake CertificateRequest, which we did not offer to answer,")
    context = message.certificate_request_context
    # RFC 9846 4.4.2: "The certificate_request_context MUST be unique within the scope of this connection (thus
    # preventing replay of client CertificateVerify messages)."
    if not context or context in authentication.used:
        raise IllegalParameter(
            "the context of the server's post-handshake CertificateRequest is empty or was used before",
            section="RFC 9846 4.4.2",
        )
    _bound_answers(authentication, out)
    wanted = read_request(message)
    transcript = authentication.transcript.fork()
    out.receive(transcript)
    octets = 0
    if out.write_closed:
        _ignore(context, out)
    else:
        octets = send_late_authentication(authentication.plan, wanted, transcript, out)
    used = authentication.used | {context}
    return ClientConnected(state.outcome, authentication.replace(used=used, octets=authentication.octets + octets))


def _ignore(context: bytes, out: Output) -> None:
    # RFC 9846 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection [...].
    # This does not have any effect on its read side of the connection." The request cannot be answered any more, and
    # what the server still sends can be read.
    out.diagnostic = "the server asked for a certificate after this side had closed: the request is ignored"
    out.event(ClientCertificateRequested(context, False))


def _bound_answers(authentication: ClientAuthentication, out: Output) -> None:
    """A server must not make us sign, or fill our memory with answers that it does not read."""
    many = len(authentication.used) >= ANSWERS_PER_CONNECTION
    if many or min(authentication.octets, out.pending) > WAITING_OCTETS:
        what = f"more than {ANSWERS_PER_CONNECTION} times" if many else "again and does not read our answers"
        raise UnexpectedMessage(
            f"the server asks for a certificate {what}",
            remedy="open another connection, or let the server remember who this client is",
            section="RFC 9846 4.7.2",
            code="TLS-TOO_MANY_REQUESTS",
        )


def send_late_authentication(plan: ClientPlan, wanted: Wanted, transcript: Transcript, out: Output) -> int:
    """Certificate, CertificateVerify where we have one, Finished: in one piece, nothing may come between.

    Gives:    about how many octets the answer has, or will have where the signature must be awaited.
    """
    choice = choose(plan.config, wanted)
    context = wanted.context
    if isinstance(choice, str):
        # RFC 9846 4.7.2: "If it declines, it MUST send a Certificate message containing no certificates followed by
        # Finished."
        answer = certificate_message((), context)
        transcript.add(answer)
        out.diagnostic = choice
        _send_answer(context, answer, False, transcript, out)
        return len(answer)
    identity, scheme = choice
    staple = identity.staple_response() if wanted.staple else None
    certificate = certificate_message(identity.chain, context, staple)
    transcript.add(certificate)
    signature = sign(identity, scheme, "client", transcript)
    if isinstance(signature, Pending):
        # RFC 9846 4.7.2: "Because certificate-based client authentication could involve prompting the user, servers
        # MUST be prepared for some delay, including receiving an arbitrary number of other messages between sending the
        # CertificateRequest and receiving a response."
        out.late = LateSignature(signature, context, scheme, certificate, transcript)
        return len(certificate) + _SIGNATURE_OCTETS
    return _send_signed(context, certificate, scheme, signature, transcript, out)


class LateSignature(Late):
    """Client: an answer that waits for our signer."""

    context: bytes
    scheme: int
    certificate: bytes
    transcript: Transcript

    def settle(self, state: State, answer: bytes, out: Output) -> State:
        if out.write_closed:
            _ignore(self.context, out)
        else:
            _send_signed(self.context, self.certificate, self.scheme, answer, self.transcript, out)
        return state


def _send_signed(
    context: bytes, certificate: bytes, scheme: int, signature: bytes, transcript: Transcript, out: Output
) -> int:
    verify = messages.certificate_verify(scheme, signature)
    transcript.add(verify)
    _send_answer(context, certificate + verify, True, transcript, out)
    return len(certificate) + len(verify)


def _send_answer(context: bytes, answer: bytes, shown: bool, transcript: Transcript, out: Output) -> None:
    """Not even a change of keys by a thread that writes may come between: the record layer makes the Finished and
    queues it under one lock."""
    try:
        out.late_authentication(answer, transcript)
    except ConnectionClosedError:
        # close() by another thread came first.
        _ignore(context, out)
        return
    out.event(ClientCertificateRequested(context, shown))


# -- server ------------------------------------------------------------------------------------------------------------


def request_certificate(state: State, out: Output) -> bytes:
    """Ask the client for its certificate; gives the context that names the request in the event that answers it."""
    if state.version != ProtocolVersion.TLS13:
        raise UsageError(
            "TLS 1.2 has no authentication after the handshake",
            remedy='ask during the handshake: client_auth="optional", or allow TLS 1.3 alone',
            section="RFC 9846 4.7.2",
        )
    if not isinstance(state, (ServerConnected, ExpectLateCertificateVerify, ExpectLateFinished)):
        raise UsageError("the handshake is not complete", remedy="ask for a certificate after HandshakeCompleted")
    authentication = state.authentication
    if authentication is None:
        # RFC 9846 4.3.6: "Servers MUST NOT send a post-handshake CertificateRequest to clients which do not offer this
        # extension."
        raise UsageError(
            "the client did not offer post-handshake authentication, or this server has no client_trust",
            remedy="set post_handshake_auth=True in the client and client_trust in the server",
            section="RFC 9846 4.3.6",
        )
    if len(authentication.waiting) >= REQUESTS_AT_A_TIME:
        raise UsageError(f"{REQUESTS_AT_A_TIME} requests for a certificate wait for their answer already")
    # RFC 9846 4.4.2: "the server SHOULD make the context unpredictable to the client (e.g., by randomly generating it)"
    context = random_bytes(_CONTEXT_OCTETS)
    transcript = authentication.transcript.fork()
    out.send(authentication.plan.post_handshake_request(context), transcript)
    authentication.waiting[context] = transcript
    out.flush()
    return context


@transition
def on_late_certificate(
    state: ServerConnected, message: Certificate, out: Output
) -> ExpectLateCertificateVerify | ExpectLateFinished:
    authentication, context = state.authentication, message.certificate_request_context
    if authentication is None or not authentication.waiting:
        raise unexpected(state, "a Certificate that nobody asked for")
    transcript = authentication.waiting.pop(context, None)
    if transcript is None:
        # RFC 9846 4.5.1: "If this message is in response to a CertificateRequest, the value of
        # certificate_request_context in that message."
        raise IllegalParameter("the client's Certificate answers no request of ours", section="RFC 9846 4.5.1")
    plan = authentication.plan
    for entry in message.certificate_list:
        check_solicited(entry.extensions, plan.request_codes, "Certificate")
    out.receive(transcript)
    if not message.certificate_list:
        declined = NoClientCertificate("optional and not sent")
        return ExpectLateFinished(state.outcome, authentication, context, transcript, _place(out), declined)
    chain = verify_client_chain(plan.config, chain_of(message.certificate_list), staples_of(message.certificate_list))
    return ExpectLateCertificateVerify(state.outcome, authentication, context, transcript, _place(out), chain)


def _place(out: Output) -> Place:
    records, _, key_updates, _ = out.layer.counters
    return Place(records, key_updates)


def _check_consecutive(state: ExpectLateCertificateVerify | ExpectLateFinished, out: Output) -> Place:
    """Refuse an answer with something between its messages; gives the place of the one being handled.

    A message of n octets takes at most n / fragment records, rounded up: with more of them, others came between. Data
    in a record of its own before a CertificateVerify that fills several records is not seen.
    """
    now = _place(out)
    limit = state.authentication.plan.config.record_size_limit
    fragment = _SMALLEST_FRAGMENT if limit is None else min(limit - 1, _SMALLEST_FRAGMENT)
    # RFC 9846 4.7.2: "All of the client's messages for a given response MUST appear consecutively on the wire with no
    # intervening messages of other type or from other responses."
    if now.key_updates != state.after.key_updates or now.records - state.after.records > -(-len(out.raw) // fragment):
        raise interrupted()
    return now


def interrupted() -> UnexpectedMessage:
    """The error for whatever stands between the messages of a client's answer."""
    return UnexpectedMessage(
        "something else came between the messages of the client's answer to a post-handshake CertificateRequest",
        remedy="the client must send Certificate, CertificateVerify and Finished in one piece",
        section="RFC 9846 4.7.2",
    )


@transition
def on_late_certificate_verify(
    state: ExpectLateCertificateVerify, message: CertificateVerify, out: Output
) -> ExpectLateFinished:
    after = _check_consecutive(state, out)
    config = state.authentication.plan.config
    peer = authorized(config, verify_signature(state.chain, message, config.schemes, "client", state.transcript))
    out.receive(state.transcript)
    return ExpectLateFinished(state.outcome, state.authentication, state.request, state.transcript, after, peer)


class LateAuthorization(Late):
    """Server: the client has answered; `authorize` takes its time over that, or over an answer that came before: the
    last answer of the client must stand in the end, not the one that was thought about for the longest time."""

    request: bytes

    def settle(self, state: State, answer: PeerProof, out: Output) -> State:
        assert isinstance(state, (ServerConnected, ExpectLateCertificateVerify, ExpectLateFinished))
        return state.replace(outcome=_answered(state.outcome, self.request, answer, out))


def _answered(outcome: Outcome, request: bytes, peer: PeerProof, out: Output) -> Outcome:
    if not isinstance(peer, SignatureVerified):
        out.event(ClientCertificateReceived(request, None, False))
        return outcome
    out.step(trace.SERVER_VERIFIED_CLIENT)
    out.event(ClientCertificateReceived(request, peer.chain, peer.chain.authenticated))
    return outcome.replace(peer=peer)


@transition
def on_late_finished(state: ExpectLateFinished, message: Finished, out: Output) -> ServerConnected:
    _check_consecutive(state, out)
    expected = post_handshake_finished_mac(out.layer, False, state.transcript)
    # RFC 9846 4.5.3: "Recipients of Finished messages MUST verify that the contents are correct and if incorrect MUST
    # terminate the connection with a "decrypt_error" alert."
    if not constant_time_equal(expected, message.verify_data):
        raise bad_finished("client")
    outcome, peer = state.outcome, state.peer
    if isinstance(peer, Pending) or out.queued:
        # Waited for only where all is proved: a client that fails here costs nobody's time.
        out.late = LateAuthorization(peer if isinstance(peer, Pending) else Pending.known(peer), state.request)
    else:
        outcome = _answered(outcome, state.request, peer, out)
    return ServerConnected(outcome, state.authentication)
