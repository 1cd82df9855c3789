//! AES-GCM and ChaCha20-Poly1305 of ring.
//!
//! ring works in place: the input is copied to the output first, which costs less than what its AVX2 path gains over
//! AWS-LC's on CPUs without AVX-512.

use core::mem::{needs_drop, size_of, MaybeUninit};

use aws_lc_sys as lc;
use ring::aead::{Aad, LessSafeKey, Nonce, Tag, UnboundKey, AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305};

use super::{memory, AeadAlgorithm, Opening, RecordAead, NONCE_LEN};
use crate::CryptoError;

/// The key in memory of its own, wiped on drop: ring does not do it.
///
/// Making the key moves it here from the stack, where a copy may stay until other calls write over it.
pub(crate) struct RingKey(Box<MaybeUninit<LessSafeKey>>);

impl RingKey {
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        let algorithm = match algorithm {
            AeadAlgorithm::Aes128Gcm => &AES_128_GCM,
            AeadAlgorithm::Aes256Gcm => &AES_256_GCM,
            AeadAlgorithm::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            _ => return Err(CryptoError),
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| CryptoError)?;
        Ok(Self(Box::new(MaybeUninit::new(LessSafeKey::new(key)))))
    }

    fn key(&self) -> &LessSafeKey {
        // SAFETY: initialised by `new`, and wiped by nothing but `drop`.
        unsafe { self.0.assume_init_ref() }
    }

    pub(crate) fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        content: &mut [u8],
    ) -> Result<Tag, CryptoError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key().seal_in_place_separate_tag(nonce, Aad::from(aad), content).map_err(|_| CryptoError)
    }

    pub(crate) fn open_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        tag: &[u8],
        content: &mut [u8],
    ) -> Result<(), CryptoError> {
        let tag = Tag::try_from(tag).map_err(|_| CryptoError)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key()
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, content, 0..)
            .map(|_| ())
            .map_err(|_| CryptoError)
    }

    fn open_whole(&self, opening: &Opening<'_>, out: &mut [MaybeUninit<u8>]) -> Result<(), CryptoError> {
        let content = memory::copy_to_uninit(opening.ciphertext, out);
        self.open_in_place(opening.nonce, opening.aad, opening.tag, content)
    }
}

impl Drop for RingKey {
    fn drop(&mut self) {
        // A key that owned memory would have to be dropped before it is wiped.
        const { assert!(!needs_drop::<LessSafeKey>()) };
        // SAFETY: writes within the bounds of the box; the key has no drop glue and is not used again.
        unsafe { lc::OPENSSL_cleanse(self.0.as_mut_ptr().cast(), size_of::<LessSafeKey>()) };
    }
}

impl RecordAead for RingKey {
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
        trailer: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError> {
        let (content, tag_room) = out.split_at_mut(plaintext.len() + trailer.len());
        memory::copy_to_uninit(plaintext, &mut content[..plaintext.len()]);
        memory::copy_to_uninit(trailer, &mut content[plaintext.len()..]);
        // SAFETY: the two copies wrote every octet of `content`.
        let content = unsafe { memory::assume_written(content) };
        let tag = self.seal_in_place(nonce, aad, content)?;
        memory::copy_to_uninit(tag.as_ref(), tag_room);
        Ok(())
    }

    fn open(&self, opening: &Opening<'_>, out: &mut [MaybeUninit<u8>], tail: &mut [u8]) -> Result<(), CryptoError> {
        if tail.is_empty() {
            return self.open_whole(opening, out);
        }
        memory::open_split(out, tail, |scratch| self.open_whole(opening, scratch))
    }
}
