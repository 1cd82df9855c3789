"""The registries agree with themselves, and with the registries' facts that the handshake relies on."""

import pytest

from tlscore import iana

REGISTRIES = [
    iana.ProtocolVersion,
    iana.ContentType,
    iana.HandshakeType,
    iana.AlertDescription,
    iana.AlertLevel,
    iana.CipherSuite,
    iana.NamedGroup,
    iana.SignatureScheme,
    iana.ExtensionType,
    iana.PskKeyExchangeMode,
    iana.KeyUpdateRequest,
    iana.CertificateType,
    iana.ClientCertificateType,
    iana.CertificateStatusType,
    iana.ServerNameType,
]


def test_every_registry_is_listed_here() -> None:
    assert {*REGISTRIES} == {*iana.Registry.__subclasses__()}


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.__name__)
def test_registry_states_source_and_status_of_every_entry_and_of_nothing_else(registry: type[iana.Registry]) -> None:
    named = [name for _, _, names in registry._FACTS for name in names.split()]
    assert len(named) == len(set(named))
    assert set(named) == {registry.name_of(code) for code in registry.codes()}
    for entry in registry.entries():
        assert entry.status in ("recommended", "optional", "legacy", "forbidden")
        assert entry.source


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.__name__)
def test_registry_maps_names_and_codes_both_ways(registry: type[iana.Registry]) -> None:
    constants = {name: code for name, code in vars(registry).items() if type(code) is int and name[0] != "_"}
    assert len(set(constants.values())) == len(constants)
    for name, code in constants.items():
        assert registry.name_of(code) == name
        assert registry.code_of(name) == code
        assert registry.knows(code)
    assert registry.codes() == tuple(constants.values())


def test_registry_shows_hexadecimal_when_code_is_unknown() -> None:
    assert iana.CipherSuite.name_of(0x1301) == "TLS_AES_128_GCM_SHA256"
    assert iana.CipherSuite.name_of(0x1234) == "0x1234"
    assert iana.AlertDescription.name_of(3) == "0x03"
    assert not iana.CipherSuite.knows(0x1234)


@pytest.mark.parametrize("name", ["X25519", "", "_DIGITS", "name_of", "_FACTS", "tls"])
def test_code_of_raises_when_name_is_not_exact(name: str) -> None:
    with pytest.raises(KeyError, match="NamedGroup"):
        iana.NamedGroup.code_of(name)


def test_codes_are_those_of_the_registry() -> None:
    assert iana.NamedGroup.code_of("X25519MLKEM768") == 0x11EC
    assert [iana.SignatureScheme.code_of(f"mldsa{n}") for n in (44, 65, 87)] == [0x0904, 0x0905, 0x0906]
    assert iana.CipherSuite.TLS_FALLBACK_SCSV == 0x5600
    assert iana.CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV == 0x00FF
    assert iana.AlertDescription.general_error == 117
    assert iana.ExtensionType.renegotiation_info == 0xFF01
    assert iana.ExtensionType.encrypted_client_hello == 0xFE0D


def test_suites13_describe_the_five_suites_of_tls13() -> None:
    assert list(iana.SUITES13) == [0x1301, 0x1302, 0x1303, 0x1304, 0x1305]
    for code, suite in iana.SUITES13.items():
        assert suite.code == code
        assert suite.name == suite.openssl_name == iana.CipherSuite.name_of(code)
        assert suite.name.lower().endswith(suite.hash)
        assert suite.hash_octets == {"sha256": 32, "sha384": 48}[suite.hash]
        assert suite.key_octets == (32 if "256" in suite.aead or "CHACHA" in suite.aead else 16)
        assert suite.tag_octets == (8 if suite.aead.endswith("-8") else 16)


def test_suite_table_has_nothing_broken() -> None:
    # No RC4, NULL, export, 3DES, MD5, anonymous or static key exchange: such a suite cannot even be named.
    for code in iana.CipherSuite.codes():
        name = iana.CipherSuite.name_of(code)
        assert not any(word in name for word in ("RC4", "NULL", "EXPORT", "DES", "MD5", "anon", "CBC", "TLS_RSA_"))


def test_is_grease_accepts_the_sixteen_reserved_values_only() -> None:
    # RFC 8701 2: "0x0A0A 0x1A1A ... 0xFAFA"
    expected = {n << 12 | 0x0A00 | n << 4 | 0x0A for n in range(16)}
    assert {code for code in range(2**16) if iana.is_grease(code)} == expected
