"""The server of the legacy tier: TLS 1.0 to 1.2 with every key exchange of the tier, in the order of the flights.

Its states are apart from those of server12.py, so that nothing of the tier can be reached from a configuration without
it; this module is loaded with the first connection of the tier.

ClientHello                     on_client_hello, or take_other for one in the format of SSLv2
ServerHello                     send_server_flight
Certificate*                    not with anonymous suites
CertificateStatus*
ServerKeyExchange*              not with RSA
CertificateRequest*
ServerHelloDone
Certificate*                    on_client_certificate      the chain is verified here
ClientKeyExchange               on_client_key_exchange     the keys are known
CertificateVerify*              on_client_certificate_verify
[change_cipher_spec]            the record layer takes it where expect_change has armed it, and nowhere else
Finished                        on_client_finished
[change_cipher_spec]            send_finished
Finished                        ► LegacyServerConnected
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore import trace
from tlscore._core import MainSecret12, Transcript, random_bytes
from tlscore.errors import UnsupportedCertificate
from tlscore.handshake import legacy_exchange as exchange
from tlscore.handshake import messages
from tlscore.handshake.answer12 import agree_sizes, answered, answers, keep
from tlscore.handshake.certificate_auth import CheckOf, authorized, verify_client_chain, verify_finished
from tlscore.handshake.key_exchange12 import new_transcript
from tlscore.handshake.legacy_exchange import TLS12, Share
from tlscore.handshake.legacy_negotiation import LegacySelection, select, select_version
from tlscore.handshake.legacy_plans import LegacyServerPlan
from tlscore.handshake.machine import State, transition
from tlscore.handshake.negotiation12 import Offer12, check_offer12
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output
from tlscore.handshake.plans import ServerPlan
from tlscore.handshake.proofs import NoClientCertificate, PeerProof
from tlscore.handshake.selections import Known, recalled, remember
from tlscore.handshake.server12 import SERVER_HELLO_DONE, ServerState12, without_certificate
from tlscore.iana import AlertDescription, CertificateStatusType, ProtocolVersion
from tlscore.pending import at_once
from tlscore.record import Record
from tlscore.versions import sentinel
from tlscore.wire import (
    Certificate12,
    CertificateStatus12,
    ClientHello,
    EcPointFormats,
    EncryptThenMac,
    Finished12,
    encode,
)
from tlscore.wire.messages_legacy import (
    CertificateVerifyBody,
    ClientKeyExchangeBody,
    decode_sslv2_hello,
    sslv2_transcript,
)

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified


class Agreed(Record):
    """What the rest of the handshake needs to know of the hellos; `number` is the version that the client asked for."""

    plan: LegacyServerPlan
    version: int
    number: int
    selection: LegacySelection
    server_name: str | None
    extended: bool
    randoms: tuple[bytes, bytes]
    transcript: Transcript


class LegacyServerState(ServerState12):
    # Which messages it reads: those whose bodies depend on what was agreed.
    version: ClassVar[int] = ProtocolVersion.TLS11


class ExpectLegacyClientHello(LegacyServerState):
    """Nothing has arrived."""

    stage: ClassVar[int] = 3
    initial: ClassVar[bool] = True

    plan: LegacyServerPlan

    def take_known(self, raw: bytes, out: Output) -> State | None:
        known = recalled(self.plan, raw)
        if known is None:
            return None
        hello, fresh = known
        _take_nothing_more(out)
        out.step(trace.CLIENT_OFFERED)
        return _agree(self.plan, hello, int.from_bytes(raw[4:6], "big"), fresh.random, out)

    def take_other(self, raw: bytes, out: Output) -> State:
        # No known handshake type has the high bit; the decoder tells an unknown one from an SSLv2 hello.
        if not raw[0] & 0x80 or not self.plan.tier.accept_sslv2_hello:
            return super().take_other(raw, out)
        # RFC 9846 E.5: "Implementations MUST NOT negotiate TLS 1.3 or later using an SSL version 2.0 compatible
        # CLIENT-HELLO. Implementations are NOT RECOMMENDED to accept an SSL version 2.0 compatible CLIENT-HELLO to
        # negotiate older versions of TLS."
        hello = decode_sslv2_hello(raw)
        out.raw = sslv2_transcript(raw)
        _take_nothing_more(out)
        known = _select(self.plan, hello, out)
        return _agree(self.plan, known, hello.legacy_version, hello.random, out)


class ExpectLegacyClientCertificate(LegacyServerState):
    """Our flight is out, with a CertificateRequest in it."""

    stage: ClassVar[int] = 14

    agreed: Agreed
    share: Share


class ExpectLegacyClientKeyExchange(LegacyServerState):
    """The client's chain is verified, or it showed none; its share is missing."""

    stage: ClassVar[int] = 15

    agreed: Agreed
    share: Share
    client: "ChainVerified | NoClientCertificate"


class ExpectLegacyClientCertificateVerify(LegacyServerState):
    """The keys are known; whether the client owns the key of its certificate is open. No change_cipher_spec yet."""

    stage: ClassVar[int] = 16

    agreed: Agreed
    secret: MainSecret12
    chain: "ChainVerified"


class ExpectLegacyClientFinished(LegacyServerState):
    """Who the client is (or that nobody asked) is known; change_cipher_spec and its Finished are missing."""

    stage: ClassVar[int] = 16

    agreed: Agreed
    secret: MainSecret12
    peer: PeerProof


class LegacyServerConnected(LegacyServerState):
    """Both Finished are verified."""

    stage: ClassVar[int] = 22
    terminal: ClassVar[bool] = True

    outcome: Outcome


# -- hellos and the server's flight ------------------------------------------------------------------------------------


def wait_for_client_hello(plan: ServerPlan, out: Output) -> ExpectLegacyClientHello:
    """The first state."""
    assert isinstance(plan, LegacyServerPlan)
    if plan.tier.accept_sslv2_hello:
        out.allow_sslv2_hello(True)
    return ExpectLegacyClientHello(plan)


@transition
def on_client_hello(
    state: ExpectLegacyClientHello, message: ClientHello, out: Output
) -> ExpectLegacyClientCertificate | ExpectLegacyClientKeyExchange:
    _take_nothing_more(out)
    memory = state.plan.memory()
    known = _select(state.plan, message, out)
    remember(memory, message, out.raw, known)
    return _agree(state.plan, known, message.legacy_version, message.random, out)


def _take_nothing_more(out: Output) -> None:
    out.step(trace.STARTED)
    # Here change_cipher_spec means something: none may come before the keys are known (CVE-2014-0224).
    out.allow_change_cipher_spec(False)
    # RFC 5246 7.4.1.2: "After sending the ClientHello message, the client waits for a ServerHello message."
    out.require_boundary()


def _select(plan: LegacyServerPlan, message: ClientHello, out: Output) -> Known:
    """What a ClientHello comes to."""
    version = select_version(message, plan)
    offer = check_offer12(message, plan.config)
    out.step(trace.CLIENT_OFFERED)
    return Known(version, offer, select(plan, offer, version, message, out.raw))


def _agree(
    plan: LegacyServerPlan, known: Known, number: int, client_random: bytes, out: Output
) -> ExpectLegacyClientCertificate | ExpectLegacyClientKeyExchange:
    """A ClientHello whose parameters are selected.

    Takes:    number: the version that it asks for.
    """
    version, offer = known.version, known.offer
    selection: LegacySelection = known.selection
    assert isinstance(offer, Offer12)
    transcript = new_transcript(selection.suite.code, _asks(plan, selection), version)
    out.receive(transcript)
    random = random_bytes(32)
    # RFC 9846 4.2.3, on versions below TLS 1.2: "server implementations which do not follow that guidance MUST set the
    # last 8 bytes of their ServerHello.random value to the bytes: 44 4F 57 4E 47 52 44 00". TLS 1.2 is what this tier
    # could do better; a server of older versions alone has nothing to mark.
    mark = sentinel(plan.setting, version)
    random = random[: 32 - len(mark)] + mark
    agreed = Agreed(
        plan, version, number, selection, offer.server_name, offer.extended, (client_random, random), transcript,
    )  # fmt: skip
    out.set_record_version(version)
    return send_server_flight(agreed, offer, out)


def _asks(plan: LegacyServerPlan, selection: LegacySelection) -> bool:
    # RFC 5246 7.4.4: "A non-anonymous server can optionally request a certificate from the client".
    return plan.asks and selection.identity is not None


def send_server_flight(
    agreed: Agreed, offer: Offer12, out: Output
) -> ExpectLegacyClientCertificate | ExpectLegacyClientKeyExchange:
    """ServerHello, Certificate*, CertificateStatus*, ServerKeyExchange*, CertificateRequest*, ServerHelloDone."""
    plan, selection, transcript = agreed.plan, agreed.selection, agreed.transcript
    identity = selection.identity
    out.step(trace.SERVER_CONFIRMED)
    staple = identity.staple_response() if offer.staple and identity is not None else None
    out.send(_server_hello(agreed, offer, staple is not None), transcript)
    out.step(trace.SERVER_SELECTED)
    agree_sizes(plan, offer, out)
    if identity is not None:
        out.send(plan.certificate(identity, version=TLS12), transcript)
        out.step(trace.SERVER_SENT_CERTIFICATE)
    if staple is not None:
        out.send(encode(CertificateStatus12(CertificateStatusType.ocsp, staple)), transcript)
    share = _send_share(agreed, out)
    asks = _asks(plan, selection)
    if asks:
        out.send(plan.request_for(agreed.version), transcript)
        out.step(trace.SERVER_ASKED_CERTIFICATE)
    out.send(SERVER_HELLO_DONE, transcript)
    out.flush()
    out.step(trace.SERVER_WAITS)
    if asks:
        return ExpectLegacyClientCertificate(agreed, share)
    return ExpectLegacyClientKeyExchange(agreed, share, NoClientCertificate("not asked for"))


def _server_hello(agreed: Agreed, offer: Offer12, stapled: bool) -> bytes:
    plan, selection, code = agreed.plan, agreed.selection, agreed.selection.suite.code
    settled = agreed.version, code, selection.name_used, selection.alpn, selection.encrypt_then_mac
    key = (*settled, *answered(offer), stapled)
    known = plan.answers12.get(key)
    if known is None:
        values = answers(plan, offer, selection.name_used, selection.alpn, stapled)
        if selection.suite.key_exchange != "ECDHE":
            values = [value for value in values if not isinstance(value, EcPointFormats)]
        # RFC 7366 2: "If the server is capable of meeting this requirement, it responds with an encrypt_then_mac in its
        # server_hello." With CBC suites alone (RFC 7366 3).
        if selection.encrypt_then_mac:
            values.append(EncryptThenMac())
        known = keep(plan, key, agreed.version, code, values)
    return agreed.randoms[1].join(known)


def _send_share(agreed: Agreed, out: Output) -> Share:
    """ServerKeyExchange, where the key exchange has one; gives what completes it."""
    selection = agreed.selection
    if not selection.group:
        assert selection.identity is not None
        decryptor = agreed.plan.decryptor(selection.identity)
        assert decryptor is not None
        return decryptor
    share = exchange.generate(selection.group)
    message = exchange.key_exchange_message(
        share, selection.identity, selection.scheme, agreed.version, agreed.randoms
    )  # fmt: skip
    out.send(message, agreed.transcript)
    out.step(trace.SERVER_SIGNED if selection.identity is not None else trace.SERVER_SENT_SHARE)
    return share


# -- the client's flight -----------------------------------------------------------------------------------------------


@transition
def on_client_certificate(
    state: ExpectLegacyClientCertificate, message: Certificate12, out: Output
) -> ExpectLegacyClientKeyExchange:
    agreed = state.agreed
    config = agreed.plan.config
    if not message.certificate_list:
        return ExpectLegacyClientKeyExchange(agreed, state.share, without_certificate(config, agreed.transcript, out))
    out.step(trace.CLIENT_SENT_CERTIFICATE)
    chain = verify_client_chain(config, message.certificate_list, None)
    if not chain.key_kind or (agreed.version < TLS12 and exchange.old_scheme_of(chain) is None):
        raise UnsupportedCertificate(
            "the client's certificate is for a key that this version of TLS cannot use", section="RFC 5246 7.4.6"
        )
    out.receive(agreed.transcript)
    return ExpectLegacyClientKeyExchange(agreed, state.share, chain)


@transition
def on_client_key_exchange(
    state: ExpectLegacyClientKeyExchange, message: ClientKeyExchangeBody, out: Output
) -> ExpectLegacyClientCertificateVerify | ExpectLegacyClientFinished:
    agreed, client, selection = state.agreed, state.client, state.agreed.selection
    shared = exchange.complete(state.share, message.body, agreed.number)
    out.receive(agreed.transcript)
    digest = agreed.transcript.digest() if agreed.extended else None
    secret = exchange.main_secret(
        selection.suite.code, agreed.version, shared, agreed.randoms, digest, selection.encrypt_then_mac,
        agreed.plan.key_log,
    )  # fmt: skip
    out.step(trace.SERVER_HAS_KEYS)
    if isinstance(client, NoClientCertificate):
        out.expect_change(secret)
        return ExpectLegacyClientFinished(agreed, secret, client)
    return ExpectLegacyClientCertificateVerify(agreed, secret, client)


@transition
def on_client_certificate_verify(
    state: ExpectLegacyClientCertificateVerify, message: CertificateVerifyBody, out: Output
) -> ExpectLegacyClientFinished:
    agreed = state.agreed
    config = agreed.plan.config
    with CheckOf("client"):
        content = agreed.transcript.take_messages()
        proof = exchange.verify_signature(
            state.chain, agreed.version, message.body, content, config.schemes, "CertificateVerify"
        )
    peer = at_once(authorized(config, proof))
    out.receive(agreed.transcript)
    out.step(trace.SERVER_VERIFIED_CLIENT)
    # Only now: a client that leaves CertificateVerify out is stopped at its change_cipher_spec.
    out.expect_change(state.secret)
    return ExpectLegacyClientFinished(agreed, state.secret, peer)


@transition
def on_client_finished(state: ExpectLegacyClientFinished, message: Finished12, out: Output) -> LegacyServerConnected:
    agreed, secret = state.agreed, state.secret
    out.require_changed()
    finished = verify_finished(secret, "client", agreed.transcript, message)
    out.receive(agreed.transcript)
    out.step(trace.SERVER_CHECKED_FINISHED)
    send_finished(agreed, secret, out)
    out.open(state.peer, finished)
    out.step(trace.ESTABLISHED)
    return LegacyServerConnected(_outcome(state, message.verify_data))


def send_finished(agreed: Agreed, secret: MainSecret12, out: Output) -> None:
    """change_cipher_spec, Finished."""
    out.change_write(secret)
    out.send(messages.finished(secret.finished_mac(False, agreed.transcript)), agreed.transcript)
    out.step(trace.SERVER_SENT_FINISHED)


def _outcome(state: ExpectLegacyClientFinished, first_finished: bytes) -> Outcome:
    agreed, selection = state.agreed, state.agreed.selection
    return Outcome(
        agreed.version,
        selection.suite.code,
        selection.group,
        selection.alpn.decode("ascii") if selection.alpn is not None else None,
        agreed.server_name,
        False,
        state.peer,
        selection.scheme or None,
        selection.identity.chain[0] if selection.identity is not None else None,
        state.secret,
        False,
        agreed.extended,
        first_finished,
    )


# -- afterwards --------------------------------------------------------------------------------------------------------


@transition
def on_renegotiation(state: LegacyServerConnected, message: ClientHello, out: Output) -> LegacyServerConnected:
    # RFC 5246 7.2.2: "no_renegotiation: Sent by the client in response to a hello request or by the server in response
    # to a client hello after initial handshaking." The record layer bounds how often that may happen.
    out.warn(AlertDescription.no_renegotiation)
    return state
