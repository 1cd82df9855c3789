"""The hellos of a server of TLS 1.3: from a ClientHello to the selection, over a HelloRetryRequest where a share is
missing.

ClientHello                     on_client_hello            TLS 1.2 goes on in server12.py
                                on_identity                where the resolver takes its time
HelloRetryRequest               send_hello_retry_request
ClientHello                     on_second_client_hello     or, with a cookie, on another connection
                                on_second_identity
                                ► server13.send_server_flight
"""

from typing import ClassVar

from tlscore import trace
from tlscore._core import Transcript
from tlscore.errors import IllegalParameter
from tlscore.handshake import cookie as cookies
from tlscore.handshake.cookie import Retry
from tlscore.handshake.machine import Awaiting, State, resumption, transition
from tlscore.handshake.negotiation import Offer, Selection, check_offer
from tlscore.handshake.negotiation12 import Offer12
from tlscore.handshake.output import Output
from tlscore.handshake.plans import ServerPlan
from tlscore.handshake.selections import FreshParts, Known, recalled, remember, selected
from tlscore.handshake.server12 import (
    AwaitIdentity12,
    AwaitSignature12,
    ExpectClientCertificate12,
    ExpectClientKeyExchange,
    answer_client_hello,
    answer_known,
)
from tlscore.handshake.server13 import (
    AwaitSignature,
    ExpectClientCertificate,
    ExpectClientFinished,
    ServerState,
    change_cipher_spec,
    send_server_flight,
)
from tlscore.handshake.version_choice import require_tls13, select_version
from tlscore.iana import NamedGroup, ProtocolVersion
from tlscore.pending import Pending
from tlscore.wire import (
    HRR_RANDOM,
    ClientHello,
    Cookie,
    Extension,
    Extensions,
    HelloRetryRequest,
    KeyShareHelloRetryRequest,
    SelectedVersion,
    encode,
)

_OFFERED = bytes((trace.CLIENT_OFFERED, trace.CLIENT_SENT_SHARES))
# Early data that a client sends in vain: passed over up to this many octets of records.
SKIPPED_EARLY_DATA_OCTETS = 16 * 1024


class ExpectClientHello(ServerState):
    """Nothing has arrived. With stateless cookies, the second ClientHello of another connection may come here.

    server12.py goes on where the ClientHello selects TLS 1.2.
    """

    stage: ClassVar[int] = 3
    initial: ClassVar[bool] = True

    plan: ServerPlan
    cookie_context: bytes

    def take_known(self, raw: bytes, out: Output) -> State | None:
        known = recalled(self.plan, raw)
        if known is None:
            return None
        hello, fresh = known
        selection: Selection = hello.selection
        out.step(trace.STARTED)
        if isinstance(hello.offer, Offer12):
            return answer_known(self.plan, hello.offer, selection, fresh.random, out)
        out.steps(_OFFERED)
        out.allow_change_cipher_spec(True)
        return send_server_flight(self.plan, fresh, hello.offer, selection, _transcript(selection, out), False, out)


class ExpectSecondClientHello(ServerState):
    """A HelloRetryRequest is out."""

    stage: ClassVar[int] = 3

    plan: ServerPlan
    retry: Retry
    cookie: bytes | None
    transcript: Transcript


class AwaitIdentity(Awaiting):
    """The resolver takes its time to say who we are for this ClientHello. Nothing is agreed."""

    role: ClassVar[str] = "server"
    stage: ClassVar[int] = 3

    plan: ServerPlan
    cookie_context: bytes
    message: ClientHello
    offer: Offer


class AwaitSecondIdentity(Awaiting):
    """As AwaitIdentity, for a ClientHello that answers a HelloRetryRequest."""

    role: ClassVar[str] = "server"
    stage: ClassVar[int] = 3

    plan: ServerPlan
    message: ClientHello
    offer: Offer
    retry: Retry
    transcript: Transcript


_Answered = AwaitSignature | ExpectClientCertificate | ExpectClientFinished
_Answered12 = AwaitIdentity12 | AwaitSignature12 | ExpectClientCertificate12 | ExpectClientKeyExchange


# -- the first ---------------------------------------------------------------------------------------------------------


@transition
def on_client_hello(
    state: ExpectClientHello, message: ClientHello, out: Output
) -> ExpectSecondClientHello | AwaitIdentity | AwaitSecondIdentity | _Answered | _Answered12:
    plan, config = state.plan, state.plan.config
    out.step(trace.STARTED)
    if select_version(message, config.versions) == ProtocolVersion.TLS12:
        return answer_client_hello(plan, message, out)
    offer = check_offer(message)
    out.step(trace.CLIENT_OFFERED)
    out.allow_change_cipher_spec(True)
    if plan.cookie_key is not None and offer.cookie is not None:
        return _resume_retry(state, message, offer, out)
    memory = plan.memory()
    selection = selected(plan, memory, offer, message, out.raw)
    if isinstance(selection, Pending):
        return AwaitIdentity(selection, plan, state.cookie_context, message, offer)
    remember(memory, message, out.raw, Known(ProtocolVersion.TLS13, offer, selection))
    return _answer(plan, state.cookie_context, message, offer, selection, out)


@resumption
def on_identity(state: AwaitIdentity, selection: Selection, out: Output) -> ExpectSecondClientHello | _Answered:
    return _answer(state.plan, state.cookie_context, state.message, state.offer, selection, out)


def _answer(
    plan: ServerPlan, cookie_context: bytes, message: ClientHello, offer: Offer, selection: Selection, out: Output
) -> ExpectSecondClientHello | _Answered:
    """A first ClientHello whose parameters are selected."""
    out.step(trace.CLIENT_SENT_SHARES)
    if offer.early_data:
        # RFC 9846 4.3.10: "Ignore the extension and return a regular 1-RTT response. The server then skips past early
        # data"
        out.skip_early_data(SKIPPED_EARLY_DATA_OCTETS)
    transcript = _transcript(selection, out)
    if selection.share_at is None:
        return send_hello_retry_request(plan, cookie_context, message, selection, transcript, out)
    fresh = _fresh_parts(message, offer, selection.share_at)
    return send_server_flight(plan, fresh, offer, selection, transcript, False, out)


def _transcript(selection: Selection, out: Output) -> Transcript:
    transcript = Transcript()
    out.receive(transcript)
    transcript.select_hash(selection.suite)
    return transcript


def _fresh_parts(message: ClientHello, offer: Offer, share_at: int) -> FreshParts:
    return FreshParts(message.random, message.legacy_session_id, offer.shares[share_at].key_exchange)


# -- the second --------------------------------------------------------------------------------------------------------


@transition
def on_second_client_hello(
    state: ExpectSecondClientHello, message: ClientHello, out: Output
) -> AwaitSecondIdentity | _Answered:
    require_tls13(message, state.plan.config.versions)
    offer = check_offer(message)
    # RFC 9846 4.3.2: "the client MUST copy the contents of the extension received in the HelloRetryRequest into a
    # "cookie" extension in the new ClientHello."
    if offer.cookie != state.cookie:
        raise IllegalParameter("the second ClientHello does not repeat the cookie", section="RFC 9846 4.3.2")
    return _take_second_hello(state.plan, message, offer, state.retry, state.transcript, out)


def send_hello_retry_request(
    plan: ServerPlan,
    cookie_context: bytes,
    message: ClientHello,
    selection: Selection,
    transcript: Transcript,
    out: Output,
) -> ExpectSecondClientHello:
    out.require_boundary()
    retry = Retry(selection.suite, selection.group, transcript.digest(), cookies.stable_digest(out.raw))
    cookie = cookies.seal(plan.cookie_key, retry, cookie_context) if plan.cookie_key is not None else None
    transcript.fold_hello_retry()
    out.send(_retry_message(message.legacy_session_id, retry, cookie), transcript)
    change_cipher_spec(message.legacy_session_id, out)
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


def _resume_retry(
    state: ExpectClientHello, message: ClientHello, offer: Offer, out: Output
) -> AwaitSecondIdentity | _Answered:
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
) -> AwaitSecondIdentity | _Answered:
    if offer.early_data:
        # RFC 9846 4.3.10: "A client MUST NOT include the "early_data" extension in its followup ClientHello."
        raise IllegalParameter("the second ClientHello offers early data", section="RFC 9846 4.3.10")
    cookies.check_second_hello(retry, out.raw)
    selection = selected(plan, plan.memory(), offer, message, out.raw)
    if isinstance(selection, Pending):
        return AwaitSecondIdentity(selection, plan, message, offer, retry, transcript)
    return _answer_second(plan, message, offer, retry, transcript, selection, out)


@resumption
def on_second_identity(state: AwaitSecondIdentity, selection: Selection, out: Output) -> _Answered:
    return _answer_second(state.plan, state.message, state.offer, state.retry, state.transcript, selection, out)


def _answer_second(
    plan: ServerPlan,
    message: ClientHello,
    offer: Offer,
    retry: Retry,
    transcript: Transcript,
    selection: Selection,
    out: Output,
) -> _Answered:
    """A second ClientHello whose parameters are selected."""
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
    fresh = _fresh_parts(message, offer, selection.share_at)
    return send_server_flight(plan, fresh, offer, selection, transcript, True, out)
