"""Which signature schemes stand in the chain of an identity, so that a peer gets a chain that it can check.

The peer says with signature_algorithms_cert (without it, with signature_algorithms) which signatures in certificates it
verifies. That orders several identities; it never excludes the only one, since RFC 9846 4.5.1.2 asks to send some chain
rather than none. What stands in an identity never changes, so its chain is read once.
"""

from collections.abc import Collection
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from tlscore.iana import SignatureScheme

_BY_OID = {
    "1.2.840.10045.4.3.2": (SignatureScheme.ecdsa_secp256r1_sha256,),
    "1.2.840.10045.4.3.3": (SignatureScheme.ecdsa_secp384r1_sha384,),
    "1.2.840.10045.4.3.4": (SignatureScheme.ecdsa_secp521r1_sha512,),
    "1.2.840.113549.1.1.11": (SignatureScheme.rsa_pkcs1_sha256,),
    "1.2.840.113549.1.1.12": (SignatureScheme.rsa_pkcs1_sha384,),
    "1.2.840.113549.1.1.13": (SignatureScheme.rsa_pkcs1_sha512,),
    "1.3.101.112": (SignatureScheme.ed25519,),
    "1.3.101.113": (SignatureScheme.ed448,),
    "2.16.840.1.101.3.4.3.17": (SignatureScheme.mldsa44,),
    "2.16.840.1.101.3.4.3.18": (SignatureScheme.mldsa65,),
    "2.16.840.1.101.3.4.3.19": (SignatureScheme.mldsa87,),
}
_PSS = "1.2.840.113549.1.1.10"
# Whether the issuer's key is plain RSA or RSASSA-PSS, its certificate alone tells: either scheme will do.
_PSS_BY_HASH = {
    "sha256": (SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.rsa_pss_pss_sha256),
    "sha384": (SignatureScheme.rsa_pss_rsae_sha384, SignatureScheme.rsa_pss_pss_sha384),
    "sha512": (SignatureScheme.rsa_pss_rsae_sha512, SignatureScheme.rsa_pss_pss_sha512),
}
_KEPT_CHAINS = 256


def chain_fits(chain: tuple[bytes, ...], schemes: Collection[int]) -> bool:
    """Whether every signature in a chain is one of `schemes`."""
    return all(any(scheme in schemes for scheme in options) for options in _signatures(chain))


@lru_cache(maxsize=_KEPT_CHAINS)
def _signatures(chain: tuple[bytes, ...]) -> tuple[tuple[int, ...], ...]:
    """For each certificate the schemes that its signature may be called; none for one that we cannot name."""
    found = []
    for der in chain:
        certificate = x509.load_der_x509_certificate(der)
        # RFC 9846 4.3.3: "The signatures on certificates that are self-signed or certificates that are trust anchors
        # are not validated, since they begin a certification path"
        if certificate.issuer == certificate.subject:
            continue
        oid = certificate.signature_algorithm_oid.dotted_string
        found.append(_pss_schemes(certificate) if oid == _PSS else _BY_OID.get(oid, ()))
    return tuple(found)


def _pss_schemes(certificate: x509.Certificate) -> tuple[int, ...]:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ()
    return _PSS_BY_HASH.get(algorithm.name, ()) if algorithm is not None else ()
