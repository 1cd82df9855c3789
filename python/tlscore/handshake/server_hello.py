"""What a client checks in a ServerHello or a HelloRetryRequest of TLS 1.3 before it acts on it.

Both have the same form (RFC 9846 4.2.3, 4.2.4) and share the first checks: which version it is, then the three echoed
fields. A server that answers with an older version is told apart by what only TLS 1.3 has: its ServerHello is another
message here, and server_hello12.py checks it.
"""

from tlscore.errors import IllegalParameter, MissingExtension, ProtocolVersionError
from tlscore.handshake.client_hello import Hello
from tlscore.iana import SUITES13, CipherSuite, NamedGroup, ProtocolVersion
from tlscore.wire import (
    Cookie,
    HelloRetryRequest,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    SelectedVersion,
    ServerHello,
    check_solicited,
)


def check_server_hello(message: ServerHello, hello: Hello, retry_suite: int | None) -> KeyShareEntry:
    """Hold a ServerHello to our offer; gives the server's share.

    Takes:    retry_suite: the suite of the HelloRetryRequest before it, if there was one.
    """
    _check_version(message, hello)
    _check_echoes(message, hello)
    # RFC 9846 4.2.4: "clients MUST check that the cipher suite supplied in the ServerHello is the same as that in the
    # HelloRetryRequest and otherwise abort the handshake with an "illegal_parameter" alert."
    if retry_suite is not None and message.cipher_suite != retry_suite:
        raise IllegalParameter(
            f"the server selected {CipherSuite.name_of(retry_suite)} in its HelloRetryRequest and "
            f"{CipherSuite.name_of(message.cipher_suite)} in its ServerHello",
            section="RFC 9846 4.2.4",
        )
    check_solicited(message.extensions, hello.offered, "ServerHello")
    share = message.extensions.get(KeyShareServerHello)
    if share is None:
        # Without a PSK, which we do not offer, the keys must come from a key exchange (RFC 9846 9.2).
        raise MissingExtension("the ServerHello has no key_share extension", section="RFC 9846 9.2")
    return share.server_share


def check_retry(message: HelloRetryRequest, hello: Hello, sent: tuple[int, ...]) -> None:
    """Hold a HelloRetryRequest to our offer.

    Takes:    sent: the groups that we sent shares for.
    """
    if SelectedVersion not in message.extensions:
        # RFC 9846 4.2.4: "The server's extensions MUST contain "supported_versions"."
        raise MissingExtension("the HelloRetryRequest has no supported_versions extension", section="RFC 9846 4.2.4")
    _check_version(message, hello)
    _check_echoes(message, hello)
    check_solicited(message.extensions, hello.offered, "HelloRetryRequest")
    wanted = message.extensions.get(KeyShareHelloRetryRequest)
    if wanted is None:
        # RFC 9846 4.2.4: "Clients MUST abort the handshake with an "illegal_parameter" alert if the HelloRetryRequest
        # would not result in any change in the ClientHello."
        if Cookie not in message.extensions:
            raise IllegalParameter("the HelloRetryRequest asks for no change", section="RFC 9846 4.2.4")
        return
    group = wanted.selected_group
    # RFC 9846 4.3.8: "the client MUST verify that (1) the selected_group field corresponds to a group which was
    # provided in the "supported_groups" extension in the original ClientHello and (2) the selected_group field does not
    # correspond to a group which was provided in the "key_share" extension in the original ClientHello."
    if group not in hello.plan.config.groups:
        raise IllegalParameter(
            f"the HelloRetryRequest asks for {NamedGroup.name_of(group)}, which we did not offer",
            section="RFC 9846 4.3.8",
        )
    if group in sent:
        raise IllegalParameter(
            f"the HelloRetryRequest asks for {NamedGroup.name_of(group)}, whose share it has already",
            section="RFC 9846 4.3.8",
        )


def _check_version(message: ServerHello | HelloRetryRequest, hello: Hello) -> None:
    selected = message.extensions.get(SelectedVersion)
    assert selected is not None
    # RFC 9846 4.3.1: "If the "supported_versions" extension in the ServerHello contains a version not offered by the
    # client or contains a version prior to TLS 1.3, the client MUST abort the handshake with an "illegal_parameter"
    # alert."
    if selected.selected_version != ProtocolVersion.TLS13 or not hello.plan.newer:
        raise IllegalParameter(
            f"the server selected version {ProtocolVersion.name_of(selected.selected_version)}, which we did not offer",
            section="RFC 9846 4.3.1",
        )
    # RFC 9846 4.2.3: "A client which receives a TLS 1.3 Server Hello with a legacy_version value not equal to 0x0303
    # MUST abort the handshake with a "protocol_version" alert."
    if message.legacy_version != ProtocolVersion.TLS12:
        raise ProtocolVersionError(
            f"legacy_version of the server is {message.legacy_version:#06x} instead of 0x0303", section="RFC 9846 4.2.3"
        )


def _check_echoes(message: ServerHello | HelloRetryRequest, hello: Hello) -> None:
    # RFC 9846 4.2.3: "A client which receives a legacy_session_id_echo field that does not match what it sent in the
    # ClientHello MUST abort the handshake with an "illegal_parameter" alert."
    if message.legacy_session_id_echo != hello.session_id:
        raise IllegalParameter("the server does not echo our legacy_session_id", section="RFC 9846 4.2.3")
    # RFC 9846 4.2.3: "If a TLS 1.3 ServerHello is received with any other value in this field, the client MUST abort
    # the handshake with an "illegal_parameter" alert."
    if message.legacy_compression_method:
        raise IllegalParameter("the server selected a compression method", section="RFC 9846 4.2.3")
    # RFC 9846 4.2.3: "A client which receives a cipher suite that was not offered MUST abort the handshake with an
    # "illegal_parameter" alert."
    if message.cipher_suite not in hello.plan.config.suites or message.cipher_suite not in SUITES13:
        raise IllegalParameter(
            f"the server selected {CipherSuite.name_of(message.cipher_suite)}, which we did not offer",
            section="RFC 9846 4.2.3",
        )
