//! Hashes and labelled derivations against RFC 8448, and their edges.

mod common;

use common::{hex, load, unhex};
use tlscore_crypto::{
    constant_time_eq, derive_secret, fill_random, hash, hkdf_expand_label, hkdf_extract, hmac, AeadAlgorithm,
    HashAlgorithm, HashContext, RecordKey, Secret,
};

const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

#[test]
fn test_hashes_are_those_of_fips_180() {
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let sha384 = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";
    assert_eq!(hash(SHA256, b"abc").as_ref(), unhex(sha256));
    assert_eq!(hash(HashAlgorithm::Sha384, b"abc").as_ref(), unhex(sha384));
}

#[test]
fn test_hash_context_goes_on_after_a_peek() {
    for algorithm in [SHA256, HashAlgorithm::Sha384] {
        let mut context = HashContext::new(algorithm);
        assert_eq!(context.algorithm(), algorithm);
        assert_eq!(context.peek(), hash(algorithm, b""));
        context.update(b"client ");
        let branch = context.clone();
        assert_eq!(context.peek(), hash(algorithm, b"client "));
        context.update(b"hello");
        assert_eq!(context.peek(), hash(algorithm, b"client hello"));
        assert_eq!(branch.peek(), hash(algorithm, b"client "));
        assert_eq!(context.peek().as_ref().len(), algorithm.output_len());
    }
}

#[test]
fn test_labels_give_the_secrets_of_rfc_8448() {
    let Some(file) = load("rfc8448-section3.json") else {
        return;
    };
    let value = |name: &str| hex(&file["values"], name);
    let nothing = hash(SHA256, b"");
    let early = hkdf_extract(SHA256, &[], &[0; 32]);
    assert_eq!(early.as_bytes(), value("early_secret"));
    let salt = derive_secret(SHA256, &early, b"derived", nothing.as_ref());
    let handshake = hkdf_extract(SHA256, salt.as_bytes(), &value("ecdhe_secret"));
    assert_eq!(handshake.as_bytes(), value("handshake_secret"));

    let mut transcript = HashContext::new(SHA256);
    for flight in ["clientHello", "serverHello"] {
        // The messages are recorded with their record headers, which are no part of the transcript.
        transcript.update(&value(flight)[5..]);
    }
    let hellos = transcript.peek();
    let server = derive_secret(SHA256, &handshake, b"s hs traffic", hellos.as_ref());
    assert_eq!(server.as_bytes(), value("server_handshake_traffic_secret"));
    let client = derive_secret(SHA256, &handshake, b"c hs traffic", hellos.as_ref());
    assert_eq!(client.as_bytes(), value("client_handshake_traffic_secret"));

    for (secret, side) in [(&server, "server"), (&client, "client")] {
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        hkdf_expand_label(SHA256, secret, b"key", &[], &mut key).expect("a key");
        hkdf_expand_label(SHA256, secret, b"iv", &[], &mut iv).expect("an IV");
        assert_eq!(key.to_vec(), value(&format!("{side}_hs_traffic_key")));
        assert_eq!(iv.to_vec(), value(&format!("{side}_hs_traffic_iv")));
    }

    let salt = derive_secret(SHA256, &handshake, b"derived", nothing.as_ref());
    let main = hkdf_extract(SHA256, salt.as_bytes(), &[0; 32]);
    assert_eq!(main.as_bytes(), value("master_secret"));
    flight_opens(&value("serverEncHS"), &mut transcript, &value);
    let application = derive_secret(SHA256, &main, b"s ap traffic", transcript.peek().as_ref());
    assert_eq!(application.as_bytes(), value("server_application_traffic_secret_0"));
}

/// Open the server's protected flight, check its Finished, and add it to the transcript.
fn flight_opens(record: &[u8], transcript: &mut HashContext, value: &impl Fn(&str) -> Vec<u8>) {
    let key = RecordKey::new(AeadAlgorithm::Aes128Gcm, &value("server_hs_traffic_key")).expect("a key");
    let iv: [u8; 12] = value("server_hs_traffic_iv").try_into().expect("12 octets");
    let mut inner = common::open(&key, &iv, &record[..5], &record[5..], 1).expect("the flight");
    assert_eq!(inner.pop(), Some(22));
    let finished_at = inner.len() - 36;
    transcript.update(&inner[..finished_at]);
    let mut finished_key = [0; 32];
    let secret = Secret::from_slice(&value("server_handshake_traffic_secret"));
    hkdf_expand_label(SHA256, &secret, b"finished", &[], &mut finished_key).expect("a key");
    let mac = hmac(SHA256, &finished_key, transcript.peek().as_ref());
    assert_eq!(mac.as_ref(), &inner[finished_at + 4..]);
    transcript.update(&inner[finished_at..]);
}

#[test]
fn test_labels_that_do_not_fit_are_refused_and_zeroed() {
    let secret = Secret::from_slice(&[1; 32]);
    let longest = [b'x'; 249];
    let mut out = [0xaa; 32];
    assert!(hkdf_expand_label(SHA256, &secret, &longest, &[0; 255], &mut out).is_ok());
    let too_long = [b'x'; 250];
    for (label, context) in [(&too_long[..], &[][..]), (&longest[..], &[0; 256][..]), (&[][..], &[][..])] {
        out.fill(0xaa);
        assert!(hkdf_expand_label(SHA256, &secret, label, context, &mut out).is_err());
        assert_eq!(out, [0; 32]);
    }
    let mut most = vec![0xaa; 255 * 32];
    assert!(hkdf_expand_label(SHA256, &secret, b"key", &[], &mut most).is_ok());
    let mut more = vec![0xaa; 255 * 32 + 1];
    assert!(hkdf_expand_label(SHA256, &secret, b"key", &[], &mut more).is_err());
    assert!(more.iter().all(|octet| *octet == 0));
}

#[test]
fn test_secrets_keep_their_octets_and_their_length() {
    for length in [0, 1, 32, 48, 64] {
        let secret = Secret::from_slice(&vec![7; length]);
        assert_eq!((secret.len(), secret.is_empty()), (length, length == 0));
        assert_eq!(secret.duplicate().as_bytes(), vec![7; length]);
    }
    assert_eq!(Secret::zeros(48).as_bytes(), [0; 48]);
}

#[test]
#[should_panic(expected = "at most 64 octets")]
fn test_secrets_over_64_octets_are_a_bug() {
    let _ = Secret::from_slice(&[0; 65]);
}

#[test]
fn test_comparison_sees_every_octet_and_the_length() {
    assert!(constant_time_eq(b"", b""));
    assert!(constant_time_eq(b"finished", b"finished"));
    assert!(!constant_time_eq(b"finished", b"finishe"));
    for position in 0..8 {
        let mut other = *b"finished";
        other[position] ^= 0x80;
        assert!(!constant_time_eq(b"finished", &other));
    }
}

#[test]
fn test_random_octets_differ() {
    let (mut one, mut two) = ([0; 32], [0; 32]);
    fill_random(&mut one);
    fill_random(&mut two);
    assert_ne!(one, two);
}
