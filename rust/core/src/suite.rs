//! The cipher suites of TLS 1.3 (RFC 9846 B.4): an AEAD and a hash.

use tlscore_crypto::{AeadAlgorithm, HashAlgorithm};

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

/// A cipher suite of TLS 1.2 with forward secrecy and an AEAD; what only the handshake needs (key exchange, signature) is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite12 {
    code: u16,
    aead: AeadAlgorithm,
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

impl Suite12 {
    /// All of them.
    pub const ALL: [Self; 10] = SUITES12;

    const fn new(code: u16, aead: AeadAlgorithm, hash: HashAlgorithm) -> Self {
        Self { code, aead, hash }
    }

    /// From the code on the wire.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        SUITES12.into_iter().find(|suite| suite.code == code)
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.code
    }

    /// Its AEAD.
    #[must_use]
    pub const fn aead(self) -> AeadAlgorithm {
        self.aead
    }

    /// Hash of its PRF and of the handshake.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        self.hash
    }

    /// Octets of the nonce that come out of the key block.
    #[must_use]
    pub const fn fixed_iv_len(self) -> usize {
        match self.aead {
            AeadAlgorithm::ChaCha20Poly1305 => 12,
            _ => 4,
        }
    }

    /// Records that one key may protect; TLS 1.2 has no key update, so the connection ends there.
    #[must_use]
    pub const fn record_limit(self) -> u64 {
        match self.aead {
            AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => 23_726_565,
            AeadAlgorithm::ChaCha20Poly1305 => u64::MAX - 1,
            _ => 1 << 23,
        }
    }
}
