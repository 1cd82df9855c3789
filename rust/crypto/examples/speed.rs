//! Prints what the providers do on this machine: `cargo run --release -p tlscore-crypto --example speed`.
//!
//! Times are CPU times of the thread; targets take turns and the fastest of several rounds counts, so that neighbours
//! on a shared machine disturb little.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::Instant;

use tlscore_crypto::{
    cpu_features, derive_secret, provider_for, raw_open_seconds, raw_seal_seconds, respond, AeadAlgorithm, Buffer,
    Group, HashAlgorithm, KeyShare, Provider, RecordKey, Secret,
};

const ROUNDS: usize = 9;
const OCTETS_PER_ROUND: usize = 64 << 20;

fn main() {
    println!("CPU: {}", cpu_features());
    for algorithm in AeadAlgorithm::ALL {
        for provider in [Provider::AwsLc, Provider::Ring] {
            raw(provider, algorithm);
            records(provider, algorithm);
        }
    }
    key_schedule();
    key_exchange();
}

fn gigabytes(octets: usize, rounds: u32, seconds: impl Fn() -> Option<f64>) -> f64 {
    let fastest = (0..ROUNDS).filter_map(|_| seconds()).fold(f64::MAX, f64::min);
    octets as f64 * f64::from(rounds) / fastest / 1e9
}

fn raw(provider: Provider, algorithm: AeadAlgorithm) {
    if !provider.supports(algorithm) {
        return;
    }
    let chosen = if provider_for(algorithm) == provider { " (chosen)" } else { "" };
    print!("{algorithm:?} {}{chosen}, GB/s seal/open:", provider.name());
    for octets in [64, 1024, 16 << 10, 1 << 20] {
        let rounds = (OCTETS_PER_ROUND / octets).min(20_000) as u32;
        let seal = gigabytes(octets, rounds, || raw_seal_seconds(provider, algorithm, octets, rounds));
        let open = gigabytes(octets, rounds, || raw_open_seconds(provider, algorithm, octets, rounds));
        print!("  {octets}: {seal:.2}/{open:.2}");
    }
    println!();
}

/// Records of 16 KiB content with trailers and tails of several lengths, in ns.
fn records(provider: Provider, algorithm: AeadAlgorithm) {
    let Ok(key) = RecordKey::with_provider(provider, algorithm, &vec![7; algorithm.key_len()]) else {
        return;
    };
    let (nonce, aad) = ([1; 12], [23, 3, 3, 64, 17]);
    for content in [64, 600, 2048, 16 << 10] {
        print!("    content {content}, ns by trailer octets, seal/open split:");
        for trailer in [0, 1, 256, 4096] {
            let plaintext = vec![3; content];
            let trailing = vec![0; trailer];
            let mut sealed = Buffer::new();
            let length = content + trailer + key.tag_len();
            let mut seal_once = || {
                sealed.clear();
                let seal = |out: &mut [_]| key.seal(&nonce, &aad, &plaintext, &trailing, out);
                sealed.append_with(length, seal).expect("lengths fit");
            };
            let seal = nanoseconds(&mut seal_once);
            let mut out = vec![MaybeUninit::new(0u8); content];
            let mut tail = vec![0; trailer];
            let open = nanoseconds(|| {
                key.open(&nonce, &aad, sealed.as_slice(), &mut out, &mut tail).expect("it was sealed here");
            });
            print!("  {trailer}: {seal:.0}/{open:.0}");
        }
        println!();
    }
}

fn nanoseconds(mut work: impl FnMut()) -> f64 {
    work();
    let mut fastest = f64::MAX;
    for _ in 0..ROUNDS * 3 {
        let start = Instant::now();
        for _ in 0..500 {
            work();
        }
        fastest = fastest.min(start.elapsed().as_secs_f64() * 2e6);
    }
    fastest
}

fn key_schedule() {
    let secret = Secret::from_slice(&[9; 32]);
    let transcript = [5; 32];
    let derive = nanoseconds(|| {
        black_box(derive_secret(HashAlgorithm::Sha256, black_box(&secret), b"c hs traffic", &transcript));
    });
    println!("Derive-Secret SHA-256: {derive:.0} ns");
}

fn key_exchange() {
    for group in Group::ALL {
        let generate = nanoseconds(|| drop(black_box(KeyShare::generate(group))));
        let client = KeyShare::generate(group).expect("a key");
        let answer = nanoseconds(|| drop(black_box(respond(group, client.public()))));
        let (share, _) = respond(group, client.public()).expect("an answer");
        let both = nanoseconds(|| {
            let fresh = KeyShare::generate(group).expect("a key");
            black_box(fresh.complete(&share).is_ok());
        });
        let complete = both - generate;
        println!(
            "{}: generate {:.1}, complete {:.1}, respond {:.1} us",
            group.name(),
            generate / 1e3,
            complete / 1e3,
            answer / 1e3
        );
    }
}
