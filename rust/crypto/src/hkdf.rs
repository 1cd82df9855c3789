//! HKDF (RFC 5869) and the two labelled forms of TLS 1.3 (RFC 9846 7.1).
//!
//! The labelled info is put together on the stack, so that deriving a key costs two compressions of the hash and no
//! allocation but the block of the resulting [`Secret`].

use aws_lc_sys as lc;

use crate::ffi::check;
use crate::secret::Secret;
use crate::{CryptoError, HashAlgorithm};

const PREFIX: &[u8] = b"tls13 ";
/// uint16 length, opaque label<7..255>, opaque context<0..255>.
const MAX_INFO_LEN: usize = 2 + 1 + 255 + 1 + 255;

/// HKDF-Extract. An empty salt stands for as many zero octets as the hash has.
pub fn hkdf_extract(algorithm: HashAlgorithm, salt: &[u8], ikm: &[u8]) -> Secret {
    let mut prk = Secret::zeros(algorithm.output_len());
    let mut written = 0;
    // SAFETY: inputs are readable for their lengths; the output block has 64 octets, the most that is written.
    let code = unsafe {
        lc::HKDF_extract(
            prk.as_mut_bytes().as_mut_ptr(),
            &mut written,
            algorithm.evp_md(),
            ikm.as_ptr(),
            ikm.len(),
            salt.as_ptr(),
            salt.len(),
        )
    };
    // Fails only where memory cannot be had; a zero secret must not be handed on.
    assert!(code == 1 && written == prk.len(), "HKDF-Extract failed");
    prk
}

/// HKDF-Expand. Fails if `out` is longer than 255 outputs of the hash, and `out` is then zeroed.
pub fn hkdf_expand(algorithm: HashAlgorithm, prk: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    // SAFETY: inputs are readable and `out` is writable for their lengths.
    let code = unsafe {
        lc::HKDF_expand(
            out.as_mut_ptr(),
            out.len(),
            algorithm.evp_md(),
            prk.as_ptr(),
            prk.len(),
            info.as_ptr(),
            info.len(),
        )
    };
    check(code).inspect_err(|_| out.fill(0))
}

/// HKDF-Expand-Label of RFC 9846 7.1; `label` comes without its "tls13 ".
///
/// Fails if a length does not fit its field; `out` is then zeroed.
pub fn hkdf_expand_label(
    algorithm: HashAlgorithm,
    secret: &Secret,
    label: &[u8],
    context: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let mut info = [0; MAX_INFO_LEN];
    let Some(used) = encode_label(&mut info, out.len(), label, context) else {
        out.fill(0);
        return Err(CryptoError);
    };
    hkdf_expand(algorithm, secret.as_bytes(), &info[..used], out)
}

/// Derive-Secret of RFC 9846 7.1, given the transcript hash rather than the messages.
///
/// # Panics
/// If the label or the digest does not fit its length octet: both are constants of the protocol.
pub fn derive_secret(algorithm: HashAlgorithm, secret: &Secret, label: &[u8], context_digest: &[u8]) -> Secret {
    let mut derived = Secret::zeros(algorithm.output_len());
    hkdf_expand_label(algorithm, secret, label, context_digest, derived.as_mut_bytes())
        .expect("labels and digests of TLS 1.3 fit");
    derived
}

/// RFC 9846 7.1: struct HkdfLabel { uint16 length; opaque label<7..255>; opaque context<0..255>; }.
fn encode_label(info: &mut [u8; MAX_INFO_LEN], length: usize, label: &[u8], context: &[u8]) -> Option<usize> {
    let length = u16::try_from(length).ok()?;
    let label_len = u8::try_from(PREFIX.len() + label.len()).ok()?;
    let context_len = u8::try_from(context.len()).ok()?;
    if label.is_empty() {
        return None;
    }
    let mut used = 0;
    let mut push = |octets: &[u8]| {
        info[used..used + octets.len()].copy_from_slice(octets);
        used += octets.len();
    };
    push(&length.to_be_bytes());
    push(&[label_len]);
    push(PREFIX);
    push(label);
    push(&[context_len]);
    push(context);
    Some(used)
}
