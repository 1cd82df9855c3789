//! One case of the proof that nothing secret decides a branch or an address: `valgrind target/release/examples/constant_time CASE`.
//!
//! Under valgrind a case tells it that its keys, or what a key decrypted, are undefined octets. Memcheck follows such octets through every
//! instruction and reports each branch and each address that depends on one. What the cases `open-…` and `premaster` may show is in
//! tests/hostile/test_constant_time.py; the cases `leaky-…` do the same work carelessly and must be reported, or nothing is proved.
//!
//! Valgrind gives the library a CPU without SHA extensions and AVX-512, so their block functions (straight lines of code) are not seen.

use std::hint::black_box;

use tlscore_crypto::test_hooks::classify;
use tlscore_crypto::{
    hmac, select_premaster, Buffer, BulkCipher, HashAlgorithm, LegacyKeys, LegacyOpener, LegacyParameters,
    LegacySealer, MacAlgorithm, PREMASTER,
};

/// Octets of content, and every how many-th wrong padding is tried with each.
const SHORT: (&[usize], usize) = (&[20, 45, 300, 1000], 1);
/// The longest record; one in seven, so that it takes no longer.
const LONGEST: (&[usize], usize) = (&[1 << 14], 7);

/// Name, and the work.
type Case = (&'static str, fn(&str));

const CASES: [Case; 13] = [
    ("open-aes128-sha1", |name| open_records(name, BulkCipher::Aes128Cbc, MacAlgorithm::Sha1, false, SHORT)),
    ("open-aes256-sha1", |name| open_records(name, BulkCipher::Aes256Cbc, MacAlgorithm::Sha1, false, SHORT)),
    ("open-aes128-sha1-tls10", |name| open_records(name, BulkCipher::Aes128Cbc, MacAlgorithm::Sha1, true, SHORT)),
    ("open-aes256-sha1-tls10", |name| open_records(name, BulkCipher::Aes256Cbc, MacAlgorithm::Sha1, true, SHORT)),
    ("open-aes128-sha256", |name| open_records(name, BulkCipher::Aes128Cbc, MacAlgorithm::Sha256, false, SHORT)),
    ("open-aes256-sha256", |name| open_records(name, BulkCipher::Aes256Cbc, MacAlgorithm::Sha256, false, SHORT)),
    ("open-aes256-sha384", |name| open_records(name, BulkCipher::Aes256Cbc, MacAlgorithm::Sha384, false, SHORT)),
    ("open-longest-sha1-tls10", |name| open_records(name, BulkCipher::Aes256Cbc, MacAlgorithm::Sha1, true, LONGEST)),
    ("open-longest-sha384", |name| open_records(name, BulkCipher::Aes256Cbc, MacAlgorithm::Sha384, false, LONGEST)),
    ("premaster", |_| premaster(select)),
    ("leaky-premaster", |_| premaster(leaky_select)),
    ("leaky-padding", |_| leaky_padding()),
    ("leaky-content", |_| leaky_content()),
];

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    match CASES.iter().find(|(name, _)| *name == wanted) {
        Some((name, case)) => case(name),
        None => CASES.iter().for_each(|(name, _)| println!("{name}")),
    }
}

/// Records with every kind of wrong padding and MAC, and honest ones.
fn open_records(name: &str, cipher: BulkCipher, mac: MacAlgorithm, implicit_iv: bool, sizes: (&[usize], usize)) {
    let parameters = LegacyParameters { cipher, mac, implicit_iv, encrypt_then_mac: false };
    let mut mac_key = vec![1; mac.output_len()];
    let mut key = vec![2; cipher.key_len()];
    let iv = vec![3; if implicit_iv { 16 } else { 0 }];
    let header = [0, 0, 0, 0, 0, 0, 0, 0, 23, 3, if implicit_iv { 1 } else { 3 }];
    let records = forge(parameters, &LegacyKeys { mac: &mac_key, cipher: &key, iv: &iv }, &header, sizes);
    classify(&mut mac_key);
    classify(&mut key);
    let keys = LegacyKeys { mac: &mac_key, cipher: &key, iv: &iv };
    let mut plain = Buffer::new();
    let (mut opened, mut refused) = (0, 0);
    for record in &records {
        let mut opener = LegacyOpener::new(parameters, &keys).expect("keys that fit");
        match opener.open(&header, record, &mut plain) {
            Ok(()) => opened += 1,
            Err(_) => refused += 1,
        }
        plain.clear();
    }
    assert!(opened == sizes.0.len() && opened + refused == records.len(), "{name}: {opened} opened, {refused} refused");
    println!("{name}: {opened} opened, {refused} refused");
}

/// Records whose last octet decrypts to each padding length in turn, with a right and a wrong MAC.
fn forge(
    parameters: LegacyParameters,
    keys: &LegacyKeys<'_>,
    header: &[u8; 11],
    (lengths, step): (&[usize], usize),
) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for &length in lengths {
        for change in (0..=255_u8).step_by(step) {
            let mut sealer = LegacySealer::new(parameters, keys).expect("keys that fit");
            let mut sealed = Buffer::new();
            let size = parameters.sealed_len(length);
            sealed.append_with(size, |out| sealer.seal(header, &vec![b'x'; length], out)).expect("a record");
            let mut sealed = sealed.as_slice().to_vec();
            // CBC: a change of the block before changes the same octet of the last block.
            let at = sealed.len() - 17;
            sealed[at] ^= change;
            records.push(sealed.clone());
            // The padding stays right, and content or MAC does not.
            let at = sealed.len() - 40;
            sealed[at] ^= 1;
            records.push(sealed);
        }
    }
    records
}

/// Decrypted messages of every kind, all of them secret.
fn premaster(select: fn(&[u8], &[u8; PREMASTER]) -> [u8; PREMASTER]) {
    let mut message = vec![0x11; 256];
    message[..2].copy_from_slice(&[0, 2]);
    message[256 - PREMASTER - 1] = 0;
    message[256 - PREMASTER..256 - PREMASTER + 2].copy_from_slice(&[3, 3]);
    for at in 0..256 {
        let mut message = message.clone();
        message[at] ^= 0x11;
        classify(&mut message);
        black_box(select(&message, &[7; PREMASTER]));
    }
    println!("256 messages");
}

fn select(message: &[u8], random: &[u8; PREMASTER]) -> [u8; PREMASTER] {
    *select_premaster(message, 0x0303, random)
}

/// What RFC 5246 7.4.7.1 warns of: each check on its own, and an early way out.
#[inline(never)]
fn leaky_select(message: &[u8], random: &[u8; PREMASTER]) -> [u8; PREMASTER] {
    let (padding, secret) = message.split_at(message.len() - PREMASTER);
    if padding[..2] != [0, 2] || padding[2..padding.len() - 1].contains(&0) || secret[..2] != [3, 3] {
        return *random;
    }
    secret.try_into().expect("48 octets")
}

/// Padding first, with its own way out, and then a MAC over as much as is left: the record layer of Lucky Thirteen.
#[inline(never)]
fn leaky_padding() {
    let mut plain = vec![b'x'; 320];
    let padding = 300..320;
    plain[padding].fill(19);
    classify(&mut plain);
    let last = usize::from(plain[319]);
    let content = 320 - 1 - last.min(200);
    let right = plain[content..].iter().all(|octet| usize::from(*octet) == last);
    println!("padding: {right}");
    black_box(hmac(HashAlgorithm::Sha256, b"key", &plain[..content]));
}

/// A look at the content of an honest record: whether what the keys decrypt is followed at all.
#[inline(never)]
fn leaky_content() {
    let parameters = LegacyParameters {
        cipher: BulkCipher::Aes128Cbc,
        mac: MacAlgorithm::Sha256,
        implicit_iv: false,
        encrypt_then_mac: false,
    };
    let header = [0, 0, 0, 0, 0, 0, 0, 0, 23, 3, 3];
    let (mut mac, mut cipher) = (vec![1; 32], vec![2; 16]);
    let records = forge(parameters, &LegacyKeys { mac: &mac, cipher: &cipher, iv: &[] }, &header, SHORT);
    classify(&mut mac);
    classify(&mut cipher);
    let keys = LegacyKeys { mac: &mac, cipher: &cipher, iv: &[] };
    let mut plain = Buffer::new();
    let mut opener = LegacyOpener::new(parameters, &keys).expect("keys that fit");
    opener.open(&header, &records[0], &mut plain).expect("an honest record");
    println!("content: {}", plain.as_slice()[0] == b'x');
}
