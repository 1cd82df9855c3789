"""What a client checks in a ServerHello of TLS 1.2, which is any ServerHello without supported_versions.

First which version it is, and whether we want it: a server of an old version must be told so, not that its extensions
look odd. Then what our offer allows, then the three things that make TLS 1.2 sound: no resumption that we did not ask
for, RFC 5746, and the extended main secret.
"""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from tlscore.errors import HandshakeFailure, IllegalParameter, ProtocolVersionError
from tlscore.handshake.plans import UNCOMPRESSED
from tlscore.iana import SUITES12, CipherSuite, ProtocolVersion
from tlscore.wire import (
    EcPointFormats,
    ExtendedMainSecret,
    Extensions,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerHello12,
    check_placement,
    check_solicited,
)

if TYPE_CHECKING:
    from tlscore.config import ClientConfig
    from tlscore.handshake.client_hello import Hello

# RFC 9846 4.2.3: what a TLS 1.3 server writes at the end of its random when it negotiates TLS 1.2, or less.
DOWNGRADED_TO_12 = b"DOWNGRD\x01"
_DOWNGRADES = (DOWNGRADED_TO_12, b"DOWNGRD\x00")


def check_server_hello12(message: ServerHello12, hello: "Hello", retried: bool) -> bool:
    """Hold a ServerHello to our offer; gives whether the extended main secret was agreed.

    Takes:    retried: whether a HelloRetryRequest came before it.
    """
    _check_version(message, hello, retried)
    return check_answer(message, hello, SUITES12)


def check_answer(message: ServerHello12, hello: "Hello", usable: Container[int]) -> bool:
    """The rest of a ServerHello, whose version is accepted; gives whether the extended main secret was agreed.

    Takes:    usable: the suites that the version may select of those that we offered.
    """
    extensions, config = message.extensions, hello.plan.config
    # RFC 5246 7.4.1.3: a session ID of ours in the answer says that a session is resumed. We offered none: what stood
    # in our ClientHello was drawn for middleboxes.
    if message.session_id and message.session_id == hello.session_id:
        raise IllegalParameter("the server resumes a session that does not exist", section="RFC 5246 7.4.1.3")
    if message.compression_method:
        raise IllegalParameter("the server selected a compression method", section="RFC 5246 7.4.1.3")
    # RFC 5246 7.4.1.3: the suite is "selected by the server from the list in ClientHello.cipher_suites"; a suite of TLS
    # 1.3 stood there for TLS 1.3.
    if message.cipher_suite not in usable or message.cipher_suite not in config.suites:
        version = ProtocolVersion.name_of(message.server_version)
        raise IllegalParameter(
            f"the server selected {CipherSuite.name_of(message.cipher_suite)}, which we did not offer for {version}",
            section="RFC 5246 7.4.1.3",
        )
    check_placement(extensions, "ServerHello")
    check_solicited(extensions, hello.offered, "ServerHello")
    _check_values(extensions)
    _check_renegotiation(extensions, config)
    extended = ExtendedMainSecret in extensions
    # RFC 7627 5.2: "If a client receives a ServerHello without the extension, it SHOULD abort the handshake if it does
    # not wish to interoperate with legacy servers."
    if not extended and config.require_extended_main_secret:
        raise HandshakeFailure(
            "the server does not know the extended main secret",
            remedy="update the server (RFC 7627 is of 2015), or set require_extended_main_secret=False",
            section="RFC 7627 5.2",
            code="TLS-NO_EXTENDED_MAIN_SECRET",
        )
    return extended


def _check_version(message: ServerHello12, hello: "Hello", retried: bool) -> None:
    versions = hello.plan.config.versions
    # RFC 9846 4.2.3: "TLS 1.3 clients receiving a ServerHello indicating TLS 1.2 or below MUST check that the last 8
    # bytes are not equal to either of these values. [...] If a match is found, the client MUST abort the handshake with
    # an "illegal_parameter" alert."
    if hello.plan.newer and message.random[-8:] in _DOWNGRADES:
        raise IllegalParameter(
            "the server can speak TLS 1.3 and was made to answer with less: somebody changed our ClientHello",
            remedy="look for a middlebox or an attacker between the two ends",
            section="RFC 9846 4.2.3",
            code="TLS-DOWNGRADE",
        )
    # RFC 9846 E.1: "If the version chosen by the server is not supported by the client (or is not acceptable), the
    # client MUST abort the handshake with a "protocol_version" alert."
    if message.server_version != ProtocolVersion.TLS12 or not hello.plan.older:
        raise refused_answer(message.server_version, versions)
    # RFC 9846 4.2.4: "The value of selected_version in the HelloRetryRequest "supported_versions" extension MUST be
    # retained in the ServerHello, and a client MUST abort the handshake with an "illegal_parameter" alert if the value
    # changes."
    if retried:
        raise IllegalParameter(
            "the server selected TLS 1.3 in its HelloRetryRequest and TLS 1.2 in its ServerHello",
            section="RFC 9846 4.2.4",
        )


def refused_answer(answered: int, versions: Sequence[int]) -> ProtocolVersionError:
    """The error for a server that answers with a version that we do not accept; SSL has a class of its own."""
    from tlscore.versions import forbidden, names, version_name

    cause = f"the server answers with {version_name(answered)}, the client accepts {names(versions)}"
    # RFC 7568 3: "SSLv3 MUST NOT be used." RFC 6176 says the same of SSLv2.
    if answered <= ProtocolVersion.SSL30:
        return forbidden(answered, cause)
    return ProtocolVersionError(
        cause, remedy=f"enable {version_name(versions[0])} in the server", section="RFC 9846 E.1"
    )


def _check_values(extensions: Extensions) -> None:
    formats, limit = extensions.get(EcPointFormats), extensions.get(RecordSizeLimit)
    # RFC 8422 5.2 holds the server's list to the rule of the client's: uncompressed(0) must be in it.
    if formats is not None and UNCOMPRESSED not in formats.ec_point_format_list:
        raise IllegalParameter("the server's ec_point_formats lack uncompressed", section="RFC 8422 5.2")
    # RFC 8449 4: "A client MAY abort the handshake with an "illegal_parameter" alert if the record_size_limit extension
    # includes a value greater than the maximum record size permitted by the negotiated protocol version and
    # extensions."
    if limit is not None and limit.limit > 2**14:
        raise IllegalParameter(f"the server's record_size_limit is {limit.limit}", section="RFC 8449 4")


def _check_renegotiation(extensions: Extensions, config: "ClientConfig") -> None:
    info = extensions.get(RenegotiationInfo)
    # RFC 5746 3.4: "The client MUST then verify that the length of the "renegotiated_connection" field is zero, and if
    # it is not, MUST abort the handshake (by sending a fatal handshake_failure alert)."
    if info is not None and info.renegotiated_connection:
        raise HandshakeFailure("the server takes our first handshake for a renegotiation", section="RFC 5746 3.4")
    # RFC 5746 3.4: "In this case, some clients may want to terminate the handshake instead of continuing".
    if info is None and config.require_renegotiation_info:
        raise HandshakeFailure(
            "the server does not know secure renegotiation, so an attacker could put data in front of ours",
            remedy="update the server (RFC 5746 is of 2010), or set require_renegotiation_info=False",
            section="RFC 5746 4.1",
            code="TLS-NO_RENEGOTIATION_INFO",
        )
