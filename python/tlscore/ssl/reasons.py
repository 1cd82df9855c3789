"""OpenSSL's names for what goes wrong: reasons of alerts and refusals, and the codes of certificate verification.

Programs compare `reason`, `verify_code` and pieces of the text of the standard library's errors. Where a failure of
ours is one that OpenSSL knows too it gets that name, so that such a program finds it; the rest get the name of the
alert. The text of a reason is its name in lower case, without underscores.
"""

from typing import Final

# Alerts from the peer. RFC 9846 6 names them; the prefix is the version that brought them in, as OpenSSL has it.
RECEIVED: Final = {
    10: "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    20: "SSLV3_ALERT_BAD_RECORD_MAC",
    21: "TLSV1_ALERT_DECRYPTION_FAILED",
    22: "TLSV1_ALERT_RECORD_OVERFLOW",
    30: "SSLV3_ALERT_DECOMPRESSION_FAILURE",
    40: "SSLV3_ALERT_HANDSHAKE_FAILURE",
    41: "SSLV3_ALERT_NO_CERTIFICATE",
    42: "SSLV3_ALERT_BAD_CERTIFICATE",
    43: "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    44: "SSLV3_ALERT_CERTIFICATE_REVOKED",
    45: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    46: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    47: "SSLV3_ALERT_ILLEGAL_PARAMETER",
    48: "TLSV1_ALERT_UNKNOWN_CA",
    49: "TLSV1_ALERT_ACCESS_DENIED",
    50: "TLSV1_ALERT_DECODE_ERROR",
    51: "TLSV1_ALERT_DECRYPT_ERROR",
    60: "TLSV1_ALERT_EXPORT_RESTRICTION",
    70: "TLSV1_ALERT_PROTOCOL_VERSION",
    71: "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    80: "TLSV1_ALERT_INTERNAL_ERROR",
    86: "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
    90: "TLSV1_ALERT_USER_CANCELLED",
    100: "TLSV1_ALERT_NO_RENEGOTIATION",
    109: "TLSV13_ALERT_MISSING_EXTENSION",
    110: "TLSV1_UNSUPPORTED_EXTENSION",
    111: "TLSV1_CERTIFICATE_UNOBTAINABLE",
    112: "TLSV1_UNRECOGNIZED_NAME",
    113: "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
    114: "TLSV1_BAD_CERTIFICATE_HASH_VALUE",
    115: "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
    116: "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    120: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}

# What we refuse: by our code, else by the alert that we send.
BY_CODE: Final = {
    "TLS-NO_COMMON_SUITE": "NO_SHARED_CIPHER",
    "TLS-NO_FITTING_CERTIFICATE": "NO_SHARED_CIPHER",
    "TLS-NO_IDENTITY": "NO_SHARED_CIPHER",
    "TLS-NO_COMMON_GROUP": "NO_SUITABLE_KEY_SHARE",
    "TLS-NO_COMMON_SCHEME": "NO_SUITABLE_SIGNATURE_ALGORITHM",
    "TLS-BAD_FINISHED": "DIGEST_CHECK_FAILED",
    "TLS-BAD_LENGTH": "BAD_LENGTH",
    "TLS-BAD_KEY_SHARE": "BAD_KEY_SHARE",
    "TLS-BAD_SIGNATURE_SCHEME": "WRONG_SIGNATURE_TYPE",
    "TLS-CERTIFICATE_REQUIRED": "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    "TLS-CLOSED": "PROTOCOL_IS_SHUTDOWN",
    "TLS-COMPRESSION": "INVALID_COMPRESSION_ALGORITHM",
    "TLS-DOWNGRADE": "INAPPROPRIATE_FALLBACK",
    "TLS-NO_EXTENDED_MAIN_SECRET": "INCONSISTENT_EXTMS",
    "TLS-NO_RENEGOTIATION_INFO": "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
    "TLS-RESOLVER_FAILED": "CALLBACK_FAILED",
    "TLS-SNI_CALLBACK": "CALLBACK_FAILED",
    "TLS-SSLV2_HELLO": "UNSUPPORTED_PROTOCOL",
}
BY_ALERT: Final = {
    10: "UNEXPECTED_MESSAGE",
    20: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    22: "DATA_LENGTH_TOO_LONG",
    50: "LENGTH_MISMATCH",
    51: "BAD_SIGNATURE",
    70: "UNSUPPORTED_PROTOCOL",
    80: "INTERNAL_ERROR",
    86: "INAPPROPRIATE_FALLBACK",
    110: "BAD_EXTENSION",
    112: "CALLBACK_FAILED",
    116: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    120: "NO_APPLICATION_PROTOCOL",
}

# Certificate verification: (X509_V_ERR_* number, its text) by our code, else by the alert.
_LOCAL_ISSUER: Final = (20, "unable to get local issuer certificate")
_REVOCATION: Final = (50, "application verification failure")
VERIFY_BY_CODE: Final = {
    "TLS-UNKNOWN_CA-SELF_SIGNED": (18, "self-signed certificate"),
    "TLS-UNKNOWN_CA-UNKNOWN_ROOT": (19, "self-signed certificate in certificate chain"),
    "TLS-UNKNOWN_CA-MISSING_INTERMEDIATE": _LOCAL_ISSUER,
    "TLS-UNKNOWN_CA-UNKNOWN_ISSUER": _LOCAL_ISSUER,
    "TLS-CERTIFICATE_EXPIRED": (10, "certificate has expired"),
    "TLS-CERTIFICATE_EXPIRED-NOT_YET_VALID": (9, "certificate is not yet valid"),
    "TLS-BAD_CERTIFICATE-SIGNATURE": (7, "certificate signature failure"),
    "TLS-BAD_CERTIFICATE-HASH": (68, "CA signature digest algorithm too weak"),
    "TLS-BAD_CERTIFICATE-DEPTH": (22, "certificate chain too long"),
    "TLS-BAD_CERTIFICATE-NAME_CONSTRAINTS": (47, "permitted subtree violation"),
    "TLS-BAD_CERTIFICATE-POLICIES": (43, "no explicit policy"),
    "TLS-REVOKED": (23, "certificate revoked"),
    "TLS-CRL_MISSING": (3, "unable to get certificate CRL"),
    "TLS-CRL_STALE": (12, "CRL has expired"),
    "TLS-CRL_NOT_YET_VALID": (11, "CRL is not yet valid"),
    "TLS-CRL_BAD_SIGNATURE": (8, "CRL signature failure"),
    "TLS-CRL_WEAK_SIGNATURE": (8, "CRL signature failure"),
    "TLS-CRL_WRONG_ISSUER": (33, "unable to get CRL issuer certificate"),
    "TLS-CRL_NO_CRLSIGN": (35, "key usage does not include CRL signing"),
    "TLS-CRL_SCOPE": (44, "different CRL scope"),
    "TLS-CRL_REASONS": (44, "different CRL scope"),
    "TLS-AUTHORIZE_FAILED": _REVOCATION,
}
VERIFY_BY_ALERT: Final = {
    42: (1, "unspecified certificate verification error"),
    43: (26, "unsuitable certificate purpose"),
    44: (23, "certificate revoked"),
    45: (10, "certificate has expired"),
    46: _REVOCATION,
    48: _LOCAL_ISSUER,
    113: _REVOCATION,
}
NAME_MISMATCH: Final = "TLS-NAME_MISMATCH"
HOST_MISMATCH: Final = 62
ADDRESS_MISMATCH: Final = 64


def text_of(reason: str) -> str:
    """The words of a reason, as OpenSSL writes them."""
    return reason.lower().replace("_", " ")
