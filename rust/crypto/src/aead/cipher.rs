//! AWS-LC's EVP_CIPHER contexts as a resource of a key: for what the EVP_AEAD interface cannot do.
//!
//! Such a context holds the state of one operation, so it cannot be shared the way an EVP_AEAD context can, and making
//! one costs an allocation and a key schedule. A [`CipherSlot`] keeps one idle context; a call takes it out, and puts
//! it back. A second thread that comes at the same time finds the slot empty and makes a context of its own: nobody
//! ever waits.

use core::ffi::c_int;
use core::ptr::{null, null_mut, NonNull};
use std::sync::{Mutex, TryLockError};

use aws_lc_sys as lc;
use zeroize::Zeroizing;

use super::{AeadAlgorithm, NONCE_LEN};
use crate::ffi::{check, refuse};
use crate::CryptoError;

/// What a context does next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Open = 0,
    Seal = 1,
}

/// A keyed context that is not in use, and what is needed to make another.
pub(crate) struct CipherSlot {
    algorithm: AeadAlgorithm,
    key: Zeroizing<Vec<u8>>,
    idle: Mutex<Option<CipherContext>>,
}

impl CipherSlot {
    /// No context is made before the first use.
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Self {
        Self { algorithm, key: Zeroizing::new(key.to_vec()), idle: Mutex::new(None) }
    }

    /// Run `work` with a context that nobody else has.
    pub(crate) fn with<R>(
        &self,
        work: impl FnOnce(&mut CipherContext) -> Result<R, CryptoError>,
    ) -> Result<R, CryptoError> {
        let mut context = match self.take() {
            Some(context) => context,
            None => CipherContext::new(self.algorithm, &self.key)?,
        };
        let result = work(&mut context);
        self.put_back(context);
        result
    }

    fn take(&self) -> Option<CipherContext> {
        match self.idle.try_lock() {
            Ok(mut idle) => idle.take(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn put_back(&self, context: CipherContext) {
        if let Ok(mut idle) = self.idle.try_lock() {
            *idle = Some(context);
        }
    }
}

/// An EVP_CIPHER_CTX with its key set. The library wipes it when it is freed.
pub(crate) struct CipherContext(NonNull<lc::EVP_CIPHER_CTX>);

// SAFETY: the context is owned, and AWS-LC ties no context to the thread that made it.
unsafe impl Send for CipherContext {}

impl CipherContext {
    fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        // SAFETY: takes nothing; null is checked.
        let context = Self(NonNull::new(unsafe { lc::EVP_CIPHER_CTX_new() }).ok_or_else(refuse)?);
        // SAFETY: these return pointers to immutable statics of the library.
        let cipher = unsafe {
            match algorithm {
                AeadAlgorithm::Aes128Gcm => lc::EVP_aes_128_gcm(),
                AeadAlgorithm::Aes256Gcm => lc::EVP_aes_256_gcm(),
                AeadAlgorithm::Aes128Ccm | AeadAlgorithm::Aes128Ccm8 => lc::EVP_aes_128_ccm(),
                AeadAlgorithm::Aes256Ccm | AeadAlgorithm::Aes256Ccm8 => lc::EVP_aes_256_ccm(),
                AeadAlgorithm::ChaCha20Poly1305 => return Err(CryptoError),
            }
        };
        let is_ccm = algorithm.is_ccm();
        // SAFETY: a live context; the key has the length that the cipher reads, as `RecordKey` checked.
        unsafe {
            check(lc::EVP_CipherInit_ex(context.ptr(), cipher, null_mut(), null(), null(), 1))?;
            context.control(lc::EVP_CTRL_AEAD_SET_IVLEN, NONCE_LEN as c_int, null_mut())?;
            if is_ccm {
                // CCM wants the length of the tag before the key.
                context.control(lc::EVP_CTRL_AEAD_SET_TAG, algorithm.tag_len() as c_int, null_mut())?;
            }
            check(lc::EVP_CipherInit_ex(context.ptr(), null(), null_mut(), key.as_ptr(), null(), -1))?;
        }
        Ok(context)
    }

    fn ptr(&self) -> *mut lc::EVP_CIPHER_CTX {
        self.0.as_ptr()
    }

    /// # Safety
    /// `argument` must be what the command expects.
    unsafe fn control(
        &self,
        command: c_int,
        value: c_int,
        argument: *mut core::ffi::c_void,
    ) -> Result<(), CryptoError> {
        // SAFETY: a live context; the caller answers for the argument.
        check(unsafe { lc::EVP_CIPHER_CTX_ctrl(self.ptr(), command, value, argument) })
    }

    /// Start an operation: whatever state an earlier one left is gone.
    pub(crate) fn start(&mut self, direction: Direction, nonce: &[u8; NONCE_LEN]) -> Result<(), CryptoError> {
        // SAFETY: a live, keyed context, and a nonce of the length set when it was made.
        check(unsafe {
            lc::EVP_CipherInit_ex(self.ptr(), null(), null_mut(), null(), nonce.as_ptr(), direction as c_int)
        })
    }

    /// Tell the length of the message, which CCM must know before anything else.
    pub(crate) fn announce(&mut self, octets: usize) -> Result<(), CryptoError> {
        let octets = c_int::try_from(octets).map_err(|_| CryptoError)?;
        let mut done = 0;
        // SAFETY: with neither input nor output the call only notes the length.
        check(unsafe { lc::EVP_CipherUpdate(self.ptr(), null_mut(), &mut done, null(), octets) })
    }

    /// Add associated data; also when there is none, because CCM starts its MAC here.
    pub(crate) fn associate(&mut self, aad: &[u8]) -> Result<(), CryptoError> {
        let octets = c_int::try_from(aad.len()).map_err(|_| CryptoError)?;
        let mut done = 0;
        // SAFETY: without an output the call reads `aad`, whose pointer is never null.
        check(unsafe { lc::EVP_CipherUpdate(self.ptr(), null_mut(), &mut done, aad.as_ptr(), octets) })
    }

    /// Encrypt or decrypt `octets` octets from `input` to `out`, which may be the same memory.
    ///
    /// # Safety
    /// `input` must be readable and `out` writable for `octets`; they are the same or do not overlap.
    pub(crate) unsafe fn update(&mut self, input: *const u8, out: *mut u8, octets: usize) -> Result<(), CryptoError> {
        let octets = c_int::try_from(octets).map_err(|_| CryptoError)?;
        let mut done = 0;
        // SAFETY: as the caller promises.
        check(unsafe { lc::EVP_CipherUpdate(self.ptr(), out, &mut done, input, octets) })?;
        if done == octets {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }

    /// Give the tag that opening has to find.
    pub(crate) fn expect_tag(&mut self, tag: &[u8]) -> Result<(), CryptoError> {
        // SAFETY: the call copies `tag`, and does not write through the pointer.
        unsafe { self.control(lc::EVP_CTRL_AEAD_SET_TAG, tag.len() as c_int, tag.as_ptr().cast_mut().cast()) }
    }

    /// Write the tag of what was sealed to `tag`.
    ///
    /// # Safety
    /// `tag` must be writable for `octets`.
    pub(crate) unsafe fn tag(&mut self, tag: *mut u8, octets: usize) -> Result<(), CryptoError> {
        // SAFETY: as the caller promises; the call writes `octets` octets.
        unsafe { self.control(lc::EVP_CTRL_AEAD_GET_TAG, octets as c_int, tag.cast()) }
    }

    /// Compare the tag, for a mode that does it at the end.
    pub(crate) fn finish(&mut self) -> Result<(), CryptoError> {
        let mut rest = [0u8; 32];
        let mut done = 0;
        // SAFETY: a block of room, more than a mode without padding writes.
        check(unsafe { lc::EVP_CipherFinal_ex(self.ptr(), rest.as_mut_ptr(), &mut done) })
    }
}

impl Drop for CipherContext {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::EVP_CIPHER_CTX_free(self.ptr()) };
    }
}
