//! Opening. What a length alone tells is refused at once; everything else about a record that fails is one answer.
//!
//! With the MAC inside the encryption, padding and MAC are checked in constant time. With the MAC outside, it is checked
//! before anything is decrypted, and no secret is in play.

use core::mem::MaybeUninit;

use super::cipher::Cbc;
use super::constant_time;
use super::mac::Hmac;
use super::secret_length::SecretLengthMac;
use super::{BulkCipher, LegacyKeys, LegacyParameters, PseudoHeader, BLOCK};
use crate::aead::assume_written;
use crate::{constant_time_eq, copy_to_uninit, CryptoError};

pub(super) enum Opener {
    Null { mac: Hmac, tag: usize },
    MacThenEncrypt { cipher: Cbc, mac: SecretLengthMac, iv: usize },
    EncryptThenMac { cipher: Cbc, mac: Hmac, iv: usize, tag: usize },
}

impl Opener {
    pub(super) fn new(parameters: LegacyParameters, keys: &LegacyKeys<'_>) -> Result<Self, CryptoError> {
        let (iv, tag) = (parameters.iv_len(), parameters.mac.output_len());
        if parameters.cipher == BulkCipher::Null {
            return Ok(Self::Null { mac: Hmac::new(parameters.mac, keys.mac)?, tag });
        }
        let cipher = Cbc::plain(parameters.cipher, keys, false)?;
        if parameters.encrypt_then_mac {
            return Ok(Self::EncryptThenMac { cipher, mac: Hmac::new(parameters.mac, keys.mac)?, iv, tag });
        }
        Ok(Self::MacThenEncrypt { cipher, mac: SecretLengthMac::new(parameters.mac, keys.mac), iv })
    }

    /// Verify a record; its content is at the start of `room`, which has as many octets as `sealed`. Gives the length.
    pub(super) fn open(
        &mut self,
        header: &PseudoHeader,
        sealed: &[u8],
        room: &mut [MaybeUninit<u8>],
    ) -> Result<usize, CryptoError> {
        match self {
            Self::Null { mac, tag } => {
                let content = verify(mac, header, sealed, *tag)?;
                copy_to_uninit(content, &mut room[..content.len()]);
                Ok(content.len())
            }
            Self::MacThenEncrypt { cipher, mac, iv } => {
                let (iv, body) = split(sealed, *iv, mac.output_len() + 1)?;
                let plain = decrypt(cipher, iv, body, room)?;
                constant_time::verify(mac, header, plain).ok_or(CryptoError)
            }
            Self::EncryptThenMac { cipher, mac, iv, tag } => {
                // RFC 7366 3: the MAC is checked before anything is decrypted, and a failure is bad_record_mac.
                let covered = verify(mac, header, sealed, *tag)?;
                let (iv, body) = split(covered, *iv, 1)?;
                without_padding(decrypt(cipher, iv, body, room)?)
            }
        }
    }
}

/// Check the MAC at the end of a record; gives what it covers.
fn verify<'a>(mac: &mut Hmac, header: &PseudoHeader, sealed: &'a [u8], tag: usize) -> Result<&'a [u8], CryptoError> {
    let covered = sealed.len().checked_sub(tag).ok_or(CryptoError)?;
    let (covered, tag) = sealed.split_at(covered);
    let length = u16::try_from(covered.len()).map_err(|_| CryptoError)?.to_be_bytes();
    let mac = mac.compute(&[header, &length, covered])?;
    if constant_time_eq(mac.as_ref(), tag) {
        Ok(covered)
    } else {
        Err(CryptoError)
    }
}

/// Split a record into IV and whole blocks, of which there must be enough for `least` octets.
fn split(sealed: &[u8], iv: usize, least: usize) -> Result<(&[u8], &[u8]), CryptoError> {
    let (iv, body) = sealed.split_at_checked(iv).ok_or(CryptoError)?;
    if body.len() < least || body.len() % BLOCK != 0 {
        return Err(CryptoError);
    }
    Ok((iv, body))
}

/// Decrypt whole blocks to the start of `room`; with no IV of its own the record goes on from the last block of the one before.
fn decrypt<'a>(
    cipher: &mut Cbc,
    iv: &[u8],
    body: &[u8],
    room: &'a mut [MaybeUninit<u8>],
) -> Result<&'a [u8], CryptoError> {
    if let Some(iv) = iv.first_chunk() {
        cipher.chain_from(iv)?;
    }
    let out = &mut room[..body.len()];
    // SAFETY: one length, and a `&mut` cannot overlap a `&`.
    unsafe { cipher.transform(body.as_ptr(), out.as_mut_ptr().cast(), body.len()) }?;
    // SAFETY: the call wrote every octet.
    Ok(unsafe { assume_written(out) })
}

/// Length of an authentic plaintext without its padding.
fn without_padding(plain: &[u8]) -> Result<usize, CryptoError> {
    let last = *plain.last().ok_or(CryptoError)?;
    let content = plain.len().checked_sub(usize::from(last) + 1).ok_or(CryptoError)?;
    // RFC 5246 6.2.3.2: "The receiver MUST check this padding and MUST use the bad_record_mac alert to indicate padding errors."
    if plain[content..].iter().all(|octet| *octet == last) {
        Ok(content)
    } else {
        Err(CryptoError)
    }
}
