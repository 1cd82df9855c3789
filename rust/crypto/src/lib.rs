//! The boundary between tlscore and its crypto providers.
//!
//! Everything that is FFI, and everything that touches uninitialised memory, lives in this crate, so that the protocol
//! crate can forbid unsafe code. What crosses the boundary is small: a keyed record AEAD ([`RecordKey`]), a running
//! hash ([`HashContext`]), HKDF over opaque [`Secret`]s, ephemeral key exchange ([`KeyShare`], [`respond`]) and pooled
//! memory ([`Buffer`]).
//!
//! AWS-LC does all of it, but for AES-GCM on CPUs with VAES and no AVX-512, where ring is faster: [`provider_for`]
//! decides once per process. Failures are one opaque [`CryptoError`]: which check failed is no business of the peer's.

mod aead;
mod buffer;
mod cpu;
mod ffi;
mod hash;
mod hkdf;
mod kex;
mod legacy;
mod limit;
mod secret;
#[cfg(feature = "test-hooks")]
pub mod test_hooks;

pub use aead::{copy_to_uninit, AeadAlgorithm, Provider, RecordKey, NONCE_LEN};
pub use buffer::Buffer;
pub use cpu::{cpu_features, provider_for};
pub use hash::{
    constant_time_eq, fill_random, hash, hmac, hmac_verify, prf_md5_sha1, Digest, HashAlgorithm, HashContext,
};
pub use hkdf::{derive_secret, hkdf_expand, hkdf_expand_label, hkdf_extract};
pub use kex::{
    respond, rsa_premaster, select_premaster, DheGroup, DheKey, Group, KeyShare, RsaDecryptor, SharedSecret, PREMASTER,
};
pub use legacy::{BulkCipher, LegacyKeys, LegacyOpener, LegacyParameters, LegacySealer, MacAlgorithm, PseudoHeader};
pub use limit::{raw_open_seconds, raw_seal_seconds};
pub use secret::Secret;

/// A cryptographic operation failed. Opaque on purpose: a reason would be an oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CryptoError;

impl std::fmt::Display for CryptoError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("cryptographic operation failed")
    }
}

impl std::error::Error for CryptoError {}
