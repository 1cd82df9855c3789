//! TLS 1.2: the PRF against a known answer, and record layer against record layer.

use std::mem::MaybeUninit;
use std::sync::Arc;

use tlscore_core::read::Destination;
use tlscore_core::tls12::{prf, MainSecret12, Terms12, TLS12};
use tlscore_core::{Code, Item, ReadHalf, Side, Signals, Suite12, WriteHalf};
use tlscore_crypto::{respond, Group, HashAlgorithm, KeyShare, SharedSecret};

type Reader = ReadHalf<Vec<u8>>;

fn octets(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

#[test]
fn prf_gives_the_known_answer() {
    // The P_SHA256 answer that the IETF TLS working group circulated for implementers of TLS 1.2.
    let mut out = [0_u8; 100];
    let secret = octets("9bbe436ba940f017b17652849a71db35");
    let seed = octets("a0ba9f936cda311827a6f796ffd5198c");
    prf(HashAlgorithm::Sha256, &secret, b"test label", &[&seed], &mut out);
    let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af\
                    0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187\
                    347b66";
    assert_eq!(out.to_vec(), octets(expected));
}

fn agree() -> (SharedSecret, SharedSecret) {
    let client = KeyShare::generate(Group::X25519).expect("a key");
    let (share, server) = respond(Group::X25519, client.public()).expect("a valid share");
    (client.complete(&share).expect("a valid share"), server)
}

/// A client's write half and the server's read half, with keys installed by change_cipher_spec.
fn halves(suite: Suite12) -> (WriteHalf, Reader) {
    let (client, server) = agree();
    let terms = Terms12::new(suite, TLS12, false).expect("they go together");
    let derive = |shared| MainSecret12::derive(terms, shared, [1; 32], [2; 32], Some(&[3; 32])).keys().0;
    let mut write = WriteHalf::new(Side::Client, Arc::new(Signals::default()));
    let mut read = Reader::new(Side::Server, Arc::new(Signals::default()));
    write.change_cipher_spec12(derive(&client).for_sealing().expect("keys")).expect("the first keys");
    read.expect_change_cipher_spec12(derive(&server).for_opening().expect("keys")).expect("the first keys");
    (write, read)
}

fn open(suite: Suite12) -> (WriteHalf, Reader) {
    let (mut write, mut read) = halves(suite);
    read.source.feed(&wire(&mut write));
    assert_eq!(read.pull(&mut Destination::none()), Ok(Item::NeedMore));
    write.open().expect("keys");
    read.open().expect("keys");
    (write, read)
}

fn wire(write: &mut WriteHalf) -> Vec<u8> {
    let octets = write.outgoing().as_slice().to_vec();
    write.outgoing_mut().clear();
    octets
}

fn drain(read: &mut Reader, room: usize) -> Result<Vec<u8>, Code> {
    let mut all = Vec::new();
    loop {
        let mut memory = vec![MaybeUninit::new(0_u8); room];
        match read.pull(&mut Destination::new(&mut memory)) {
            // SAFETY: the vector was made of initialised octets.
            Ok(Item::Data(octets)) => all.extend(memory[..octets].iter().map(|octet| unsafe { octet.assume_init() })),
            Ok(Item::NeedMore | Item::Closed) => return Ok(all),
            Ok(Item::Alert { .. }) => {}
            Ok(Item::Message) => read.consume_message().map_err(|error| error.code)?,
            Ok(Item::DataWaits) => panic!("there is room"),
            Err(error) => return Err(error.code),
        }
    }
}

fn pattern(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn data_passes_under_every_suite_through_any_buffer() {
    for suite in Suite12::ALL {
        let (mut write, mut read) = open(suite);
        for (octets, room) in [(1, 1), (100, 7), (16384, 16384), (16385, 100), (50_000, 16383), (100_000, 1 << 20)] {
            let data = pattern(octets);
            let size = write.sealed_size(octets);
            write.seal(&data).expect("open");
            let sealed = wire(&mut write);
            assert_eq!(sealed.len(), size);
            read.source.feed_shared(sealed);
            assert_eq!(drain(&mut read, room), Ok(data), "{:#06x} {octets}", suite.code());
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for suite in Suite12::ALL {
        let (mut write, ..) = open(suite);
        write.seal(&pattern(20)).expect("open");
        let sealed = wire(&mut write);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let (_, mut read) = open(suite);
            read.source.feed_shared(changed);
            match drain(&mut read, 100) {
                Ok(data) => assert!(data.is_empty() && (24..40).contains(&bit), "{:#06x} bit {bit}", suite.code()),
                Err(code) => assert!(
                    matches!(code, Code::BadRecordMac | Code::UnexpectedMessage | Code::RecordOverflow),
                    "{:#06x} bit {bit}: {code:?}",
                    suite.code()
                ),
            }
        }
    }
}

#[test]
fn change_cipher_spec_stands_only_in_its_slot() {
    // CVE-2014-0224: before the keys are known it is refused.
    let mut early = Reader::new(Side::Server, Arc::new(Signals::default()));
    early.source.feed(&[20, 3, 3, 0, 1, 1]);
    assert_eq!(drain(&mut early, 10), Err(Code::UnexpectedMessage));
    // In the middle of a message it is refused, and a second one is.
    let (mut write, mut read) = halves(Suite12::ALL[0]);
    read.source.feed(&[22, 3, 3, 0, 5, 16, 0, 0, 9, 1]);
    read.source.feed(&wire(&mut write));
    assert_eq!(drain(&mut read, 10), Err(Code::UnexpectedMessage));
    let (_, mut read) = open(Suite12::ALL[0]);
    read.source.feed(&[20, 3, 3, 0, 1, 1]);
    assert_eq!(drain(&mut read, 10), Err(Code::BadRecordMac));
}

#[test]
fn nothing_passes_in_the_clear_once_there_are_keys() {
    for kind in [21, 22, 23] {
        let (_, mut read) = open(Suite12::ALL[0]);
        read.source.feed(&[kind, 3, 3, 0, 2, 1, 0]);
        assert_eq!(drain(&mut read, 10), Err(Code::BadRecordMac), "type {kind}");
    }
}

#[test]
fn nonces_of_a_million_records_never_repeat() {
    // RFC 5288 3: "Each value of the nonce_explicit MUST be distinct for each distinct invocation of the GCM encrypt function for any fixed
    // key." ChaCha20 has nothing explicit (RFC 7905 2), and the same to keep.
    const RECORDS: usize = 1_000_000;
    for (code, explicit) in [(0xC02B, 8), (0xC02C, 8), (0xCCA9, 0)] {
        let suite = Suite12::ALL.into_iter().find(|suite| suite.code() == code).expect("one of them");
        let (mut write, _) = open(suite);
        let mut blocks = Vec::with_capacity(RECORDS);
        let mut out = vec![MaybeUninit::new(0_u8); write.sealed_size(16)];
        let first = write.protection_mut().expect("keys").records();
        for sequence in (first..).take(RECORDS) {
            assert_eq!(write.seal_exact(&[0; 16], &mut out).expect("open"), out.len());
            // SAFETY: the vector was made of initialised octets.
            let octet = |at: usize| unsafe { out[at].assume_init() };
            if explicit > 0 {
                // It counts, so it is another one each time.
                assert_eq!(u64::from_be_bytes(std::array::from_fn(|at| octet(5 + at))), sequence);
            }
            // Sealed zeros are the key stream, which is the same under the same nonce.
            blocks.push(u128::from_be_bytes(std::array::from_fn(|at| octet(5 + explicit + at))));
        }
        blocks.sort_unstable();
        assert!(blocks.windows(2).all(|pair| pair[0] < pair[1]), "{code:#06x}");
    }
}

#[test]
fn a_used_up_key_ends_the_connection_since_there_is_no_update() {
    let (mut write, _) = open(Suite12::ALL[0]);
    write.protection_mut().expect("keys").set_sequence(Suite12::ALL[0].record_limit());
    assert_eq!(write.seal(b"x").expect_err("used up").code, Code::InternalError);
    let (mut write, _) = open(Suite12::ALL[0]);
    assert_eq!(write.update_keys(true).expect_err("no such thing").code, Code::InternalError);
}

#[test]
fn main_secret_depends_on_the_session_hash_or_the_randoms() {
    let mut macs = std::collections::HashSet::new();
    for (session, random) in [(Some([1_u8; 32]), [2; 32]), (Some([2; 32]), [2; 32]), (None, [2; 32]), (None, [3; 32])] {
        let (client, server) = agree();
        let session = session.as_ref().map(|hash| &hash[..]);
        let terms = Terms12::new(Suite12::ALL[0], TLS12, false).expect("they go together");
        let ours = MainSecret12::derive(terms, &client, random, [9; 32], session);
        let theirs = MainSecret12::derive(terms, &server, random, [9; 32], session);
        let mac = ours.finished_mac(Side::Client, &[0; 32]);
        assert!(theirs.verify_finished(Side::Client, &[0; 32], &mac));
        assert!(!theirs.verify_finished(Side::Server, &[0; 32], &mac));
        assert!(macs.insert(mac));
        let (mut with, mut without) = ([0; 20], [0; 20]);
        ours.export(b"label", Some(&[]), &mut with);
        ours.export(b"label", None, &mut without);
        assert_ne!(with, without);
    }
}
