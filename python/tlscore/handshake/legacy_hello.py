"""What a client of the legacy tier checks in a ServerHello: the version by the rules of versions.py, then the rest.

A server answers a number with an equal or lower one. The client takes it where its configuration allows that version,
unless the server's random says that it could have done better: then somebody on the way changed our number.
"""

from typing import TYPE_CHECKING

from tlscore.errors import HandshakeFailure, IllegalParameter
from tlscore.handshake.legacy_plans import LegacyClientPlan, is_cbc
from tlscore.handshake.server_hello12 import check_answer, refused_answer
from tlscore.record import Record
from tlscore.wire import EncryptThenMac, Extensions, ServerHello12, StatusRequestServerHello

if TYPE_CHECKING:
    from tlscore.handshake.client_hello import Hello
    from tlscore.suites import Suite


class Answer(Record):
    """What the server selected. `extended` says whether RFC 7627 was agreed, `stapled` whether it promises an OCSP
    response."""

    version: int
    suite: "Suite"
    extended: bool
    encrypt_then_mac: bool
    stapled: bool


def check_server_hello(message: ServerHello12, hello: "Hello", plan: LegacyClientPlan) -> Answer:
    """Hold a ServerHello to our offer."""
    version = message.server_version
    _check_version(version, message.random, plan)
    usable = {code for code, one in plan.parts.items() if one.usable_in(version)}
    extended = check_answer(message, hello, usable)
    suite = plan.parts[message.cipher_suite]
    sealed_first = _check_order(message.extensions, suite, plan)
    return Answer(version, suite, extended, sealed_first, StatusRequestServerHello in message.extensions)


def _check_version(version: int, random: bytes, plan: LegacyClientPlan) -> None:
    from tlscore.versions import judge

    objection = judge(plan.setting, version, "number", random[-8:])
    if objection == "downgrade_detected":
        # RFC 9846 4.2.3: "TLS 1.2 clients SHOULD also check that the last 8 bytes are not equal to the second value if
        # the ServerHello indicates TLS 1.1 or below. If a match is found, the client MUST abort the handshake with an
        # "illegal_parameter" alert."
        raise IllegalParameter(
            "the server can speak a newer version and was made to answer with less: somebody changed our ClientHello",
            remedy="look for a middlebox or an attacker between the two ends",
            section="RFC 9846 4.2.3",
            code="TLS-DOWNGRADE",
        )
    if objection is not None:
        raise refused_answer(version, plan.config.versions)


def _check_order(extensions: Extensions, suite: "Suite", plan: LegacyClientPlan) -> bool:
    """Whether encrypt_then_mac was agreed."""
    agreed = EncryptThenMac in extensions
    # RFC 7366 3: "If a server receives an encrypt-then-MAC request extension from a client and then selects a stream or
    # Authenticated Encryption with Associated Data (AEAD) ciphersuite, it MUST NOT send an encrypt-then-MAC response
    # extension back to the client."
    if agreed and suite.aead:
        raise IllegalParameter(f"the server answers encrypt_then_mac for {suite.name}", section="RFC 7366 3")
    if is_cbc(suite) and not agreed and plan.tier.require_encrypt_then_mac:
        raise HandshakeFailure(
            "the server does not know encrypt_then_mac, which the configuration requires",
            remedy="update the server (RFC 7366 is of 2014), or leave require_encrypt_then_mac out",
            section="RFC 7366 2",
            code="TLS-NO_ENCRYPT_THEN_MAC",
        )
    # Without encryption the order means nothing.
    return agreed and is_cbc(suite)
