//! Wycheproof's vectors of the record AEADs, for every provider that has the algorithm, at several splits.

mod common;

use common::{hex, open, seal, wycheproof};
use serde_json::Value;
use tlscore_crypto::{AeadAlgorithm, Provider, RecordKey};

fn check(algorithm: AeadAlgorithm, test: &Value) {
    let (key, aad, message) = (hex(test, "key"), hex(test, "aad"), hex(test, "msg"));
    let nonce: [u8; 12] = hex(test, "iv").try_into().expect("12 octets");
    let sealed = [hex(test, "ct"), hex(test, "tag")].concat();
    let valid = test["result"] == "valid";
    for provider in [Provider::AwsLc, Provider::Ring] {
        if !provider.supports(algorithm) {
            continue;
        }
        let name = format!("{} {algorithm:?} {}", provider.name(), test["tcId"]);
        let key = RecordKey::with_provider(provider, algorithm, &key).expect("a key");
        let content = sealed.len() - key.tag_len();
        for split in [0, 1, 16, 17, content] {
            let split = split.min(content);
            let opened = open(&key, &nonce, &aad, &sealed, split);
            if valid {
                assert_eq!(opened.as_deref(), Ok(message.as_slice()), "{name}, split {split}");
                let (plaintext, trailer) = message.split_at(content - split);
                let made = seal(&key, &nonce, &aad, plaintext, trailer);
                assert_eq!(made.as_deref(), Ok(sealed.as_slice()), "{name}, split {split}");
            } else {
                assert!(opened.is_err(), "{name}, split {split}");
            }
        }
    }
}

fn run(name: &str, choose: fn(key_bits: u64, tag_bits: u64) -> Option<AeadAlgorithm>) {
    wycheproof(name, |group, test| {
        let bits = |field: &str| group[field].as_u64().expect("a number");
        // TLS has nonces of 96 bits alone.
        let algorithm = choose(bits("keySize"), bits("tagSize")).filter(|_| bits("ivSize") == 96);
        algorithm.map(|algorithm| check(algorithm, test)).is_some()
    });
}

#[test]
fn test_aes_gcm_agrees_with_wycheproof() {
    run("aes_gcm", |key_bits, tag_bits| match (key_bits, tag_bits) {
        (128, 128) => Some(AeadAlgorithm::Aes128Gcm),
        (256, 128) => Some(AeadAlgorithm::Aes256Gcm),
        _ => None,
    });
}

#[test]
fn test_chacha20_poly1305_agrees_with_wycheproof() {
    run("chacha20_poly1305", |_, _| Some(AeadAlgorithm::ChaCha20Poly1305));
}

#[test]
fn test_aes_ccm_agrees_with_wycheproof() {
    run("aes_ccm", |key_bits, tag_bits| match (key_bits, tag_bits) {
        (128, 128) => Some(AeadAlgorithm::Aes128Ccm),
        (128, 64) => Some(AeadAlgorithm::Aes128Ccm8),
        (256, 128) => Some(AeadAlgorithm::Aes256Ccm),
        (256, 64) => Some(AeadAlgorithm::Aes256Ccm8),
        _ => None,
    });
}
