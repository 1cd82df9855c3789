//! Wycheproof's vectors of HMAC and HKDF.

mod common;

use common::{hex, wycheproof};
use tlscore_crypto::{hkdf_expand, hkdf_extract, hmac, hmac_verify, HashAlgorithm};

fn run_hmac(name: &str, algorithm: HashAlgorithm) {
    wycheproof(name, |_, test| {
        let (key, message, tag) = (hex(test, "key"), hex(test, "msg"), hex(test, "tag"));
        let valid = test["result"] == "valid";
        let made = hmac(algorithm, &key, &message);
        // TLS never cuts a MAC short, so a tag that was cut must match as a prefix and be refused as a whole.
        assert_eq!(made.as_ref()[..tag.len()] == tag[..], valid, "{}", test["tcId"]);
        let whole = tag.len() == algorithm.output_len();
        assert_eq!(hmac_verify(algorithm, &key, &message, &tag), valid && whole, "{}", test["tcId"]);
        true
    });
}

fn run_hkdf(name: &str, algorithm: HashAlgorithm) {
    wycheproof(name, |_, test| {
        let size = test["size"].as_u64().expect("a size") as usize;
        let mut made = vec![0xaa; size];
        let prk = hkdf_extract(algorithm, &hex(test, "salt"), &hex(test, "ikm"));
        let result = hkdf_expand(algorithm, prk.as_bytes(), &hex(test, "info"), &mut made);
        if test["result"] == "valid" {
            assert_eq!(result, Ok(()), "{}", test["tcId"]);
            assert_eq!(made, hex(test, "okm"), "{}", test["tcId"]);
        } else {
            assert!(result.is_err(), "{}", test["tcId"]);
            assert!(made.iter().all(|octet| *octet == 0));
        }
        true
    });
}

#[test]
fn test_hmac_sha256_agrees_with_wycheproof() {
    run_hmac("hmac_sha256", HashAlgorithm::Sha256);
}

#[test]
fn test_hmac_sha384_agrees_with_wycheproof() {
    run_hmac("hmac_sha384", HashAlgorithm::Sha384);
}

#[test]
fn test_hkdf_sha256_agrees_with_wycheproof() {
    run_hkdf("hkdf_sha256", HashAlgorithm::Sha256);
}

#[test]
fn test_hkdf_sha384_agrees_with_wycheproof() {
    run_hkdf("hkdf_sha384", HashAlgorithm::Sha384);
}
