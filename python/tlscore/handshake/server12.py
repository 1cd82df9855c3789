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
from tlscore._core import KeyShare, MainSecret12, random_bytes
from tlscore.errors import HandshakeFailure
from tlscore.handshake import key_exchange12 as exchange
from tlscore.handshake import messages
from tlscore.handshake.certificate_auth import authorized, signature_over, verify_client_chain, verify_finished
from tlscore.handshake.key_exchange12 import Transcript12
from tlscore.handshake.machine import Awaiting, State, resumption, transition
from tlscore.handshake.negotiation import Selection
from tlscore.handshake.negotiation12 import LARGEST_RECORD_LIMIT12, Offer12, check_offer12
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import UNCOMPRESSED, ServerPlan
from tlscore.handshake.proofs import NoClientCertificate, PeerProof, SignatureVerified
from tlscore.handshake.selections import selected
from tlscore.handshake.server_hello12 import DOWNGRADED_TO_12
from tlscore.iana import AlertDescription, CertificateStatusType, ProtocolVersion
from tlscore.pending import Pending
from tlscore.record import Record
from tlscore.wire import (
    NAMED_CURVE,
    Alpn,
    Certificate12,
    CertificateStatus12,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    EcPointFormats,
    ExtendedMainSecret,
    Extension,
    Extensions,
    Finished12,
    MaxFragmentLength,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerHello12,
    ServerHelloDone,
    ServerKeyExchange,
    ServerName,
    StatusRequestServerHello,
    encode,
)

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified


class Agreed12(Record):
    """What the rest of the handshake needs to know of the hellos."""

    plan: ServerPlan
    selection: Selection
    server_name: str | None
    extended: bool
    randoms: tuple[bytes, bytes]
    transcript: Transcript12


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
    message: ClientHello
    offer: Offer12


class AwaitSignature12(ServerAwaiting12):
    """Our signer takes its time over ServerKeyExchange. The flight waits."""

    stage: ClassVar[int] = 10

    agreed: Agreed12
    share: KeyShare


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


def answer_client_hello(
    plan: ServerPlan, message: ClientHello, out: Output
) -> AwaitIdentity12 | AwaitSignature12 | ExpectClientCertificate12 | ExpectClientKeyExchange:
    """A ClientHello that selects TLS 1.2."""
    # Here change_cipher_spec means something: none may come before the keys are known (CVE-2014-0224).
    out.allow_change_cipher_spec(False)
    # RFC 5246 7.4.1.2: "After sending the ClientHello message, the client waits for a ServerHello message."
    out.require_boundary()
    offer = check_offer12(message, plan.config)
    out.step(trace.CLIENT_OFFERED)
    selection = selected(plan, offer, message, out.raw)
    if isinstance(selection, Pending):
        return AwaitIdentity12(selection, plan, message, offer)
    return _agree(plan, message, offer, selection, out)


@resumption
def on_identity(
    state: AwaitIdentity12, selection: Selection, out: Output
) -> AwaitSignature12 | ExpectClientCertificate12 | ExpectClientKeyExchange:
    return _agree(state.plan, state.message, state.offer, selection, out)


def _agree(
    plan: ServerPlan, message: ClientHello, offer: Offer12, selection: Selection, out: Output
) -> AwaitSignature12 | ExpectClientCertificate12 | ExpectClientKeyExchange:
    """A ClientHello whose parameters are selected."""
    transcript = Transcript12(selection.suite, plan.request12 is not None)
    out.receive(transcript)
    random = random_bytes(32)
    if plan.newer:
        # RFC 9846 4.2.3: "If negotiating TLS 1.2, TLS 1.3 servers MUST set the last 8 bytes of their Random value to
        # the bytes: 44 4F 57 4E 47 52 44 01".
        random = random[:-8] + DOWNGRADED_TO_12
    agreed = Agreed12(plan, selection, offer.server_name, offer.extended, (message.random, random), transcript)
    return send_server_flight(agreed, offer, out)


def send_server_flight(
    agreed: Agreed12, offer: Offer12, out: Output
) -> AwaitSignature12 | ExpectClientCertificate12 | ExpectClientKeyExchange:
    """ServerHello, Certificate, CertificateStatus*, ServerKeyExchange, CertificateRequest*, ServerHelloDone."""
    plan, selection, transcript = agreed.plan, agreed.selection, agreed.transcript
    identity = selection.identity
    share = KeyShare.generate(selection.group)
    out.step(trace.SERVER_CONFIRMED)
    staple = identity.staple_response() if offer.staple else None
    out.send(_server_hello(agreed, offer, staple is not None), transcript)
    out.step(trace.SERVER_SELECTED)
    if offer.fragment:
        # RFC 6066 4: "Once a maximum fragment length other than 2^14 has been successfully negotiated, the client and
        # server MUST immediately begin fragmenting messages (including handshake messages)".
        out.fragment(offer.fragment)
    elif offer.record_size_limit is not None:
        out.limit_records(min(plan.own_limit, LARGEST_RECORD_LIMIT12), offer.record_size_limit)
    out.send(plan.certificate(identity, version=ProtocolVersion.TLS12), transcript)
    if staple is not None:
        out.send(encode(CertificateStatus12(CertificateStatusType.ocsp, staple)), transcript)
    out.step(trace.SERVER_SENT_CERTIFICATE)
    content = b"".join((*agreed.randoms, exchange.params(selection.group, share.public)))
    signature = signature_over(identity, selection.scheme, content, tls12=True)
    if isinstance(signature, Pending):
        return AwaitSignature12(signature, agreed, share)
    return _end_server_flight(agreed, share, signature, out)


@resumption
def on_signature(
    state: AwaitSignature12, signature: bytes, out: Output
) -> ExpectClientCertificate12 | ExpectClientKeyExchange:
    return _end_server_flight(state.agreed, state.share, signature, out)


def _end_server_flight(
    agreed: Agreed12, share: KeyShare, signature: bytes, out: Output
) -> ExpectClientCertificate12 | ExpectClientKeyExchange:
    """ServerKeyExchange, CertificateRequest*, ServerHelloDone."""
    plan, selection, transcript = agreed.plan, agreed.selection, agreed.transcript
    key_exchange = ServerKeyExchange(NAMED_CURVE, selection.group, share.public, selection.scheme, signature)
    out.send(encode(key_exchange), transcript)
    out.step(trace.SERVER_SIGNED)
    if plan.request12 is not None:
        out.send(plan.request12, transcript)
        out.step(trace.SERVER_ASKED_CERTIFICATE)
    out.send(_SERVER_HELLO_DONE, transcript)
    out.flush()
    out.step(trace.SERVER_WAITS)
    if plan.request12 is not None:
        return ExpectClientCertificate12(agreed, share)
    return ExpectClientKeyExchange(agreed, share, NoClientCertificate("not asked for"))


_SERVER_HELLO_DONE = encode(ServerHelloDone())


def _server_hello(agreed: Agreed12, offer: Offer12, stapled: bool) -> bytes:
    selection = agreed.selection
    values = answers(agreed.plan, offer, selection.name_used, selection.alpn, stapled)
    # The empty session ID says that this session cannot be resumed (RFC 5246 7.4.1.3).
    return encode(ServerHello12(ProtocolVersion.TLS12, agreed.randoms[1], b"", selection.suite, 0, Extensions(values)))


def answers(plan: ServerPlan, offer: Offer12, name_used: bool, alpn: bytes | None, stapled: bool) -> list[Extension]:
    """The extensions of a ServerHello, each where the client sent its own."""
    values: list[Extension] = []
    if name_used:
        values.append(ServerName())
    # RFC 5746 3.6: "If the secure_renegotiation flag is set to TRUE, the server MUST include an empty
    # "renegotiation_info" extension in the ServerHello message."
    if offer.secure:
        values.append(RenegotiationInfo(b""))
    # RFC 7627 5.2: "If a server implementing this document receives the "extended_master_secret" extension, it MUST
    # include the extension in its ServerHello message."
    if offer.extended:
        values.append(ExtendedMainSecret())
    if offer.formats:
        values.append(EcPointFormats((UNCOMPRESSED,)))
    # RFC 6066 8: "If a server returns a "CertificateStatus" message, then the server MUST have included an extension of
    # type "status_request" with empty "extension_data" in the extended server hello."
    if stapled:
        values.append(StatusRequestServerHello())
    if alpn is not None:
        values.append(Alpn((alpn,)))
    if offer.fragment:
        values.append(MaxFragmentLength(offer.fragment.bit_length() - 9))
    elif offer.record_size_limit is not None:
        values.append(RecordSizeLimit(min(plan.own_limit, LARGEST_RECORD_LIMIT12)))
    return values


# -- the client's second flight ----------------------------------------------------------------------------------------


@transition
def on_client_certificate(
    state: ExpectClientCertificate12, message: Certificate12, out: Output
) -> ExpectClientKeyExchange:
    agreed = state.agreed
    config = agreed.plan.config
    if not message.certificate_list:
        out.step(trace.CLIENT_HAS_NO_CERTIFICATE)
        # RFC 5246 7.4.6: "If the client does not send any certificates, the server MAY at its discretion either
        # continue the handshake without client authentication, or respond with a fatal handshake_failure alert."
        if config.client_auth != "optional":
            raise HandshakeFailure(
                "the client sent no certificate, and this server requires one",
                remedy="give the client an identity from one of the CAs in client_trust",
                section="RFC 5246 7.4.6",
                code="TLS-CERTIFICATE_REQUIRED",
            )
        out.step(trace.SERVER_WENT_WITHOUT_CERTIFICATE)
        out.receive(agreed.transcript)
        agreed.transcript.forget()
        return ExpectClientKeyExchange(agreed, state.share, NoClientCertificate("optional and not sent"))
    out.step(trace.CLIENT_SENT_CERTIFICATE)
    chain = verify_client_chain(config, message.certificate_list, None)
    exchange.check_client_leaf(chain)
    out.receive(agreed.transcript)
    return ExpectClientKeyExchange(agreed, state.share, chain)


@transition
def on_client_key_exchange(
    state: ExpectClientKeyExchange, message: ClientKeyExchange, out: Output
) -> ExpectClientCertificateVerify12 | ExpectClientFinished12:
    agreed, client = state.agreed, state.client
    shared = exchange.complete(state.share, message.public)
    out.receive(agreed.transcript)
    secret = exchange.main_secret(
        agreed.selection.suite, shared, agreed.randoms, agreed.transcript, agreed.extended, agreed.plan.key_log
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
    finished = verify_finished(secret, "client", agreed.transcript.hash, message)
    out.receive(agreed.transcript)
    out.step(trace.SERVER_CHECKED_FINISHED)
    send_finished(agreed, secret, out)
    out.open(state.peer, finished)
    out.step(trace.ESTABLISHED)
    return ServerConnected12(_outcome(state, message.verify_data))


def send_finished(agreed: Agreed12, secret: MainSecret12, out: Output) -> None:
    """change_cipher_spec, Finished."""
    out.change_write(secret)
    out.send(messages.finished(secret.finished_mac(False, agreed.transcript.hash)), agreed.transcript)
    out.step(trace.SERVER_SENT_FINISHED)


def _outcome(state: ExpectClientFinished12, first_finished: bytes) -> Outcome:
    agreed, selection = state.agreed, state.agreed.selection
    return Outcome(
        ProtocolVersion.TLS12,
        selection.suite,
        selection.group,
        selection.alpn.decode("ascii") if selection.alpn is not None else None,
        agreed.server_name,
        False,
        state.peer,
        selection.scheme,
        selection.identity.chain[0],
        state.secret,
        extended=agreed.extended,
        first_finished=first_finished,
    )


# -- afterwards --------------------------------------------------------------------------------------------------------


@transition
def on_renegotiation(state: ServerConnected12, message: ClientHello, out: Output) -> ServerConnected12:
    # RFC 5246 7.2.2: "no_renegotiation: Sent by the client in response to a hello request or by the server in response
    # to a client hello after initial handshaking." The record layer bounds how often that may happen.
    out.warn(AlertDescription.no_renegotiation)
    return state
