//! Record protection of before AEADs: AES-CBC or no cipher, and an HMAC (RFC 5246 6.2.3.1, 6.2.3.2; RFC 7366).
//!
//! ```text
//! MAC then encrypt   [ IV ][ CBC( content | MAC | padding ) ]            the MAC covers header and content
//! encrypt then MAC   [ IV ][ CBC( content | padding ) ][ MAC ]           the MAC covers header, IV and ciphertext
//! no cipher          [ content ][ MAC ]
//! ```
//! TLS 1.0 has no IV on the wire: each record goes on from the last block of the one before.
//!
//! MAC-then-encrypt is opened in constant time: neither the length of the padding, nor whether padding or MAC is wrong, shows in anything
//! but the one yes or no at the end (Lucky Thirteen, POODLE's kin). A key is for one direction.

mod cipher;
mod constant_time;
mod mac;
mod open;
mod seal;
mod secret_length;

use core::mem::MaybeUninit;

pub use mac::MacAlgorithm;

use crate::aead::zero;
use crate::{Buffer, CryptoError};

/// Octets of an AES block, and so of an IV.
pub const BLOCK: usize = 16;

/// What the MAC covers before the length: sequence number, content type, version.
pub type PseudoHeader = [u8; 11];

/// A cipher that is no AEAD.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum BulkCipher {
    /// No encryption at all: the records are readable and only guarded against change.
    Null,
    /// AES-128 in CBC mode.
    Aes128Cbc,
    /// AES-256 in CBC mode.
    Aes256Cbc,
}

impl BulkCipher {
    /// Octets of the key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::Aes128Cbc => 16,
            Self::Aes256Cbc => 32,
        }
    }
}

/// Everything about the protection but the keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LegacyParameters {
    /// The cipher.
    pub cipher: BulkCipher,
    /// The MAC.
    pub mac: MacAlgorithm,
    /// TLS 1.0: the IV is the last block of the record before.
    pub implicit_iv: bool,
    /// RFC 7366.
    pub encrypt_then_mac: bool,
}

impl LegacyParameters {
    /// Octets of the IV in front of a record.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match self.cipher {
            BulkCipher::Null => 0,
            _ if self.implicit_iv => 0,
            _ => BLOCK,
        }
    }

    /// Octets by which a record is longer than its content, at least.
    #[must_use]
    pub fn least_overhead(self) -> usize {
        self.iv_len() + self.mac.output_len() + usize::from(self.cipher != BulkCipher::Null)
    }

    /// Octets of a sealed record.
    #[must_use]
    pub fn sealed_len(self, content: usize) -> usize {
        let mac = self.mac.output_len();
        if self.cipher == BulkCipher::Null {
            content + mac
        } else if self.encrypt_then_mac {
            self.iv_len() + padded(content) + mac
        } else {
            self.iv_len() + padded(content + mac)
        }
    }
}

/// The next multiple of a block, with at least one octet of padding.
const fn padded(octets: usize) -> usize {
    (octets / BLOCK + 1) * BLOCK
}

/// The keys of one direction: octets out of the key block.
pub struct LegacyKeys<'a> {
    /// For the MAC.
    pub mac: &'a [u8],
    /// For the cipher; empty without one.
    pub cipher: &'a [u8],
    /// TLS 1.0: where the chain of blocks begins; else empty.
    pub iv: &'a [u8],
}

impl LegacyKeys<'_> {
    fn fit(&self, parameters: LegacyParameters) -> bool {
        let chained = parameters.implicit_iv && parameters.cipher != BulkCipher::Null;
        self.mac.len() == parameters.mac.output_len()
            && self.cipher.len() == parameters.cipher.key_len()
            && self.iv.len() == if chained { BLOCK } else { 0 }
    }
}

/// A key that seals.
pub struct LegacySealer {
    parameters: LegacyParameters,
    sealer: seal::Sealer,
}

impl LegacySealer {
    /// Fails on keys of other lengths than the parameters ask for.
    pub fn new(parameters: LegacyParameters, keys: &LegacyKeys<'_>) -> Result<Self, CryptoError> {
        if !keys.fit(parameters) {
            return Err(CryptoError);
        }
        Ok(Self { parameters, sealer: seal::Sealer::new(parameters, keys)? })
    }

    /// What it was made for.
    #[must_use]
    pub fn parameters(&self) -> LegacyParameters {
        self.parameters
    }

    /// Seal `content` into `out`, which must have `sealed_len` octets. On `Err` every octet of `out` is zero.
    pub fn seal(
        &mut self,
        header: &PseudoHeader,
        content: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError> {
        let fits = out.len() == self.parameters.sealed_len(content.len());
        let result = if fits { self.sealer.seal(header, content, out) } else { Err(CryptoError) };
        result.inspect_err(|_| zero(out))
    }
}

/// A key that opens.
pub struct LegacyOpener {
    parameters: LegacyParameters,
    opener: open::Opener,
}

impl LegacyOpener {
    /// Fails on keys of other lengths than the parameters ask for.
    pub fn new(parameters: LegacyParameters, keys: &LegacyKeys<'_>) -> Result<Self, CryptoError> {
        if !keys.fit(parameters) {
            return Err(CryptoError);
        }
        Ok(Self { parameters, opener: open::Opener::new(parameters, keys)? })
    }

    /// What it was made for.
    #[must_use]
    pub fn parameters(&self) -> LegacyParameters {
        self.parameters
    }

    /// Verify a record and append its content to `plain`; on `Err` nothing is, and nothing unverified is left in the memory behind.
    pub fn open(&mut self, header: &PseudoHeader, sealed: &[u8], plain: &mut Buffer) -> Result<(), CryptoError> {
        let before = plain.len();
        let mut content = 0;
        plain.append_with(sealed.len(), |room| {
            content = self.opener.open(header, sealed, room).inspect_err(|_| zero(room))?;
            Ok(())
        })?;
        plain.truncate(before + content);
        Ok(())
    }
}
