//! What the tests share: vectors, hexadecimal, a generator of repeatable test data, and records as plain bytes.
#![allow(dead_code)]

use std::mem::MaybeUninit;
use std::path::PathBuf;

use serde_json::Value;
use tlscore_crypto::{Buffer, CryptoError, RecordKey};

/// The folder of test vectors: named by TLSCORE_VECTORS, or beside the work tree.
pub fn vectors() -> PathBuf {
    std::env::var_os("TLSCORE_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from)
}

/// A JSON file of vectors, or `None` after saying why the test is skipped.
pub fn load(path: &str) -> Option<Value> {
    let path = vectors().join(path);
    match std::fs::read(&path) {
        Ok(text) => Some(serde_json::from_slice(&text).expect("vectors are JSON")),
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

/// Run `check` on every (group, test) of a Wycheproof file; it says whether the test is of use here. At least one must
/// be.
pub fn wycheproof(name: &str, mut check: impl FnMut(&Value, &Value) -> bool) {
    let Some(file) = load(&format!("wycheproof/{name}_test.json")) else {
        return;
    };
    let (mut executed, mut passed_over) = (0, 0);
    for group in file["testGroups"].as_array().expect("groups") {
        for test in group["tests"].as_array().expect("tests") {
            if check(group, test) {
                executed += 1;
            } else {
                passed_over += 1;
            }
        }
    }
    println!("{name}: {executed} vectors executed, {passed_over} not for TLS");
    assert!(executed > 0, "{name}: no vector was executed");
}

/// A hexadecimal field.
pub fn hex(value: &Value, field: &str) -> Vec<u8> {
    unhex(value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")))
}

/// Octets of hexadecimal text.
pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |octet: u8| (octet as char).to_digit(16).expect("a hexadecimal digit") as u8;
    assert_eq!(text.len() % 2, 0);
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// xorshift64*: the same test data in every run.
pub struct TestData(pub u64);

impl TestData {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn octets(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Seal into a fresh vector.
pub fn seal(
    key: &RecordKey,
    nonce: &[u8; 12],
    aad: &[u8],
    plaintext: &[u8],
    trailer: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let mut out = Buffer::new();
    let length = plaintext.len() + trailer.len() + key.tag_len();
    out.append_with(length, |room| key.seal(nonce, aad, plaintext, trailer, room))?;
    Ok(out.as_slice().to_vec())
}

/// Open with the last `split` octets in the tail. On failure, what the outputs hold then must be zero.
pub fn open(
    key: &RecordKey,
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &[u8],
    split: usize,
) -> Result<Vec<u8>, CryptoError> {
    let content = sealed.len().checked_sub(key.tag_len()).ok_or(CryptoError)?;
    let mut out = vec![MaybeUninit::new(0xaa); content - split];
    let mut tail = vec![0xaa; split];
    match key.open(nonce, aad, sealed, &mut out, &mut tail) {
        Ok(head) => Ok([&*head, &tail].concat()),
        Err(error) => {
            // SAFETY: the vector was made of initialised octets.
            let cleared = |octet: &MaybeUninit<u8>| unsafe { octet.assume_init() } == 0;
            assert!(out.iter().all(cleared), "unverified plaintext in the output");
            assert!(tail.iter().all(|octet| *octet == 0), "unverified plaintext in the tail");
            Err(error)
        }
    }
}
