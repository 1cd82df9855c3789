"""The tls-server-end-point channel binding: a hash of the server's certificate, which both ends know.

Source: RFC 5929 section 4.1.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from tlscore.errors import UsageError

# RFC 5929 4.1: with MD5 or SHA-1 in the certificate's signature, SHA-256 is used.
_WEAK = ("md5", "sha1")


def server_end_point(certificate: bytes) -> bytes:
    """The binding for a server certificate in DER."""
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if algorithm is None:
        # RFC 5929 4.1: "If the certificate's signatureAlgorithm uses no hash functions or uses multiple hash functions,
        # then this channel binding type's channel bindings are undefined at this time".
        raise UsageError(
            "tls-server-end-point is not defined for this certificate, whose signature names no single hash",
            remedy='use channel_binding("tls-exporter")',
            section="RFC 5929 4.1",
        )
    digest = hashes.Hash(hashes.SHA256() if algorithm.name in _WEAK else algorithm)
    digest.update(certificate)
    return digest.finalize()
