//! The legacy tier, record layer against record layer: every suite in every version, with the MAC inside and outside.

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tlscore_core::read::Destination;
use tlscore_core::tls12::{MainSecret12, Terms12};
use tlscore_core::{Code, Item, ReadHalf, Side, Signals, Suite12, WriteHalf};
use tlscore_crypto::{respond, Group, KeyShare, SharedSecret};

type Reader = ReadHalf<Vec<u8>>;

/// Everything that can be negotiated with the legacy tier's suites.
fn all_terms() -> Vec<(Terms12, Suite12, u16, bool)> {
    let mut all = Vec::new();
    for suite in Suite12::legacy() {
        for version in 0x0301..=0x0303 {
            for encrypt_then_mac in [false, true] {
                if let Ok(terms) = Terms12::new(suite, version, encrypt_then_mac) {
                    all.push((terms, suite, version, encrypt_then_mac));
                }
            }
        }
    }
    all
}

/// The result of one key exchange, which serves all connections of this file.
fn secret() -> &'static SharedSecret {
    static SECRET: OnceLock<SharedSecret> = OnceLock::new();
    SECRET.get_or_init(|| {
        let client = KeyShare::generate(Group::X25519).expect("a key");
        respond(Group::X25519, client.public()).expect("a valid share").1
    })
}

/// A client's write half and the server's read half, open for application data.
fn open(terms: Terms12, version: u16) -> (WriteHalf, Reader) {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    let mut session_hash = [3; 36];
    session_hash[..8].copy_from_slice(&CONNECTIONS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let keys = MainSecret12::derive(terms, secret(), [1; 32], [2; 32], Some(&session_hash)).keys().0;
    let mut write = WriteHalf::new(Side::Client, Arc::new(Signals::default()));
    let mut read = Reader::new(Side::Server, Arc::new(Signals::default()));
    write.set_version(version);
    write.change_cipher_spec12(keys.for_sealing().expect("keys")).expect("the first keys");
    read.expect_change_cipher_spec12(keys.for_opening().expect("keys")).expect("the first keys");
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

/// (type, version, length) of the records in `wire`.
fn headers(mut wire: &[u8]) -> Vec<(u8, u16, usize)> {
    let mut all = Vec::new();
    while let [kind, high, low, length_high, length_low, rest @ ..] = wire {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        all.push((*kind, u16::from_be_bytes([*high, *low]), length));
        wire = &rest[length..];
    }
    all
}

fn drain(read: &mut Reader, room: usize) -> Result<Vec<u8>, (Code, String)> {
    let mut all = Vec::new();
    loop {
        let mut memory = vec![MaybeUninit::new(0_u8); room];
        match read.pull(&mut Destination::new(&mut memory)) {
            // SAFETY: the vector was made of initialised octets.
            Ok(Item::Data(octets)) => all.extend(memory[..octets].iter().map(|octet| unsafe { octet.assume_init() })),
            Ok(Item::NeedMore | Item::Closed) => return Ok(all),
            Ok(Item::Alert { .. }) => {}
            Ok(Item::Message) => read.consume_message().map_err(|error| (error.code, error.detail.into_owned()))?,
            Ok(Item::DataWaits) => panic!("there is room"),
            Err(error) => return Err((error.code, error.detail.into_owned())),
        }
    }
}

fn pattern(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn data_passes_under_every_suite_in_every_version_through_any_buffer() {
    let terms = all_terms();
    assert!(terms.iter().any(|(_, _, version, etm)| *version == 0x0301 && *etm));
    for (terms, suite, version, _) in terms {
        let (mut write, mut read) = open(terms, version);
        for (octets, room) in [(1, 1), (15, 4), (16, 100), (100, 7), (16384, 16384), (16385, 100), (50_000, 1 << 20)] {
            let data = pattern(octets);
            let size = write.sealed_size(octets);
            write.seal(&data).expect("open");
            let sealed = wire(&mut write);
            assert_eq!(sealed.len(), size, "{:#06x}", suite.code());
            assert!(headers(&sealed).iter().all(|(kind, sent, _)| (*kind, *sent) == (23, version)));
            read.source.feed_shared(sealed);
            assert_eq!(drain(&mut read, room), Ok(data), "{:#06x} {version:#06x} {octets}", suite.code());
        }
    }
}

#[test]
fn records_are_opened_ahead_to_tell_how_long_they_are() {
    for code in [0x0002, 0x002f, 0x003d, 0xc028] {
        let suite = Suite12::from_code(code).expect("a suite");
        let (mut write, mut read) = open(Terms12::new(suite, 0x0303, false).expect("terms"), 0x0303);
        write.seal(&pattern(40_000)).expect("open");
        write.close().expect("open");
        read.source.feed_shared(wire(&mut write));
        let promise = read.promise(1 << 20);
        assert!(promise >= 40_000);
        assert_eq!(read.settle(promise), 40_000);
        assert_eq!(read.waiting(), 40_000);
        assert_eq!(drain(&mut read, 30_000), Ok(pattern(40_000)));
        assert!(read.is_closed());
    }
}

#[test]
fn every_flipped_bit_is_refused_with_the_same_words() {
    for (terms, suite, version, etm) in all_terms() {
        if suite.parameters(false, etm).is_none() {
            continue;
        }
        let mut words = HashSet::new();
        let (mut write, _) = open(terms, version);
        write.seal(b"x").expect("open");
        let first = wire(&mut write).len();
        for bit in 0..first * 8 {
            let (mut write, mut read) = open(terms, version);
            write.seal(b"x").expect("open");
            let mut sealed = wire(&mut write);
            sealed[bit / 8] ^= 1 << (bit % 8);
            read.source.feed_shared(sealed);
            match drain(&mut read, 100) {
                // A length that claims more than there is.
                Ok(data) => assert!(data.is_empty() && (24..40).contains(&bit), "{:#06x} bit {bit}", suite.code()),
                Err((Code::BadRecordMac, text)) => {
                    words.insert(text);
                }
                Err((code, _)) => assert!(
                    bit < 40 && matches!(code, Code::UnexpectedMessage | Code::RecordOverflow),
                    "{:#06x} bit {bit}: {code:?}",
                    suite.code()
                ),
            }
        }
        assert_eq!(words.len(), 1, "{words:?}");
    }
}

#[test]
fn tls10_seals_one_octet_first_and_later_versions_do_not() {
    let suite = Suite12::from_code(0x002f).expect("a suite");
    for (version, etm, expected) in [
        (0x0301, false, vec![32, 64, 32]),
        (0x0301, true, vec![36, 68, 36]),
        (0x0302, false, vec![16 + 64, 16 + 32]),
        (0x0303, true, vec![16 + 68, 16 + 36]),
    ] {
        let (mut write, mut read) = open(Terms12::new(suite, version, etm).expect("terms"), version);
        write.seal(&pattern(41)).expect("open");
        write.seal(b"y").expect("open");
        let sealed = wire(&mut write);
        let lengths: Vec<usize> = headers(&sealed).into_iter().map(|(_, _, length)| length).collect();
        assert_eq!(lengths, expected, "{version:#06x}");
        read.source.feed_shared(sealed);
        assert_eq!(drain(&mut read, 100), Ok([pattern(41), b"y".to_vec()].concat()));
    }
    let (mut write, _) = open(Terms12::new(suite, 0x0301, false).expect("terms"), 0x0301);
    let size = write.sealed_size(16384 + 1);
    write.seal(&pattern(16384 + 1)).expect("open");
    let sealed = wire(&mut write);
    assert_eq!((sealed.len(), headers(&sealed).len()), (size, 2));
}

#[test]
fn explicit_ivs_never_repeat() {
    // attacks.md 1: fresh, unpredictable IVs over 10^5 records.
    for (code, etm) in [(0x002f, false), (0x002f, true), (0xc028, false)] {
        let terms = Terms12::new(Suite12::from_code(code).expect("a suite"), 0x0303, etm).expect("terms");
        let (mut write, _) = open(terms, 0x0303);
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            write.seal(b"x").expect("open");
            let iv: [u8; 16] = wire(&mut write)[5..21].try_into().expect("16 octets");
            assert!(seen.insert(iv));
        }
    }
}

#[test]
fn a_record_of_another_version_type_or_place_is_refused() {
    let suite = Suite12::from_code(0x002f).expect("a suite");
    for (version, etm) in [(0x0301, false), (0x0302, true), (0x0303, false)] {
        let terms = Terms12::new(suite, version, etm).expect("terms");
        for (at, value) in [(0, 22), (0, 21), (1, 2), (2, 0), (2, 4)] {
            let (mut write, mut read) = open(terms, version);
            write.seal(b"x").expect("open");
            let mut sealed = wire(&mut write);
            sealed[at] = value;
            read.source.feed_shared(sealed);
            assert_eq!(drain(&mut read, 10).map_err(|(code, _)| code), Err(Code::BadRecordMac), "{at} {value}");
        }
        let (mut write, mut read) = open(terms, version);
        write.seal(b"x").expect("open");
        let one = wire(&mut write);
        write.seal(b"y").expect("open");
        read.source.feed(&wire(&mut write));
        assert_eq!(drain(&mut read, 10).map_err(|(code, _)| code), Err(Code::BadRecordMac), "a record left out");
        let (_, mut read) = open(terms, version);
        read.source.feed(&one);
        assert!(drain(&mut read, 10).is_err(), "another connection's record");
    }
}

#[test]
fn what_was_opened_before_a_bad_record_is_delivered_first() {
    let terms = Terms12::new(Suite12::from_code(0x003c).expect("a suite"), 0x0303, false).expect("terms");
    for ahead in [false, true] {
        let (mut write, mut read) = open(terms, 0x0303);
        write.seal(b"good").expect("open");
        let mut sealed = wire(&mut write);
        write.seal(b"bad").expect("open");
        sealed.extend(wire(&mut write));
        *sealed.last_mut().expect("octets") ^= 1;
        read.source.feed_shared(sealed);
        if ahead {
            let promise = read.promise(1000);
            assert_eq!(read.settle(promise), 4);
        }
        let mut memory = [MaybeUninit::new(0_u8); 100];
        assert_eq!(read.pull(&mut Destination::new(&mut memory)), Ok(Item::Data(4)));
        let failed = read.pull(&mut Destination::new(&mut memory)).expect_err("a bad record");
        assert_eq!(failed.code, Code::BadRecordMac);
    }
}

#[test]
fn nothing_is_opened_behind_a_record_that_failed() {
    // The second record is authentic and too long, so that the third would open.
    let terms = Terms12::new(Suite12::from_code(0x002f).expect("a suite"), 0x0303, false).expect("terms");
    for (ahead, room) in [0, 1, 1000].into_iter().flat_map(|ahead| [1, 3, 4, 1000].map(|room| (ahead, room))) {
        let (mut write, mut read) = open(terms, 0x0303);
        read.set_inner_limit(512);
        for data in [&b"good"[..], &pattern(513), b"late"] {
            write.seal(data).expect("open");
        }
        read.source.feed_shared(wire(&mut write));
        let promise = read.promise(ahead);
        read.settle(promise);
        let mut before = 0;
        let failed = loop {
            let mut memory = vec![MaybeUninit::new(0_u8); room];
            match read.pull(&mut Destination::new(&mut memory)) {
                Ok(Item::Data(octets)) => before += octets,
                other => break other.expect_err("a record that is too long"),
            }
        };
        assert_eq!((before, failed.code), (4, Code::RecordOverflow), "ahead {ahead}, room {room}");
    }
}

#[test]
fn lengths_over_the_limit_are_refused_from_the_header_alone() {
    // RFC 5246 6.2.3: "The length MUST NOT exceed 2^14 + 2048."
    let terms = Terms12::new(Suite12::from_code(0x002f).expect("a suite"), 0x0303, false).expect("terms");
    let (_, mut read) = open(terms, 0x0303);
    read.source.feed(&[23, 3, 3, 0x48, 0x00]);
    assert_eq!(drain(&mut read, 10), Ok(vec![]));
    let (_, mut read) = open(terms, 0x0303);
    read.source.feed(&[23, 3, 3, 0x48, 0x01]);
    assert_eq!(drain(&mut read, 10).map_err(|(code, _)| code), Err(Code::RecordOverflow));
    for length in [0_u8, 15, 16, 31, 32, 47, 49] {
        let (_, mut read) = open(terms, 0x0303);
        read.source.feed(&[&[23, 3, 3, 0, length][..], &vec![7; usize::from(length)]].concat());
        assert_eq!(drain(&mut read, 10).map_err(|(code, _)| code), Err(Code::BadRecordMac), "{length}");
    }
}

#[test]
fn content_over_the_limit_is_refused_once_its_mac_is_right() {
    let terms = Terms12::new(Suite12::from_code(0x002f).expect("a suite"), 0x0303, true).expect("terms");
    let (mut write, mut read) = open(terms, 0x0303);
    read.set_inner_limit(512);
    write.seal(&pattern(512)).expect("open");
    read.source.feed_shared(wire(&mut write));
    assert_eq!(drain(&mut read, 1000), Ok(pattern(512)));
    write.seal(&pattern(513)).expect("open");
    let mut sealed = wire(&mut write);
    read.source.feed(&sealed);
    let (code, text) = drain(&mut read, 1000).expect_err("too long");
    assert_eq!(code, Code::RecordOverflow, "{text}");
    let (mut write, mut read) = open(terms, 0x0303);
    read.set_inner_limit(512);
    write.seal(&pattern(513)).expect("open");
    sealed = wire(&mut write);
    *sealed.last_mut().expect("octets") ^= 1;
    read.source.feed_shared(sealed);
    assert_eq!(drain(&mut read, 1000).map_err(|(code, _)| code), Err(Code::BadRecordMac));
}

#[test]
fn terms_that_do_not_go_together_are_refused() {
    let suite = |code| Suite12::from_code(code).expect("a suite");
    for code in [0x003c, 0xc028, 0x003b, 0x009c, 0xc02f] {
        assert!(Terms12::new(suite(code), 0x0302, false).is_err(), "{code:#06x} needs TLS 1.2");
    }
    for code in [0x0002, 0x009c, 0xc02f] {
        assert!(Terms12::new(suite(code), 0x0303, true).is_err(), "{code:#06x} is not CBC");
    }
    for version in [0x0002, 0x0300, 0x0304] {
        assert!(Terms12::new(suite(0x002f), version, false).is_err());
    }
    // Nothing that is refused in every build has a suite here: RC4, DES and 3DES, EXPORT, PSK without a key exchange.
    for code in [0x0003, 0x0004, 0x0005, 0x0008, 0x0009, 0x000a, 0x0016, 0xc012, 0x008c, 0x0001] {
        assert!(Suite12::from_code(code).is_none(), "{code:#06x}");
    }
}

#[test]
fn a_client_hello_of_sslv2_is_handed_out_once_and_only_first() {
    let hello = [&[0x80, 12, 1, 3, 1, 0, 3, 0, 0, 0, 0][..], &[0, 0, 0x2f]].concat();
    let reader = || Reader::new(Side::Server, Arc::new(Signals::default()));
    let mut refusing = reader();
    refusing.source.feed(&hello);
    let (code, text) = drain(&mut refusing, 10).expect_err("not allowed");
    assert!(code == Code::UnexpectedMessage && text.contains("SSLv2"), "{text}");
    for cut in 0..hello.len() {
        let mut read = reader();
        read.allow_sslv2_hello(true);
        read.source.feed(&hello[..cut]);
        assert_eq!(read.pull(&mut Destination::none()), Ok(Item::NeedMore));
        read.source.feed(&hello[cut..]);
        read.source.feed(&[22, 3, 1, 0, 4, 16, 0, 0, 0]);
        assert_eq!(read.pull(&mut Destination::none()), Ok(Item::Message));
        assert_eq!(read.message(), Some(&hello[..]));
        read.consume_message().expect("a message");
        assert_eq!(read.pull(&mut Destination::none()), Ok(Item::Message));
        assert_eq!(read.message(), Some(&[16, 0, 0, 0][..]));
    }
    let mut late = reader();
    late.allow_sslv2_hello(true);
    late.source.feed(&[22, 3, 1, 0, 4, 1, 0, 0, 0]);
    late.source.feed(&hello);
    assert_eq!(late.pull(&mut Destination::none()), Ok(Item::Message));
    late.consume_message().expect("a message");
    assert_eq!(late.pull(&mut Destination::none()).map_err(|error| error.code), Err(Code::UnexpectedMessage));
    for (first, text) in [(&[0x84, 0, 1, 3, 1, 0][..], "too long"), (&[0x80, 12, 1, 0, 2, 0], "SSLv2 itself")] {
        let mut read = reader();
        read.allow_sslv2_hello(true);
        read.source.feed(first);
        assert_eq!(
            read.pull(&mut Destination::none()).map_err(|error| error.code),
            Err(Code::UnexpectedMessage),
            "{text}"
        );
    }
}

#[test]
fn a_key_that_is_used_up_ends_the_connection() {
    let suite = Suite12::from_code(0x002f).expect("a suite");
    let (mut write, _) = open(Terms12::new(suite, 0x0303, false).expect("terms"), 0x0303);
    write.protection_mut().expect("keys").set_sequence(suite.record_limit());
    assert_eq!(write.seal(b"x").expect_err("used up").code, Code::InternalError);
    assert_eq!(write.update_keys(true).expect_err("no such thing").code, Code::InternalError);
}
