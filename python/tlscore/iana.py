"""The IANA registries that TLS uses, as plain integers: names and spellings are those of the registry.

A registry is a class whose attributes are integers, so that a constant costs one dictionary entry at import, and codes
that nobody knows (GREASE, private use, the future) need no conversion. What else is known about an entry, its source
and its status, stands in `_FACTS`: lines of (source, status, names) that are read when somebody asks. Status:
"recommended" (the registry recommends it and nothing speaks against it), "optional", "legacy" (kept for old peers or
TLS 1.2) or "forbidden" (never to be negotiated).
"""

from typing import ClassVar, Final, Literal

Status = Literal["recommended", "optional", "legacy", "forbidden"]
_Facts = tuple[tuple[str, Status, str], ...]


class Entry:
    """One line of a registry."""

    __slots__ = ("code", "name", "source", "status")

    def __init__(self, code: int, name: str, source: str, status: Status) -> None:
        self.code = code
        self.name = name
        self.source = source
        self.status = status

    def __repr__(self) -> str:
        return f"Entry({self.code:#06x}, {self.name}, {self.source}, {self.status})"


class Registry:
    """Codes by name as attributes; names by code through `name_of`."""

    __slots__ = ()
    _DIGITS: ClassVar[int] = 4  # hexadecimal digits of an unknown code
    _FACTS: ClassVar[_Facts] = ()
    _names: ClassVar[dict[int, str]]  # made when first asked for

    @classmethod
    def _by_code(cls) -> dict[int, str]:
        names = cls.__dict__.get("_names")
        if names is None:
            names = {code: name for name, code in vars(cls).items() if type(code) is int and not name.startswith("_")}
            cls._names = names
        return names

    @classmethod
    def name_of(cls, code: int) -> str:
        """The registry's name of `code`, or "0x1234" for a code that is not in it."""
        return cls._by_code().get(code) or f"{code:#0{cls._DIGITS + 2}x}"

    @classmethod
    def code_of(cls, name: str) -> int:
        """The code of an exact IANA name. Raises KeyError."""
        code = vars(cls).get(name)
        if type(code) is not int or name.startswith("_"):
            raise KeyError(f"{name!r} is not in the {cls.__name__} registry")
        return code

    @classmethod
    def codes(cls) -> tuple[int, ...]:
        """Every known code, in the order of the table."""
        return tuple(cls._by_code())

    @classmethod
    def knows(cls, code: int) -> bool:
        return code in cls._by_code()

    @classmethod
    def entries(cls) -> tuple[Entry, ...]:
        """The registry with source and status, in the order of the table."""
        facts = {name: (source, status) for source, status, names in cls._FACTS for name in names.split()}
        return tuple([Entry(code, name, *facts[name]) for code, name in cls._by_code().items()])


def is_grease(code: int) -> bool:
    """Whether a 16-bit code is one of the sixteen reserved values 0x0A0A, 0x1A1A .. 0xFAFA (RFC 8701 section 2)."""
    return code & 0x0F0F == 0x0A0A and code >> 8 == code & 0xFF


class ProtocolVersion(Registry):
    _FACTS = (
        ("RFC 9846", "recommended", "TLS13"),
        ("RFC 5246", "legacy", "TLS12"),
        ("RFC 8996", "forbidden", "TLS11 TLS10"),
        ("RFC 7568", "forbidden", "SSL30"),
    )
    SSL30 = 0x0300
    TLS10 = 0x0301
    TLS11 = 0x0302
    TLS12 = 0x0303
    TLS13 = 0x0304


class ContentType(Registry):
    _DIGITS = 2
    _FACTS = (
        ("RFC 9846", "recommended", "change_cipher_spec alert handshake application_data"),
        ("RFC 6520", "forbidden", "heartbeat"),
    )
    change_cipher_spec = 20
    alert = 21
    handshake = 22
    application_data = 23
    heartbeat = 24


class HandshakeType(Registry):
    _DIGITS = 2
    _FACTS = (
        (
            "RFC 9846",
            "recommended",
            "client_hello server_hello new_session_ticket end_of_early_data encrypted_extensions certificate"
            " certificate_request certificate_verify finished key_update message_hash",
        ),
        ("RFC 5246", "legacy", "hello_request server_key_exchange server_hello_done client_key_exchange"),
        ("RFC 6066", "legacy", "certificate_url certificate_status"),
        ("RFC 8879", "optional", "compressed_certificate"),
    )
    hello_request = 0
    client_hello = 1
    server_hello = 2
    new_session_ticket = 4
    end_of_early_data = 5
    encrypted_extensions = 8
    certificate = 11
    server_key_exchange = 12
    certificate_request = 13
    server_hello_done = 14
    certificate_verify = 15
    client_key_exchange = 16
    finished = 20
    certificate_url = 21
    certificate_status = 22
    key_update = 24
    compressed_certificate = 25
    message_hash = 254


class AlertDescription(Registry):
    _DIGITS = 2
    _FACTS = (
        (
            "RFC 9846 6",
            "recommended",
            "close_notify unexpected_message bad_record_mac record_overflow handshake_failure bad_certificate"
            " unsupported_certificate certificate_revoked certificate_expired certificate_unknown illegal_parameter"
            " unknown_ca access_denied decode_error decrypt_error protocol_version insufficient_security"
            " internal_error inappropriate_fallback user_canceled missing_extension unsupported_extension"
            " unrecognized_name bad_certificate_status_response unknown_psk_identity certificate_required"
            " general_error no_application_protocol",
        ),
        ("RFC 9849", "optional", "ech_required"),
        (
            "RFC 5246",
            "legacy",
            "decryption_failed decompression_failure no_certificate export_restriction no_renegotiation",
        ),
        ("RFC 6066", "legacy", "certificate_unobtainable bad_certificate_hash_value"),
    )
    close_notify = 0
    unexpected_message = 10
    bad_record_mac = 20
    decryption_failed = 21
    record_overflow = 22
    decompression_failure = 30
    handshake_failure = 40
    no_certificate = 41
    bad_certificate = 42
    unsupported_certificate = 43
    certificate_revoked = 44
    certificate_expired = 45
    certificate_unknown = 46
    illegal_parameter = 47
    unknown_ca = 48
    access_denied = 49
    decode_error = 50
    decrypt_error = 51
    export_restriction = 60
    protocol_version = 70
    insufficient_security = 71
    internal_error = 80
    inappropriate_fallback = 86
    user_canceled = 90
    no_renegotiation = 100
    missing_extension = 109
    unsupported_extension = 110
    certificate_unobtainable = 111
    unrecognized_name = 112
    bad_certificate_status_response = 113
    bad_certificate_hash_value = 114
    unknown_psk_identity = 115
    certificate_required = 116
    general_error = 117
    no_application_protocol = 120
    ech_required = 121


class AlertLevel(Registry):
    _DIGITS = 2
    _FACTS = (("RFC 9846 6", "recommended", "warning fatal"),)
    warning = 1
    fatal = 2


class CipherSuite(Registry):
    _FACTS = (
        (
            "RFC 9846",
            "recommended",
            "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_CCM_SHA256",
        ),
        ("RFC 9846", "optional", "TLS_AES_128_CCM_8_SHA256"),
        ("RFC 5746", "legacy", "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
        ("RFC 7507", "legacy", "TLS_FALLBACK_SCSV"),
        (
            "RFC 5289",
            "legacy",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
            " TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ),
        (
            "RFC 7905",
            "legacy",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ),
        (
            "RFC 7251",
            "legacy",
            "TLS_ECDHE_ECDSA_WITH_AES_128_CCM TLS_ECDHE_ECDSA_WITH_AES_256_CCM TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"
            " TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
        ),
    )
    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_AES_128_CCM_SHA256 = 0x1304
    TLS_AES_128_CCM_8_SHA256 = 0x1305
    TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
    TLS_FALLBACK_SCSV = 0x5600
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xC02B
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xC02C
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xC02F
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xC030
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM = 0xC0AC
    TLS_ECDHE_ECDSA_WITH_AES_256_CCM = 0xC0AD
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 = 0xC0AE
    TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8 = 0xC0AF
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA8
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA9


class SuiteInfo:
    """What a suite stands for.

    `authentication` is the kind of key that the server of a TLS 1.2 suite must have, "ECDSA" or "RSA"; it is empty for
    TLS 1.3, where OpenSSL uses the IANA name.
    """

    __slots__ = (
        "aead",
        "authentication",
        "code",
        "hash",
        "hash_octets",
        "key_octets",
        "name",
        "openssl_name",
        "tag_octets",
    )

    def __init__(
        self,
        name: str,
        hash_name: Literal["sha256", "sha384"],
        aead: str,
        key_octets: int,
        tag_octets: int,
        authentication: str = "",
        openssl_name: str = "",
    ) -> None:
        self.code = CipherSuite.code_of(name)
        self.name = name
        self.openssl_name = openssl_name or name
        self.authentication = authentication
        self.hash = hash_name
        self.hash_octets = 32 if hash_name == "sha256" else 48
        self.aead = aead
        self.key_octets = key_octets
        self.tag_octets = tag_octets

    def __repr__(self) -> str:
        return f"SuiteInfo({self.name})"


SUITES13: Final[dict[int, SuiteInfo]] = {
    suite.code: suite
    for suite in (
        SuiteInfo("TLS_AES_128_GCM_SHA256", "sha256", "AES-128-GCM", 16, 16),
        SuiteInfo("TLS_AES_256_GCM_SHA384", "sha384", "AES-256-GCM", 32, 16),
        SuiteInfo("TLS_CHACHA20_POLY1305_SHA256", "sha256", "CHACHA20-POLY1305", 32, 16),
        SuiteInfo("TLS_AES_128_CCM_SHA256", "sha256", "AES-128-CCM", 16, 16),
        SuiteInfo("TLS_AES_128_CCM_8_SHA256", "sha256", "AES-128-CCM-8", 16, 8),
    )
}

SUITES12: Final[dict[int, SuiteInfo]] = {
    suite.code: suite
    for suite in (
        SuiteInfo(
            f"TLS_ECDHE_{key}_WITH_{encryption}",
            "sha384" if encryption.endswith("SHA384") else "sha256",
            aead,
            32 if "128" not in aead else 16,
            8 if aead.endswith("-8") else 16,
            key,
            f"ECDHE-{key}-{openssl_name}",
        )
        for encryption, aead, openssl_name, keys in (
            ("AES_128_GCM_SHA256", "AES-128-GCM", "AES128-GCM-SHA256", ("ECDSA", "RSA")),
            ("AES_256_GCM_SHA384", "AES-256-GCM", "AES256-GCM-SHA384", ("ECDSA", "RSA")),
            ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "CHACHA20-POLY1305", ("ECDSA", "RSA")),
            ("AES_128_CCM", "AES-128-CCM", "AES128-CCM", ("ECDSA",)),
            ("AES_256_CCM", "AES-256-CCM", "AES256-CCM", ("ECDSA",)),
            ("AES_128_CCM_8", "AES-128-CCM-8", "AES128-CCM8", ("ECDSA",)),
            ("AES_256_CCM_8", "AES-256-CCM-8", "AES256-CCM8", ("ECDSA",)),
        )
        for key in keys
    )
}


class NamedGroup(Registry):
    _FACTS = (
        ("RFC 9846", "recommended", "secp256r1 secp384r1 x25519 x448"),
        ("RFC 9846", "optional", "secp521r1"),
        ("RFC 10024", "recommended", "X25519MLKEM768"),
        ("RFC 10024", "optional", "SecP256r1MLKEM768 SecP384r1MLKEM1024"),
        ("draft-ietf-tls-mlkem", "optional", "MLKEM512 MLKEM768 MLKEM1024"),
        ("RFC 7919", "optional", "ffdhe2048 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192"),
        ("RFC 8734", "optional", "brainpoolP256r1tls13 brainpoolP384r1tls13 brainpoolP512r1tls13"),
        ("RFC 7027", "legacy", "brainpoolP256r1 brainpoolP384r1 brainpoolP512r1"),
        ("RFC 8422", "legacy", "secp224r1 secp256k1"),
    )
    secp224r1 = 0x0015
    secp256k1 = 0x0016
    secp256r1 = 0x0017
    secp384r1 = 0x0018
    secp521r1 = 0x0019
    brainpoolP256r1 = 0x001A
    brainpoolP384r1 = 0x001B
    brainpoolP512r1 = 0x001C
    x25519 = 0x001D
    x448 = 0x001E
    brainpoolP256r1tls13 = 0x001F
    brainpoolP384r1tls13 = 0x0020
    brainpoolP512r1tls13 = 0x0021
    ffdhe2048 = 0x0100
    ffdhe3072 = 0x0101
    ffdhe4096 = 0x0102
    ffdhe6144 = 0x0103
    ffdhe8192 = 0x0104
    MLKEM512 = 0x0200
    MLKEM768 = 0x0201
    MLKEM1024 = 0x0202
    SecP256r1MLKEM768 = 0x11EB
    X25519MLKEM768 = 0x11EC
    SecP384r1MLKEM1024 = 0x11ED


class SignatureScheme(Registry):
    _FACTS = (
        (
            "RFC 9846",
            "recommended",
            "ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 rsa_pss_rsae_sha256 rsa_pss_rsae_sha384"
            " rsa_pss_rsae_sha512 ed25519 rsa_pss_pss_sha256 rsa_pss_pss_sha384 rsa_pss_pss_sha512",
        ),
        ("RFC 9846", "optional", "ecdsa_secp521r1_sha512 ed448"),
        ("RFC 9846", "legacy", "rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512"),
        ("RFC 9155", "forbidden", "rsa_pkcs1_sha1 ecdsa_sha1"),
        ("RFC 9963", "legacy", "rsa_pkcs1_sha256_legacy rsa_pkcs1_sha384_legacy rsa_pkcs1_sha512_legacy"),
        (
            "RFC 8734",
            "optional",
            "ecdsa_brainpoolP256r1tls13_sha256 ecdsa_brainpoolP384r1tls13_sha384 ecdsa_brainpoolP512r1tls13_sha512",
        ),
        ("draft-ietf-tls-mldsa", "optional", "mldsa44 mldsa65 mldsa87"),
    )
    rsa_pkcs1_sha1 = 0x0201
    ecdsa_sha1 = 0x0203
    rsa_pkcs1_sha256 = 0x0401
    ecdsa_secp256r1_sha256 = 0x0403
    rsa_pkcs1_sha256_legacy = 0x0420
    rsa_pkcs1_sha384 = 0x0501
    ecdsa_secp384r1_sha384 = 0x0503
    rsa_pkcs1_sha384_legacy = 0x0520
    rsa_pkcs1_sha512 = 0x0601
    ecdsa_secp521r1_sha512 = 0x0603
    rsa_pkcs1_sha512_legacy = 0x0620
    rsa_pss_rsae_sha256 = 0x0804
    rsa_pss_rsae_sha384 = 0x0805
    rsa_pss_rsae_sha512 = 0x0806
    ed25519 = 0x0807
    ed448 = 0x0808
    rsa_pss_pss_sha256 = 0x0809
    rsa_pss_pss_sha384 = 0x080A
    rsa_pss_pss_sha512 = 0x080B
    ecdsa_brainpoolP256r1tls13_sha256 = 0x081A
    ecdsa_brainpoolP384r1tls13_sha384 = 0x081B
    ecdsa_brainpoolP512r1tls13_sha512 = 0x081C
    mldsa44 = 0x0904
    mldsa65 = 0x0905
    mldsa87 = 0x0906


class ExtensionType(Registry):
    _FACTS = (
        (
            "RFC 9846",
            "recommended",
            "supported_groups signature_algorithms pre_shared_key early_data supported_versions cookie"
            " psk_key_exchange_modes certificate_authorities oid_filters post_handshake_auth"
            " signature_algorithms_cert key_share",
        ),
        ("RFC 6066", "recommended", "server_name status_request"),
        ("RFC 8449", "recommended", "record_size_limit"),
        ("RFC 7301", "recommended", "application_layer_protocol_negotiation"),
        ("RFC 7685", "recommended", "padding"),
        ("RFC 8879", "recommended", "compress_certificate"),
        ("RFC 9345", "recommended", "delegated_credential"),
        ("RFC 9849", "recommended", "encrypted_client_hello ech_outer_extensions"),
        ("RFC 9001", "recommended", "quic_transport_parameters"),
        ("RFC 9149", "recommended", "ticket_request"),
        ("RFC 8844", "recommended", "external_id_hash external_session_id"),
        ("RFC 9146", "optional", "connection_id"),
        ("RFC 9853", "optional", "rrc"),
        ("RFC 5764", "recommended", "use_srtp"),
        ("RFC 8870", "recommended", "supported_ekt_ciphers"),
        ("RFC 7250", "recommended", "client_certificate_type server_certificate_type"),
        ("RFC 6962", "optional", "signed_certificate_timestamp"),
        ("RFC 9162", "recommended", "transparency_info"),
        ("RFC 8773", "optional", "tls_cert_with_extern_psk"),
        ("RFC 8672", "optional", "ticket_pinning"),
        ("RFC 8492", "optional", "pwd_protect pwd_clear password_salt"),
        ("RFC 9102", "optional", "dnssec_chain"),
        ("draft-ietf-tls-tlsflags", "optional", "tls_flags"),
        ("draft-pismenny-tls-dtls-plaintext-sequence-number", "optional", "sequence_number_encryption_algorithms"),
        ("RFC 6520", "optional", "heartbeat"),
        ("RFC 7366", "legacy", "encrypt_then_mac"),
        ("RFC 7627", "legacy", "extended_main_secret"),
        ("RFC 5077", "legacy", "session_ticket"),
        ("RFC 5746", "legacy", "renegotiation_info"),
        ("RFC 8422", "legacy", "ec_point_formats"),
        ("RFC 6066", "legacy", "max_fragment_length client_certificate_url trusted_ca_keys"),
        ("RFC 6066", "forbidden", "truncated_hmac"),
        ("RFC 4681", "legacy", "user_mapping"),
        ("RFC 5878", "legacy", "client_authz server_authz"),
        ("RFC 6091", "legacy", "cert_type"),
        ("RFC 5054", "legacy", "srp"),
        ("RFC 6961", "legacy", "status_request_v2"),
        ("RFC 8472", "legacy", "token_binding"),
        ("RFC 7924", "legacy", "cached_info"),
        ("draft-gutmann-tls-lts", "legacy", "tls_lts"),
        ("ETSI TS 103 523-2", "legacy", "TLMSP TLMSP_proxying TLMSP_delegate"),
        ("RFC 9146", "legacy", "connection_id_deprecated"),
    )
    server_name = 0
    max_fragment_length = 1
    client_certificate_url = 2
    trusted_ca_keys = 3
    truncated_hmac = 4
    status_request = 5
    user_mapping = 6
    client_authz = 7
    server_authz = 8
    cert_type = 9
    supported_groups = 10
    ec_point_formats = 11
    srp = 12
    signature_algorithms = 13
    use_srtp = 14
    heartbeat = 15
    application_layer_protocol_negotiation = 16
    status_request_v2 = 17
    signed_certificate_timestamp = 18
    client_certificate_type = 19
    server_certificate_type = 20
    padding = 21
    encrypt_then_mac = 22
    extended_main_secret = 23
    token_binding = 24
    cached_info = 25
    tls_lts = 26
    compress_certificate = 27
    record_size_limit = 28
    pwd_protect = 29
    pwd_clear = 30
    password_salt = 31
    ticket_pinning = 32
    tls_cert_with_extern_psk = 33
    delegated_credential = 34
    session_ticket = 35
    TLMSP = 36
    TLMSP_proxying = 37
    TLMSP_delegate = 38
    supported_ekt_ciphers = 39
    pre_shared_key = 41
    early_data = 42
    supported_versions = 43
    cookie = 44
    psk_key_exchange_modes = 45
    certificate_authorities = 47
    oid_filters = 48
    post_handshake_auth = 49
    signature_algorithms_cert = 50
    key_share = 51
    transparency_info = 52
    connection_id_deprecated = 53
    connection_id = 54
    external_id_hash = 55
    external_session_id = 56
    quic_transport_parameters = 57
    ticket_request = 58
    dnssec_chain = 59
    sequence_number_encryption_algorithms = 60
    rrc = 61
    tls_flags = 62
    ech_outer_extensions = 64768
    encrypted_client_hello = 65037
    renegotiation_info = 65281


class PskKeyExchangeMode(Registry):
    _DIGITS = 2
    _FACTS = (("RFC 9846 4.3.9", "optional", "psk_ke"), ("RFC 9846 4.3.9", "recommended", "psk_dhe_ke"))
    psk_ke = 0
    psk_dhe_ke = 1


class KeyUpdateRequest(Registry):
    _DIGITS = 2
    _FACTS = (("RFC 9846 4.7.3", "recommended", "update_not_requested update_requested"),)
    update_not_requested = 0
    update_requested = 1


class CertificateType(Registry):
    _DIGITS = 2
    _FACTS = (
        ("RFC 9846 4.5.1", "recommended", "X509"),
        ("RFC 7250", "optional", "RawPublicKey"),
        ("RFC 6091", "forbidden", "OpenPGP"),
    )
    X509 = 0
    OpenPGP = 1
    RawPublicKey = 2


class ClientCertificateType(Registry):
    """Kinds of client certificates that a TLS 1.2 server asks for; what RFC 8422 and this library have of them."""

    _DIGITS = 2
    _FACTS = (("RFC 5246", "legacy", "rsa_sign"), ("RFC 8422", "legacy", "ecdsa_sign"))
    rsa_sign = 1
    ecdsa_sign = 64


class CertificateStatusType(Registry):
    _DIGITS = 2
    _FACTS = (("RFC 6066", "recommended", "ocsp"), ("RFC 6961", "legacy", "ocsp_multi"))
    ocsp = 1
    ocsp_multi = 2


class ServerNameType(Registry):
    _DIGITS = 2
    _FACTS = (("RFC 6066", "recommended", "host_name"),)
    host_name = 0
