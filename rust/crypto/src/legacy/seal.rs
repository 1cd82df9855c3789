//! Sealing. Its time depends on lengths that the wire shows anyway, so the order of things is free.
//!
//! ```text
//! stitched   out [ R | content | .... ]  ──► in place: MAC and padding are put behind, all of it is encrypted in one pass
//! composed   content, whole blocks ──────► out [ E(R) | ciphertext |            ]
//!            rest + MAC + padding ─────► tail ─────────────────────► [ its end  ]        R: a block of randomness, where IVs travel
//! ```

use core::mem::MaybeUninit;

use zeroize::Zeroize;

use super::cipher::Cbc;
use super::mac::{Hmac, MAX_MAC};
use super::{BulkCipher, LegacyKeys, LegacyParameters, PseudoHeader, BLOCK};
use crate::aead::assume_written;
use crate::{copy_to_uninit, fill_random, CryptoError};

/// The rest of the content, a MAC, and padding.
const TAIL: usize = BLOCK + MAX_MAC + BLOCK;

pub(super) enum Sealer {
    Null(Hmac),
    Stitched { cipher: Cbc, iv: usize },
    MacThenEncrypt { cipher: Cbc, mac: Hmac, iv: usize },
    EncryptThenMac { cipher: Cbc, mac: Hmac, iv: usize },
}

fn length(octets: usize) -> Result<[u8; 2], CryptoError> {
    Ok(u16::try_from(octets).map_err(|_| CryptoError)?.to_be_bytes())
}

impl Sealer {
    pub(super) fn new(parameters: LegacyParameters, keys: &LegacyKeys<'_>) -> Result<Self, CryptoError> {
        let iv = parameters.iv_len();
        if parameters.cipher == BulkCipher::Null {
            return Ok(Self::Null(Hmac::new(parameters.mac, keys.mac)?));
        }
        if let Some(cipher) = Cbc::stitched(parameters, keys)? {
            return Ok(Self::Stitched { cipher, iv });
        }
        let cipher = Cbc::plain(parameters.cipher, keys, true)?;
        let mac = Hmac::new(parameters.mac, keys.mac)?;
        Ok(if parameters.encrypt_then_mac {
            Self::EncryptThenMac { cipher, mac, iv }
        } else {
            Self::MacThenEncrypt { cipher, mac, iv }
        })
    }

    pub(super) fn seal(
        &mut self,
        header: &PseudoHeader,
        content: &[u8],
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), CryptoError> {
        match self {
            Self::Null(mac) => {
                let mac = mac.compute(&[header, &length(content.len())?, content])?;
                let (body, end) = out.split_at_mut(content.len());
                copy_to_uninit(content, body);
                copy_to_uninit(mac.as_ref(), end);
                Ok(())
            }
            Self::Stitched { cipher, iv } => seal_stitched(cipher, *iv, header, content, out),
            Self::MacThenEncrypt { cipher, mac, iv } => {
                let mac = mac.compute(&[header, &length(content.len())?, content])?;
                encrypt(cipher, *iv, content, mac.as_ref(), out).map(|_| ())
            }
            Self::EncryptThenMac { cipher, mac, iv } => {
                let end = *iv + super::padded(content.len());
                let (body, tag) = out.split_at_mut(end);
                let body = encrypt(cipher, *iv, content, &[], body)?;
                // RFC 7366 3: the MAC is over sequence number, type, version, the length of "IV + ciphertext", and these two.
                let mac = mac.compute(&[header, &length(end)?, body])?;
                copy_to_uninit(mac.as_ref(), tag);
                Ok(())
            }
        }
    }
}

fn seal_stitched(
    cipher: &mut Cbc,
    iv: usize,
    header: &PseudoHeader,
    content: &[u8],
    out: &mut [MaybeUninit<u8>],
) -> Result<(), CryptoError> {
    cipher.announce(header, iv + content.len())?;
    fresh_block(&mut out[..iv]);
    copy_to_uninit(content, &mut out[iv..iv + content.len()]);
    let at = out.as_mut_ptr().cast::<u8>();
    // SAFETY: in place. Of the input only IV and content are read, which were just written; all of `out` is written, since its length is that
    // of IV, content, MAC and padding, which the cipher checks.
    unsafe { cipher.transform(at, at, out.len()) }
}

/// Encrypt a fresh block where IVs travel, then `content`, `mac` and padding; `out` has exactly the room.
fn encrypt<'a>(
    cipher: &mut Cbc,
    iv: usize,
    content: &[u8],
    mac: &[u8],
    out: &'a mut [MaybeUninit<u8>],
) -> Result<&'a [u8], CryptoError> {
    let (front, body) = out.split_at_mut(iv);
    fresh_block(front);
    let (whole, rest) = content.split_at(content.len() / BLOCK * BLOCK);
    let mut tail = [0; TAIL];
    let used = rest.len() + mac.len();
    let end = super::padded(used);
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()..used].copy_from_slice(mac);
    // RFC 5246 6.2.3.2: "Each uint8 in the padding data vector MUST be filled with the padding length value."
    tail[used..end].fill((end - used - 1) as u8);
    let (bulk, last) = body.split_at_mut(whole.len());
    if last.len() != end {
        return Err(CryptoError);
    }
    // SAFETY: each input is readable and each output writable for the length beside it; the first is in place, and was just written.
    let done = unsafe {
        let block = front.as_mut_ptr().cast::<u8>();
        cipher
            .transform(block, block, iv)
            .and_then(|()| cipher.transform(whole.as_ptr(), bulk.as_mut_ptr().cast(), whole.len()))
            .and_then(|()| cipher.transform(tail.as_ptr(), last.as_mut_ptr().cast(), end))
    };
    tail.zeroize();
    done?;
    // SAFETY: the three calls wrote all of it.
    Ok(unsafe { assume_written(out) })
}

/// RFC 5246 6.2.3.2: "The Initialization Vector (IV) SHOULD be chosen at random, and MUST be unpredictable."
fn fresh_block(out: &mut [MaybeUninit<u8>]) {
    let mut block = [0; BLOCK];
    let block = &mut block[..out.len()];
    fill_random(block);
    copy_to_uninit(block, out);
}
