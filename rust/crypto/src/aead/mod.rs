//! Record AEADs: one keyed context per direction and key, behind one trait with two providers.
//!
//! Both calls are out of place, so that a record goes straight from the caller's buffer to the wire buffer and back:
//!
//! ```text
//! seal   plaintext ────────────────┐  trailer ──┐
//! out    [ ciphertext of plaintext ][ of trailer ][ tag ]
//!
//! sealed [ ciphertext                           ][ tag ]
//! open   out [ all but the last octets ]  tail [ last octets ]
//! ```
//!
//! The trailer of TLS 1.3 is the content type and the padding (RFC 9846 5.2), which never lie beside the caller's data;
//! the tail takes the content type of a record whose content fills the caller's buffer exactly. Output memory may be
//! uninitialised: on success every octet of it has been written, on failure every octet has been zeroed, so that
//! neither old memory nor unverified plaintext is ever seen.

mod aws_lc;
mod ccm;
mod cipher;
mod memory;
mod ring;

use core::mem::MaybeUninit;

pub(crate) use self::ring::RingKey;
use crate::{cpu, CryptoError};
pub use memory::copy_to_uninit;
pub(crate) use memory::{assume_written, zero};

/// Octets of the nonce of every record AEAD of TLS 1.3.
pub const NONCE_LEN: usize = 12;

/// The AEAD algorithms of the TLS 1.3 and 1.2 cipher suites.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum AeadAlgorithm {
    /// AEAD_AES_128_GCM (RFC 5116).
    Aes128Gcm,
    /// AEAD_AES_256_GCM (RFC 5116).
    Aes256Gcm,
    /// AEAD_CHACHA20_POLY1305 (RFC 8439).
    ChaCha20Poly1305,
    /// AEAD_AES_128_CCM (RFC 5116).
    Aes128Ccm,
    /// AEAD_AES_128_CCM_8 (RFC 6655).
    Aes128Ccm8,
    /// AEAD_AES_256_CCM (RFC 5116).
    Aes256Ccm,
    /// AEAD_AES_256_CCM_8 (RFC 6655).
    Aes256Ccm8,
}

impl AeadAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 7] = [
        Self::Aes128Gcm,
        Self::Aes256Gcm,
        Self::ChaCha20Poly1305,
        Self::Aes128Ccm,
        Self::Aes128Ccm8,
        Self::Aes256Ccm,
        Self::Aes256Ccm8,
    ];

    /// Whether this is a CCM.
    pub(crate) const fn is_ccm(self) -> bool {
        matches!(self, Self::Aes128Ccm | Self::Aes128Ccm8 | Self::Aes256Ccm | Self::Aes256Ccm8)
    }

    /// Octets of the key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Ccm | Self::Aes128Ccm8 => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 | Self::Aes256Ccm | Self::Aes256Ccm8 => 32,
        }
    }

    /// Octets of the tag.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::Aes128Ccm8 | Self::Aes256Ccm8 => 8,
            _ => 16,
        }
    }
}

/// A library that implements record AEADs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Provider {
    /// AWS-LC: every algorithm.
    AwsLc,
    /// ring: AES-GCM and ChaCha20-Poly1305.
    Ring,
}

impl Provider {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwsLc => "AWS-LC",
            Self::Ring => "ring",
        }
    }

    /// Whether this provider has `algorithm`.
    pub fn supports(self, algorithm: AeadAlgorithm) -> bool {
        match self {
            Self::AwsLc => true,
            Self::Ring => !algorithm.is_ccm(),
        }
    }
}

/// One open call: what the tag covers, and where the plaintext goes.
///
/// `out.len() + tail.len() == ciphertext.len()`, and `tag` has the length of the algorithm: `RecordKey::open` saw to
/// it.
pub(crate) struct Opening<'a> {
    nonce: &'a [u8; NONCE_LEN],
    aad: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

/// A keyed AEAD. No nonce state inside, so several threads may use one at a time.
pub(crate) trait RecordAead: Send + Sync {
    /// Write ciphertext and tag; `out` has exactly the octets for it, and all are written on `Ok`.
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
        trailer: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError>;

    /// Verify and write the plaintext; on `Ok` all of `out` and `tail` is written. May leave unverified plaintext on
    /// `Err`.
    fn open(&self, opening: &Opening<'_>, out: &mut [MaybeUninit<u8>], tail: &mut [u8]) -> Result<(), CryptoError>;
}

/// The key of one direction of a connection (or of tickets). Wiped on drop; neither printable nor clonable.
pub struct RecordKey {
    aead: Box<dyn RecordAead>,
    tag_len: usize,
}

impl RecordKey {
    /// A key for the fastest provider on this CPU. Fails if the length of `key` is not that of the algorithm.
    pub fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        Self::with_provider(cpu::provider_for(algorithm), algorithm, key)
    }

    /// A key for a named provider. Fails if the provider has no such algorithm, or on a key of another length.
    pub fn with_provider(provider: Provider, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        if key.len() != algorithm.key_len() || !provider.supports(algorithm) {
            return Err(CryptoError);
        }
        let aead: Box<dyn RecordAead> = match (provider, algorithm) {
            (Provider::Ring, _) => Box::new(RingKey::new(algorithm, key)?),
            (Provider::AwsLc, _) if algorithm.is_ccm() => Box::new(ccm::CcmKey::new(algorithm, key)),
            (Provider::AwsLc, _) => Box::new(aws_lc::AwsLcKey::new(algorithm, key)?),
        };
        let tag_len = algorithm.tag_len();
        Ok(Self { aead, tag_len })
    }

    /// Octets that sealing adds.
    #[inline]
    pub fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Seal `plaintext` and then `trailer` into `out`, which must have exactly the room for them and the tag.
    ///
    /// On `Ok` every octet of `out` has been written; on `Err` every octet is zero.
    pub fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
        trailer: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError> {
        let fits = plaintext
            .len()
            .checked_add(trailer.len())
            .and_then(|content| content.checked_add(self.tag_len))
            .is_some_and(|total| total == out.len());
        let result = if fits { self.aead.seal(nonce, aad, plaintext, trailer, out) } else { Err(CryptoError) };
        result.inspect_err(|_| memory::zero(out))
    }

    /// Verify `sealed` (ciphertext and tag) and write the plaintext: its first octets to `out`, its last ones to
    /// `tail`.
    ///
    /// `out.len() + tail.len()` must be the length of the plaintext. On `Ok` every octet of both has been written, and
    /// `out` comes back as initialised memory; on `Err` every octet of both is zero.
    pub fn open<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        sealed: &[u8],
        out: &'a mut [MaybeUninit<u8>],
        tail: &mut [u8],
    ) -> Result<&'a mut [u8], CryptoError> {
        let content = sealed.len().checked_sub(self.tag_len);
        let result = match content {
            Some(content) if out.len().checked_add(tail.len()) == Some(content) => {
                let (ciphertext, tag) = sealed.split_at(content);
                let opening = Opening { nonce, aad, ciphertext, tag };
                self.aead.open(&opening, out, tail)
            }
            _ => Err(CryptoError),
        };
        if let Err(error) = result {
            memory::zero(out);
            tail.fill(0);
            return Err(error);
        }
        // SAFETY: on success every octet of `out` has been written: the contract of `RecordAead::open`.
        Ok(unsafe { memory::assume_written(out) })
    }
}
