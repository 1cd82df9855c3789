//! The providers against each other and against themselves: whatever the lengths and the splits, one result.

mod common;

use std::mem::MaybeUninit;

use common::{open, seal, TestData};
use tlscore_crypto::{
    cpu_features, provider_for, raw_open_seconds, raw_seal_seconds, AeadAlgorithm, CryptoError, Provider, RecordKey,
};

const BOTH: [Provider; 2] = [Provider::AwsLc, Provider::Ring];

fn keys(algorithm: AeadAlgorithm, key: &[u8]) -> Vec<RecordKey> {
    BOTH.into_iter()
        .filter(|provider| provider.supports(algorithm))
        .map(|provider| RecordKey::with_provider(provider, algorithm, key).expect("a key"))
        .collect()
}

#[test]
fn test_providers_agree_whatever_the_lengths() {
    let mut data = TestData(0x9e37_79b9_7f4a_7c15);
    for algorithm in AeadAlgorithm::ALL {
        let keys = keys(algorithm, &data.octets(algorithm.key_len()));
        for round in 0..200 {
            let length = data.below(if round % 4 == 0 { 20_000 } else { 600 });
            let message = data.octets(length);
            let nonce: [u8; 12] = data.octets(12).try_into().expect("12 octets");
            let aad_length = data.below(40);
            let aad = data.octets(aad_length);
            let whole = seal(&keys[0], &nonce, &aad, &message, &[]).expect("a record");
            for key in &keys {
                let (plaintext, trailer) = message.split_at(length - data.below(length + 1));
                let sealed = seal(key, &nonce, &aad, plaintext, trailer).expect("a record");
                assert_eq!(sealed, whole, "{algorithm:?}, {length} octets");
                for split in [0, 1.min(length), data.below(length + 1)] {
                    let opened = open(key, &nonce, &aad, &whole, split);
                    assert_eq!(opened.as_deref(), Ok(message.as_slice()), "{algorithm:?}, {length}, {split}");
                }
            }
        }
    }
}

#[test]
fn test_open_refuses_any_changed_bit_and_zeroes_its_output() {
    let mut data = TestData(77);
    for algorithm in AeadAlgorithm::ALL {
        for key in keys(algorithm, &data.octets(algorithm.key_len())) {
            for length in [0, 1, 33, 700] {
                let message = data.octets(length);
                let (nonce, aad) = ([3; 12], [23, 3, 3, 0, 40]);
                let sealed = seal(&key, &nonce, &aad, &message, &[]).expect("a record");
                let split = length.min(1);
                for position in 0..sealed.len() {
                    let mut changed = sealed.clone();
                    changed[position] ^= 1 << (position % 8);
                    assert!(open(&key, &nonce, &aad, &changed, 0).is_err());
                    assert!(open(&key, &nonce, &aad, &changed, split).is_err());
                }
                assert!(open(&key, &[4; 12], &aad, &sealed, split).is_err());
                assert!(open(&key, &nonce, &[23, 3, 3, 0, 41], &sealed, split).is_err());
                // A refusal leaves nothing behind that the next record would feel.
                assert_eq!(open(&key, &nonce, &aad, &sealed, split), Ok(message));
            }
        }
    }
}

#[test]
fn test_lengths_that_do_not_fit_are_refused_and_zeroed() {
    let key = RecordKey::new(AeadAlgorithm::Aes128Gcm, &[1; 16]).expect("a key");
    for length in [0, 4, 5 + 15, 5 + 17] {
        let mut out = vec![MaybeUninit::new(0xaa); length];
        let result = key.seal(&[0; 12], &[], b"hello", &[], &mut out);
        assert_eq!(result, Err(CryptoError));
        // SAFETY: made of initialised octets.
        assert!(out.iter().all(|octet| unsafe { octet.assume_init() } == 0));
    }
    let sealed = seal(&key, &[0; 12], &[], b"hello", &[]).expect("a record");
    for (out_len, tail_len) in [(4, 0), (6, 0), (5, 1), (0, 4), (0, 0)] {
        let mut out = vec![MaybeUninit::new(0xaa); out_len];
        let mut tail = vec![0xaa; tail_len];
        assert!(key.open(&[0; 12], &[], &sealed, &mut out, &mut tail).is_err());
        assert!(tail.iter().all(|octet| *octet == 0));
    }
    for short in [0, 1, 15] {
        assert!(key.open(&[0; 12], &[], &sealed[..short], &mut [], &mut []).is_err());
    }
}

#[test]
fn test_keys_of_another_length_are_refused() {
    for algorithm in AeadAlgorithm::ALL {
        for length in [0, 15, 16, 17, 24, 32, 33] {
            for provider in BOTH {
                let made = RecordKey::with_provider(provider, algorithm, &vec![0; length]).is_ok();
                assert_eq!(made, provider.supports(algorithm) && length == algorithm.key_len());
            }
        }
    }
}

#[test]
fn test_one_key_serves_several_threads() {
    for algorithm in AeadAlgorithm::ALL {
        for key in keys(algorithm, &vec![9; algorithm.key_len()]) {
            let sealed = seal(&key, &[1; 12], b"aad", &[5; 3000], &[23]).expect("a record");
            std::thread::scope(|scope| {
                for split in [0, 1, 100, 2999] {
                    let (key, sealed) = (&key, &sealed);
                    scope.spawn(move || {
                        for _ in 0..200 {
                            let opened = open(key, &[1; 12], b"aad", sealed, split).expect("a record");
                            assert_eq!(opened.len(), 3001);
                            let again = seal(key, &[1; 12], b"aad", &[5; 3000], &[23]);
                            assert_eq!(again.as_ref(), Ok(sealed));
                        }
                    });
                }
            });
        }
    }
}

#[test]
fn test_the_chosen_provider_has_the_algorithm() {
    println!("CPU: {}", cpu_features());
    for algorithm in AeadAlgorithm::ALL {
        let provider = provider_for(algorithm);
        assert!(provider.supports(algorithm));
        let gcm = matches!(algorithm, AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm);
        assert_eq!(provider == Provider::Ring, gcm && cpu_features() == "VAES AVX2");
        assert!(RecordKey::new(algorithm, &vec![0; algorithm.key_len()]).is_ok());
    }
}

#[test]
#[cfg(unix)]
fn test_the_limit_is_measured_where_there_is_an_algorithm() {
    for algorithm in AeadAlgorithm::ALL {
        for provider in BOTH {
            let seal = raw_seal_seconds(provider, algorithm, 4096, 20);
            let open = raw_open_seconds(provider, algorithm, 4096, 20);
            assert_eq!(seal.is_some(), provider.supports(algorithm));
            assert_eq!(open.is_some(), provider.supports(algorithm));
            assert!(seal.into_iter().chain(open).all(|seconds| seconds > 0.0));
        }
    }
}
