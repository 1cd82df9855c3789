//! Wycheproof's vectors of ECDH, X25519 and ML-KEM, through the calls that a handshake makes.

mod common;

use common::{hex, wycheproof};
use serde_json::Value;
use tlscore_crypto::{respond, test_hooks, Group};

/// A private scalar as exactly `length` octets: the vectors write some with a sign octet or without leading zeros.
fn scalar(test: &Value, length: usize) -> Vec<u8> {
    let mut text = test["private"].as_str().expect("a scalar").to_owned();
    if text.len() % 2 == 1 {
        text.insert(0, '0');
    }
    let octets = common::unhex(&text);
    let extra = octets.len().saturating_sub(length);
    assert!(octets[..extra].iter().all(|octet| *octet == 0));
    [vec![0; length.saturating_sub(octets.len())], octets[extra..].to_vec()].concat()
}

fn run_ecdh(name: &str, group: Group, scalar_len: usize) {
    wycheproof(name, |_, test| {
        let share = test_hooks::key_share(group, &scalar(test, scalar_len), &[]).expect("a key");
        let public = hex(test, "public");
        let uncompressed = public.len() == group.server_share_len() && public[0] == 4;
        let result = share.complete(&public);
        // Compressed points count as acceptable in the vectors, and are illegal in TLS.
        if test["result"] != "invalid" && uncompressed {
            let shared = result.unwrap_or_else(|_| panic!("{}", test["tcId"]));
            assert_eq!(shared.as_bytes(), hex(test, "shared"), "{}", test["tcId"]);
            assert_eq!(shared.as_bytes().len(), scalar_len);
        } else {
            assert!(result.is_err(), "{}", test["tcId"]);
        }
        if !uncompressed || test["result"] == "invalid" {
            assert!(respond(group, &public).is_err(), "{}", test["tcId"]);
        }
        true
    });
}

#[test]
fn test_secp256r1_agrees_with_wycheproof() {
    run_ecdh("ecdh_secp256r1_ecpoint", Group::Secp256r1, 32);
}

#[test]
fn test_secp384r1_agrees_with_wycheproof() {
    run_ecdh("ecdh_secp384r1_ecpoint", Group::Secp384r1, 48);
}

#[test]
fn test_secp521r1_agrees_with_wycheproof() {
    run_ecdh("ecdh_secp521r1_ecpoint", Group::Secp521r1, 66);
}

#[test]
fn test_x25519_agrees_with_wycheproof_and_refuses_zero() {
    wycheproof("x25519", |_, test| {
        let share = test_hooks::key_share(Group::X25519, &hex(test, "private"), &[]).expect("a key");
        let (public, expected) = (hex(test, "public"), hex(test, "shared"));
        let result = share.complete(&public);
        if expected.iter().all(|octet| *octet == 0) {
            assert!(result.is_err(), "{}", test["tcId"]);
            assert!(respond(Group::X25519, &public).is_err(), "{}", test["tcId"]);
        } else {
            assert_eq!(result.expect("a secret").as_bytes(), expected, "{}", test["tcId"]);
        }
        true
    });
}

fn run_mlkem_decapsulate(name: &str, group: Group) {
    wycheproof(name, |_, test| {
        let seed = hex(test, "seed");
        let result = test_hooks::mlkem_keygen(group, &seed)
            .inspect(|(public, _)| {
                if test["result"] == "valid" {
                    assert_eq!(*public, hex(test, "ek"), "{}", test["tcId"]);
                }
            })
            .and_then(|(_, private)| test_hooks::key_share(group, &[], &private))
            .and_then(|share| share.complete(&hex(test, "c")));
        match result {
            Ok(secret) => {
                assert_eq!(test["result"], "valid", "{}", test["tcId"]);
                assert_eq!(secret.as_bytes(), hex(test, "K"), "{}", test["tcId"]);
            }
            Err(_) => assert_eq!(test["result"], "invalid", "{}", test["tcId"]),
        }
        true
    });
}

fn run_mlkem_encapsulate(name: &str, group: Group) {
    wycheproof(name, |_, test| {
        let key = hex(test, "ek");
        let chosen = test_hooks::mlkem_encapsulate(group, &key, &hex(test, "m"));
        let own = respond(group, &key);
        if test["result"] == "valid" {
            assert_eq!(chosen, Ok((hex(test, "c"), hex(test, "K"))), "{}", test["tcId"]);
            assert_eq!(own.expect("an answer").0.len(), group.server_share_len());
        } else {
            assert!(chosen.is_err(), "{}", test["tcId"]);
            assert!(own.is_err(), "{}", test["tcId"]);
        }
        true
    });
}

#[test]
fn test_mlkem768_decapsulates_like_wycheproof() {
    run_mlkem_decapsulate("mlkem_768", Group::MlKem768);
}

#[test]
fn test_mlkem1024_decapsulates_like_wycheproof() {
    run_mlkem_decapsulate("mlkem_1024", Group::MlKem1024);
}

#[test]
fn test_mlkem768_refuses_keys_that_are_not_reduced() {
    run_mlkem_encapsulate("mlkem_768_encaps", Group::MlKem768);
}

#[test]
fn test_mlkem1024_refuses_keys_that_are_not_reduced() {
    run_mlkem_encapsulate("mlkem_1024_encaps", Group::MlKem1024);
}

#[test]
fn test_mlkem768_makes_keys_like_wycheproof() {
    wycheproof("mlkem_768_keygen_seed", |_, test| {
        let made = test_hooks::mlkem_keygen(Group::MlKem768, &hex(test, "seed"));
        assert_eq!(made, Ok((hex(test, "ek"), hex(test, "dk"))), "{}", test["tcId"]);
        true
    });
}
