//! The speed that nothing built on top can pass: the raw AEAD on reused memory, in CPU time of the calling thread.
//!
//! Each provider is measured the way it likes best, AWS-LC out of place and ring in place, so that what a copy costs
//! the record layer shows. Benchmarks compare with it in the same run, because only ratios travel between machines.

use core::mem::MaybeUninit;

use crate::aead::RingKey;
use crate::{AeadAlgorithm, Buffer, CryptoError, Provider, RecordKey, NONCE_LEN};

const AAD: [u8; 5] = [23, 3, 3, 0, 0];
const KEY: [u8; 32] = [0x42; 32];

type Nonce = [u8; NONCE_LEN];

/// CPU seconds that `rounds` seals of `octets` octets take; `None` if the provider lacks the algorithm or time is
/// unknown.
pub fn raw_seal_seconds(provider: Provider, algorithm: AeadAlgorithm, octets: usize, rounds: u32) -> Option<f64> {
    let mut content = vec![0x5a; octets];
    match provider {
        Provider::AwsLc => {
            let key = aws_lc(algorithm)?;
            let mut out = vec![MaybeUninit::new(0); octets + key.tag_len()];
            measure(rounds, |nonce| key.seal(nonce, &AAD, &content, &[], &mut out))
        }
        Provider::Ring => {
            let key = ring(algorithm)?;
            measure(rounds, |nonce| key.seal_in_place(nonce, &AAD, &mut content).map(|_| ()))
        }
    }
}

/// CPU seconds that `rounds` opens of `octets` octets take; `None` if the provider lacks the algorithm or time is
/// unknown.
pub fn raw_open_seconds(provider: Provider, algorithm: AeadAlgorithm, octets: usize, rounds: u32) -> Option<f64> {
    match provider {
        Provider::AwsLc => open_out_of_place(&aws_lc(algorithm)?, octets, rounds),
        Provider::Ring => open_in_place(&ring(algorithm)?, octets, rounds),
    }
}

fn open_out_of_place(key: &RecordKey, octets: usize, rounds: u32) -> Option<f64> {
    let nonce = [0; NONCE_LEN];
    let plaintext = vec![0x5a; octets];
    let mut sealed = Buffer::new();
    sealed.append_with(octets + key.tag_len(), |out| key.seal(&nonce, &AAD, &plaintext, &[], out)).ok()?;
    let mut out = vec![MaybeUninit::new(0); octets];
    // The same record each time: the cost of opening does not depend on the nonce.
    measure(rounds, |_| key.open(&nonce, &AAD, sealed.as_slice(), &mut out, &mut []).map(|_| ()))
}

/// Opening in place uses the ciphertext up: seal and open by turns, and take off what the seals cost.
fn open_in_place(key: &RingKey, octets: usize, rounds: u32) -> Option<f64> {
    let mut content = vec![0x5a; octets];
    let both = measure(rounds, |nonce| {
        let tag = key.seal_in_place(nonce, &AAD, &mut content)?;
        key.open_in_place(nonce, &AAD, tag.as_ref(), &mut content)
    })?;
    let seals = measure(rounds, |nonce| key.seal_in_place(nonce, &AAD, &mut content).map(|_| ()))?;
    // A disturbed run must not give a nonsensical speed.
    Some((both - seals).max(both / 4.0))
}

fn aws_lc(algorithm: AeadAlgorithm) -> Option<RecordKey> {
    RecordKey::with_provider(Provider::AwsLc, algorithm, &KEY[..algorithm.key_len()]).ok()
}

fn ring(algorithm: AeadAlgorithm) -> Option<RingKey> {
    RingKey::new(algorithm, &KEY[..algorithm.key_len()]).ok()
}

fn measure(rounds: u32, mut work: impl FnMut(&Nonce) -> Result<(), CryptoError>) -> Option<f64> {
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
