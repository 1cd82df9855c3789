//! AES-CCM with the 12-octet nonces of TLS.
//!
//! AWS-LC's CCM AEADs take nonces of 13 octets, so this goes through EVP_CIPHER. CCM authenticates the plaintext:
//! opening has to decrypt before it can verify. What did not verify is wiped by the library, and once more by
//! `RecordKey::open`.

use core::mem::MaybeUninit;

use super::cipher::{CipherSlot, Direction};
use super::{memory, AeadAlgorithm, Opening, RecordAead, NONCE_LEN};
use crate::CryptoError;

pub(crate) struct CcmKey {
    slot: CipherSlot,
    tag_len: usize,
}

impl CcmKey {
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Self {
        Self { slot: CipherSlot::new(algorithm, key), tag_len: algorithm.tag_len() }
    }

    fn open_whole(&self, opening: &Opening<'_>, out: &mut [MaybeUninit<u8>]) -> Result<(), CryptoError> {
        assert_eq!(opening.ciphertext.len(), out.len());
        self.slot.with(|context| {
            context.start(Direction::Open, opening.nonce)?;
            context.expect_tag(opening.tag)?;
            context.announce(out.len())?;
            context.associate(opening.aad)?;
            // SAFETY: both have the same length, and a `&mut` cannot overlap a `&`. The call verifies the tag.
            unsafe { context.update(opening.ciphertext.as_ptr(), out.as_mut_ptr().cast(), out.len()) }
        })
    }
}

impl RecordAead for CcmKey {
    fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
        trailer: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError> {
        let (content, tag) = out.split_at_mut(plaintext.len() + trailer.len());
        assert_eq!(tag.len(), self.tag_len);
        let input = if trailer.is_empty() {
            plaintext.as_ptr()
        } else {
            // The library takes the message in one piece, so the two are joined where the ciphertext will be.
            memory::copy_to_uninit(plaintext, &mut content[..plaintext.len()]);
            memory::copy_to_uninit(trailer, &mut content[plaintext.len()..]);
            content.as_ptr().cast()
        };
        self.slot.with(|context| {
            context.start(Direction::Seal, nonce)?;
            context.announce(content.len())?;
            context.associate(aad)?;
            // SAFETY: `input` is either `plaintext`, as long as `content` and apart from it, or `content` itself, which
            // the copies have initialised. `tag` has the length of the tag.
            unsafe {
                context.update(input, content.as_mut_ptr().cast(), content.len())?;
                context.tag(tag.as_mut_ptr().cast(), tag.len())
            }
        })
    }

    fn open(&self, opening: &Opening<'_>, out: &mut [MaybeUninit<u8>], tail: &mut [u8]) -> Result<(), CryptoError> {
        if tail.is_empty() {
            return self.open_whole(opening, out);
        }
        memory::open_split(out, tail, |scratch| self.open_whole(opening, scratch))
    }
}
