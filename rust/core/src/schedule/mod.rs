//! The key schedule of TLS 1.3 (RFC 9846 7.1) as types: each state is consumed by the step to the next one, so that no secret outlives its
//! use and no step can be left out.
//!
//! ```text
//! EarlySchedule ──(key exchange, ServerHello)──► HandshakeSchedule ──(server Finished)──► ApplicationSchedule
//!   binders                                        traffic, Finished                        traffic, exporter, resumption
//! ```

mod application;
mod early;
mod handshake;

pub use application::ApplicationSchedule;
pub use early::{BinderKind, EarlySchedule, Psk};
pub use handshake::HandshakeSchedule;

use tlscore_crypto::{hkdf_expand_label, hmac, hmac_verify, Digest, Secret};
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, Suite};

/// RFC 9846 4.5.3: finished_key = HKDF-Expand-Label(BaseKey, "finished", "", Hash.length).
pub(crate) fn finished_key(suite: Suite, base: &Secret) -> Result<Secret, Error> {
    let mut key = [0_u8; 64];
    let length = suite.hash().output_len();
    hkdf_expand_label(suite.hash(), base, b"finished", &[], &mut key[..length])?;
    let secret = Secret::from_slice(&key[..length]);
    key.zeroize();
    Ok(secret)
}

/// verify_data over a transcript hash.
pub(crate) fn finished_mac(suite: Suite, base: &Secret, transcript: &[u8]) -> Result<Digest, Error> {
    Ok(hmac(suite.hash(), finished_key(suite, base)?.as_bytes(), transcript))
}

/// Check of verify_data in constant time.
pub(crate) fn verify_finished(suite: Suite, base: &Secret, transcript: &[u8], data: &[u8]) -> Result<bool, Error> {
    Ok(hmac_verify(suite.hash(), finished_key(suite, base)?.as_bytes(), transcript, data))
}

/// One line of the NSS key log format: label, client random, secret.
pub(crate) fn key_log_line(out: &mut Zeroizing<Vec<u8>>, label: &str, client_random: &[u8], secret: &Secret) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Reserved up front: a vector that grows would leave unwiped copies behind.
    out.reserve(label.len() + 3 + 2 * (client_random.len() + secret.len()));
    out.extend_from_slice(label.as_bytes());
    for part in [client_random, secret.as_bytes()] {
        out.push(b' ');
        for octet in part {
            out.push(DIGITS[usize::from(octet >> 4)]);
            out.push(DIGITS[usize::from(octet & 15)]);
        }
    }
    out.push(b'\n');
}

/// Room for four lines, so that `key_log_line` never moves what is written already.
pub(crate) fn key_log_lines() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(1024))
}
