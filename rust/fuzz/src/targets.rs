//! The targets. Each names the invariants that it holds beside "no panic, no endless loop, no memory ahead of what arrived".

use std::collections::VecDeque;
use std::sync::Arc;

use tlscore_core::joiner::Joiner;
use tlscore_core::{Code, ContentType, Limits, Padding, Side, Signals, WriteHalf};
use tlscore_crypto::{respond, Group, KeyShare};

use crate::halves::{
    all_keys, drain, filled, protection as keys_of, read_all, reader, room_for, take_wire, writer, Event, Keys, Log,
    Reader,
};
use crate::input::Input;

const SIDES: [Side; 2] = [Side::Client, Side::Server];
const STEPS: [usize; 8] = [1, 2, 3, 5, 7, 64, 1000, 16_406];
const ROOMS: [usize; 7] = [1, 2, 17, 1000, 16_383, 16_384, 70_000];
const GROUPS: [Group; 9] = [
    Group::X25519,
    Group::Secp256r1,
    Group::Secp384r1,
    Group::Secp521r1,
    Group::X25519MlKem768,
    Group::SecP256r1MlKem768,
    Group::SecP384r1MlKem1024,
    Group::MlKem768,
    Group::MlKem1024,
];

/// Any octets at a read half without keys: however the wire is cut, the same comes out.
pub fn deframer(octets: &[u8]) {
    let mut input = Input::new(octets);
    let (side, flags) = (input.one_of(&SIDES), input.octet());
    let (step, room) = (input.one_of(&STEPS), input.one_of(&ROOMS));
    let skipped = if flags & 2 == 0 { 0 } else { input.below(40_000) };
    let wire = input.rest();
    let make = || {
        let mut read = Reader::new(side, Arc::new(Signals::default()));
        read.allow_change_cipher_spec(flags & 1 != 0);
        read.skip_early_data(skipped);
        read
    };
    let whole = read_all(&mut make(), wire, wire.len(), 70_000);
    let pieces = read_all(&mut make(), wire, step, room);
    assert_eq!(whole, pieces, "the wire in pieces of {step}");
    assert!(!whole.0.iter().any(|event| matches!(event, Event::Data(_))), "application data without keys");
}

/// Handshake messages put together from pieces: what comes out and what waits are what went in.
pub fn joiner(octets: &[u8]) {
    let mut input = Input::new(octets);
    let limits = Limits { message: 64 + input.below(4000), client_hello: 64 + input.below(4000), ..Limits::default() };
    let mut joiner = Joiner::default();
    let (mut given, mut taken) = (Vec::new(), Vec::new());
    while !input.is_empty() {
        let length = input.below(600);
        let piece = input.octets(length);
        given.extend_from_slice(piece);
        if joiner.push(piece, &limits).is_err() {
            return;
        }
        while let Some(message) = joiner.first() {
            assert!(message.len() <= limits.message_cap(message[0]), "a message over its cap");
            assert_eq!(joiner.first_kind(), Some(message[0]));
            taken.extend_from_slice(message);
            if joiner.consume(&limits).is_err() {
                return;
            }
        }
        assert!(given.starts_with(&taken));
        assert_eq!(joiner.is_empty(), taken.len() == given.len());
        assert_eq!(joiner.boundary().is_ok(), taken.len() == given.len());
    }
}

/// One record under one key: what was sealed opens to itself, and nothing else opens.
pub fn protection(octets: &[u8]) {
    let mut input = Input::new(octets);
    let keys = input.one_of(&all_keys());
    let hides = matches!(keys, Keys::New(_));
    let (mut seals, mut opens) = (keys_of(keys, Side::Client), keys_of(keys, Side::Client));
    let sequence = u64::from(input.octet());
    seals.set_sequence(sequence);
    opens.set_sequence(sequence);
    let padding = if hides { input.below(300) } else { 0 };
    let mut trailer = vec![0; padding];
    if hides {
        trailer.insert(0, ContentType::ApplicationData as u8);
    }
    let (at, change, split) = (input.below(17_000), input.octet(), input.octet());
    let plaintext = input.octets(16_000);
    let total = seals.overhead() + plaintext.len() + trailer.len();
    let mut record = room_for(total);
    seals.seal(ContentType::ApplicationData, plaintext, &trailer, u64::MAX, &mut record).expect("below the limit");
    let mut record = filled(&record);
    let at = at % record.len();
    record[at] ^= change;
    let inner = plaintext.len() + trailer.len();
    let tail = usize::from(split).min(inner).min(if hides { 1 } else { 0 });
    let (mut out, mut end) = (room_for(inner - tail), vec![0_u8; tail]);
    // In TLS 1.3 the tag covers the header; in TLS 1.2 its length is checked by the read half, not here.
    let outside = !hides && (3..5).contains(&at);
    match opens.open(&record, u64::MAX, &mut out, &mut end) {
        Ok(opened) => {
            assert!(change == 0 || outside, "octet {at} was changed, and the record opened");
            let mut all = opened.to_vec();
            all.extend_from_slice(&end);
            assert_eq!(all, [plaintext, &trailer].concat());
        }
        Err(error) => {
            assert!(change != 0, "an honest record was refused: {error:?}");
            assert_eq!(error.code, Code::BadRecordMac);
        }
    }
}

/// A peer that owns the keys and seals whatever it likes: the same comes out however the wire is cut.
pub fn read_half(octets: &[u8]) {
    let mut input = Input::new(octets);
    let keys = input.one_of(&all_keys());
    let (step, room) = (input.one_of(&STEPS), input.one_of(&ROOMS));
    let limit = if input.octet() & 1 == 0 { None } else { Some(64 + input.below(16_322)) };
    let mut seals = keys_of(keys, Side::Client);
    let mut wire = Vec::new();
    while !input.is_empty() && wire.len() < 200_000 {
        let (form, length) = (input.octet(), input.below(600));
        // Long records cost the input little: their octets repeat.
        let length = if form & 0x80 != 0 { (length * 57).min(16_500) } else { length };
        let written = input.octets(if form & 0x80 != 0 { 8 } else { length });
        let content: Vec<u8> = if form & 0x80 != 0 && !written.is_empty() {
            written.iter().copied().cycle().take(length).collect()
        } else {
            written.to_vec()
        };
        let kind = [20, 21, 22, 23, 0, 24][usize::from(form & 0x0f) % 6];
        let outer = ContentType::from_octet(kind).unwrap_or(ContentType::ApplicationData);
        let trailer: &[u8] = match keys {
            Keys::New(_) if form & 0x10 != 0 => &[kind, 0, 0, 0],
            Keys::New(_) => &[kind],
            Keys::Old(_) => &[],
        };
        let total = seals.overhead() + content.len() + trailer.len();
        let mut record = room_for(total);
        if seals.seal(outer, &content, trailer, u64::MAX, &mut record).is_err() {
            return;
        }
        wire.extend(filled(&record));
        if kind == 22 && content.starts_with(&[24, 0, 0, 1]) && form & 0x20 != 0 && matches!(keys, Keys::New(_)) {
            seals.update().expect("TLS 1.3 has it");
        }
    }
    let make = || {
        let mut read = reader(keys, Side::Server, &Arc::new(Signals::default()));
        if let Some(limit) = limit {
            read.set_inner_limit(limit);
        }
        read
    };
    let whole = read_all(&mut make(), &wire, wire.len(), 70_000);
    let pieces = read_all(&mut make(), &wire, step, room);
    assert_eq!(whole, pieces, "the wire in pieces of {step}, read through {room}");
}

/// Somebody on the way changes, repeats, drops and moves octets: what comes out is how the honest log begins.
pub fn tampered_wire(octets: &[u8]) {
    let mut input = Input::new(octets);
    let keys = input.one_of(&all_keys());
    let (step, room) = (input.one_of(&STEPS), input.one_of(&ROOMS));
    let mut write = writer(keys, Side::Client, &Arc::new(Signals::default()));
    for _ in 0..=input.below(4) {
        let length = input.below(300);
        let data = pattern(length);
        match input.octet() % 4 {
            0 => write.send_handshake(&message(4, &data)).expect("open"),
            1 => write.send_alert(1, 90).expect("open"),
            _ => write.seal(&data).expect("open"),
        }
    }
    let mut wire = take_wire(&mut write);
    let honest = read_all(&mut reader(keys, Side::Server, &Arc::new(Signals::default())), &wire, wire.len(), 70_000);
    assert!(!honest.is_over(), "an honest wire was refused: {honest:?}");
    for _ in 0..=input.below(4) {
        tamper(&mut wire, &mut input);
    }
    let got = read_all(&mut reader(keys, Side::Server, &Arc::new(Signals::default())), &wire, step, room);
    assert!(got.clone().without_failure().begins(&honest), "{got:?} does not begin {honest:?}");
}

fn tamper(wire: &mut Vec<u8>, input: &mut Input<'_>) {
    if wire.is_empty() {
        return;
    }
    let (how, at, length) = (input.octet() % 5, input.below(65_536) % wire.len(), input.below(64));
    let end = (at + length).min(wire.len());
    match how {
        0 => wire[at] ^= input.octet(),
        1 => drop(wire.drain(at..end)),
        2 => {
            let copied = wire[at..end].to_vec();
            let place = input.below(65_536) % (wire.len() + 1);
            wire.splice(place..place, copied);
        }
        3 => drop(wire.splice(at..at, input.octets(length).iter().copied())),
        _ => wire.truncate(at),
    }
}

/// Two ends that write, update keys, close and read in any order: each reads what the other one wrote.
pub fn conversation(octets: &[u8]) {
    let mut input = Input::new(octets);
    let keys = input.one_of(&all_keys());
    let mut ends = SIDES.map(|side| End::new(keys, side));
    while !input.is_empty() {
        let side = usize::from(input.octet() & 1);
        if input.octet() % 4 == 0 {
            let (count, room) = (input.below(40_000), input.one_of(&ROOMS));
            let [first, second] = &mut ends;
            let (from, to) = if side == 0 { (first, second) } else { (second, first) };
            from.carry(count, room, to);
        } else {
            ends[side].act(&mut input, matches!(keys, Keys::New(_)));
        }
    }
    let [first, second] = &mut ends;
    for _ in 0..3 {
        first.carry(usize::MAX, 70_000, second);
        second.carry(usize::MAX, 70_000, first);
    }
    for (reads, wrote) in [(&first.got, &second.sent), (&second.got, &first.sent)] {
        match reads.0.last() {
            Some(Event::Failed(code)) => assert_eq!(*code, Code::Limit, "only a limit may end it"),
            _ => assert_eq!(reads, wrote, "not everything arrived"),
        }
        assert!(reads.clone().without_failure().begins(wrote));
    }
}

struct End {
    write: WriteHalf,
    read: Reader,
    sent: Log,
    got: Log,
    wire: VecDeque<u8>,
}

impl End {
    fn new(keys: Keys, side: Side) -> Self {
        let signals = Arc::new(Signals::default());
        Self {
            write: writer(keys, side, &signals),
            read: reader(keys, side, &signals),
            sent: Log::default(),
            got: Log::default(),
            wire: VecDeque::new(),
        }
    }

    /// Do one thing; what fails because the write half is closed is no event.
    fn act(&mut self, input: &mut Input<'_>, new: bool) {
        let length = input.below(600);
        match input.octet() % 8 {
            0 => {
                let data = message(4, &pattern(length));
                if self.write.send_handshake(&data).is_ok() {
                    self.sent.note(Event::Message(data));
                }
            }
            1 if !self.sent.is_over() && self.write.send_alert(1, 90).is_ok() => self.sent.note(Event::Alert(1, 90)),
            2 => assert!(self.write.update_keys(length & 1 == 1).is_ok() || !new || self.sent.is_over()),
            3 => {
                if !self.sent.is_over() && self.write.close().is_ok() {
                    self.sent.note(Event::Alert(1, 0));
                    self.sent.note(Event::Closed);
                }
            }
            4 if new => {
                self.write.set_padding(if length & 1 == 0 { Padding::Full } else { Padding::Multiple(2 + length) })
            }
            5 => {
                self.write.set_limits(Limits { rekey_records: 2 + length as u64, ..Limits::default() });
            }
            6 => self.write.set_inner_limit(64 + length * 27),
            _ => {
                let data = pattern(length * 61);
                if self.write.seal(&data).is_ok() {
                    self.sent.note(Event::Data(data));
                }
            }
        }
    }

    /// Bring some octets to the other end, which reads what it can.
    fn carry(&mut self, count: usize, room: usize, to: &mut Self) {
        // What the read half owes, the write half sends.
        let _ = self.write.settle_control();
        self.wire.extend(take_wire(&mut self.write));
        let count = count.min(self.wire.len());
        let piece: Vec<u8> = self.wire.drain(..count).collect();
        to.read.source.feed(&piece);
        drain(&mut to.read, room, &mut to.got);
    }
}

/// A peer's key share: refused or agreed on, at both ends, for every group.
pub fn key_share(octets: &[u8]) {
    let mut input = Input::new(octets);
    let group = input.one_of(&GROUPS);
    let share = input.rest();
    if let Ok((answer, secret)) = respond(group, share) {
        assert_eq!(answer.len(), group.server_share_len());
        assert!(!secret.as_bytes().iter().all(|octet| *octet == 0), "a secret of zeros");
    }
    let own = KeyShare::generate(group).expect("a key");
    let (answer, theirs) = respond(group, own.public()).expect("an honest share");
    let mut answer = answer;
    let changed = share.first().is_some_and(|first| first & 1 == 1);
    if changed {
        for (octet, change) in answer.iter_mut().zip(share) {
            *octet ^= change;
        }
    }
    match own.complete(&answer) {
        Ok(secret) => assert!(changed || secret.as_bytes() == theirs.as_bytes(), "two secrets"),
        Err(_) => assert!(changed, "an honest share was refused"),
    }
}

fn pattern(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [.., high, middle, low] = body.len().to_be_bytes();
    [&[kind, high, middle, low], body].concat()
}
