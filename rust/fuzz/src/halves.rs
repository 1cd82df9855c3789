//! Halves with keys that both ends know, and what comes out of a read half, in a form that two runs can be compared by.

use std::mem::MaybeUninit;
use std::sync::{Arc, OnceLock};

use tlscore_core::protection::Protection;
use tlscore_core::read::Destination;
use tlscore_core::schedule::ApplicationSchedule;
use tlscore_core::tls12::{Keys12, Terms12, TLS12};
use tlscore_core::{
    Code, EarlySchedule, Epoch, Item, MainSecret12, ReadHalf, Side, Signals, Suite, Suite12, Transcript, WriteHalf,
};
use tlscore_crypto::{respond, Group, KeyShare, SharedSecret};

/// A read half whose wire comes in vectors.
pub type Reader = ReadHalf<Vec<u8>>;

/// The keys of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Keys {
    /// TLS 1.3
    New(Suite),
    /// TLS 1.2
    Old(Suite12),
}

/// Every suite of both versions.
#[must_use]
pub fn all_keys() -> Vec<Keys> {
    Suite::ALL.into_iter().map(Keys::New).chain(Suite12::ALL.into_iter().map(Keys::Old)).collect()
}

/// The application schedule that both ends have without a key exchange: what it protects is no secret here.
fn schedule(suite: Suite) -> ApplicationSchedule {
    let mut transcript = Transcript::default();
    transcript.select(suite.hash());
    let hash = transcript.digest().expect("the hash is chosen");
    let early = EarlySchedule::new(suite, None).expect("no PSK");
    early.into_handshake(None, hash.as_ref()).into_application(hash.as_ref())
}

/// A key exchange, made once for the process: the ends of TLS 1.2 differ in randoms alone.
fn shared() -> &'static SharedSecret {
    static SHARED: OnceLock<SharedSecret> = OnceLock::new();
    SHARED.get_or_init(|| {
        let client = KeyShare::generate(Group::X25519).expect("a key");
        respond(Group::X25519, client.public()).expect("a valid share").1
    })
}

/// The keys of TLS 1.2 for what `side` sends.
fn keys12(suite: Suite12, side: Side) -> Keys12 {
    let terms = Terms12::new(suite, TLS12, false).expect("they go together");
    let (client, server) = MainSecret12::derive(terms, shared(), [1; 32], [2; 32], Some(&[3; 32])).keys();
    if side == Side::Client {
        client
    } else {
        server
    }
}

/// Protection of what `side` sends, for sealing it.
#[must_use]
pub fn protection(keys: Keys, side: Side) -> Protection {
    match keys {
        Keys::New(suite) => Protection::new(schedule(suite).take_traffic(side).expect("once")).expect("keys"),
        Keys::Old(suite) => keys12(suite, side).for_sealing().expect("keys"),
    }
}

/// The write half of `side`, open for application data; in TLS 1.2 its change_cipher_spec was sent and dropped.
#[must_use]
pub fn writer(keys: Keys, side: Side, signals: &Arc<Signals>) -> WriteHalf {
    let mut write = WriteHalf::new(side, Arc::clone(signals));
    match keys {
        Keys::New(suite) => write
            .install(Epoch::Application, schedule(suite).take_traffic(side).expect("once"))
            .expect("the first keys"),
        Keys::Old(_) => {
            write.change_cipher_spec12(protection(keys, side)).expect("the first keys");
            write.outgoing_mut().clear();
        }
    }
    write.open().expect("keys");
    write
}

/// The read half of `side`, open for application data.
#[must_use]
pub fn reader(keys: Keys, side: Side, signals: &Arc<Signals>) -> Reader {
    let mut read = Reader::new(side, Arc::clone(signals));
    match keys {
        Keys::New(suite) => read
            .install(Epoch::Application, schedule(suite).take_traffic(side.peer()).expect("once"))
            .expect("a boundary"),
        Keys::Old(suite) => {
            let keys = keys12(suite, side.peer()).for_opening().expect("keys");
            read.expect_change_cipher_spec12(keys).expect("the first keys");
            read.source.feed(&[20, 3, 3, 0, 1, 1]);
            assert_eq!(read.pull(&mut Destination::none()), Ok(Item::NeedMore));
        }
    }
    read.open().expect("keys");
    read
}

/// What a read half gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Application data, however many records it came in.
    Data(Vec<u8>),
    /// A whole handshake message.
    Message(Vec<u8>),
    /// An alert.
    Alert(u8, u8),
    /// close_notify came before.
    Closed,
    /// The end.
    Failed(Code),
}

/// Everything that came out, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log(pub Vec<Event>);

impl Log {
    /// Note something; data joins the data before it.
    pub fn note(&mut self, event: Event) {
        match (self.0.last_mut(), event) {
            (_, Event::Data(data)) if data.is_empty() => {}
            (Some(Event::Data(before)), Event::Data(data)) => before.extend(data),
            (_, event) => self.0.push(event),
        }
    }

    /// Whether nothing comes any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.0.last(), Some(Event::Failed(_) | Event::Closed))
    }

    /// Whether this is how `whole` begins; the last data may be cut.
    #[must_use]
    pub fn begins(&self, whole: &Self) -> bool {
        let Some((last, before)) = self.0.split_last() else { return true };
        if before != whole.0.get(..before.len()).unwrap_or_default() {
            return false;
        }
        match (last, whole.0.get(before.len())) {
            (Event::Data(data), Some(Event::Data(all))) => all.starts_with(data),
            (event, Some(other)) => event == other,
            (_, None) => false,
        }
    }

    /// The same without the error at its end.
    #[must_use]
    pub fn without_failure(mut self) -> Self {
        if matches!(self.0.last(), Some(Event::Failed(_))) {
            self.0.pop();
        }
        self
    }
}

/// Memory of zeros, in the form that the record layer writes to.
#[must_use]
pub fn room_for(octets: usize) -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::new(0); octets]
}

/// What stands in memory that `room_for` made.
#[must_use]
pub fn filled(memory: &[MaybeUninit<u8>]) -> Vec<u8> {
    // SAFETY: `room_for` made the memory of zeros, and what the record layer wrote over them is initialised too.
    memory.iter().map(|octet| unsafe { octet.assume_init() }).collect()
}

/// Pull until nothing more comes, through buffers of `room` octets.
pub fn drain(read: &mut Reader, room: usize, log: &mut Log) {
    while !log.is_over() {
        let mut memory = room_for(room.max(1));
        let event = match read.pull(&mut Destination::new(&mut memory)) {
            Ok(Item::Data(octets)) => Event::Data(filled(&memory[..octets])),
            Ok(Item::NeedMore) => return,
            Ok(Item::Closed) => Event::Closed,
            Ok(Item::Alert { level, description }) => Event::Alert(level, description),
            Ok(Item::Message) => {
                let message = read.message().expect("a message stands first").to_vec();
                log.note(Event::Message(message));
                match read.consume_message() {
                    Ok(()) => continue,
                    Err(error) => Event::Failed(error.code),
                }
            }
            Ok(Item::DataWaits) => panic!("there is room"),
            Err(error) => Event::Failed(error.code),
        };
        log.note(event);
    }
}

/// Feed a wire in pieces of `step` octets and drain after each.
pub fn read_all(read: &mut Reader, wire: &[u8], step: usize, room: usize) -> Log {
    let mut log = Log::default();
    for (at, piece) in wire.chunks(step.max(1)).enumerate() {
        if at % 2 == 0 {
            read.source.feed(piece);
        } else {
            read.source.feed_shared(piece.to_vec());
        }
        assert!(read.waiting() <= wire.len(), "more waits than was fed");
        drain(read, room, &mut log);
    }
    log
}

/// What waits to be sent.
pub fn take_wire(write: &mut WriteHalf) -> Vec<u8> {
    let wire = write.outgoing().as_slice().to_vec();
    write.outgoing_mut().clear();
    wire
}
