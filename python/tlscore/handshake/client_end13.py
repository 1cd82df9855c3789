"""The end of a client's TLS 1.3 handshake: the server's Finished, and the client's second flight.

                   Finished     on_server_finished
Certificate*                    send_client_flight         only now, to a server that is known
CertificateVerify*              on_signature, where the signer takes its time
Finished                        ► ClientConnected
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import ApplicationSchedule
from tlscore.handshake import messages
from tlscore.handshake.certificate_auth import sign, verify_finished
from tlscore.handshake.client13 import ExpectFinished
from tlscore.handshake.client_identity import choose, doubts
from tlscore.handshake.machine import Awaiting, resumption, transition
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import certificate_message
from tlscore.handshake.post_handshake import ClientAuthentication, ClientConnected
from tlscore.handshake.proofs import FinishedVerified
from tlscore.iana import ProtocolVersion
from tlscore.pending import Pending
from tlscore.wire import Finished

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity


# The server's Finished, and what it made: proof and keys.
Verified = tuple[FinishedVerified, ApplicationSchedule]
# The identity that we show, and the scheme that we sign with.
Shown = tuple["Identity", int]


class AwaitClientSignature(Awaiting):
    """Our signer takes its time over CertificateVerify. The server is known; nothing of the flight has left."""

    role: ClassVar[str] = "client"
    stage: ClassVar[int] = 14

    before: ExpectFinished
    verified: Verified
    own: Shown


@transition
def on_server_finished(state: ExpectFinished, message: Finished, out: Output) -> AwaitClientSignature | ClientConnected:
    transcript, schedule = state.keyed.transcript, state.keyed.schedule
    finished = verify_finished(schedule, "server", transcript, message)
    out.receive(transcript)
    out.step(trace.SERVER_SENT_FINISHED)
    out.step(trace.SERVER_WAITS)
    out.step(trace.CLIENT_CHECKED_FINISHED)
    application = schedule.into_application(transcript)
    out.install_read(application)
    out.step(trace.CLIENT_HAS_KEYS)
    return send_client_flight(state, (finished, application), out)


# -- the client's second flight ----------------------------------------------------------------------------------------


def send_client_flight(
    state: ExpectFinished, verified: Verified, out: Output
) -> AwaitClientSignature | ClientConnected:
    """Certificate and CertificateVerify where the server asked for them, Finished; then application write keys."""
    wanted = state.wanted
    if wanted is None:
        return _send_finished(state, verified, None, out)
    plan, transcript = state.keyed.context.hello.plan, state.keyed.transcript
    choice = choose(plan.config, wanted)
    if isinstance(choice, str):
        # RFC 9846 4.5.1: "If the server requests certificate-based client authentication but no suitable
        # certificate is available, the client MUST send a Certificate message containing no certificates"
        out.send(certificate_message((), b""), transcript)
        out.diagnostic = choice
        out.step(trace.CLIENT_HAS_NO_CERTIFICATE)
        return _send_finished(state, verified, None, out)
    identity, scheme = choice
    out.send(plan.certificate(identity, wanted.staple), transcript)
    out.diagnostic = doubts(plan.config, identity)
    signature = sign(identity, scheme, "client", transcript)
    if isinstance(signature, Pending):
        return AwaitClientSignature(signature, state, verified, choice)
    return _send_certificate_verify(state, verified, choice, signature, out)


@resumption
def on_signature(state: AwaitClientSignature, signature: bytes, out: Output) -> ClientConnected:
    return _send_certificate_verify(state.before, state.verified, state.own, signature, out)


def _send_certificate_verify(
    state: ExpectFinished, verified: Verified, own: Shown, signature: bytes, out: Output
) -> ClientConnected:
    out.send(messages.certificate_verify(own[1], signature), state.keyed.transcript)
    out.step(trace.CLIENT_SENT_CERTIFICATE)
    return _send_finished(state, verified, own, out)


def _send_finished(state: ExpectFinished, verified: Verified, own: Shown | None, out: Output) -> ClientConnected:
    finished, application = verified
    transcript, config = state.keyed.transcript, state.keyed.context.hello.plan.config
    out.send(messages.finished(application.finished_mac(True, transcript)), transcript)
    out.install_write(application)
    out.step(trace.CLIENT_SENT_FINISHED)
    application.forget_handshake()
    out.open(state.peer, finished)
    out.step(trace.ESTABLISHED)
    out.awaits_verdict = state.wanted is not None and config.confirm_client_auth
    return _connected(state, application, own)


def _connected(state: ExpectFinished, application: ApplicationSchedule, own: Shown | None) -> ClientConnected:
    keyed, context = state.keyed, state.keyed.context
    plan = context.hello.plan
    outcome = Outcome(
        ProtocolVersion.TLS13,
        keyed.suite,
        keyed.group,
        state.alpn,
        context.name.text if context.name is not None else None,
        keyed.retried,
        state.peer,
        own[1] if own is not None else None,
        own[0].chain[0] if own is not None else None,
        application,
        state.wanted is not None,
    )
    authentication = (
        ClientAuthentication(plan, keyed.transcript, frozenset()) if plan.config.post_handshake_auth else None
    )
    return ClientConnected(outcome, authentication)
