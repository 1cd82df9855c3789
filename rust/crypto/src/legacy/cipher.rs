//! AES-CBC on whole blocks, and the ciphers of AWS-LC that make MAC and CBC in one pass ("stitched").
//!
//! The context keeps the last block of ciphertext, so that a record without an IV of its own goes on from it. Where a
//! record has an IV, sealing encrypts a block of fresh randomness as the first one: what stands on the wire then is as
//! unpredictable as the cipher is good, whatever block went before (RFC 4346 6.2.3.2, the second of its ways).

use core::ffi::c_int;
use core::ptr::{null, null_mut, NonNull};

use aws_lc_sys as lc;

use super::{BulkCipher, LegacyKeys, LegacyParameters, MacAlgorithm, PseudoHeader, BLOCK};
use crate::ffi::{check, refuse};
use crate::CryptoError;

/// Octets that the library's TLS ciphers take as associated data: a pseudo header and a length.
const ASSOCIATED: usize = 13;

/// An EVP_CIPHER_CTX with its key and its first chaining block; the library wipes it when it is freed.
pub(super) struct Cbc(NonNull<lc::EVP_CIPHER_CTX>);

// SAFETY: the context is owned, and AWS-LC ties none to the thread that made it.
unsafe impl Send for Cbc {}

impl Cbc {
    /// Plain AES-CBC.
    pub(super) fn plain(cipher: BulkCipher, keys: &LegacyKeys<'_>, seal: bool) -> Result<Self, CryptoError> {
        // SAFETY: these return pointers to immutable statics of the library.
        let algorithm = unsafe {
            match cipher {
                BulkCipher::Aes128Cbc => lc::EVP_aes_128_cbc(),
                BulkCipher::Aes256Cbc => lc::EVP_aes_256_cbc(),
                BulkCipher::Null => return Err(CryptoError),
            }
        };
        Self::keyed(algorithm, keys, seal)
    }

    /// AES-CBC and HMAC in one pass, for sealing; `None` where the library has no such cipher for this CPU.
    pub(super) fn stitched(parameters: LegacyParameters, keys: &LegacyKeys<'_>) -> Result<Option<Self>, CryptoError> {
        let algorithm = stitched_algorithm(parameters);
        if algorithm.is_null() {
            return Ok(None);
        }
        let mut cbc = Self::keyed(algorithm, keys, true)?;
        let octets = c_int::try_from(keys.mac.len()).map_err(|_| CryptoError)?;
        // SAFETY: the call reads so many octets of the MAC key, and does not write.
        check(unsafe { cbc.control(lc::EVP_CTRL_AEAD_SET_MAC_KEY, octets, keys.mac.as_ptr().cast_mut()) })?;
        Ok(Some(cbc))
    }

    fn keyed(algorithm: *const lc::EVP_CIPHER, keys: &LegacyKeys<'_>, seal: bool) -> Result<Self, CryptoError> {
        let mut iv = [0; BLOCK];
        if keys.iv.is_empty() {
            crate::fill_random(&mut iv);
        } else {
            iv.copy_from_slice(keys.iv);
        }
        // SAFETY: takes nothing; null is checked.
        let context = Self(NonNull::new(unsafe { lc::EVP_CIPHER_CTX_new() }).ok_or_else(refuse)?);
        // SAFETY: a live context; key and IV have the lengths that the cipher reads, as `LegacyKeys::fit` and the type of `iv` say.
        check(unsafe {
            lc::EVP_CipherInit_ex(
                context.ptr(),
                algorithm,
                null_mut(),
                keys.cipher.as_ptr(),
                iv.as_ptr(),
                c_int::from(seal),
            )
        })?;
        Ok(context)
    }

    fn ptr(&self) -> *mut lc::EVP_CIPHER_CTX {
        self.0.as_ptr()
    }

    /// # Safety
    /// `argument` must be what the command expects.
    unsafe fn control(&mut self, command: c_int, value: c_int, argument: *mut u8) -> c_int {
        // SAFETY: a live context; the caller answers for the argument.
        unsafe { lc::EVP_CIPHER_CTX_ctrl(self.ptr(), command, value, argument.cast()) }
    }

    /// Go on from this block instead of the last one.
    pub(super) fn chain_from(&mut self, iv: &[u8; BLOCK]) -> Result<(), CryptoError> {
        // SAFETY: a live, keyed context, and an IV of the length of a block.
        check(unsafe { lc::EVP_CipherInit_ex(self.ptr(), null(), null_mut(), null(), iv.as_ptr(), -1) })
    }

    /// Tell a stitched cipher about the record that `transform` gets next; `octets` is the length of IV and content.
    pub(super) fn announce(&mut self, header: &PseudoHeader, octets: usize) -> Result<(), CryptoError> {
        let mut associated = [0; ASSOCIATED];
        associated[..header.len()].copy_from_slice(header);
        associated[header.len()..].copy_from_slice(&u16::try_from(octets).map_err(|_| CryptoError)?.to_be_bytes());
        // SAFETY: the call reads and writes the 13 octets that it is given. It returns a length, or 0 on failure.
        let room = unsafe { self.control(lc::EVP_CTRL_AEAD_TLS1_AAD, ASSOCIATED as c_int, associated.as_mut_ptr()) };
        if room > 0 {
            Ok(())
        } else {
            Err(refuse())
        }
    }

    /// Encrypt or decrypt whole blocks from `input` to `out`.
    ///
    /// # Safety
    /// `input` must be readable and `out` writable for `octets`; they are the same or do not overlap.
    pub(super) unsafe fn transform(
        &mut self,
        input: *const u8,
        out: *mut u8,
        octets: usize,
    ) -> Result<(), CryptoError> {
        debug_assert_eq!(octets % BLOCK, 0);
        // SAFETY: as the caller promises.
        check(unsafe { lc::EVP_Cipher(self.ptr(), out, input, octets) })
    }
}

impl Drop for Cbc {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::EVP_CIPHER_CTX_free(self.ptr()) };
    }
}

/// The library's cipher for MAC-then-encrypt in one pass, or null.
fn stitched_algorithm(parameters: LegacyParameters) -> *const lc::EVP_CIPHER {
    // SAFETY: these return null or pointers to immutable statics of the library.
    unsafe {
        match (parameters.cipher, parameters.mac) {
            _ if parameters.encrypt_then_mac => null(),
            (BulkCipher::Aes128Cbc, MacAlgorithm::Sha1) => lc::EVP_aes_128_cbc_hmac_sha1(),
            (BulkCipher::Aes256Cbc, MacAlgorithm::Sha1) => lc::EVP_aes_256_cbc_hmac_sha1(),
            (BulkCipher::Aes128Cbc, MacAlgorithm::Sha256) => lc::EVP_aes_128_cbc_hmac_sha256(),
            (BulkCipher::Aes256Cbc, MacAlgorithm::Sha256) => lc::EVP_aes_256_cbc_hmac_sha256(),
            _ => null(),
        }
    }
}
