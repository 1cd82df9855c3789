//! Hashes, HMAC, constant-time comparison and randomness.
//!
//! A [`HashContext`] is AWS-LC's plain context struct by value: no allocation, a clone is a copy of about 200 octets (but for
//! the pair of TLS 1.0).
//! That makes [`HashContext::peek`] (the transcript hash in the middle of a handshake) cheap. Inputs of transcripts are
//! public, so contexts and digests do not wipe themselves.

use core::mem::MaybeUninit;
use core::ptr::{null_mut, NonNull};

use aws_lc_sys as lc;
use zeroize::Zeroize;

use crate::secret::MAX_SECRET_LEN;
use crate::CryptoError;

/// The hash functions of transcripts and key schedules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum HashAlgorithm {
    /// SHA-256, 32 octets.
    Sha256,
    /// SHA-384, 48 octets.
    Sha384,
    /// MD5 and SHA-1 one after the other, 36 octets: transcripts and the PRF before TLS 1.2, nothing else.
    Md5Sha1,
}

impl HashAlgorithm {
    /// Octets of the output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Md5Sha1 => 36,
        }
    }

    pub(crate) fn evp_md(self) -> *const lc::EVP_MD {
        // SAFETY: each returns a pointer to an immutable static of the library.
        unsafe {
            match self {
                Self::Sha256 => lc::EVP_sha256(),
                Self::Sha384 => lc::EVP_sha384(),
                Self::Md5Sha1 => lc::EVP_md5_sha1(),
            }
        }
    }
}

/// The output of a hash or of HMAC: a public value, but for a step of a key derivation, which is wiped by whoever takes it.
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

impl Zeroize for Digest {
    fn zeroize(&mut self) {
        self.octets.zeroize();
    }
}

impl AsRef<[u8]> for Digest {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

#[derive(Clone)]
enum State {
    Sha256(lc::SHA256_CTX),
    Sha384(lc::SHA512_CTX),
    Md5Sha1(Md5Sha1),
}

/// The library's context for the two hashes at once, which it keeps to itself.
struct Md5Sha1(NonNull<lc::EVP_MD_CTX>);

// SAFETY: the context is owned, and AWS-LC ties none to the thread that made it; through a shared reference it is only read.
unsafe impl Send for Md5Sha1 {}
// SAFETY: as above.
unsafe impl Sync for Md5Sha1 {}

impl Md5Sha1 {
    fn allocate() -> Self {
        // SAFETY: takes nothing; null is checked.
        Self(NonNull::new(unsafe { lc::EVP_MD_CTX_new() }).expect("memory for a hash"))
    }

    fn new() -> Self {
        let context = Self::allocate();
        // SAFETY: a live context.
        let code = unsafe { lc::EVP_DigestInit_ex(context.0.as_ptr(), lc::EVP_md5_sha1(), null_mut()) };
        assert_eq!(code, 1, "MD5 and SHA-1 failed");
        context
    }

    fn update(&mut self, data: &[u8]) {
        // SAFETY: a live context, and a pointer that is readable for its length. Hashing into a context cannot fail.
        unsafe { lc::EVP_DigestUpdate(self.0.as_ptr(), data.as_ptr().cast(), data.len()) };
    }

    fn finish(self, out: &mut [u8; MAX_SECRET_LEN]) {
        // SAFETY: a live context that is not used again; `out` has room for more than is written.
        unsafe { lc::EVP_DigestFinal_ex(self.0.as_ptr(), out.as_mut_ptr(), null_mut()) };
    }
}

impl Clone for Md5Sha1 {
    fn clone(&self) -> Self {
        let copy = Self::allocate();
        // SAFETY: two live contexts.
        let code = unsafe { lc::EVP_MD_CTX_copy_ex(copy.0.as_ptr(), self.0.as_ptr()) };
        assert_eq!(code, 1, "MD5 and SHA-1 failed");
        copy
    }
}

impl Drop for Md5Sha1 {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::EVP_MD_CTX_free(self.0.as_ptr()) };
    }
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
            HashAlgorithm::Md5Sha1 => State::Md5Sha1(Md5Sha1::new()),
        };
        Self { state }
    }

    /// The algorithm that `new` was given.
    pub fn algorithm(&self) -> HashAlgorithm {
        match self.state {
            State::Sha256(_) => HashAlgorithm::Sha256,
            State::Sha384(_) => HashAlgorithm::Sha384,
            State::Md5Sha1(..) => HashAlgorithm::Md5Sha1,
        }
    }

    /// Add `data` to what is hashed.
    pub fn update(&mut self, data: &[u8]) {
        // SAFETY: an initialised context, and a pointer that is readable for its length.
        unsafe {
            match &mut self.state {
                State::Sha256(context) => {
                    lc::SHA256_Update(context, data.as_ptr().cast(), data.len());
                }
                State::Sha384(context) => {
                    lc::SHA384_Update(context, data.as_ptr().cast(), data.len());
                }
                State::Md5Sha1(context) => context.update(data),
            }
        }
    }

    /// The hash of everything so far; the context can go on.
    pub fn peek(&self) -> Digest {
        let mut digest = Digest::zeros(self.algorithm());
        // SAFETY: the contexts are copies that are not used again; `digest` has room for 64 octets, the most that is written.
        unsafe {
            match self.state.clone() {
                State::Sha256(mut context) => {
                    lc::SHA256_Final(digest.octets.as_mut_ptr(), &mut context);
                }
                State::Sha384(mut context) => {
                    lc::SHA384_Final(digest.octets.as_mut_ptr(), &mut context);
                }
                State::Md5Sha1(context) => context.finish(&mut digest.octets),
            }
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

/// The PRF of TLS 1.0 and 1.1: P_MD5 of one half of the secret, XORed with P_SHA1 of the other (RFC 2246 5).
///
/// # Panics
/// If memory cannot be had.
pub fn prf_md5_sha1(secret: &[u8], label: &[u8], seed: &[u8], out: &mut [u8]) {
    // SAFETY: pointers are readable, and `out` is writable, for the lengths beside them; there is no second seed.
    let code = unsafe {
        lc::CRYPTO_tls1_prf(
            lc::EVP_md5_sha1(),
            out.as_mut_ptr(),
            out.len(),
            secret.as_ptr(),
            secret.len(),
            label.as_ptr().cast(),
            label.len(),
            seed.as_ptr(),
            seed.len(),
            core::ptr::null(),
            0,
        )
    };
    assert_eq!(code, 1, "the PRF failed");
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
