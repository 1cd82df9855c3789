//! HMAC with a key that stays: each record costs the compressions of its octets and two more.

use core::ptr::{null, null_mut, NonNull};

use aws_lc_sys as lc;

use crate::ffi::{check, refuse};
use crate::CryptoError;

/// The hash of an HMAC over records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum MacAlgorithm {
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-384.
    Sha384,
}

/// The longest output.
pub(super) const MAX_MAC: usize = 48;

impl MacAlgorithm {
    /// Octets of the output, and of the key.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    fn evp_md(self) -> *const lc::EVP_MD {
        // SAFETY: these return pointers to immutable statics of the library.
        unsafe {
            match self {
                Self::Sha1 => lc::EVP_sha1(),
                Self::Sha256 => lc::EVP_sha256(),
                Self::Sha384 => lc::EVP_sha384(),
            }
        }
    }
}

/// The MAC of one record.
pub(super) struct Mac {
    octets: [u8; MAX_MAC],
    len: usize,
}

impl AsRef<[u8]> for Mac {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// A keyed HMAC; the library wipes it when it is freed.
pub(super) struct Hmac {
    context: NonNull<lc::HMAC_CTX>,
    len: usize,
}

// SAFETY: the context is owned, and AWS-LC ties none to the thread that made it.
unsafe impl Send for Hmac {}

impl Hmac {
    pub(super) fn new(algorithm: MacAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        // SAFETY: takes nothing; null is checked.
        let context = NonNull::new(unsafe { lc::HMAC_CTX_new() }).ok_or_else(refuse)?;
        let hmac = Self { context, len: algorithm.output_len() };
        // SAFETY: a live context, and a key that is readable for its length.
        check(unsafe {
            lc::HMAC_Init_ex(context.as_ptr(), key.as_ptr().cast(), key.len(), algorithm.evp_md(), null_mut())
        })?;
        Ok(hmac)
    }

    /// The MAC of the parts one after the other.
    pub(super) fn compute(&mut self, parts: &[&[u8]]) -> Result<Mac, CryptoError> {
        let context = self.context.as_ptr();
        let mut mac = Mac { octets: [0; MAX_MAC], len: self.len };
        let mut written = 0;
        // SAFETY: a live, keyed context; parts are readable for their lengths; the output has room for the longest MAC.
        unsafe {
            check(lc::HMAC_Init_ex(context, null(), 0, null(), null_mut()))?;
            for part in parts {
                check(lc::HMAC_Update(context, part.as_ptr(), part.len()))?;
            }
            check(lc::HMAC_Final(context, mac.octets.as_mut_ptr(), &mut written))?;
        }
        if written as usize == self.len {
            Ok(mac)
        } else {
            Err(CryptoError)
        }
    }
}

impl Drop for Hmac {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::HMAC_CTX_free(self.context.as_ptr()) };
    }
}
