"""The client of the legacy tier: TLS 1.0 to 1.2 with every key exchange of the tier, in the order of the flights.

Its states are apart from those of client12.py, so that nothing of the tier can be reached from a configuration without
it; this module is loaded with the first connection of the tier.

ClientHello                     send_client_hello
                ServerHello     on_server_hello            version by number, suite, encrypt_then_mac
               Certificate*     on_server_certificate      not with anonymous suites
         CertificateStatus*     on_certificate_status
         ServerKeyExchange*     on_server_key_exchange     not with RSA; anonymous suites: unsigned
        CertificateRequest*     on_certificate_request
            ServerHelloDone     on_server_hello_done
Certificate*                    send_client_flight
ClientKeyExchange
CertificateVerify*
[change_cipher_spec]
Finished
       [change_cipher_spec]     the record layer takes it where expect_change has armed it, and nowhere else
                   Finished     on_server_finished         ► LegacyClientConnected
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import MainSecret12, Transcript
from tlscore.errors import DecodeError, HandshakeFailure, IllegalParameter
from tlscore.handshake import client_hello, messages
from tlscore.handshake import legacy_exchange as exchange
from tlscore.handshake.certificate_auth import authorized, verify_finished, verify_server_chain
from tlscore.handshake.client12 import ClientState12, limit_records
from tlscore.handshake.client13 import Context, selected_protocol
from tlscore.handshake.client_identity import Wanted, choose, doubts
from tlscore.handshake.key_exchange12 import new_transcript
from tlscore.handshake.legacy_exchange import TLS12, ClientShare
from tlscore.handshake.legacy_hello import Answer, check_server_hello
from tlscore.handshake.legacy_plans import LegacyClientPlan
from tlscore.handshake.machine import transition, unexpected
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import ClientPlan
from tlscore.handshake.proofs import Anonymous, KeyTransported, SignatureVerified
from tlscore.iana import AlertDescription, CertificateStatusType, ProtocolVersion
from tlscore.legacy import SHA1_SCHEMES
from tlscore.pending import at_once
from tlscore.record import Record
from tlscore.wire import (
    Alpn,
    Certificate12,
    CertificateStatus12,
    Finished12,
    HelloRequest,
    ServerHello,
    ServerHello12,
    ServerHelloDone,
    encode,
)
from tlscore.wire.messages_legacy import CertificateRequestBody, Request10, Request12, ServerKeyExchangeBody
from tlscore.wire.struct import decode_struct

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.names import ServerName
    from tlscore.certs.verify import ChainVerified

ServerProof = SignatureVerified | KeyTransported | Anonymous


class Agreed(Record):
    """What is known once the ServerHello is there."""

    context: Context
    plan: LegacyClientPlan
    answer: Answer
    alpn: str | None
    randoms: tuple[bytes, bytes]
    transcript: Transcript


class Sent(Record):
    """What the outcome needs to know of our flight."""

    group: int
    scheme: int | None
    leaf: bytes | None
    verify_data: bytes
    asked: bool


class LegacyClientState(ClientState12):
    # Which messages it reads: those whose bodies depend on what was agreed.
    version: ClassVar[int] = ProtocolVersion.TLS11


class ExpectLegacyServerHello(LegacyClientState):
    """The ClientHello is out."""

    stage: ClassVar[int] = 6
    initial: ClassVar[bool] = True

    context: Context
    plan: LegacyClientPlan


class ExpectLegacyCertificate(LegacyClientState):
    stage: ClassVar[int] = 9

    agreed: Agreed


class ExpectLegacyCertificateStatus(LegacyClientState):
    """The server has promised an OCSP response, and may break the promise; its chain waits to be verified."""

    stage: ClassVar[int] = 9

    agreed: Agreed
    certificates: tuple[bytes, ...]


class ExpectLegacyKeyExchange(LegacyClientState):
    """The server's chain is verified or, with an anonymous suite, there is none."""

    stage: ClassVar[int] = 10

    agreed: Agreed
    chain: "ChainVerified | None"


class ExpectLegacyDoneOrRequest(LegacyClientState):
    stage: ClassVar[int] = 11

    agreed: Agreed
    peer: ServerProof
    share: ClientShare


class ExpectLegacyDone(LegacyClientState):
    """The server has asked for our certificate."""

    stage: ClassVar[int] = 12

    agreed: Agreed
    peer: ServerProof
    share: ClientShare
    wanted: Wanted


class ExpectLegacyFinished(LegacyClientState):
    """Our flight is out, our keys are in force; change_cipher_spec and the server's Finished are missing."""

    stage: ClassVar[int] = 19

    agreed: Agreed
    peer: ServerProof
    secret: MainSecret12
    sent: Sent


class LegacyClientConnected(LegacyClientState):
    """Both Finished are verified."""

    stage: ClassVar[int] = 22
    terminal: ClassVar[bool] = True
    ignored: ClassVar[bytes] = b""

    outcome: Outcome


# -- hellos ------------------------------------------------------------------------------------------------------------


def send_client_hello(
    plan: ClientPlan, name: "ServerName | None", reference: "ServerName | None", out: Output
) -> ExpectLegacyServerHello:
    """Start: the highest version as a number."""
    assert isinstance(plan, LegacyClientPlan)
    hello, _ = client_hello.prepare(plan, name)
    # The transcript begins with the ServerHello, which says by which hash.
    out.send(client_hello.encode(hello, hello.blocks), Transcript())
    out.flush()
    out.allow_change_cipher_spec(False)
    for step in (trace.STARTED, trace.CLIENT_OFFERED, trace.CLIENT_WAITS):
        out.step(step)
    return ExpectLegacyServerHello(Context(hello, name, reference), plan)


@transition
def on_server_hello(
    state: ExpectLegacyServerHello, message: ServerHello12 | ServerHello, out: Output
) -> ExpectLegacyCertificate | ExpectLegacyKeyExchange:
    if isinstance(message, ServerHello):
        # RFC 9846 4.3.1: "If the "supported_versions" extension in the ServerHello contains a version not offered by
        # the client or contains a version prior to TLS 1.3, the client MUST abort the handshake with an
        # "illegal_parameter" alert."
        raise IllegalParameter("the server selected TLS 1.3, which we did not offer", section="RFC 9846 4.3.1")
    context, plan = state.context, state.plan
    hello = context.hello
    # RFC 5246 6.2.1: "The version of the protocol being employed." Before the answer is judged: a server reads an alert
    # about it in records of its version alone.
    if ProtocolVersion.TLS10 <= message.server_version <= TLS12:
        out.set_record_version(message.server_version)
    answer = check_server_hello(message, hello, plan)
    out.step(trace.SERVER_CONFIRMED)
    out.step(trace.SERVER_SELECTED)
    transcript = new_transcript(answer.suite.code, True, answer.version)
    transcript.add(client_hello.encode(hello, hello.blocks))
    out.receive(transcript)
    selected = message.extensions.get(Alpn)
    alpn = selected_protocol(plan, selected) if selected is not None else None
    limit_records(context, message.extensions, out)
    out.step(trace.CLIENT_ACCEPTED)
    agreed = Agreed(context, plan, answer, alpn, (hello.random, message.random), transcript)
    if answer.suite.authentication == "anon":
        out.step(trace.PEER_NOT_VERIFIED)
        return ExpectLegacyKeyExchange(agreed, None)
    return ExpectLegacyCertificate(agreed)


# -- the server's flight -----------------------------------------------------------------------------------------------


@transition
def on_server_certificate(
    state: ExpectLegacyCertificate, message: Certificate12, out: Output
) -> ExpectLegacyCertificateStatus | ExpectLegacyKeyExchange | ExpectLegacyDoneOrRequest:
    agreed = state.agreed
    if not message.certificate_list:
        # RFC 5246 7.4.2 has the server send a chain with every suite that is not anonymous.
        raise DecodeError("the server's Certificate message holds no certificate", section="RFC 5246 7.4.2")
    out.step(trace.SERVER_SENT_CERTIFICATE)
    if agreed.answer.stapled:
        out.receive(agreed.transcript)
        return ExpectLegacyCertificateStatus(agreed, message.certificate_list)
    following = _verified(agreed, message.certificate_list, None, out)
    out.receive(agreed.transcript)
    return following


@transition
def on_certificate_status(
    state: ExpectLegacyCertificateStatus, message: CertificateStatus12, out: Output
) -> ExpectLegacyKeyExchange | ExpectLegacyDoneOrRequest:
    if message.status_type != CertificateStatusType.ocsp:
        raise IllegalParameter(
            f"the server's CertificateStatus is of type {message.status_type}, which we did not ask for",
            section="RFC 6066 8",
        )
    following = _verified(state.agreed, state.certificates, {state.certificates[0]: message.response}, out)
    out.receive(state.agreed.transcript)
    return following


def _verified(
    agreed: Agreed, certificates: tuple[bytes, ...], staples: dict[bytes, bytes] | None, out: Output
) -> ExpectLegacyKeyExchange | ExpectLegacyDoneOrRequest:
    """Verify the server's chain; what comes next depends on the key exchange."""
    plan, answer = agreed.plan, agreed.answer
    use = exchange.use_of(answer.suite)
    chain = verify_server_chain(plan.config, agreed.context.reference, certificates, staples, use)
    exchange.check_leaf(answer.suite, answer.version, chain, plan.config.groups)
    out.step(trace.CLIENT_VERIFIED_SERVER if chain.authenticated else trace.PEER_NOT_VERIFIED)
    if answer.suite.key_exchange == "RSA":
        share = exchange.encrypt_premaster(chain, plan.config.versions[0])
        return ExpectLegacyDoneOrRequest(agreed, KeyTransported(chain), share)
    return ExpectLegacyKeyExchange(agreed, chain)


def _without_staple(
    state: ExpectLegacyCertificateStatus, out: Output
) -> ExpectLegacyKeyExchange | ExpectLegacyDoneOrRequest:
    # RFC 6066 8: "Note that a server MAY also choose not to send a "CertificateStatus" message, even if has received a
    # "status_request" extension in the client hello message and has sent a "status_request" extension in the server
    # hello message."
    return _verified(state.agreed, state.certificates, None, out)


@transition
def on_server_key_exchange(
    state: ExpectLegacyCertificateStatus | ExpectLegacyKeyExchange, message: ServerKeyExchangeBody, out: Output
) -> ExpectLegacyDoneOrRequest:
    ready = _without_staple(state, out) if isinstance(state, ExpectLegacyCertificateStatus) else state
    if not isinstance(ready, ExpectLegacyKeyExchange):
        # A temporary key beside RSA key exchange was the way to export ciphers (FREAK).
        raise unexpected(ready, "ServerKeyExchange")
    agreed, answer = ready.agreed, ready.agreed.answer
    config = agreed.plan.config
    params, signed, behind = exchange.read_params(answer.suite, message.body)
    # First the signature: nothing is computed with a share of somebody else.
    peer = exchange.verify_params(ready.chain, answer.version, signed, behind, config.schemes, agreed.randoms)
    if isinstance(peer, SignatureVerified):
        peer = at_once(authorized(config, peer))
    share = exchange.respond(params, config.groups)
    out.receive(agreed.transcript)
    out.step(trace.SERVER_SIGNED if isinstance(peer, SignatureVerified) else trace.SERVER_SENT_SHARE)
    return ExpectLegacyDoneOrRequest(agreed, peer, share)


@transition
def on_certificate_request(
    state: ExpectLegacyCertificateStatus | ExpectLegacyDoneOrRequest, message: CertificateRequestBody, out: Output
) -> ExpectLegacyDone:
    ready = _without_staple(state, out) if isinstance(state, ExpectLegacyCertificateStatus) else state
    if not isinstance(ready, ExpectLegacyDoneOrRequest):
        raise unexpected(ready, "CertificateRequest")
    agreed = ready.agreed
    if isinstance(ready.peer, Anonymous):
        # RFC 5246 7.4.4: "Note: It is a fatal handshake_failure alert for an anonymous server to request client
        # authentication."
        raise HandshakeFailure("an anonymous server asks who we are", section="RFC 5246 7.4.4")
    request: Request10 | Request12
    if agreed.answer.version == TLS12:
        request = decode_struct(Request12, message.body)
        schemes = certified = request.supported_signature_algorithms
    else:
        # What older versions sign with goes without saying; it is named for whoever reads why no identity fits.
        request, schemes, certified = decode_struct(Request10, message.body), SHA1_SCHEMES, ()
    wanted = Wanted(b"", schemes, certified, request.certificate_authorities, (), kinds=request.certificate_types)
    out.receive(agreed.transcript)
    out.step(trace.SERVER_ASKED_CERTIFICATE)
    return ExpectLegacyDone(agreed, ready.peer, ready.share, wanted)


@transition
def on_server_hello_done(
    state: ExpectLegacyCertificateStatus | ExpectLegacyDoneOrRequest | ExpectLegacyDone,
    message: ServerHelloDone,
    out: Output,
) -> ExpectLegacyFinished:
    ready = _without_staple(state, out) if isinstance(state, ExpectLegacyCertificateStatus) else state
    if isinstance(ready, ExpectLegacyKeyExchange):
        raise unexpected(ready, "ServerHelloDone")
    out.receive(ready.agreed.transcript)
    out.step(trace.SERVER_WAITS)
    return send_client_flight(ready, out)


# -- the client's flight -----------------------------------------------------------------------------------------------


def send_client_flight(state: ExpectLegacyDoneOrRequest | ExpectLegacyDone, out: Output) -> ExpectLegacyFinished:
    """Certificate*, ClientKeyExchange, CertificateVerify*, change_cipher_spec, Finished."""
    agreed, share, transcript = state.agreed, state.share, state.agreed.transcript
    answer = agreed.answer
    own = _send_certificate(agreed, state.wanted, out) if isinstance(state, ExpectLegacyDone) else None
    out.send(share.message, transcript)
    digest = transcript.digest() if answer.extended else None
    secret = exchange.main_secret(
        answer.suite.code, answer.version, share.shared, agreed.randoms, digest, answer.encrypt_then_mac,
        agreed.plan.key_log,
    )  # fmt: skip
    out.step(trace.CLIENT_HAS_KEYS)
    if own is not None:
        signature = exchange.sign(own[0], own[1], transcript.take_messages())
        out.send(exchange.certificate_verify(own[1], signature, answer.version), transcript)
    transcript.forget_messages()
    out.change_write(secret)
    verify_data = secret.finished_mac(True, transcript)
    out.send(messages.finished(verify_data), transcript)
    out.flush()
    out.step(trace.CLIENT_SENT_FINISHED)
    # RFC 5246 7.3: the server's change_cipher_spec answers ours.
    out.expect_change(secret)
    scheme, leaf = (own[1], own[0].chain[0]) if own is not None else (None, None)
    sent = Sent(share.group, scheme, leaf, verify_data, isinstance(state, ExpectLegacyDone))
    return ExpectLegacyFinished(agreed, state.peer, secret, sent)


def _send_certificate(agreed: Agreed, wanted: Wanted, out: Output) -> "tuple[Identity, int] | None":
    plan, version = agreed.plan, agreed.answer.version
    choice = choose(
        plan.config, wanted, lambda one: exchange.own_scheme(one, version, wanted.schemes, plan.config.schemes)
    )
    if isinstance(choice, str):
        # RFC 5246 7.4.6: "If no suitable certificate is available, the client MUST send a certificate message
        # containing no certificates."
        out.send(encode(Certificate12(())), agreed.transcript)
        out.diagnostic = choice
        out.step(trace.CLIENT_HAS_NO_CERTIFICATE)
        return None
    out.send(plan.certificate(choice[0], version=TLS12), agreed.transcript)
    out.diagnostic = doubts(plan.config, choice[0])
    out.step(trace.CLIENT_SENT_CERTIFICATE)
    return choice


@transition
def on_server_finished(state: ExpectLegacyFinished, message: Finished12, out: Output) -> LegacyClientConnected:
    out.require_changed()
    finished = verify_finished(state.secret, "server", state.agreed.transcript, message)
    out.step(trace.SERVER_SENT_FINISHED)
    out.step(trace.CLIENT_CHECKED_FINISHED)
    peer = state.peer
    if isinstance(peer, KeyTransported):
        # Only Finished shows that the server owns the key that the premaster secret was encrypted to.
        peer = at_once(authorized(state.agreed.plan.config, peer))
    out.open(peer, finished)
    out.step(trace.ESTABLISHED)
    return LegacyClientConnected(_outcome(state))


def _outcome(state: ExpectLegacyFinished) -> Outcome:
    agreed, sent, name = state.agreed, state.sent, state.agreed.context.name
    return Outcome(
        agreed.answer.version,
        agreed.answer.suite.code,
        sent.group,
        agreed.alpn,
        name.text if name is not None else None,
        False,
        state.peer,
        sent.scheme,
        sent.leaf,
        state.secret,
        sent.asked,
        agreed.answer.extended,
        sent.verify_data,
    )


# -- afterwards --------------------------------------------------------------------------------------------------------


@transition
def on_hello_request(state: LegacyClientConnected, message: HelloRequest, out: Output) -> LegacyClientConnected:
    # RFC 5246 7.4.1.1: "This message MAY be ignored by the client if it does not wish to renegotiate a session, or the
    # client may, if it wishes, respond with a no_renegotiation alert." The record layer bounds how often.
    out.warn(AlertDescription.no_renegotiation)
    return state
