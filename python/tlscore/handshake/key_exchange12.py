"""What TLS 1.2 signs and derives: the server's ephemeral share, the client's CertificateVerify, the main secret.

A signature of TLS 1.2 covers other things than one of TLS 1.3. The server signs its share together with both randoms,
so the signature says nothing about the rest of the handshake; the Finished and the extended main secret do. The client
signs all messages so far as they are, not their hash, so they are kept until that is done. The two makers of
`SignatureVerified` in TLS 1.2 are here.

    main secret = PRF(shared secret, "extended master secret", hash of ClientHello .. ClientKeyExchange)
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tlscore._core import KeyShare, MainSecret12, SharedSecret, Transcript
from tlscore.certs import signatures
from tlscore.errors import IllegalParameter, UnsupportedCertificate
from tlscore.handshake.certificate_auth import CheckOf
from tlscore.handshake.proofs import SignatureVerified
from tlscore.iana import SUITES12, CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from tlscore.wire import NAMED_CURVE, CertificateVerify, ServerKeyExchange

if TYPE_CHECKING:
    from tlscore._core import KeyLog
    from tlscore.certs.verify import ChainVerified

Role = Literal["client", "server"]


def new_transcript(suite: int, keep: bool, version: int = ProtocolVersion.TLS12) -> Transcript:
    """The transcript of a handshake whose suite is known.

    Takes:    keep: whether the messages themselves are needed too; version: before TLS 1.2 the hash is another one.
    """
    transcript = Transcript(keep)
    transcript.select_hash(suite, version)
    return transcript


# -- shares ------------------------------------------------------------------------------------------------------------


def params(group: int, public: bytes) -> bytes:
    """ServerECDHParams (RFC 8422 5.4): what stands in front of the signature, and what it covers."""
    return b"".join((bytes((NAMED_CURVE,)), group.to_bytes(2, "big"), bytes((len(public),)), public))


def respond(message: ServerKeyExchange, groups: Sequence[int]) -> tuple[bytes, SharedSecret]:
    """Client: our share for the server's, and the shared secret.

    Takes:    groups: the curves that we offered.
    """
    # RFC 8422 5.4 has the server choose among the curves that the client lists; 5.11 has shares of the wrong length,
    # points off the curve and, for x25519, an all-zero result refused.
    if message.named_curve not in groups:
        raise IllegalParameter(
            f"the server uses {NamedGroup.name_of(message.named_curve)}, which we did not offer", section="RFC 8422 5.4"
        )
    try:
        return KeyShare.respond(message.named_curve, message.public)
    except ValueError as failure:
        raise _bad_share("server", failure) from None


def complete(share: KeyShare, public: bytes) -> SharedSecret:
    """Server: the shared secret for the client's share."""
    try:
        return share.complete(public)
    except ValueError as failure:
        raise _bad_share("client", failure) from None


def _bad_share(role: Role, failure: ValueError) -> IllegalParameter:
    return IllegalParameter(
        f"the key share of the {role} is not valid: {failure}", section="RFC 8422 5.11", code="TLS-BAD_KEY_SHARE"
    )


def main_secret(
    suite: int,
    shared: SharedSecret,
    randoms: tuple[bytes, bytes],
    transcript: Transcript,
    extended: bool,
    key_log: "KeyLog | None",
) -> MainSecret12:
    """The main secret.

    Takes:    randoms: the client's and the server's; transcript: up to and with ClientKeyExchange.
    """
    # RFC 7627 5.2: "If both the ClientHello and ServerHello contain the extension, the new session uses the extended
    # master secret computation."
    session_hash = transcript.digest() if extended else None
    return MainSecret12.derive(suite, shared, *randoms, session_hash, key_log)


# -- signatures --------------------------------------------------------------------------------------------------------


def check_leaf(suite: int, chain: "ChainVerified", groups: Sequence[int]) -> None:
    """Client: hold the server's certificate to the suite that the server selected, and to our groups."""
    needed = SUITES12[suite].authentication
    if chain.key_kind != needed:
        # RFC 5246 7.4.2: "The end entity certificate's public key (and associated restrictions) MUST be compatible with
        # the selected key exchange algorithm."
        raise IllegalParameter(
            f"{CipherSuite.name_of(suite)} needs an {needed} certificate, and the server's is not for such a key",
            section="RFC 5246 7.4.2",
            code="TLS-WRONG_CERTIFICATE_KIND",
        )
    # RFC 5246 7.4.2: "The public key MUST use a curve and point format supported by the client": our groups say which.
    if chain.curve and NamedGroup.code_of(chain.curve) not in groups:
        raise IllegalParameter(
            f"the key of the server's certificate is on {chain.curve}, a curve that we did not offer",
            remedy=f"add {chain.curve} to groups, or issue the certificate for a key on secp256r1",
            section="RFC 5246 7.4.2",
            code="TLS-WRONG_CERTIFICATE_KIND",
        )


def check_client_leaf(chain: "ChainVerified") -> None:
    """Server: refuse keys that no TLS 1.2 signature scheme has, such as ML-DSA."""
    if not chain.key_kind:
        raise UnsupportedCertificate(
            "the client's certificate is for a key that TLS 1.2 cannot use", section="RFC 5246 7.4.6"
        )


def verify_key_exchange(
    chain: "ChainVerified", message: ServerKeyExchange, offered: Sequence[int], randoms: tuple[bytes, bytes]
) -> SignatureVerified:
    """Client: check the signature over the server's share.

    Takes:    offered: the schemes that we sent.
    """
    content = b"".join((*randoms, params(message.named_curve, message.public)))
    with CheckOf("server"):
        return verify_signature12(chain, message.algorithm, message.signature, content, offered, "ServerKeyExchange")


def verify_client(
    chain: "ChainVerified", message: CertificateVerify, offered: Sequence[int], transcript: Transcript
) -> SignatureVerified:
    """Server: check the client's CertificateVerify, over all messages before it (RFC 5246 7.4.8)."""
    content = transcript.take_messages()
    with CheckOf("client"):
        return verify_signature12(chain, message.algorithm, message.signature, content, offered, "CertificateVerify")


def verify_signature12(
    chain: "ChainVerified", scheme: int, signature: bytes, content: bytes, offered: Sequence[int], where: str
) -> SignatureVerified:
    """Check a signature of the peer; the only maker of SignatureVerified in TLS 1.2.

    Raises:   IllegalParameter for a scheme that may not stand here, DecryptError for a wrong signature.
    Source:   RFC 5246 sections 4.7, 7.4.3, 7.4.8.
    """
    # RFC 5246 7.4.8: "The hash and signature algorithms used in the signature MUST be one of those present in the
    # supported_signature_algorithms field"; 7.4.3 says so of the server. Nothing with SHA-1 or MD5 ever is there.
    # RFC 5246 7.4.3: "In addition, the hash and signature algorithms MUST be compatible with the key in the server's
    # end-entity certificate."
    why = "which we did not offer" if scheme not in offered else ""
    if not why and scheme not in chain.signature_schemes12:
        why = "which does not fit the key in its certificate"
    if why:
        raise IllegalParameter(
            f"the peer's {where} uses {SignatureScheme.name_of(scheme)}, {why}",
            section="RFC 5246 7.4.3" if where == "ServerKeyExchange" else "RFC 5246 7.4.8",
            code="TLS-BAD_SIGNATURE_SCHEME",
        )
    signatures.verify(chain.public_key, scheme, signature, content, tls12=True)
    return SignatureVerified(chain, scheme)
