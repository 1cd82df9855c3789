//! RFC 8448 section 3, a whole 1-RTT handshake, byte for byte: key schedule, record protection, Finished, ticket, application data.

use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tlscore_core::read::Destination;
use tlscore_core::{EarlySchedule, Epoch, Item, ReadHalf, Side, Signals, Suite, Transcript, WriteHalf};
use tlscore_crypto::{test_hooks, Group};

struct Trace(Value);

impl Trace {
    fn load() -> Option<Self> {
        let folder = std::env::var_os("TLSCORE_VECTORS")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
        let file = folder.join("rfc8448-section3.json");
        let Ok(text) = std::fs::read_to_string(&file) else {
            println!("skipped: no vectors at {}", file.display());
            return None;
        };
        Some(Self(serde_json::from_str(&text).expect("the vectors are JSON")))
    }

    fn octets(&self, name: &str) -> Vec<u8> {
        let text = self.0["values"][name].as_str().unwrap_or_else(|| panic!("no value {name}"));
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
    }
}

/// All handshake messages that wait in `half`.
fn messages(half: &mut ReadHalf<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while half.pull(&mut Destination::none()).expect("the trace is honest") == Item::Message {
        all.push(half.message().expect("a message stands first").to_vec());
        half.consume_message().expect("no limit is passed");
    }
    all
}

fn read_data(half: &mut ReadHalf<Vec<u8>>) -> Vec<u8> {
    let mut room = [MaybeUninit::new(0_u8); 100];
    let Item::Data(octets) = half.pull(&mut Destination::new(&mut room)).expect("the record opens") else {
        panic!("no application data");
    };
    // SAFETY: the array was made of initialised octets.
    room[..octets].iter().map(|octet| unsafe { octet.assume_init() }).collect()
}

#[test]
fn client_and_server_reproduce_the_trace() {
    let Some(trace) = Trace::load() else { return };
    let hello = trace.octets("clientHello")[5..].to_vec();
    let server_hello = trace.octets("serverHello")[5..].to_vec();
    let suite = Suite::Aes128GcmSha256;

    let key = test_hooks::key_share(Group::X25519, &trace.octets("x25519_clt_priv"), &[]).expect("a private key");
    let shared = key.complete(&trace.octets("x25519_srv_pub")).expect("a valid share");
    assert_eq!(shared.as_bytes(), trace.octets("ecdhe_secret"));

    let mut transcript = Transcript::default();
    transcript.add(&hello);
    transcript.add(&server_hello);
    assert!(transcript.select(suite.hash()));
    let hash = |transcript: &Transcript| transcript.digest().expect("the hash is chosen");

    let early = EarlySchedule::new(suite, None).expect("no PSK");
    let handshake = early.into_handshake(Some(&shared), hash(&transcript).as_ref());
    let log = String::from_utf8(handshake.key_log(&hello[6..38]).to_vec()).expect("ASCII");
    for name in ["client_handshake_traffic_secret", "server_handshake_traffic_secret"] {
        let secret: String = trace.octets(name).iter().map(|octet| format!("{octet:02x}")).collect();
        assert!(log.contains(&secret), "{name}");
    }

    // The client opens the server's flight.
    let mut client_read = ReadHalf::<Vec<u8>>::new(Side::Client, Arc::new(Signals::default()));
    client_read.install(Epoch::Handshake, handshake.traffic(Side::Server)).expect("at a boundary");
    client_read.source.feed_shared(trace.octets("serverEncHS"));
    let flight = messages(&mut client_read);
    assert_eq!(flight.iter().map(|message| message[0]).collect::<Vec<_>>(), [8, 11, 15, 20]);
    for message in &flight[..3] {
        transcript.add(message);
    }
    let mac = handshake.finished_mac(Side::Server, hash(&transcript).as_ref()).expect("a MAC");
    assert_eq!(mac.as_ref(), &flight[3][4..]);
    assert!(handshake.verify_finished(Side::Server, hash(&transcript).as_ref(), &flight[3][4..]).expect("a MAC"));

    // The server seals the same flight to the same octets.
    let mut server_write = WriteHalf::new(Side::Server, Arc::new(Signals::default()));
    server_write.install(Epoch::Handshake, handshake.traffic(Side::Server)).expect("the first keys");
    server_write.send_handshake(&flight.concat()).expect("it fits");
    assert_eq!(server_write.outgoing().as_slice(), trace.octets("serverEncHS"));
    let length = server_write.outgoing().len();
    server_write.outgoing_mut().consume(length);

    transcript.add(&flight[3]);
    let mut client_write = WriteHalf::new(Side::Client, Arc::new(Signals::default()));
    client_write.install(Epoch::Handshake, handshake.traffic(Side::Client)).expect("the first keys");
    let mut application = handshake.into_application(hash(&transcript).as_ref());
    let finished = application.finished_mac(Side::Client, hash(&transcript).as_ref()).expect("a MAC");
    assert_eq!(finished.as_ref(), trace.octets("client_finished"));
    let message = [&[20, 0, 0, 32][..], finished.as_ref()].concat();
    client_write.send_handshake(&message).expect("it fits");
    assert_eq!(client_write.outgoing().as_slice(), trace.octets("clientEncHS"));
    let length = client_write.outgoing().len();
    client_write.outgoing_mut().consume(length);
    transcript.add(&message);
    application.derive_resumption(hash(&transcript).as_ref()).expect("once");

    // Application data, the ticket and closure, both ways.
    client_read
        .install(Epoch::Application, application.take_traffic(Side::Server).expect("once"))
        .expect("at a boundary");
    client_write
        .install(Epoch::Application, application.take_traffic(Side::Client).expect("once"))
        .expect("later keys");
    client_read.open().expect("application keys");
    client_write.open().expect("application keys");
    client_read.source.feed(&trace.octets("serverEncTicket"));
    let ticket = messages(&mut client_read);
    assert_eq!((ticket.len(), ticket[0][0]), (1, 4));
    client_write.seal(&trace.octets("payload")).expect("open");
    assert_eq!(client_write.outgoing().as_slice(), trace.octets("clientEncAppData"));
    let length = client_write.outgoing().len();
    client_write.outgoing_mut().consume(length);
    client_read.source.feed(&trace.octets("serverEncAppData"));
    assert_eq!(read_data(&mut client_read), trace.octets("payload"));
    client_write.close().expect("once");
    assert_eq!(client_write.outgoing().as_slice(), trace.octets("clientEncAlert"));
    client_read.source.feed(&trace.octets("serverEncAlert"));
    assert_eq!(client_read.pull(&mut Destination::none()), Ok(Item::Alert { level: 1, description: 0 }));
    assert_eq!(client_read.pull(&mut Destination::none()), Ok(Item::Closed));
}
