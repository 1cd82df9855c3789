//! The speed that nothing built on top can pass: the raw AEAD into reused memory, in CPU time of the calling thread.
//!
//! Benchmarks compare with it in the same run, because only ratios travel between machines.

use core::mem::MaybeUninit;

use crate::{AeadAlgorithm, CryptoError, Provider, RecordKey, NONCE_LEN};

const AAD: [u8; 5] = [23, 3, 3, 0, 0];

/// CPU seconds that `rounds` seals of `octets` octets take; `None` if the provider lacks the algorithm or time is unknown.
pub fn raw_seal_seconds(provider: Provider, algorithm: AeadAlgorithm, octets: usize, rounds: u32) -> Option<f64> {
    let key = key(provider, algorithm)?;
    let plaintext = vec![0x5a; octets];
    let mut out = vec![MaybeUninit::new(0); octets + key.tag_len()];
    measure(rounds, |nonce| key.seal(nonce, &AAD, &plaintext, &[], &mut out))
}

/// CPU seconds that `rounds` opens of `octets` octets take; `None` if the provider lacks the algorithm or time is unknown.
pub fn raw_open_seconds(provider: Provider, algorithm: AeadAlgorithm, octets: usize, rounds: u32) -> Option<f64> {
    let key = key(provider, algorithm)?;
    let mut sealed = crate::Buffer::new();
    let nonce = [0; NONCE_LEN];
    let plaintext = vec![0x5a; octets];
    sealed.append_with(octets + key.tag_len(), |out| key.seal(&nonce, &AAD, &plaintext, &[], out)).ok()?;
    let mut out = vec![MaybeUninit::new(0); octets];
    // The same record each time: the cost of opening does not depend on the nonce.
    measure(rounds, |_| key.open(&nonce, &AAD, sealed.as_slice(), &mut out, &mut []).map(|_| ()))
}

fn key(provider: Provider, algorithm: AeadAlgorithm) -> Option<RecordKey> {
    RecordKey::with_provider(provider, algorithm, &[0x42; 32][..algorithm.key_len()]).ok()
}

fn measure(rounds: u32, mut work: impl FnMut(&[u8; NONCE_LEN]) -> Result<(), CryptoError>) -> Option<f64> {
    let mut nonce = [0xff; NONCE_LEN];
    // Faults the pages in and fills the caches before the clock runs.
    work(&nonce).ok()?;
    let start = thread_seconds()?;
    for round in 0..rounds {
        nonce[NONCE_LEN - 4..].copy_from_slice(&round.to_be_bytes());
        work(&nonce).ok()?;
    }
    Some(thread_seconds()? - start)
}

#[cfg(unix)]
fn thread_seconds() -> Option<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    (code == 0).then_some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn thread_seconds() -> Option<f64> {
    None
}
