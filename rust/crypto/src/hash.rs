//! Hashes, HMAC, constant-time comparison and randomness.
//!
//! A [`HashContext`] is AWS-LC's plain context struct by value: no allocation, a clone is a copy of about 200 octets.
//! That makes [`HashContext::peek`] (the transcript hash in the middle of a handshake) cheap. Inputs of transcripts are
//! public, so contexts and digests are not wiped.

use core::mem::MaybeUninit;

use aws_lc_sys as lc;

use crate::secret::MAX_SECRET_LEN;
use crate::CryptoError;

/// The hash functions of the TLS 1.3 cipher suites.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum HashAlgorithm {
    /// SHA-256, 32 octets.
    Sha256,
    /// SHA-384, 48 octets.
    Sha384,
}

impl HashAlgorithm {
    /// Octets of the output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    pub(crate) fn evp_md(self) -> *const lc::EVP_MD {
        // SAFETY: both return a pointer to an immutable static of the library.
        unsafe {
            match self {
                Self::Sha256 => lc::EVP_sha256(),
                Self::Sha384 => lc::EVP_sha384(),
            }
        }
    }
}

/// The output of a hash or of HMAC: a public value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    octets: [u8; MAX_SECRET_LEN],
    len: usize,
}

impl Digest {
    fn zeros(algorithm: HashAlgorithm) -> Self {
        Self { octets: [0; MAX_SECRET_LEN], len: algorithm.output_len() }
    }
}

impl AsRef<[u8]> for Digest {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

#[derive(Clone, Copy)]
enum State {
    Sha256(lc::SHA256_CTX),
    Sha384(lc::SHA512_CTX),
}

/// A running hash.
#[derive(Clone)]
pub struct HashContext {
    state: State,
}

impl HashContext {
    /// A hash of nothing so far.
    pub fn new(algorithm: HashAlgorithm) -> Self {
        let state = match algorithm {
            HashAlgorithm::Sha256 => {
                let mut context = MaybeUninit::uninit();
                // SAFETY: the call writes the whole struct, which is then initialised.
                unsafe {
                    lc::SHA256_Init(context.as_mut_ptr());
                    State::Sha256(context.assume_init())
                }
            }
            HashAlgorithm::Sha384 => {
                let mut context = MaybeUninit::zeroed();
                // SAFETY: plain integers, for which zero is valid; the call sets the starting values.
                unsafe {
                    lc::SHA384_Init(context.as_mut_ptr());
                    State::Sha384(context.assume_init())
                }
            }
        };
        Self { state }
    }

    /// The algorithm that `new` was given.
    pub fn algorithm(&self) -> HashAlgorithm {
        match self.state {
            State::Sha256(_) => HashAlgorithm::Sha256,
            State::Sha384(_) => HashAlgorithm::Sha384,
        }
    }

    /// Add `data` to what is hashed.
    pub fn update(&mut self, data: &[u8]) {
        // SAFETY: an initialised context, and a pointer that is readable for its length.
        unsafe {
            match &mut self.state {
                State::Sha256(context) => lc::SHA256_Update(context, data.as_ptr().cast(), data.len()),
                State::Sha384(context) => lc::SHA384_Update(context, data.as_ptr().cast(), data.len()),
            };
        }
    }

    /// The hash of everything so far; the context can go on.
    pub fn peek(&self) -> Digest {
        let mut state = self.state;
        let mut digest = Digest::zeros(self.algorithm());
        // SAFETY: `state` is a copy that is not used again; `digest` has room for 64 octets, the most that is written.
        unsafe {
            match &mut state {
                State::Sha256(context) => lc::SHA256_Final(digest.octets.as_mut_ptr(), context),
                State::Sha384(context) => lc::SHA384_Final(digest.octets.as_mut_ptr(), context),
            };
        }
        digest
    }
}

/// The hash of `data`.
pub fn hash(algorithm: HashAlgorithm, data: &[u8]) -> Digest {
    let mut context = HashContext::new(algorithm);
    context.update(data);
    context.peek()
}

/// HMAC (RFC 2104) of `data`.
pub fn hmac(algorithm: HashAlgorithm, key: &[u8], data: &[u8]) -> Digest {
    let mut digest = Digest::zeros(algorithm);
    let mut written = 0;
    // SAFETY: pointers are readable for their lengths; `digest` has room for 64 octets, the most that is written.
    let out = unsafe {
        lc::HMAC(
            algorithm.evp_md(),
            key.as_ptr().cast(),
            key.len(),
            data.as_ptr(),
            data.len(),
            digest.octets.as_mut_ptr(),
            &mut written,
        )
    };
    // HMAC fails only where memory cannot be had; a wrong MAC must not be handed on.
    assert!(!out.is_null() && written as usize == digest.len, "HMAC failed");
    digest
}

/// Whether `tag` is the whole HMAC of `data`, in time that does not depend on where they differ.
pub fn hmac_verify(algorithm: HashAlgorithm, key: &[u8], data: &[u8], tag: &[u8]) -> bool {
    constant_time_eq(hmac(algorithm, key, data).as_ref(), tag)
}

/// Whether two slices hold the same octets; only their lengths show in the time it takes.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    // SAFETY: both are readable for the length compared, which is the length of both.
    left.len() == right.len()
        && unsafe { lc::CRYPTO_memcmp(left.as_ptr().cast(), right.as_ptr().cast(), left.len()) } == 0
}

/// Fill `out` from the system's generator. AWS-LC notices a fork and reseeds.
///
/// # Panics
/// If the system gives no randomness: nothing sensible can be done without.
pub fn fill_random(out: &mut [u8]) {
    // SAFETY: `out` is writable for its length.
    let code = unsafe { lc::RAND_bytes(out.as_mut_ptr(), out.len()) };
    assert_eq!(crate::ffi::check(code), Ok::<(), CryptoError>(()), "no randomness");
}
