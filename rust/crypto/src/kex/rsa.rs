//! RSA key exchange (RFC 5246 7.4.7.1): the client chooses the secret and encrypts it to the server's key.
//!
//! A server that shows in any way whether a ciphertext was padded right lets anybody decrypt what others recorded
//! (Bleichenbacher, ROBOT, Marvin). Here one path serves every ciphertext: raw RSA, blinded and of fixed length; then a
//! mask made of all conditions at once chooses, octet by octet, between what was decrypted and a random secret made
//! beforehand. Nothing branches on the outcome and nothing reports it.

use core::hint::black_box;
use core::ptr::NonNull;

use aws_lc_sys as lc;
use zeroize::Zeroizing;

use super::SharedSecret;
use crate::ffi::{check, refuse};
use crate::{fill_random, CryptoError};

/// Octets of the secret: the version of the ClientHello, and 46 random ones.
pub const PREMASTER: usize = 48;
/// Octets of the smallest padding: 00 02, eight that are not zero, 00.
const LEAST_PADDING: usize = 11;
/// Sizes of keys that are dealt with at all; what is good enough is the policy's business.
const BITS: core::ops::RangeInclusive<u32> = 1024..=8192;

/// A key of the library.
struct Key(NonNull<lc::EVP_PKEY>);

// SAFETY: the key is owned, and is not changed after it was parsed; the library locks what it caches inside (blinding).
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

impl Key {
    fn parse(der: &[u8], parser: unsafe extern "C" fn(*mut lc::CBS) -> *mut lc::EVP_PKEY) -> Result<Self, CryptoError> {
        let mut rest = core::mem::MaybeUninit::uninit();
        // SAFETY: the call writes the whole struct, which then reads `der` for its length; null is checked.
        let (key, left) = unsafe {
            lc::CBS_init(rest.as_mut_ptr(), der.as_ptr(), der.len());
            let key = Self(NonNull::new(parser(rest.as_mut_ptr())).ok_or_else(refuse)?);
            (key, lc::CBS_len(rest.as_ptr()))
        };
        // SAFETY: a live key. A key for PSS alone has another type, and may not decrypt.
        let is_rsa = unsafe { lc::EVP_PKEY_id(key.0.as_ptr()) } == lc::EVP_PKEY_RSA;
        if left == 0 && is_rsa && BITS.contains(&key.bits()) {
            Ok(key)
        } else {
            Err(CryptoError)
        }
    }

    fn rsa(&self) -> *mut lc::RSA {
        // SAFETY: a live key; what comes back belongs to it.
        unsafe { lc::EVP_PKEY_get0_RSA(self.0.as_ptr()) }
    }

    fn bits(&self) -> u32 {
        // SAFETY: a live RSA key.
        unsafe { lc::RSA_bits(self.rsa()) }
    }

    fn size(&self) -> usize {
        self.bits().div_ceil(8) as usize
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::EVP_PKEY_free(self.0.as_ptr()) };
    }
}

/// A fresh secret for a server, and its ciphertext: (EncryptedPreMasterSecret, secret).
///
/// `version` is the one of the ClientHello; `spki` the server's SubjectPublicKeyInfo. Fails where that is no RSA key.
pub fn rsa_premaster(version: u16, spki: &[u8]) -> Result<(Vec<u8>, SharedSecret), CryptoError> {
    let key = Key::parse(spki, lc::EVP_parse_public_key)?;
    let mut secret = Zeroizing::new([0; PREMASTER]);
    fill_random(&mut secret[..]);
    // RFC 5246 7.4.7.1: "The version number in the PreMasterSecret is the version offered by the client in the ClientHello.client_version,
    // not the version negotiated for the connection."
    secret[..2].copy_from_slice(&version.to_be_bytes());
    let mut ciphertext = vec![0; key.size()];
    let mut written = 0;
    // SAFETY: all are valid for the lengths beside them.
    check(unsafe {
        lc::RSA_encrypt(
            key.rsa(),
            &mut written,
            ciphertext.as_mut_ptr(),
            ciphertext.len(),
            secret.as_ptr(),
            secret.len(),
            lc::RSA_PKCS1_PADDING,
        )
    })?;
    if written == ciphertext.len() {
        Ok((ciphertext, SharedSecret::from_octets(&secret[..])))
    } else {
        Err(CryptoError)
    }
}

/// A server's key for the RSA key exchange.
pub struct RsaDecryptor(Key);

impl RsaDecryptor {
    /// From an unencrypted PKCS#8 structure. Fails where that is no RSA key of 1,024 to 8,192 bits.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        Key::parse(der, lc::EVP_parse_private_key).map(Self)
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.0.bits()
    }

    /// The client's secret; a random one where the ciphertext, its padding, its length or the version in it is wrong.
    ///
    /// RFC 5246 7.4.7.1: "a TLS server MUST NOT generate an alert if processing an RSA-encrypted premaster secret message fails, or the
    /// version number is not as expected. Instead, it MUST continue the handshake with a randomly generated premaster secret."
    #[must_use]
    pub fn decrypt(&self, ciphertext: &[u8], version: u16) -> SharedSecret {
        let mut random = Zeroizing::new([0; PREMASTER]);
        fill_random(&mut random[..]);
        let mut message = Zeroizing::new(vec![0; self.0.size()]);
        let mut written = 0;
        // SAFETY: all are valid for the lengths beside them.
        let done = check(unsafe {
            lc::RSA_decrypt(
                self.0.rsa(),
                &mut written,
                message.as_mut_ptr(),
                message.len(),
                ciphertext.as_ptr(),
                ciphertext.len(),
                lc::RSA_NO_PADDING,
            )
        });
        // Raw RSA fails only for a ciphertext of the wrong length or above the modulus, which whoever sent it can see, too.
        if done.is_err() {
            message.fill(0);
        }
        SharedSecret::from_octets(&select_premaster(&message, version, &random)[..])
    }
}

/// All ones where `octet` is zero, else zero.
fn zero_mask(octet: u8) -> u8 {
    (u16::from(octet).wrapping_sub(1) >> 8) as u8
}

/// The secret in a decrypted message, or `random` where the message is not `00 02 nonzero… 00 version secret`, in constant time.
///
/// Public, so that the proof of constant time can reach it.
///
/// # Panics
/// If `message` is shorter than the shortest key allows.
#[must_use]
pub fn select_premaster(message: &[u8], version: u16, random: &[u8; PREMASTER]) -> Zeroizing<[u8; PREMASTER]> {
    assert!(message.len() >= LEAST_PADDING + PREMASTER, "a key of at least 1,024 bits");
    let (padding, secret) = message.split_at(message.len() - PREMASTER);
    let [high, low] = version.to_be_bytes();
    let mut wrong = padding[0] | padding[1] ^ 2 | padding[padding.len() - 1];
    for octet in &padding[2..padding.len() - 1] {
        wrong |= zero_mask(*octet);
    }
    wrong |= secret[0] ^ high | secret[1] ^ low;
    // The compiler must not see that the mask has two values, or it may branch on it.
    let good = black_box(zero_mask(black_box(wrong)));
    let mut chosen = Zeroizing::new([0; PREMASTER]);
    for ((to, ours), theirs) in chosen.iter_mut().zip(random).zip(secret) {
        *to = theirs & good | ours & !good;
    }
    chosen
}
