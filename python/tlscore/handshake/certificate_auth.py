"""Proving who we are and checking who the peer is: CertificateVerify, Finished, and the choice of scheme and identity.

The three checks that make a `proofs` value live here, and only here, for TLS 1.3; those of TLS 1.2, whose signatures
cover other things, in key_exchange12.py. What a signature covers is fixed text and the
transcript hash, so nothing that the peer chose stands at its start (RFC 9846 4.5.2). Path validation belongs to
tlscore.certs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from tlscore import clocks, trace
from tlscore.certs import signatures, verify
from tlscore.danger import AcceptAnyPeer, SkipNameCheck
from tlscore.errors import (
    AccessDenied,
    AlertError,
    ConfigError,
    DecryptError,
    GeneralError,
    IllegalParameter,
    TlsError,
    escape,
)
from tlscore.handshake.proofs import FinishedVerified, KeyTransported, SignatureVerified
from tlscore.iana import SignatureScheme
from tlscore.pending import Answer, Pending, ask, is_fresh
from tlscore.wire import CertificateStatus

if TYPE_CHECKING:
    from datetime import datetime

    from tlscore._core import Transcript
    from tlscore.certs.identity import Identity
    from tlscore.certs.key_use import KeyUse
    from tlscore.certs.names import ServerName
    from tlscore.certs.verify import ChainVerified
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.wire.messages12 import Finished12
    from tlscore.wire.messages13 import CertificateEntry, CertificateVerify, Finished

Role = Literal["client", "server"]
_Owner = TypeVar("_Owner", SignatureVerified, KeyTransported)

# RFC 9846 4.5.2: 64 octets 0x20, the context string, a zero octet.
_SIGNED_BY = {
    "server": b" " * 64 + b"TLS 1.3, server CertificateVerify\0",
    "client": b" " * 64 + b"TLS 1.3, client CertificateVerify\0",
}
# Schemes that may stand in signature_algorithms for certificates, but never sign a handshake.
_CERTIFICATES_ONLY = frozenset(
    (
        SignatureScheme.rsa_pkcs1_sha1,
        SignatureScheme.ecdsa_sha1,
        SignatureScheme.rsa_pkcs1_sha256,
        SignatureScheme.rsa_pkcs1_sha384,
        SignatureScheme.rsa_pkcs1_sha512,
    )
)


class CheckOf:
    """The check of a peer's certificate: what fails inside failed in that step, whatever message brought it."""

    __slots__ = ("stage",)

    def __init__(self, role: Role) -> None:
        self.stage = trace.SERVER_CERTIFICATE_CHECK if role == "server" else trace.CLIENT_CERTIFICATE_CHECK

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, failure: BaseException | None, frames: object) -> None:
        if isinstance(failure, TlsError) and failure.stage is None:
            failure.stage = self.stage


class FinishedKeys(Protocol):
    """What can check a Finished: the schedules of TLS 1.3, the main secret of TLS 1.2."""

    def verify_finished(self, sender_is_client: bool, transcript: "Transcript", verify_data: bytes, /) -> bool: ...


def signed_content(role: Role, digest: bytes) -> bytes:
    """What a CertificateVerify of `role` signs for a transcript hash."""
    return _SIGNED_BY[role] + digest


def choose_scheme(own: Sequence[int], peer: Sequence[int], allowed: Sequence[int]) -> int | None:
    """The first scheme of our key, in our order of preference, that the peer takes and the configuration allows."""
    for scheme in own:
        if scheme in peer and scheme in allowed and scheme not in _CERTIFICATES_ONLY:
            return scheme
    return None


def sign(identity: "Identity", scheme: int, role: Role, transcript: "Transcript") -> bytes | Pending[bytes]:
    """The signature of our CertificateVerify."""
    return signature_over(identity, scheme, signed_content(role, transcript.digest()))


def signature_over(identity: "Identity", scheme: int, content: bytes, tls12: bool = False) -> bytes | Pending[bytes]:
    """A signature by our key, or what must be awaited for it.

    Raises:   GeneralError where the signer fails: it may be the caller's own object, and no other alert says it.
    """
    try:
        given: object = identity.sign(scheme, content, tls12=tls12)
    except Exception as failure:
        if isinstance(failure, (AlertError, ConfigError)) and is_fresh(failure):
            raise
        raise _signer_failed(scheme, failure) from failure
    if isinstance(given, bytes) and given:
        return given
    if isinstance(given, Pending):
        return given.through(partial(_awaited, scheme))
    raise _no_signature(given)


def _awaited(scheme: int, answer: Answer) -> bytes:
    """The signature that was awaited; as it was read so far, `answer` gives it or raises."""
    try:
        given: object = answer()
    except Exception as failure:
        if isinstance(failure, (AlertError, ConfigError)) and is_fresh(failure):
            raise
        raise _signer_failed(scheme, failure) from failure
    if isinstance(given, bytes) and given:
        return given
    raise _no_signature(given)


def _signer_failed(scheme: int, failure: Exception) -> GeneralError:
    return GeneralError(
        f"our signer could not make a {SignatureScheme.name_of(scheme)} signature ({type(failure).__name__})",
        remedy="see the chained exception; the key, token or service behind the identity failed",
        code="TLS-SIGNER_FAILED",
    )


def _no_signature(given: object) -> GeneralError:
    return GeneralError(
        f"our signer gave {type(given).__name__} instead of octets",
        remedy="sign(scheme, data) must give the signature as bytes",
        code="TLS-SIGNER_FAILED",
    )


def verify_signature(
    chain: "ChainVerified", message: "CertificateVerify", offered: Sequence[int], role: Role, transcript: "Transcript"
) -> SignatureVerified:
    """Check the peer's CertificateVerify; the only maker of SignatureVerified.

    Takes:    offered: the schemes that we sent; role: the peer's; transcript: up to and with its Certificate.
    Raises:   IllegalParameter for a scheme that may not stand here, DecryptError for a wrong signature.
    Source:   RFC 9846 section 4.5.2.
    """
    with CheckOf(role):
        _check_scheme(chain, message.algorithm, offered)
        # RFC 9846 4.5.2: "If the verification fails, the receiver MUST terminate the handshake with a "decrypt_error"
        # alert."
        content = signed_content(role, transcript.digest())
        signatures.verify(chain.public_key, message.algorithm, message.signature, content)
    return SignatureVerified(chain, message.algorithm)


def _check_scheme(chain: "ChainVerified", scheme: int, offered: Sequence[int]) -> None:
    # RFC 9846 4.5.2: "the signature algorithm used in the signature MUST be one of those present in the
    # supported_signature_algorithms field"
    if scheme not in offered:
        raise _bad_scheme(scheme, "which we did not offer")
    # RFC 9846 4.5.2: "The SHA-1 algorithm MUST NOT be used in any signatures of CertificateVerify messages."
    if scheme in _CERTIFICATES_ONLY:
        raise _bad_scheme(scheme, "which signs certificates only, never a TLS 1.3 handshake")
    # RFC 9846 4.5.2: "the signature algorithm MUST be compatible with the key in the sender's end-entity certificate"
    if scheme not in chain.signature_schemes:
        raise _bad_scheme(scheme, "which does not fit the key in its certificate")


def authorized(config: "ClientConfig | ServerConfig", peer: _Owner) -> _Owner | Pending[_Owner]:
    """Ask the configuration's `authorize` about a peer that owns the key of its verified certificate.

    Raises:   AccessDenied for every answer but True, and for every exception: nothing that goes wrong is consent.
    """
    if config.authorize is None:
        return peer
    role: Role = "server" if config.role == "client" else "client"
    return ask(partial(_consent, role, peer), config.authorize, peer.chain.identity)


def _consent(role: Role, peer: _Owner, answered: Answer) -> _Owner:
    failure: Exception | None = None
    answer: object = None
    try:
        answer = answered()
    except Exception as error:
        if isinstance(error, AlertError) and is_fresh(error):
            raise
        failure = error
    if answer is True:
        return peer
    # RFC 9846 6.2: "access_denied: A valid certificate or PSK was received, but when access control was applied, the
    # sender decided not to proceed with negotiation."
    how = f"failed ({type(failure).__name__})" if failure is not None else "did not give True"
    raise AccessDenied(
        f"the {role}'s certificate is valid, and authorize {how} for {escape(peer.chain.identity.subject, 200)}",
        remedy="see the chained exception" if failure is not None else "",
        code="TLS-AUTHORIZE_FAILED" if failure is not None else None,
        stage=CheckOf(role).stage,
    ) from failure


def _bad_scheme(scheme: int, why: str) -> IllegalParameter:
    return IllegalParameter(
        f"the peer's CertificateVerify uses {SignatureScheme.name_of(scheme)}, {why}",
        section="RFC 9846 4.5.2",
        code="TLS-BAD_SIGNATURE_SCHEME",
    )


def verify_finished(
    schedule: FinishedKeys, role: Role, transcript: "Transcript", message: "Finished | Finished12"
) -> FinishedVerified:
    """Check the peer's Finished, in constant time; the only maker of FinishedVerified in the main handshake."""
    # RFC 9846 4.5.3: "Recipients of Finished messages MUST verify that the contents are correct and if incorrect MUST
    # terminate the connection with a "decrypt_error" alert."
    if not schedule.verify_finished(role == "client", transcript, message.verify_data):
        raise bad_finished(role)
    return FinishedVerified(role)


def bad_finished(role: Role) -> DecryptError:
    return DecryptError(
        f"the Finished of the {role} does not match the handshake",
        remedy="something on the way changed the handshake, or one of the two ends computes other keys",
        section="RFC 9846 4.5.3",
        code="TLS-BAD_FINISHED",
        stage=trace.CLIENT_FINISHED_CHECK if role == "client" else trace.SERVER_FINISHED_CHECK,
    )


def now(config: "ClientConfig | ServerConfig") -> "datetime":
    """The time by the configuration's clock. Raises GeneralError where it gives none: no other alert says it."""
    try:
        return clocks.read(config.clock)
    except ConfigError as failure:
        raise GeneralError(
            f"the configuration's {failure.cause}", remedy=failure.remedy, code="TLS-CLOCK_FAILED"
        ) from failure.__cause__ or failure


def chain_of(entries: Sequence["CertificateEntry"]) -> tuple[bytes, ...]:
    return tuple([entry.cert_data for entry in entries])


def staples_of(entries: Sequence["CertificateEntry"]) -> dict[bytes, bytes] | None:
    """The OCSP responses that came with a chain, by certificate (RFC 9846 4.5.1.1)."""
    found = {}
    for entry in entries:
        if len(entry.extensions):
            status = entry.extensions.get(CertificateStatus)
            if status is not None:
                found[entry.cert_data] = status.response
    return found or None


def verify_server_chain(
    config: "ClientConfig",
    reference: "ServerName | None",
    chain: tuple[bytes, ...],
    staples: Mapping[bytes, bytes] | None,
    key_use: "KeyUse" = "digitalSignature",
) -> "ChainVerified":
    """Client: validate the server's chain as the configuration demands; only a named opt-out skips a check.

    Takes:    staples: the OCSP responses that came with it, by certificate. key_use: what the key exchange uses the
              server's key for.
    """
    authentication = config.authentication
    with CheckOf("server"):
        if isinstance(authentication, AcceptAnyPeer):
            return verify.accept_unverified(chain, authentication.reason)
        if isinstance(authentication, SkipNameCheck):
            reference = None
        elif reference is None:
            raise TlsError("a connection that verifies its server was made without a name to verify")
        return verify.verify_server(
            chain,
            authentication.trust,
            reference,
            now(config),
            policy=config.certificate_policy,
            revocation=config.revocation,
            stapled_ocsp=staples,
            key_use=key_use,
        )


def verify_client_chain(
    config: "ServerConfig", chain: tuple[bytes, ...], staples: Mapping[bytes, bytes] | None
) -> "ChainVerified":
    """Server: validate a client's chain against the anchors for clients.

    Takes:    staples: the OCSP responses that came with it, by certificate; TLS 1.2 has none from clients.
    """
    trust = config.client_trust
    if trust is None:
        raise TlsError("a server asked for a client certificate without trust for clients")
    with CheckOf("client"):
        return verify.verify_client(
            chain,
            trust,
            now(config),
            policy=config.certificate_policy,
            revocation=config.revocation,
            stapled_ocsp=staples,
        )
