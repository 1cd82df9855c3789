"""The server of TLS 1.3, in the order of the flights (RFC 9846 A.2).

ClientHello                     on_client_hello, on_second_client_hello
HelloRetryRequest               send_hello_retry_request, when a share is missing
ServerHello                     send_server_flight
  EncryptedExtensions
  CertificateRequest*
  Certificate
  CertificateVerify
  Finished
Certificate*                    on_client_certificate      the chain is verified here
CertificateVerify*              on_client_certificate_verify
Finished                        on_client_finished         ► ServerConnected
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import ApplicationSchedule, EarlySchedule, HandshakeSchedule, KeyShare, Transcript, random_bytes
from tlscore.errors import CertificateRequired, IllegalParameter
from tlscore.handshake import cookie as cookies
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
from tlscore.handshake.cookie import Retry
from tlscore.handshake.machine import State, transition
from tlscore.handshake.negotiation import (
    Offer,
    Selection,
    check_offer,
    fragment_wanted,
    require_tls13,
    select_version,
    wants_staple,
)
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import ServerPlan
from tlscore.handshake.post_handshake import ServerAuthentication, ServerConnected
from tlscore.handshake.proofs import NoClientCertificate, PeerProof
from tlscore.handshake.selections import selected
from tlscore.handshake.server12 import ExpectClientCertificate12, ExpectClientKeyExchange, answer_client_hello
from tlscore.iana import NamedGroup, ProtocolVersion
from tlscore.record import Record
from tlscore.wire import (
    HRR_RANDOM,
    Certificate,
    CertificateVerify,
    ClientHello,
    Cookie,
    Extension,
    Extensions,
    Finished,
    HelloRetryRequest,
    KeyShareHelloRetryRequest,
    PostHandshakeAuth,
    SelectedVersion,
    check_solicited,
    encode,
)

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified

# Early data that a client sends in vain: passed over up to this many octets of records.
SKIPPED_EARLY_DATA_OCTETS = 16 * 1024


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


class ExpectClientHello(ServerState):
    """Nothing has arrived. With stateless cookies, the second ClientHello of another connection may come here.

    server12.py goes on where the ClientHello selects TLS 1.2.
    """

    stage: ClassVar[int] = 3
    initial: ClassVar[bool] = True

    plan: ServerPlan
    cookie_context: bytes


class ExpectSecondClientHello(ServerState):
    """A HelloRetryRequest is out."""

    stage: ClassVar[int] = 3

    plan: ServerPlan
    retry: Retry
    cookie: bytes | None
    transcript: Transcript


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


class ExpectClientFinished(ServerState):
    """Who the client is (or that nobody asked) is known; its Finished is missing."""

    stage: ClassVar[int] = 16

    agreed: Agreed
    transcript: Transcript
    schedule: ApplicationSchedule
    peer: PeerProof


# -- hellos ------------------------------------------------------------------------------------------------------------


@transition
def on_client_hello(
    state: ExpectClientHello, message: ClientHello, out: Output
) -> (
    ExpectSecondClientHello
    | ExpectClientCertificate
    | ExpectClientFinished
    | ExpectClientCertificate12
    | ExpectClientKeyExchange
):
    plan, config = state.plan, state.plan.config
    out.step(trace.STARTED)
    if select_version(message, config.versions) == ProtocolVersion.TLS12:
        return answer_client_hello(plan, message, out)
    offer = check_offer(message)
    out.step(trace.CLIENT_OFFERED)
    out.allow_change_cipher_spec(True)
    if plan.cookie_key is not None and offer.cookie is not None:
        return _resume_retry(state, message, offer, out)
    selection = selected(plan, offer, message, out.raw)
    out.step(trace.CLIENT_SENT_SHARES)
    if offer.early_data:
        # RFC 9846 4.3.10: "Ignore the extension and return a regular 1-RTT response. The server then skips past early
        # data"
        out.skip_early_data(SKIPPED_EARLY_DATA_OCTETS)
    transcript = Transcript()
    out.receive(transcript)
    transcript.select_hash(selection.suite)
    if selection.share_at is None:
        return send_hello_retry_request(state, message, selection, transcript, out)
    return send_server_flight(plan, message, offer, selection, transcript, False, out)


@transition
def on_second_client_hello(
    state: ExpectSecondClientHello, message: ClientHello, out: Output
) -> ExpectClientCertificate | ExpectClientFinished:
    require_tls13(message, state.plan.config.versions)
    offer = check_offer(message)
    # RFC 9846 4.3.2: "the client MUST copy the contents of the extension received in the HelloRetryRequest into a
    # "cookie" extension in the new ClientHello."
    if offer.cookie != state.cookie:
        raise IllegalParameter("the second ClientHello does not repeat the cookie", section="RFC 9846 4.3.2")
    return _take_second_hello(state.plan, message, offer, state.retry, state.transcript, out)


def send_hello_retry_request(
    state: ExpectClientHello, message: ClientHello, selection: Selection, transcript: Transcript, out: Output
) -> ExpectSecondClientHello:
    plan = state.plan
    out.require_boundary()
    retry = Retry(selection.suite, selection.group, transcript.digest(), cookies.stable_digest(out.raw))
    cookie = cookies.seal(plan.cookie_key, retry, state.cookie_context) if plan.cookie_key is not None else None
    transcript.fold_hello_retry()
    out.send(_retry_message(message.legacy_session_id, retry, cookie), transcript)
    _change_cipher_spec(message, out)
    out.flush()
    out.step(trace.SERVER_ASKED_RETRY)
    return ExpectSecondClientHello(plan, retry, cookie, transcript)


def _retry_message(session_id: bytes, retry: Retry, cookie: bytes | None) -> bytes:
    """The HelloRetryRequest; the same octets again when a cookie brings the retry back."""
    values: list[Extension] = [SelectedVersion(ProtocolVersion.TLS13), KeyShareHelloRetryRequest(retry.group)]
    if cookie is not None:
        values.append(Cookie(cookie))
    extensions = Extensions(values)
    return encode(HelloRetryRequest(ProtocolVersion.TLS12, HRR_RANDOM, session_id, retry.suite, 0, extensions))


def _change_cipher_spec(message: ClientHello, out: Output) -> None:
    # RFC 9846 E.4: "if the client sends a non-empty session ID, the server MUST send the change_cipher_spec as
    # described in this appendix": immediately after its first handshake message.
    if message.legacy_session_id:
        out.change_cipher_spec()


def _resume_retry(
    state: ExpectClientHello, message: ClientHello, offer: Offer, out: Output
) -> ExpectClientCertificate | ExpectClientFinished:
    """A ClientHello that answers a HelloRetryRequest of which this connection knows nothing."""
    plan, cookie = state.plan, offer.cookie
    assert plan.cookie_key is not None
    assert cookie is not None
    retry = cookies.open_cookie(plan.cookie_key, cookie, state.cookie_context)
    if retry is None or retry.suite not in plan.config.suites:
        # RFC 9846 4.3.2: "Clients MUST NOT use cookies in their initial ClientHello in subsequent connections."
        raise IllegalParameter(
            "the cookie of the ClientHello is not from this server, or is too old", section="RFC 9846 4.3.2"
        )
    transcript = Transcript.from_client_hello1_hash(retry.suite, retry.hello_hash)
    transcript.add(_retry_message(message.legacy_session_id, retry, cookie))
    return _take_second_hello(plan, message, offer, retry, transcript, out)


def _take_second_hello(
    plan: ServerPlan, message: ClientHello, offer: Offer, retry: Retry, transcript: Transcript, out: Output
) -> ExpectClientCertificate | ExpectClientFinished:
    if offer.early_data:
        # RFC 9846 4.3.10: "A client MUST NOT include the "early_data" extension in its followup ClientHello."
        raise IllegalParameter("the second ClientHello offers early data", section="RFC 9846 4.3.10")
    cookies.check_second_hello(retry, out.raw)
    selection = selected(plan, offer, message, out.raw)
    # RFC 9846 4.2.2: "replacing the list of shares with a list containing a single KeyShareEntry from the indicated
    # group"
    if len(offer.shares) != 1 or offer.shares[0].group != retry.group:
        raise IllegalParameter(
            f"the second ClientHello does not hold one key share for {NamedGroup.name_of(retry.group)}, as we asked",
            section="RFC 9846 4.2.2",
        )
    # RFC 9846 4.2.4: "Servers MUST ensure that they negotiate the same cipher suite when receiving a conformant updated
    # ClientHello" - it repeats the same suites, so only a cookie that outlived a change of configuration differs.
    if selection.suite != retry.suite or selection.share_at is None:
        raise IllegalParameter("the second ClientHello does not fit our HelloRetryRequest", section="RFC 9846 4.2.4")
    out.step(trace.CLIENT_OFFERED_AGAIN)
    out.receive(transcript)
    return send_server_flight(plan, message, offer, selection, transcript, True, out)


# -- the server's flight -----------------------------------------------------------------------------------------------


def send_server_flight(
    plan: ServerPlan,
    hello: ClientHello,
    offer: Offer,
    selection: Selection,
    transcript: Transcript,
    retried: bool,
    out: Output,
) -> ExpectClientCertificate | ExpectClientFinished:
    """ServerHello, EncryptedExtensions, CertificateRequest*, Certificate, CertificateVerify, Finished."""
    identity, scheme = selection.identity, selection.scheme
    schedule = _send_server_hello(plan, hello, offer, selection, transcript, retried, out)
    _send_encrypted_extensions(plan, offer, selection, fragment_wanted(hello), transcript, out)
    if plan.request is not None:
        out.send(plan.request, transcript)
        out.step(trace.SERVER_ASKED_CERTIFICATE)
    out.send(plan.certificate(identity, wants_staple(hello)), transcript)
    out.step(trace.SERVER_SENT_CERTIFICATE)
    out.send(messages.certificate_verify(scheme, sign(identity, scheme, "server", transcript)), transcript)
    out.step(trace.SERVER_SIGNED)
    out.send(messages.finished(schedule.finished_mac(False, transcript)), transcript)
    application = schedule.into_application(transcript)
    # RFC 9846 4.5.3: "Any records following a Finished message MUST be encrypted under the appropriate application
    # traffic key [...]. In particular, this includes any alerts sent by the server in response to client Certificate"
    out.install_write(application)
    out.step(trace.SERVER_SENT_FINISHED)
    out.step(trace.SERVER_WAITS)
    agreed = _agree(plan, hello, offer, selection, retried)
    if plan.request is not None:
        return ExpectClientCertificate(agreed, transcript, application)
    return ExpectClientFinished(agreed, transcript, application, NoClientCertificate("not asked for"))


def _agree(plan: ServerPlan, hello: ClientHello, offer: Offer, selection: Selection, retried: bool) -> Agreed:
    return Agreed(
        plan,
        selection.suite,
        selection.group,
        selection.alpn,
        offer.server_name,
        retried,
        selection.scheme,
        selection.identity.chain[0],
        PostHandshakeAuth in hello.extensions and plan.config.client_trust is not None,
    )


def _send_server_hello(
    plan: ServerPlan,
    hello: ClientHello,
    offer: Offer,
    selection: Selection,
    transcript: Transcript,
    retried: bool,
    out: Output,
) -> HandshakeSchedule:
    """ServerHello; from here on both directions are under handshake keys."""
    assert selection.share_at is not None
    share = offer.shares[selection.share_at]
    try:
        public, shared = KeyShare.respond(selection.group, share.key_exchange)
    except ValueError as failure:
        raise IllegalParameter(
            f"the key share of the client is not valid: {failure}", section="RFC 9846 4.3.8.2", code="TLS-BAD_KEY_SHARE"
        ) from None
    out.step(trace.SERVER_CONFIRMED)
    message = messages.server_hello(random_bytes(32), hello.legacy_session_id, selection.suite, selection.group, public)
    out.send(message, transcript)
    if not retried:
        _change_cipher_spec(hello, out)
    out.step(trace.SERVER_SELECTED)
    schedule = EarlySchedule(selection.suite).into_handshake(shared, transcript, plan.key_log, hello.random)
    out.install_write(schedule)
    # Raises unexpected_message where octets follow the ClientHello in its record: the change of keys must be between.
    out.install_read(schedule)
    return schedule


def _send_encrypted_extensions(
    plan: ServerPlan, offer: Offer, selection: Selection, fragment: int, transcript: Transcript, out: Output
) -> None:
    # RFC 6066 3: "A server that receives a client hello containing the "server_name" extension MAY use the information
    # [...] In this event, the server SHALL include an extension of type "server_name" in the (extended) server hello."
    limit = offer.record_size_limit
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
) -> ExpectClientFinished:
    agreed, transcript = state.agreed, state.transcript
    config = agreed.plan.config
    peer = authorized(config, verify_signature(state.chain, message, config.schemes, "client", transcript))
    out.receive(transcript)
    out.step(trace.SERVER_VERIFIED_CLIENT)
    return ExpectClientFinished(agreed, transcript, state.schedule, peer)


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
