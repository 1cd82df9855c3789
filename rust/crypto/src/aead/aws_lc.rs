//! AES-GCM and ChaCha20-Poly1305 of AWS-LC, through its EVP_AEAD interface.
//!
//! An EVP_AEAD_CTX is a read-only key schedule once it is made: any number of threads may use it. Sealing hands the
//! trailer over as `extra_in`, so that nothing is copied. Opening to two places cannot be said in this interface;
//! AES-GCM does it with a streaming context beside the AEAD context ([`CipherSlot`]), the rest with scratch memory.

use core::mem::{size_of, MaybeUninit};
use core::ptr::null_mut;

use aws_lc_sys as lc;

use super::cipher::{CipherSlot, Direction};
use super::{memory, AeadAlgorithm, Opening, RecordAead, NONCE_LEN};
use crate::ffi::check;
use crate::CryptoError;

/// A split open of at most this many octets goes through the stack: cheaper than starting a streaming context.
const SMALL: usize = 512;

/// ChaCha20-Poly1305 pays about 100 ns for any `extra_in`, and goes through a long one block by block. Joining the two
/// where the ciphertext will be costs less for content of at most `SHORT_CONTENT` octets, or a trailer over
/// `LONG_TRAILER`.
const SHORT_CONTENT: usize = 4096;
const LONG_TRAILER: usize = 64;

pub(crate) struct AwsLcKey {
    context: Box<Context>,
    /// Streams split opens; only for AES-GCM.
    splitter: Option<CipherSlot>,
}

/// The library's context in memory that never moves, wiped on drop.
struct Context(MaybeUninit<lc::EVP_AEAD_CTX>);

// SAFETY: after EVP_AEAD_CTX_init the context is only read (its seal and open functions take it as const, and the
// algorithms used here keep no nonce state), so it may be shared and sent.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<Self>, CryptoError> {
        // SAFETY: these return pointers to immutable statics of the library.
        let aead = unsafe {
            match algorithm {
                AeadAlgorithm::Aes128Gcm => lc::EVP_aead_aes_128_gcm(),
                AeadAlgorithm::Aes256Gcm => lc::EVP_aead_aes_256_gcm(),
                AeadAlgorithm::ChaCha20Poly1305 => lc::EVP_aead_chacha20_poly1305(),
                _ => return Err(CryptoError),
            }
        };
        // Zeroed, so that dropping it is sound even if init fails.
        let mut context = Box::new(Self(MaybeUninit::zeroed()));
        // SAFETY: the context is writable, and `key` readable for its length.
        check(unsafe {
            lc::EVP_AEAD_CTX_init(
                context.0.as_mut_ptr(),
                aead,
                key.as_ptr(),
                key.len(),
                algorithm.tag_len(),
                null_mut(),
            )
        })?;
        Ok(context)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: zeroed or initialised, both of which cleanup accepts. It frees what the library allocated, but leaves
        // the key schedule that lies in the struct: that is cleansed here, within the bounds of the struct.
        unsafe {
            lc::EVP_AEAD_CTX_cleanup(self.0.as_mut_ptr());
            lc::OPENSSL_cleanse(self.0.as_mut_ptr().cast(), size_of::<lc::EVP_AEAD_CTX>());
        }
    }
}

impl AwsLcKey {
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        let streams = matches!(algorithm, AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm);
        Ok(Self { context: Context::new(algorithm, key)?, splitter: streams.then(|| CipherSlot::new(algorithm, key)) })
    }

    /// Seal `octets` octets at `input` and then `trailer`.
    ///
    /// # Safety
    /// `input` must be readable for `octets`, and be the start of `out` or not overlap it.
    unsafe fn seal_raw(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        (input, octets): (*const u8, usize),
        trailer: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError> {
        let (content, rest) = out.split_at_mut(octets);
        let mut written = 0;
        // SAFETY: all are valid for their lengths; the library writes `octets` octets to the first output and at most
        // `rest.len()` to the second.
        check(unsafe {
            lc::EVP_AEAD_CTX_seal_scatter(
                self.context.0.as_ptr(),
                content.as_mut_ptr().cast(),
                rest.as_mut_ptr().cast(),
                &mut written,
                rest.len(),
                nonce.as_ptr(),
                NONCE_LEN,
                input,
                octets,
                trailer.as_ptr(),
                trailer.len(),
                aad.as_ptr(),
                aad.len(),
            )
        })?;
        // What is short of the room would be left uninitialised.
        if written == rest.len() {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }

    fn open_whole(&self, opening: &Opening<'_>, out: &mut [MaybeUninit<u8>]) -> Result<(), CryptoError> {
        assert_eq!(opening.ciphertext.len(), out.len());
        // SAFETY: all are valid for their lengths, and a `&mut` cannot overlap a `&`; on success the library has
        // written as many octets as the ciphertext has.
        check(unsafe {
            lc::EVP_AEAD_CTX_open_gather(
                self.context.0.as_ptr(),
                out.as_mut_ptr().cast(),
                opening.nonce.as_ptr(),
                NONCE_LEN,
                opening.ciphertext.as_ptr(),
                opening.ciphertext.len(),
                opening.tag.as_ptr(),
                opening.tag.len(),
                opening.aad.as_ptr(),
                opening.aad.len(),
            )
        })
    }

    fn open_small(
        &self,
        opening: &Opening<'_>,
        out: &mut [MaybeUninit<u8>],
        tail: &mut [u8],
    ) -> Result<(), CryptoError> {
        let mut scratch = [MaybeUninit::<u8>::uninit(); SMALL];
        let scratch = &mut scratch[..opening.ciphertext.len()];
        self.open_whole(opening, scratch)?;
        let (head, rest) = scratch.split_at(out.len());
        out.copy_from_slice(head);
        for (to, from) in tail.iter_mut().zip(rest) {
            // SAFETY: a successful open wrote all of `scratch`.
            *to = unsafe { from.assume_init() };
        }
        Ok(())
    }
}

fn open_streaming(
    slot: &CipherSlot,
    opening: &Opening<'_>,
    out: &mut [MaybeUninit<u8>],
    tail: &mut [u8],
) -> Result<(), CryptoError> {
    let (head, rest) = opening.ciphertext.split_at(out.len());
    assert_eq!(rest.len(), tail.len());
    slot.with(|context| {
        context.start(Direction::Open, opening.nonce)?;
        context.associate(opening.aad)?;
        // SAFETY: each pair has one length, and a `&mut` cannot overlap a `&`.
        unsafe {
            context.update(head.as_ptr(), out.as_mut_ptr().cast(), head.len())?;
            context.update(rest.as_ptr(), tail.as_mut_ptr(), rest.len())?;
        }
        context.expect_tag(opening.tag)?;
        context.finish()
    })
}

impl RecordAead for AwsLcKey {
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
        trailer: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError> {
        let joined = plaintext.len() <= SHORT_CONTENT || trailer.len() > LONG_TRAILER;
        if self.splitter.is_some() || trailer.is_empty() || !joined {
            // SAFETY: a slice is readable for its length, and a `&mut` cannot overlap a `&`.
            return unsafe { self.seal_raw(nonce, aad, (plaintext.as_ptr(), plaintext.len()), trailer, out) };
        }
        let content = plaintext.len() + trailer.len();
        memory::copy_to_uninit(plaintext, &mut out[..plaintext.len()]);
        memory::copy_to_uninit(trailer, &mut out[plaintext.len()..content]);
        let input = (out.as_ptr().cast(), content);
        // SAFETY: the input is the start of `out`, which the copies have initialised.
        unsafe { self.seal_raw(nonce, aad, input, &[], out) }
    }

    fn open(&self, opening: &Opening<'_>, out: &mut [MaybeUninit<u8>], tail: &mut [u8]) -> Result<(), CryptoError> {
        if tail.is_empty() {
            return self.open_whole(opening, out);
        }
        if opening.ciphertext.len() <= SMALL {
            return self.open_small(opening, out, tail);
        }
        match &self.splitter {
            Some(slot) => open_streaming(slot, opening, out, tail),
            None => memory::open_split(out, tail, |scratch| self.open_whole(opening, scratch)),
        }
    }
}
