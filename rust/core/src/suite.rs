//! The cipher suites as the record layer sees them: an AEAD and a hash in TLS 1.3 (RFC 9846 B.4); before it (RFC 5246 A.5) perhaps a
//! cipher and a MAC in place of the AEAD.

use tlscore_crypto::{AeadAlgorithm, BulkCipher, HashAlgorithm, LegacyParameters, MacAlgorithm};

/// A TLS 1.3 cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// TLS_AES_128_GCM_SHA256
    Aes128GcmSha256,
    /// TLS_AES_256_GCM_SHA384
    Aes256GcmSha384,
    /// TLS_CHACHA20_POLY1305_SHA256
    ChaCha20Poly1305Sha256,
    /// TLS_AES_128_CCM_SHA256
    Aes128CcmSha256,
    /// TLS_AES_128_CCM_8_SHA256
    Aes128Ccm8Sha256,
}

impl Suite {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Aes128GcmSha256,
        Self::Aes256GcmSha384,
        Self::ChaCha20Poly1305Sha256,
        Self::Aes128CcmSha256,
        Self::Aes128Ccm8Sha256,
    ];

    /// From the code on the wire.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.code() == code)
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Aes128GcmSha256 => 0x1301,
            Self::Aes256GcmSha384 => 0x1302,
            Self::ChaCha20Poly1305Sha256 => 0x1303,
            Self::Aes128CcmSha256 => 0x1304,
            Self::Aes128Ccm8Sha256 => 0x1305,
        }
    }

    /// Its AEAD.
    #[must_use]
    pub const fn aead(self) -> AeadAlgorithm {
        match self {
            Self::Aes128GcmSha256 => AeadAlgorithm::Aes128Gcm,
            Self::Aes256GcmSha384 => AeadAlgorithm::Aes256Gcm,
            Self::ChaCha20Poly1305Sha256 => AeadAlgorithm::ChaCha20Poly1305,
            Self::Aes128CcmSha256 => AeadAlgorithm::Aes128Ccm,
            Self::Aes128Ccm8Sha256 => AeadAlgorithm::Aes128Ccm8,
        }
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::Aes256GcmSha384 => HashAlgorithm::Sha384,
            _ => HashAlgorithm::Sha256,
        }
    }

    /// Records that one key may protect before this end must stop.
    ///
    /// RFC 9846 5.5: "Implementations MUST either close the connection or do a key update … prior to reaching these limits": 2^24.5
    /// full records for AES-GCM; for AES-CCM the analysis of the DTLS 1.3 authors gives 2^23; ChaCha20-Poly1305 wraps its sequence
    /// number first.
    #[must_use]
    pub const fn record_limit(self) -> u64 {
        match self {
            Self::Aes128GcmSha256 | Self::Aes256GcmSha384 => 23_726_565,
            Self::ChaCha20Poly1305Sha256 => u64::MAX - 1,
            Self::Aes128CcmSha256 | Self::Aes128Ccm8Sha256 => 1 << 23,
        }
    }
}

/// What protects the records of a suite of TLS 1.2 and before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher12 {
    /// An AEAD; TLS 1.2 alone has them.
    Aead(AeadAlgorithm),
    /// A cipher and a MAC.
    Legacy(BulkCipher, MacAlgorithm),
}

/// A cipher suite of TLS 1.2 and before; what only the handshake needs (key exchange, signature) is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite12 {
    code: u16,
    cipher: Cipher12,
    hash: HashAlgorithm,
}

/// RFC 5289, RFC 7905, RFC 7251, RFC 6655.
const SUITES12: [Suite12; 10] = [
    Suite12::new(0xc02b, AeadAlgorithm::Aes128Gcm, HashAlgorithm::Sha256),
    Suite12::new(0xc02c, AeadAlgorithm::Aes256Gcm, HashAlgorithm::Sha384),
    Suite12::new(0xc02f, AeadAlgorithm::Aes128Gcm, HashAlgorithm::Sha256),
    Suite12::new(0xc030, AeadAlgorithm::Aes256Gcm, HashAlgorithm::Sha384),
    Suite12::new(0xcca8, AeadAlgorithm::ChaCha20Poly1305, HashAlgorithm::Sha256),
    Suite12::new(0xcca9, AeadAlgorithm::ChaCha20Poly1305, HashAlgorithm::Sha256),
    Suite12::new(0xc0ac, AeadAlgorithm::Aes128Ccm, HashAlgorithm::Sha256),
    Suite12::new(0xc0ad, AeadAlgorithm::Aes256Ccm, HashAlgorithm::Sha256),
    Suite12::new(0xc0ae, AeadAlgorithm::Aes128Ccm8, HashAlgorithm::Sha256),
    Suite12::new(0xc0af, AeadAlgorithm::Aes256Ccm8, HashAlgorithm::Sha256),
];

/// What the legacy tier adds: protection, hash of the PRF in TLS 1.2, and the codes of the suites that have both. In the order of the
/// registry: RSA, DHE_RSA, DH_anon, ECDHE_ECDSA, ECDHE_RSA, ECDH_anon, as far as each exists.
///
/// RFC 5246 A.5 and 5289 for CBC, RFC 4492 and 5246 for NULL, RFC 5288, 6655 and 7905 for AEADs without elliptic curves.
const LEGACY: [(Cipher12, HashAlgorithm, &[u16]); 14] = {
    use AeadAlgorithm as Aead;
    use BulkCipher::{Aes128Cbc, Aes256Cbc, Null};
    use Cipher12::{Aead as Sealed, Legacy};
    use HashAlgorithm::{Sha256, Sha384};
    use MacAlgorithm as Mac;
    [
        (Legacy(Aes128Cbc, Mac::Sha1), Sha256, &[0x002f, 0x0033, 0x0034, 0xc009, 0xc013, 0xc018]),
        (Legacy(Aes256Cbc, Mac::Sha1), Sha256, &[0x0035, 0x0039, 0x003a, 0xc00a, 0xc014, 0xc019]),
        (Legacy(Aes128Cbc, Mac::Sha256), Sha256, &[0x003c, 0x0067, 0x006c, 0xc023, 0xc027]),
        (Legacy(Aes256Cbc, Mac::Sha256), Sha256, &[0x003d, 0x006b, 0x006d]),
        (Legacy(Aes256Cbc, Mac::Sha384), Sha384, &[0xc024, 0xc028]),
        (Legacy(Null, Mac::Sha1), Sha256, &[0x0002, 0xc006, 0xc010, 0xc015]),
        (Legacy(Null, Mac::Sha256), Sha256, &[0x003b]),
        (Sealed(Aead::Aes128Gcm), Sha256, &[0x009c, 0x009e, 0x00a6]),
        (Sealed(Aead::Aes256Gcm), Sha384, &[0x009d, 0x009f, 0x00a7]),
        (Sealed(Aead::ChaCha20Poly1305), Sha256, &[0xccaa]),
        (Sealed(Aead::Aes128Ccm), Sha256, &[0xc09c, 0xc09e]),
        (Sealed(Aead::Aes256Ccm), Sha256, &[0xc09d, 0xc09f]),
        (Sealed(Aead::Aes128Ccm8), Sha256, &[0xc0a0, 0xc0a2]),
        (Sealed(Aead::Aes256Ccm8), Sha256, &[0xc0a1, 0xc0a3]),
    ]
};

impl Suite12 {
    /// Those of TLS 1.2 with ephemeral elliptic curves and an AEAD.
    pub const ALL: [Self; 10] = SUITES12;

    const fn new(code: u16, aead: AeadAlgorithm, hash: HashAlgorithm) -> Self {
        Self { code, cipher: Cipher12::Aead(aead), hash }
    }

    /// Every other one that this build can protect records with.
    pub fn legacy() -> impl Iterator<Item = Self> {
        LEGACY
            .into_iter()
            .flat_map(|(cipher, hash, codes)| codes.iter().map(move |code| Self { code: *code, cipher, hash }))
    }

    /// From the code on the wire.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        SUITES12.into_iter().chain(Self::legacy()).find(|suite| suite.code == code)
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.code
    }

    /// What protects its records.
    #[must_use]
    pub const fn cipher(self) -> Cipher12 {
        self.cipher
    }

    /// Hash of its PRF and of the handshake in TLS 1.2.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        self.hash
    }

    /// The record protection of a suite without an AEAD.
    #[must_use]
    pub const fn parameters(self, implicit_iv: bool, encrypt_then_mac: bool) -> Option<LegacyParameters> {
        match self.cipher {
            Cipher12::Aead(_) => None,
            Cipher12::Legacy(cipher, mac) => Some(LegacyParameters { cipher, mac, implicit_iv, encrypt_then_mac }),
        }
    }

    /// Whether TLS 1.0 and 1.1 can use it: they know one MAC for the ciphers here.
    #[must_use]
    pub fn is_before12(self) -> bool {
        matches!(self.cipher, Cipher12::Legacy(_, MacAlgorithm::Sha1))
    }

    /// Whether it is a block cipher in CBC mode, for which alone encrypt_then_mac means anything (RFC 7366 3).
    #[must_use]
    pub fn is_cbc(self) -> bool {
        matches!(self.cipher, Cipher12::Legacy(BulkCipher::Aes128Cbc | BulkCipher::Aes256Cbc, _))
    }

    /// Octets of the nonce of an AEAD that come out of the key block.
    #[must_use]
    pub const fn fixed_iv_len(self) -> usize {
        match self.cipher {
            Cipher12::Aead(AeadAlgorithm::ChaCha20Poly1305) => 12,
            _ => 4,
        }
    }

    /// Records that one key may protect; TLS 1.2 has no key update, so the connection ends there.
    ///
    /// For AES-CBC the bound is where the chance that two blocks of ciphertext are equal reaches 2^-45: 2^32 full records.
    #[must_use]
    pub const fn record_limit(self) -> u64 {
        match self.cipher {
            Cipher12::Aead(AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm) => 23_726_565,
            Cipher12::Aead(AeadAlgorithm::ChaCha20Poly1305) | Cipher12::Legacy(BulkCipher::Null, _) => u64::MAX - 1,
            Cipher12::Aead(_) => 1 << 23,
            Cipher12::Legacy(..) => 1 << 32,
        }
    }
}
