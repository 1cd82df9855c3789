"""Every default of the configuration, each with its reason. A test compares these values with a recorded snapshot, so
that no default changes unseen. Codes are those of tlscore.iana; orders are orders of preference.
"""

from typing import Final

from tlscore.iana import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme

# TLS 1.3 first. TLS 1.2 stays, since RFC 9325 3.1.1 demands it of everybody and many servers have nothing newer; only
# with what is sound there: forward secrecy, AEADs, the extended main secret, no renegotiation. versions="1.3" ends it.
VERSIONS: Final = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)

# AES-128-GCM first: 128 bits suffice, and it is the fastest where CPUs have AES instructions, as servers do. The order
# is the same on every machine, so that two hosts with one configuration behave alike. The CCM suites are for
# constrained devices: available by name.
SUITES: Final = (
    CipherSuite.TLS_AES_128_GCM_SHA256,
    CipherSuite.TLS_AES_256_GCM_SHA384,
    CipherSuite.TLS_CHACHA20_POLY1305_SHA256,
    # TLS 1.2: the same three, ECDSA before RSA, since its signatures cost the server a tenth.
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
)

# The hybrid first: what is recorded today must stay secret when quantum computers come (RFC 10024). secp521r1 costs ten
# times secp256r1 and protects nothing that secp384r1 does not: available by name.
GROUPS: Final = (NamedGroup.X25519MLKEM768, NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1)

# Both shares, as browsers send: a server that knows the hybrid and one that does not both answer in one round trip. The
# hybrid share makes the ClientHello 1,216 octets longer and costs the client three x25519 shares' worth of CPU (24
# against 8 microseconds); a client that counts microseconds sets groups=("x25519",).
KEY_SHARES: Final = (NamedGroup.X25519MLKEM768, NamedGroup.x25519)

# Signatures of the handshake, cheapest to verify and most common first. SHA-1 signs nothing. PKCS #1 v1.5 does not
# exist in TLS 1.3 handshakes; in TLS 1.2 some servers can make nothing else.
SCHEMES: Final = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ed25519,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
    SignatureScheme.rsa_pss_pss_sha256,
    SignatureScheme.rsa_pss_pss_sha384,
    SignatureScheme.rsa_pss_pss_sha512,
    SignatureScheme.ecdsa_secp521r1_sha512,
    SignatureScheme.ed448,
    SignatureScheme.mldsa65,
    SignatureScheme.mldsa87,
    SignatureScheme.mldsa44,
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pkcs1_sha512,
)

# Signatures inside certificates: what the path verifier can check. PKCS #1 v1.5 stays, since nearly every RSA CA signs
# with it.
CERT_SCHEMES: Final = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.ecdsa_secp521r1_sha512,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pkcs1_sha512,
    SignatureScheme.mldsa44,
    SignatureScheme.mldsa65,
    SignatureScheme.mldsa87,
)

# Middleboxes that know only TLS 1.2 let the handshake pass with it (RFC 9846 appendix E.4); it costs 6 octets and one
# flight nothing.
MIDDLEBOX_COMPATIBILITY: Final = True

# Without the extended main secret the keys of TLS 1.2 are not bound to the handshake: two connections can be made to
# share them (triple handshake, RFC 7627 1). OpenSSL has it since 1.1.0, of 2016.
REQUIRE_EXTENDED_MAIN_SECRET: Final = True

# A server that does not know RFC 5746 lets an attacker's data be taken for the beginning of ours.
REQUIRE_RENEGOTIATION_INFO: Final = True

# Longer than any honest handshake over a bad network, short enough that idle half-open connections do not pile up.
HANDSHAKE_TIMEOUT_SECONDS: Final = 10.0

# Below this the interpreter is kept during sealing and opening: releasing it costs more than 8 microseconds of AES-GCM,
# and a busy thread beside us would take it away for a whole switch interval.
RELEASE_THRESHOLD_OCTETS: Final = 128 * 1024

# The server's order counts: servers know their hardware, and clients hold no secret order.
PREFER: Final = "server"

# A peer whose version is refused learns why, as RFC 9846 E.2 asks; "silent" is for those that must learn nothing.
ON_REJECT: Final = "alert"

# Limits on what a peer may cost. Handshake sizes: a ClientHello with a hybrid share and a cookie has 2 KiB, chains with
# ML-DSA 20 KiB.
CLIENT_HELLO_OCTETS: Final = 16 * 1024
HANDSHAKE_MESSAGE_OCTETS: Final = 64 * 1024
CERTIFICATE_OCTETS: Final = 128 * 1024
EMPTY_RECORDS: Final = 32
WARNING_ALERTS: Final = 4
KEY_UPDATES: Final = 32
POST_HANDSHAKE_MESSAGES: Final = 32
CHANGE_CIPHER_SPECS: Final = 2
# Octets that may come while a handshake waits for an async answer of ours. No transport reads more than 256 KiB at a
# time, and one that stops then has handed over at most that much more.
HELD_OCTETS: Final = 512 * 1024
# RFC 9846 5.5 allows 2^24.5 records under one AES-GCM key; keys are changed well before.
REKEY_RECORDS: Final = 2**24

# RFC 8449 4: the limit counts the content type octet too, hence 2^14 + 1; less than 64 is forbidden.
RECORD_SIZE_LIMIT_OCTETS: Final = (64, 2**14 + 1)
