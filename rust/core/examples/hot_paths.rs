//! The hot paths alone, for counting instructions: `hot_paths PATH COUNT`, with PATH one of seal-64, seal-16384, open-64, open-16384,
//! and deframe-64 (records that arrive octet by octet are put together).
//!
//! What is counted is the difference between two counts, so that making keys and starting the process do not matter.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::sync::Arc;

use tlscore_core::read::Destination;
use tlscore_core::schedule::ApplicationSchedule;
use tlscore_core::{EarlySchedule, Epoch, Item, ReadHalf, Side, Signals, Suite, Transcript, WriteHalf};

const SUITE: Suite = Suite::Aes128GcmSha256;

fn schedule() -> ApplicationSchedule {
    let mut transcript = Transcript::default();
    transcript.select(SUITE.hash());
    let hash = transcript.digest().expect("the hash is chosen");
    let early = EarlySchedule::new(SUITE, None).expect("no PSK");
    early.into_handshake(None, hash.as_ref()).into_application(hash.as_ref())
}

fn writer() -> WriteHalf {
    let mut write = WriteHalf::new(Side::Client, Arc::new(Signals::default()));
    write.install(Epoch::Application, schedule().take_traffic(Side::Client).expect("once")).expect("the first keys");
    write.open().expect("keys");
    write
}

fn reader() -> ReadHalf<Vec<u8>> {
    let mut read = ReadHalf::new(Side::Server, Arc::new(Signals::default()));
    read.install(Epoch::Application, schedule().take_traffic(Side::Client).expect("once")).expect("a boundary");
    read.open().expect("keys");
    read
}

fn seal(size: usize, count: usize) {
    let (mut write, data) = (writer(), vec![7_u8; size]);
    let mut out = vec![MaybeUninit::new(0_u8); write.sealed_size(size)];
    for _ in 0..count {
        black_box(write.seal_into(black_box(&data), &mut out).expect("open"));
    }
}

/// Open `count` records, which arrive in pieces of `step` octets.
fn open(size: usize, count: usize, step: usize) {
    let (mut write, mut read, data) = (writer(), reader(), vec![7_u8; size]);
    let mut room = vec![MaybeUninit::new(0_u8); size + 1];
    for _ in 0..count {
        write.seal(&data).expect("open");
        for piece in write.outgoing().as_slice().chunks(step) {
            read.source.feed(piece);
            match read.pull(&mut Destination::with_slack(&mut room, size)).expect("an honest record") {
                Item::Data(octets) => assert_eq!(octets, size),
                other => assert_eq!(other, Item::NeedMore),
            }
        }
        write.outgoing_mut().clear();
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, count] = words.as_slice() else { return usage() };
    let Ok(count) = count.parse() else { return usage() };
    match path.as_str() {
        "seal-64" => seal(64, count),
        "seal-16384" => seal(16_384, count),
        "open-64" => open(64, count, usize::MAX),
        "open-16384" => open(16_384, count, usize::MAX),
        "deframe-64" => open(64, count, 1),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: hot_paths seal-64|seal-16384|open-64|open-16384|deframe-64 COUNT");
    ExitCode::from(2)
}
