"""Which version a server takes of a ClientHello, before it looks at anything else of it.

The rules themselves, for any two settings and without a message, are in tlscore.versions; here they meet the wire: the
list of supported_versions or the number of legacy_version, the signal of a client that fell back, and the second
ClientHello, which must choose as the first did.
"""

from collections.abc import Sequence

from tlscore.errors import InappropriateFallback, ProtocolVersionError
from tlscore.iana import CipherSuite, ProtocolVersion, is_grease
from tlscore.wire import ClientHello, SupportedVersions


def refused_versions(offered: Sequence[int], versions: Sequence[int]) -> ProtocolVersionError:
    """The error for a ClientHello without an acceptable version; it has a class of its own where all of it is SSL."""
    from tlscore.versions import refused_offer

    return refused_offer(offered, versions)


def select_version(hello: ClientHello, versions: Sequence[int]) -> int:
    """The newest version that both ends accept.

    Takes:    versions: ours, newest first.
    Raises:   ProtocolVersionError, naming both lists; InappropriateFallback.
    """
    extension = hello.extensions.get(SupportedVersions)
    # RFC 9846 E.2: "If the "supported_versions" extension is absent and the server only supports versions greater than
    # ClientHello.legacy_version, the server MUST abort the handshake with a "protocol_version" alert."
    offered = extension.versions if extension is not None else (min(hello.legacy_version, ProtocolVersion.TLS12),)
    refuse_fallback(hello, max([one for one in offered if not is_grease(one)], default=versions[0]), versions[0])
    for version in versions:
        if version in offered:
            return version
    raise refused_versions(offered, versions)


def refuse_fallback(hello: ClientHello, highest: int, best: int) -> None:
    """Refuse a client that says itself that it fell back, to a version below our best one.

    Takes:    highest: the client's best version.
    """
    # RFC 7507 3: "If TLS_FALLBACK_SCSV appears in ClientHello.cipher_suites and the highest protocol version supported
    # by the server is higher than the version indicated in ClientHello.client_version, the server MUST respond with a
    # fatal inappropriate_fallback alert". That comes before any other answer: a version in common or not.
    if highest < best and CipherSuite.TLS_FALLBACK_SCSV in hello.cipher_suites:
        from tlscore.versions import version_name

        raise InappropriateFallback(
            f"the client fell back to {version_name(highest)}, and this server has {version_name(best)}",
            remedy="the client must offer its best version at once; look for what broke its first attempt",
            section="RFC 7507 3",
        )


def require_tls13(hello: ClientHello, versions: Sequence[int]) -> None:
    """Hold a second ClientHello to the version of the first."""
    # RFC 9846 4.2.2 lists what may change in it; the versions are not there.
    if select_version(hello, versions) != ProtocolVersion.TLS13:
        raise ProtocolVersionError(
            "the second ClientHello does not offer TLS 1.3, and the first did", section="RFC 9846 4.2.2"
        )
