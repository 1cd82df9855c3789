//! Record layer against record layer: what passes, what is refused, and with which code.

use std::mem::MaybeUninit;
use std::sync::Arc;

use tlscore_core::read::Destination;
use tlscore_core::{
    Code, ContentType, EarlySchedule, Epoch, Item, Limits, Padding, ReadHalf, Side, Signals, Suite, Transcript,
    WriteHalf,
};

type Reader = ReadHalf<Vec<u8>>;

/// A client's write half and the server's read half, open for application data; and the signals of the client and the server.
fn halves(suite: Suite) -> (WriteHalf, Reader, Arc<Signals>, Arc<Signals>) {
    let mut transcript = Transcript::default();
    transcript.select(suite.hash());
    let hash = transcript.digest().expect("chosen");
    let application = || {
        let early = EarlySchedule::new(suite, None).expect("no PSK");
        early.into_handshake(None, hash.as_ref()).into_application(hash.as_ref())
    };
    let (client, server) = (Arc::new(Signals::default()), Arc::new(Signals::default()));
    let mut write = WriteHalf::new(Side::Client, Arc::clone(&client));
    let mut read = Reader::new(Side::Server, Arc::clone(&server));
    write.install(Epoch::Application, application().take_traffic(Side::Client).expect("once")).expect("first");
    read.install(Epoch::Application, application().take_traffic(Side::Client).expect("once")).expect("boundary");
    write.open().expect("keys");
    read.open().expect("keys");
    (write, read, client, server)
}

fn wire(write: &mut WriteHalf) -> Vec<u8> {
    let octets = write.outgoing().as_slice().to_vec();
    write.outgoing_mut().clear();
    octets
}

/// Everything that can be read, through a buffer of `room` octets.
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
fn any_length_passes_through_any_buffer() {
    for suite in Suite::ALL {
        let (mut write, mut read, ..) = halves(suite);
        for octets in [0, 1, 2, 63, 64, 1000, 16383, 16384, 16385, 32768, 40000, 100_000] {
            let data = pattern(octets);
            let size = write.sealed_size(octets);
            write.seal(&data).expect("open");
            let sealed = wire(&mut write);
            assert_eq!(sealed.len(), size);
            read.source.feed_shared(sealed);
            let room = [7, 100, 16383, 16384, 16385, 70_000][octets % 6];
            assert_eq!(drain(&mut read, room), Ok(data), "{suite:?} {octets} {room}");
        }
    }
}

#[test]
fn every_chunking_of_the_wire_gives_the_same_data() {
    let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
    let data = pattern(40_000);
    for step in [1, 2, 5, 21, 22, 1000, 16406, 20_000] {
        write.seal(&data).expect("open");
        let sealed = wire(&mut write);
        let mut got = Vec::new();
        for (at, chunk) in sealed.chunks(step).enumerate() {
            if at % 2 == 0 {
                read.source.feed(chunk);
            } else {
                read.source.feed_shared(chunk.to_vec());
            }
            got.extend(drain(&mut read, 16384).expect("honest"));
        }
        assert_eq!(got, data, "step {step}");
    }
}

/// A record that is refused behind one that did not fit: its error comes first, and nothing behind it comes at all.
#[test]
fn nothing_is_opened_behind_a_refused_record() {
    let (_, mut read, ..) = halves(Suite::Aes128GcmSha256);
    let (mut write, ..) = halves(Suite::Aes128GcmSha256);
    let mut sealed = Vec::new();
    let data = pattern(2695);
    // A protected change_cipher_spec, which may not stand there, between two records of application data.
    for (kind, content) in [(23, data.as_slice()), (20, &[]), (23, b"behind it")] {
        let keys = write.protection_mut().expect("keys");
        let mut record = vec![MaybeUninit::new(0_u8); keys.overhead() + content.len() + 1];
        keys.seal(ContentType::ApplicationData, content, &[kind], u64::MAX, &mut record).expect("below the limit");
        // SAFETY: the vector was made of initialised octets.
        sealed.extend(record.into_iter().map(|octet| unsafe { octet.assume_init() }));
    }
    read.source.feed(&sealed);
    let mut got = Vec::new();
    let code = loop {
        let mut memory = [MaybeUninit::new(0_u8); 1000];
        match read.pull(&mut Destination::new(&mut memory)) {
            // SAFETY: the array was made of initialised octets.
            Ok(Item::Data(octets)) => got.extend(memory[..octets].iter().map(|octet| unsafe { octet.assume_init() })),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error.code,
        }
    };
    assert_eq!((got == data, code), (true, Code::UnexpectedMessage));
}

#[test]
fn every_flipped_bit_is_refused_and_nothing_is_delivered() {
    for suite in Suite::ALL {
        let (mut write, ..) = halves(suite);
        write.seal(&pattern(20)).expect("open");
        let sealed = wire(&mut write);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let (_, mut read, ..) = halves(suite);
            read.source.feed_shared(changed);
            match drain(&mut read, 100) {
                // Bits of the length can only make the record longer: then it is not complete.
                Ok(data) => assert!(data.is_empty() && (24..40).contains(&bit), "{suite:?} bit {bit}"),
                Err(code) => assert!(
                    matches!(code, Code::BadRecordMac | Code::UnexpectedMessage | Code::RecordOverflow),
                    "{suite:?} bit {bit}: {code:?}"
                ),
            }
        }
    }
}

#[test]
fn repeated_swapped_and_dropped_records_are_refused() {
    let record = |at: usize| {
        let (mut write, ..) = halves(Suite::Aes128GcmSha256);
        for _ in 0..at {
            write.seal(b"x").expect("open");
            wire(&mut write);
        }
        write.seal(b"x").expect("open");
        wire(&mut write)
    };
    for order in [&[0, 0][..], &[1, 0], &[0, 2]] {
        let (_, mut read, ..) = halves(Suite::Aes128GcmSha256);
        for at in order {
            read.source.feed(&record(*at));
        }
        assert_eq!(drain(&mut read, 100).err(), Some(Code::BadRecordMac), "{order:?}");
    }
}

#[test]
fn padding_hides_lengths_and_is_removed() {
    for padding in [Padding::Multiple(256), Padding::Multiple(1000), Padding::Full] {
        let (mut write, mut read, ..) = halves(Suite::Aes256GcmSha384);
        write.set_padding(padding);
        let mut lengths = std::collections::BTreeSet::new();
        for octets in [1, 17, 100, 254] {
            write.seal(&pattern(octets)).expect("open");
            let sealed = wire(&mut write);
            lengths.insert(sealed.len());
            read.source.feed(&sealed);
            assert_eq!(drain(&mut read, 300), Ok(pattern(octets)));
        }
        assert_eq!(lengths.len(), 1, "{padding:?}");
        write.seal(&pattern(70_000)).expect("open");
        let sealed = wire(&mut write);
        read.source.feed_shared(sealed);
        assert_eq!(drain(&mut read, 16384), Ok(pattern(70_000)));
    }
}

#[test]
fn record_size_limits_hold_both_ways() {
    let (mut write, mut read, ..) = halves(Suite::ChaCha20Poly1305Sha256);
    write.set_inner_limit(100);
    read.set_inner_limit(100);
    write.seal(&pattern(1000)).expect("open");
    let sealed = wire(&mut write);
    assert_eq!(sealed.len(), 10 * (5 + 100 + 16) + 5 + 11 + 16);
    read.source.feed_shared(sealed);
    assert_eq!(drain(&mut read, 5000), Ok(pattern(1000)));
    write.set_inner_limit(101);
    write.seal(&pattern(100)).expect("open");
    let sealed = wire(&mut write);
    read.source.feed_shared(sealed);
    assert_eq!(drain(&mut read, 5000), Err(Code::RecordOverflow));
}

#[test]
fn keys_are_updated_before_the_limit_and_in_the_middle_of_a_write() {
    let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
    let mut limits = Limits::default();
    assert!(limits.set("rekey_records", 3));
    write.set_limits(limits);
    let data = pattern(10 * 16384 + 5);
    let size = write.sealed_size(data.len());
    write.seal(&data).expect("open");
    assert_eq!(write.counters().1, 3);
    let sealed = wire(&mut write);
    assert_eq!(sealed.len(), size);
    read.source.feed_shared(sealed);
    assert_eq!(drain(&mut read, 1 << 20), Ok(data));
    assert_eq!(read.counters().1, 3);
}

#[test]
fn a_key_that_is_used_up_stops_both_halves() {
    for suite in Suite::ALL {
        let (mut write, mut read, ..) = halves(suite);
        let last = suite.record_limit() - 1;
        let limits = Limits { rekey_records: u64::MAX, ..Limits::default() };
        write.set_limits(limits);
        for protection in [write.protection_mut(), read.protection_mut()] {
            protection.expect("keys").set_sequence(last - 1);
        }
        // One record short of the limit the write half updates by itself, whatever its setting.
        write.seal(b"a").expect("one more is allowed");
        write.seal(b"b").expect("under fresh keys");
        assert_eq!(write.counters(), (1, 1), "{suite:?}");
        read.source.feed(&wire(&mut write));
        assert_eq!(drain(&mut read, 10), Ok(b"ab".to_vec()), "{suite:?}");
        read.protection_mut().expect("keys").set_sequence(suite.record_limit());
        write.seal(b"c").expect("open");
        read.source.feed(&wire(&mut write));
        assert_eq!(drain(&mut read, 10), Err(Code::InternalError), "{suite:?}");
    }
}

#[test]
fn an_old_key_of_the_peer_is_asked_to_change_once() {
    let (mut write, mut read, _, server) = halves(Suite::Aes128GcmSha256);
    let mut limits = Limits::default();
    assert!(limits.set("rekey_records", 2));
    read.set_limits(limits);
    for _ in 0..2 {
        write.seal(b"x").expect("open");
    }
    read.source.feed(&wire(&mut write));
    drain(&mut read, 10).expect("honest");
    assert!(server.due());
}

#[test]
fn a_requested_update_is_answered_before_the_next_data() {
    let (mut client, mut server_read, ..) = halves(Suite::Aes128GcmSha256);
    client.update_keys(true).expect("open");
    client.update_keys(true).expect("a second request is not sent while the first is out");
    server_read.source.feed(&wire(&mut client));
    drain(&mut server_read, 10).expect("honest");
    assert_eq!(server_read.counters().1, 2);
}

fn refused(kind: u8, content: &[u8], prepare: impl Fn(&mut Reader)) -> Option<Code> {
    let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
    prepare(&mut read);
    let protection = write.protection_mut().expect("keys");
    let mut out = vec![MaybeUninit::new(0_u8); 5 + content.len() + 1 + 16];
    protection.seal(ContentType::ApplicationData, content, &[kind], u64::MAX, &mut out).expect("sealed");
    // SAFETY: the vector was made of initialised octets and sealed over.
    let octets: Vec<u8> = out.iter().map(|octet| unsafe { octet.assume_init() }).collect();
    read.source.feed(&octets);
    drain(&mut read, 20_000).err()
}

#[test]
fn forbidden_records_are_refused_with_the_exact_code() {
    let none = |_: &mut Reader| {};
    assert_eq!(refused(0, b"", none), Some(Code::UnexpectedMessage), "zeros alone");
    assert_eq!(refused(0, &[0; 50], none), Some(Code::UnexpectedMessage), "zeros alone, padded");
    assert_eq!(refused(20, &[1], none), Some(Code::UnexpectedMessage), "protected change_cipher_spec");
    assert_eq!(refused(22, b"", none), Some(Code::UnexpectedMessage), "empty handshake");
    assert_eq!(refused(21, b"", none), Some(Code::DecodeError), "empty alert");
    assert_eq!(refused(21, &[2], none), Some(Code::DecodeError), "half an alert");
    assert_eq!(refused(21, &[2, 40, 2, 40], none), Some(Code::DecodeError), "two alerts in one record");
    assert_eq!(refused(99, b"x", none), Some(Code::UnexpectedMessage), "unknown type");
    assert_eq!(refused(22, &[24, 0, 0, 1, 2], none), Some(Code::IllegalParameter), "request_update 2");
    assert_eq!(refused(22, &[24, 0, 0, 2, 0, 0], none), Some(Code::DecodeError), "long KeyUpdate");
    assert_eq!(refused(22, &[24, 0, 0, 1, 0, 4], none), Some(Code::UnexpectedMessage), "data behind a KeyUpdate");
    assert_eq!(refused(22, &[11, 0xff, 0xff, 0xff], none), Some(Code::DecodeError), "a claim of 16 MiB");
    assert_eq!(refused(23, b"fine", none), None);
    let partial = |read: &mut Reader| {
        let (mut write, ..) = halves(Suite::Aes128GcmSha256);
        write.send_handshake(&[4, 0, 0, 9, 1]).expect("fits");
        read.source.feed(write.outgoing().as_slice());
        drain(read, 10).expect("only half of a message");
        read.protection_mut().expect("keys").set_sequence(0);
    };
    assert_eq!(refused(23, b"x", partial), Some(Code::UnexpectedMessage), "data inside a message");
    assert_eq!(refused(21, &[1, 0], partial), Some(Code::UnexpectedMessage), "alert inside a message");
}

#[test]
fn unprotected_records_are_refused_once_there_are_keys() {
    for kind in [20, 21, 22] {
        let (_, mut read, ..) = halves(Suite::Aes128GcmSha256);
        read.source.feed(&[kind, 3, 3, 0, 2, 1, 0]);
        assert_eq!(drain(&mut read, 10), Err(Code::UnexpectedMessage), "type {kind}");
    }
}

#[test]
fn lengths_over_the_limit_are_refused_from_the_header_alone() {
    let (_, mut read, ..) = halves(Suite::Aes128GcmSha256);
    read.source.feed(&[23, 3, 3, 0x41, 0x01]);
    assert_eq!(drain(&mut read, 10), Err(Code::RecordOverflow));
    let mut plain = Reader::new(Side::Server, Arc::new(Signals::default()));
    plain.source.feed(&[22, 3, 1, 0x40, 0x01]);
    assert_eq!(drain(&mut plain, 10), Err(Code::RecordOverflow));
}

#[test]
fn floods_end() {
    let flood = |make: &dyn Fn(&mut WriteHalf)| {
        let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
        for count in 0..200 {
            make(&mut write);
            read.source.feed(&wire(&mut write));
            if let Err(code) = drain(&mut read, 10) {
                return (count, code);
            }
        }
        panic!("nothing stopped the flood");
    };
    let empty = |write: &mut WriteHalf| {
        let mut out = vec![MaybeUninit::new(0_u8); 22];
        write
            .protection_mut()
            .expect("keys")
            .seal(ContentType::ApplicationData, b"", &[23], u64::MAX, &mut out)
            .expect("sealed");
        // SAFETY: the vector was made of initialised octets.
        let octets: Vec<u8> = out.iter().map(|octet| unsafe { octet.assume_init() }).collect();
        write.outgoing_mut().extend_from_slice(&octets);
    };
    assert_eq!(flood(&empty), (32, Code::Limit));
    assert_eq!(flood(&|write| write.update_keys(false).expect("open")), (32, Code::Limit));
    assert_eq!(flood(&|write| write.send_alert(1, 90).expect("open")), (4, Code::Limit));
    assert_eq!(flood(&|write| write.send_handshake(&[4, 0, 0, 1, 0]).expect("open")), (32, Code::Limit));
}

#[test]
fn keys_change_only_at_a_message_boundary() {
    let mut read = Reader::new(Side::Client, Arc::new(Signals::default()));
    read.source.feed(&[22, 3, 3, 0, 6, 2, 0, 0, 1, 0, 8]);
    assert_eq!(read.pull(&mut Destination::none()), Ok(Item::Message));
    read.consume_message().expect("small");
    let suite = Suite::Aes128GcmSha256;
    let schedule = EarlySchedule::new(suite, None).expect("no PSK").into_handshake(None, &[0; 32]);
    let error = read.install(Epoch::Handshake, schedule.traffic(Side::Server)).expect_err("half a message waits");
    assert_eq!(error.code, Code::UnexpectedMessage);
}

#[test]
fn early_data_that_is_not_accepted_is_skipped_up_to_the_budget() {
    for (octets, budget, outcome) in [(1000, 16 << 10, Ok(())), (20_000, 16 << 10, Err(Code::BadRecordMac))] {
        let (mut early, ..) = halves(Suite::Aes256GcmSha384);
        let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
        read.skip_early_data(budget);
        early.seal(&pattern(octets)).expect("open");
        read.source.feed(&wire(&mut early));
        write.seal(b"after").expect("open");
        read.source.feed(&wire(&mut write));
        assert_eq!(drain(&mut read, 100).map(|data| assert_eq!(data, b"after")), outcome);
    }
}

#[test]
fn compatibility_change_cipher_spec_is_dropped_where_it_may_stand() {
    for (allowed, content, outcome) in
        [(true, 1, Ok(vec![])), (false, 1, Err(Code::UnexpectedMessage)), (true, 2, Err(Code::UnexpectedMessage))]
    {
        let mut read = Reader::new(Side::Server, Arc::new(Signals::default()));
        read.allow_change_cipher_spec(allowed);
        read.source.feed(&[20, 3, 3, 0, 1, content]);
        assert_eq!(drain(&mut read, 10), outcome);
    }
    let mut read = Reader::new(Side::Server, Arc::new(Signals::default()));
    read.allow_change_cipher_spec(true);
    for _ in 0..3 {
        read.source.feed(&[20, 3, 3, 0, 1, 1]);
    }
    assert_eq!(drain(&mut read, 10), Err(Code::Limit));
}

#[test]
fn other_protocols_are_named() {
    for (first, word) in [
        (&b"HTTP/1.1 400 Bad"[..], "HTTP"),
        (b"SSH-2.0-OpenSSH", "SSH"),
        (b"220 mail.example", "SMTP"),
        (b"\x80\x2e\x01\x03\x03", "SSLv2"),
    ] {
        let mut read = Reader::new(Side::Client, Arc::new(Signals::default()));
        read.source.feed(first);
        let error = read.pull(&mut Destination::none()).expect_err("no record");
        assert!(error.code == Code::UnexpectedMessage && error.detail.contains(word), "{}", error.detail);
    }
}

#[test]
fn nothing_can_be_written_before_or_after() {
    let mut write = WriteHalf::new(Side::Client, Arc::new(Signals::default()));
    assert_eq!(write.seal(b"x").expect_err("no keys").code, Code::HandshakeNotComplete);
    let (mut write, ..) = halves(Suite::Aes128GcmSha256);
    write.close().expect("open");
    write.close().expect("idempotent");
    assert_eq!(write.seal(b"x").expect_err("closed").code, Code::Closed);
    let (mut write, ..) = halves(Suite::Aes128GcmSha256);
    write.kill();
    assert!(write.seal(b"x").is_err());
}

#[test]
fn what_was_opened_before_a_bad_record_is_delivered_first() {
    let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
    write.seal(b"good").expect("open");
    let mut sealed = wire(&mut write);
    write.seal(b"bad").expect("open");
    sealed.extend(wire(&mut write));
    *sealed.last_mut().expect("octets") ^= 1;
    read.source.feed_shared(sealed);
    let mut memory = [MaybeUninit::new(0_u8); 100];
    assert_eq!(read.pull(&mut Destination::new(&mut memory)), Ok(Item::Data(4)));
    assert_eq!(read.pull(&mut Destination::new(&mut memory)).expect_err("bad").code, Code::BadRecordMac);
}

/// A caller that goes on after an error gets the same error, and nothing that stands behind the record.
#[test]
fn an_error_is_the_end_of_reading() {
    for first in [[23, 3, 3, 0, 20].as_slice(), &[22, 3, 3, 0, 20], &[20, 3, 3, 0, 20]] {
        let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
        read.source.feed(&[first, &[0; 20]].concat());
        let error = read.pull(&mut Destination::none()).expect_err("forged");
        read.source.clear();
        write.seal(b"honest").expect("open");
        read.source.feed(&wire(&mut write));
        let mut memory = [MaybeUninit::new(0_u8); 100];
        for _ in 0..3 {
            assert_eq!(read.pull(&mut Destination::new(&mut memory)), Err(error.clone()), "{first:?}");
        }
    }
}

#[test]
fn a_tidy_destination_keeps_what_lies_behind_the_content() {
    for suite in Suite::ALL {
        let (mut write, mut read, ..) = halves(suite);
        for (octets, room) in [(1, 1), (1, 2), (100, 100), (100, 101), (100, 300), (16384, 16384), (16384, 20000)] {
            let data = pattern(octets);
            write.seal(&data).expect("open");
            read.source.feed(&wire(&mut write));
            let mut memory = vec![MaybeUninit::new(0x55_u8); room];
            assert_eq!(read.pull(&mut Destination::new(&mut memory).tidy(true)).ok(), Some(Item::Data(octets)));
            // SAFETY: the vector was made of initialised octets.
            let memory: Vec<u8> = memory.iter().map(|octet| unsafe { octet.assume_init() }).collect();
            assert_eq!(memory[..octets], data, "{suite:?} {octets} {room}");
            assert!(memory[octets..].iter().all(|octet| *octet == 0x55), "{suite:?} {octets} {room}");
        }
    }
}

#[test]
fn what_is_missing_never_reaches_into_a_small_record_behind() {
    let (mut write, mut read, ..) = halves(Suite::Aes128GcmSha256);
    write.seal(&pattern(100)).expect("open");
    let small = wire(&mut write);
    write.seal(&pattern(16384)).expect("open");
    let large = wire(&mut write);
    assert_eq!(read.missing(), 5);
    read.source.feed(&small[..3]);
    assert_eq!(read.missing(), 2);
    read.source.feed(&small[3..5]);
    assert_eq!(read.missing(), small.len() - 5);
    assert!(!read.bulk_fits(20_000));
    read.source.feed(&small[5..]);
    assert_eq!(drain(&mut read, 200), Ok(pattern(100)));
    read.source.feed(&large[..5]);
    // The header of the record behind a large one comes along.
    assert_eq!(read.missing(), large.len());
    assert!(read.bulk_fits(20_000));
    assert!(!read.bulk_fits(1000));
    read.source.feed(&large[5..]);
    assert_eq!(drain(&mut read, 20_000), Ok(pattern(16384)));
    assert_eq!(read.missing(), 5);
}
