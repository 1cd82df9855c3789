"""The key exchanges of the legacy tier: ECDHE, finite fields, RSA, signed as the version says or by nobody.

    ECDHE, DHE    the server sends a share and its signature (anonymous suites: none), the client answers with its own
    RSA           the client encrypts the premaster secret to the key of the server's certificate

A premaster secret is never a Python object, and opening one never fails: whatever a client sends instead of a right
ciphertext gives a secret that nobody knows, so that its Finished fails, always in the same way at the same time
(Bleichenbacher 1998, ROBOT 2017, Marvin 2023).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlscore._core import DheShare, KeyShare, MainSecret12, RsaDecryptor, SharedSecret, dhe_group
from tlscore.certs import key_use
from tlscore.certs import legacy_signatures as old
from tlscore.errors import DecodeError, HandshakeFailure, IllegalParameter, InsufficientSecurity, UnsupportedCertificate
from tlscore.handshake import key_exchange12 as exchange
from tlscore.handshake import messages
from tlscore.handshake.certificate_auth import CheckOf, signature_over
from tlscore.handshake.key_exchange12 import Role
from tlscore.handshake.proofs import Anonymous, SignatureVerified
from tlscore.iana import NamedGroup, ProtocolVersion
from tlscore.legacy import FINITE_FIELDS, SHA1_SCHEMES
from tlscore.pending import at_once
from tlscore.record import Record
from tlscore.version_lists import CURVES
from tlscore.wire import encode, encode_struct
from tlscore.wire.messages_legacy import (
    CertificateVerifyBody,
    ClientDhPublic,
    ClientEcdhPublic,
    ClientKeyExchangeBody,
    EncryptedPremaster,
    ServerDhParams,
    ServerEcdhParams,
    ServerKeyExchangeBody,
    Signed10,
    Signed12,
    decode_first,
)
from tlscore.wire.struct import decode_struct

if TYPE_CHECKING:
    from tlscore._core import KeyLog
    from tlscore.certs.identity import Identity
    from tlscore.certs.verify import ChainVerified
    from tlscore.suites import Suite

TLS12 = ProtocolVersion.TLS12
Share = KeyShare | DheShare | RsaDecryptor

# RFC 7919 A: each is named after the bits of its prime.
_FIELD_BITS = dict(zip(FINITE_FIELDS, (2048, 3072, 4096, 6144, 8192), strict=True))


class ClientShare(Record):
    """The client's half: its whole ClientKeyExchange, and the shared secret. `group` is 0 for RSA."""

    group: int
    message: bytes
    shared: SharedSecret


def main_secret(
    suite: int,
    version: int,
    shared: SharedSecret,
    randoms: tuple[bytes, bytes],
    digest: bytes | None,
    encrypt_then_mac: bool,
    key_log: "KeyLog | None",
) -> MainSecret12:
    """The main secret; `digest` is the session hash where both ends know RFC 7627."""
    return MainSecret12.derive(suite, shared, *randoms, digest, key_log, version, encrypt_then_mac)


# -- client ------------------------------------------------------------------------------------------------------------


def use_of(suite: "Suite") -> "key_use.KeyUse":
    """What a key exchange uses the key of the server's certificate for."""
    # RFC 5246 7.4.2, on DHE_RSA and ECDHE_RSA: "the certificate MUST allow the key to be used for signing (the
    # digitalSignature bit MUST be set if the key usage extension is present)"; on RSA, as certs/key_use.py has it.
    return "keyEncipherment" if suite.key_exchange == "RSA" else "digitalSignature"


def check_leaf(suite: "Suite", version: int, chain: "ChainVerified", groups: Sequence[int]) -> None:
    """Hold the server's certificate to the suite that the server selected, to the version, and to our groups."""
    # RFC 5246 7.4.2: "The end entity certificate's public key (and associated restrictions) MUST be compatible with the
    # selected key exchange algorithm."
    why = ""
    if chain.key_kind != suite.authentication:
        why = f"needs an {suite.authentication} certificate, and the server's is not for such a key"
    elif suite.key_exchange == "RSA" and old.old_scheme("RSA", chain.signature_schemes) is None:
        why = "needs a key that encrypts, and the server's only signs (RSASSA-PSS)"
    elif suite.key_exchange == "RSA" and use_of(suite) not in key_use.uses(chain.certificate):
        why = "needs a key that encrypts, and the server's certificate has a keyUsage without keyEncipherment"
    elif chain.curve and NamedGroup.code_of(chain.curve) not in groups:
        why = f"came with a certificate for a key on {chain.curve}, a curve that we did not offer"
    elif version < TLS12 and old.old_scheme(chain.key_kind, chain.signature_schemes) is None:
        why = "came with a certificate whose key cannot sign before TLS 1.2"
    if why:
        raise IllegalParameter(f"{suite.name} {why}", section="RFC 5246 7.4.2", code="TLS-WRONG_CERTIFICATE_KIND")


def encrypt_premaster(chain: "ChainVerified", number: int) -> ClientShare:
    """RSA: a fresh premaster secret, encrypted to the server's key.

    Takes:    number: the version that our ClientHello asked for, which the server compares (RFC 5246 7.4.7.1).
    """
    # RFC 5246 7.4.7.1: "The version number in the PreMasterSecret is the version offered by the client in the
    # ClientHello.client_version, not the version negotiated for the connection. This feature is designed to prevent
    # rollback attacks."
    key = chain.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        encrypted, shared = SharedSecret.rsa_premaster(number, key)
    except ValueError as refused:
        raise UnsupportedCertificate(
            f"the key of the server's certificate cannot be encrypted to: {refused}", section="RFC 5246 7.4.7.1"
        ) from None
    return ClientShare(0, _client_message(EncryptedPremaster(encrypted)), shared)


def read_params(suite: "Suite", body: bytes) -> tuple[ServerEcdhParams | ServerDhParams, bytes, bytes]:
    """The server's share, its octets, and what follows it in a ServerKeyExchange."""
    return decode_first(ServerEcdhParams if suite.key_exchange == "ECDHE" else ServerDhParams, body)


def verify_params(
    chain: "ChainVerified | None",
    version: int,
    signed: bytes,
    behind: bytes,
    offered: Sequence[int],
    randoms: tuple[bytes, bytes],
) -> SignatureVerified | Anonymous:
    """Check the signature over the server's share; without a chain there must be none."""
    if chain is None:
        if behind:
            raise DecodeError("an anonymous ServerKeyExchange has octets behind its share", section="RFC 5246 7.4.3")
        return Anonymous()
    with CheckOf("server"):
        return verify_signature(chain, version, behind, b"".join((*randoms, signed)), offered, "ServerKeyExchange")


def verify_signature(
    chain: "ChainVerified", version: int, body: bytes, content: bytes, offered: Sequence[int], where: str
) -> SignatureVerified:
    """Check a signature of the peer, in the form of the version.

    Takes:    body: the signature as it stands in the message; offered: the schemes that we sent, for TLS 1.2.
    Raises:   IllegalParameter for a scheme that may not stand here, DecryptError for a wrong signature.
    Source:   RFC 4346 section 7.4.3, RFC 5246 section 4.7.
    """
    if version == TLS12:
        message = decode_struct(Signed12, body)
        if message.algorithm not in offered or message.algorithm not in old.sha1_scheme(
            chain.key_kind, chain.signature_schemes
        ):
            return exchange.verify_signature12(chain, message.algorithm, message.signature, content, offered, where)
        scheme, signature = message.algorithm, message.signature
    else:
        only = old.old_scheme(chain.key_kind, chain.signature_schemes)
        scheme, signature = only or 0, decode_struct(Signed10, body).signature
    # In TLS 1.2 too the scheme must fit the key (RFC 5246 7.4.3); before it the key alone says which it is.
    old.verify(chain.public_key, scheme, signature, content)
    return SignatureVerified(chain, scheme)


def respond(params: ServerEcdhParams | ServerDhParams, groups: Sequence[int]) -> ClientShare:
    """Our share for the server's, and the shared secret.

    Takes:    groups: those that we offered.
    """
    if isinstance(params, ServerEcdhParams):
        if params.named_curve not in groups or params.named_curve not in CURVES:
            raise IllegalParameter(
                f"the server uses {NamedGroup.name_of(params.named_curve)}, which we did not offer",
                section="RFC 8422 5.4",
            )
        try:
            public, shared = KeyShare.respond(params.named_curve, params.public)
        except ValueError as failure:
            raise _bad_point("server", failure) from None
        return ClientShare(params.named_curve, _client_message(ClientEcdhPublic(public)), shared)
    _check_field(params, groups)
    try:
        group, public, shared = DheShare.respond(params.dh_p, params.dh_g, params.dh_public)
    except ValueError as failure:
        # RFC 7919 3: "the client MUST verify that dh_Ys is in the range 1 < dh_Ys < dh_p - 1. If dh_Ys is not in this
        # range, the client MUST terminate the connection with a fatal handshake_failure(40) alert."
        raise _bad_value("server", failure, "RFC 7919 3") from None
    return ClientShare(group, _client_message(ClientDhPublic(public)), shared)


def _check_field(params: ServerDhParams, groups: Sequence[int]) -> None:
    try:
        code, name, bits = dhe_group(params.dh_p, params.dh_g)
    except ValueError as unknown:
        # RFC 7919 3: "The client MAY decide to continue the connection if the selected group is acceptable under local
        # policy, or it MAY decide to terminate the connection with a fatal insufficient_security(71) alert." Whether an
        # unknown group is safe cannot be told (Logjam), and short ones are not.
        raise InsufficientSecurity(
            f"the server's finite-field group is not one of those that are known to be safe: {unknown}",
            remedy="let the server use ffdhe2048 or a longer one (RFC 7919), or ECDHE",
            section="RFC 7919 3",
            code="TLS-WEAK_GROUP",
        ) from None
    # Groups of RFC 3526 have no code to be offered by; those that are longer than the shortest one offered are as good.
    shortest = min([_FIELD_BITS[group] for group in groups if group in _FIELD_BITS], default=0)
    if code not in groups if code else bits < shortest:
        raise InsufficientSecurity(
            f"the server's finite-field group is {name}, which we did not offer",
            remedy=f"let the server use one of our groups, or add {name} to groups",
            section="RFC 7919 3",
            code="TLS-WEAK_GROUP",
        )


def _client_message(structure: EncryptedPremaster | ClientDhPublic | ClientEcdhPublic) -> bytes:
    return encode(ClientKeyExchangeBody(encode_struct(structure)))


def _bad_point(role: Role, failure: ValueError) -> IllegalParameter:
    return IllegalParameter(
        f"the key share of the {role} is not valid: {failure}", section="RFC 8422 5.11", code="TLS-BAD_KEY_SHARE"
    )


def _bad_value(role: Role, failure: ValueError, section: str) -> HandshakeFailure:
    return HandshakeFailure(
        f"the public value of the {role} is not valid: {failure}", section=section, code="TLS-BAD_KEY_SHARE"
    )


# -- server ------------------------------------------------------------------------------------------------------------


def generate(group: int) -> KeyShare | DheShare:
    """A fresh share, for one connection."""
    return KeyShare.generate(group) if group in CURVES else DheShare.generate(group)


def key_exchange_message(
    share: KeyShare | DheShare, identity: "Identity | None", scheme: int, version: int, randoms: tuple[bytes, bytes]
) -> bytes:
    """The ServerKeyExchange; without an identity nobody signs it."""
    if isinstance(share, KeyShare):
        params = exchange.params(share.group, share.public)
    else:
        params = encode_struct(ServerDhParams(share.p, share.g, share.public))
    if identity is None:
        return encode(ServerKeyExchangeBody(params))
    signature = sign(identity, scheme, b"".join((*randoms, params)))
    if version == TLS12:
        return messages.server_key_exchange(params, scheme, signature)
    return encode(ServerKeyExchangeBody(params + _signed(scheme, signature, version)))


def complete(share: Share, body: bytes, number: int) -> SharedSecret:
    """The shared secret for a ClientKeyExchange.

    Takes:    number: the version that the ClientHello asked for.
    """
    if isinstance(share, RsaDecryptor):
        # RFC 5246 7.4.7.1: "In any case, a TLS server MUST NOT generate an alert if processing an RSA-encrypted
        # premaster secret message fails, or the version number is not as expected. Instead, it MUST continue the
        # handshake with a randomly generated premaster secret."
        return share.decrypt(decode_struct(EncryptedPremaster, body).encrypted, number)
    if isinstance(share, DheShare):
        try:
            return share.complete(decode_struct(ClientDhPublic, body).dh_public)
        except ValueError as failure:
            # RFC 7919 4: "the server MUST verify that 1 < dh_Yc < dh_p - 1. If dh_Yc is out of range, the server MUST
            # terminate the connection with a fatal handshake_failure(40) alert."
            raise _bad_value("client", failure, "RFC 7919 4") from None
    try:
        return share.complete(decode_struct(ClientEcdhPublic, body).public)
    except ValueError as failure:
        raise _bad_point("client", failure) from None


# -- our signatures ----------------------------------------------------------------------------------------------------


def own_scheme(identity: "Identity", version: int, theirs: Sequence[int], allowed: Sequence[int]) -> int | None:
    """The scheme that an identity signs with; None where it cannot in this version.

    Takes:    theirs: what the peer verifies, for TLS 1.2; allowed: what the configuration allows.
    """
    able = old.able(identity, version)
    if version < TLS12:
        return able[0] if able else None
    return next((scheme for scheme in able if scheme in theirs and scheme in allowed), None)


def old_scheme_of(chain: "ChainVerified") -> int | None:
    """How the key of the peer's certificate signs before TLS 1.2; None where it cannot."""
    return old.old_scheme(chain.key_kind, chain.signature_schemes)


def sign(identity: "Identity", scheme: int, content: bytes) -> bytes:
    """A signature by our key."""
    if scheme in SHA1_SCHEMES or scheme == old.RSA_MD5_SHA1:
        return old.sign(identity, scheme, content)
    return at_once(signature_over(identity, scheme, content, tls12=True))


def certificate_verify(scheme: int, signature: bytes, version: int) -> bytes:
    """The client's CertificateVerify in the form of the version."""
    return encode(CertificateVerifyBody(_signed(scheme, signature, version)))


def _signed(scheme: int, signature: bytes, version: int) -> bytes:
    return encode_struct(Signed12(scheme, signature) if version == TLS12 else Signed10(signature))
