//! The protocol half of tlscore: everything of TLS 1.3 that touches octets of records or secrets.
//!
//! ```text
//! wire ──► Source ──► ReadHalf ──┬─► application data, straight into the caller's memory
//!                                ├─► Joiner ─► whole handshake messages
//!                                └─► alerts, KeyUpdate
//! application data ──► WriteHalf ──► wire          schedule: early ─► handshake ─► application
//! ```
//!
//! No socket, no clock, no Python; randomness comes from the crypto crate's provider for key shares alone. Nothing here is `unsafe`.
#![forbid(unsafe_code)]

pub mod error;
pub mod joiner;
pub mod limits;
pub mod padding;
pub mod protection;
pub mod read;
pub mod record;
pub mod schedule;
pub mod signals;
pub mod source;
pub mod suite;
pub mod tls12;
pub mod transcript;
pub mod write;

pub use error::{Code, Error};
pub use limits::Limits;
pub use padding::Padding;
pub use read::{Item, ReadHalf};
pub use record::{ContentType, Epoch, Side};
pub use schedule::{ApplicationSchedule, EarlySchedule, HandshakeSchedule, Psk};
pub use signals::Signals;
pub use suite::{Suite, Suite12};
pub use tls12::MainSecret12;
pub use transcript::Transcript;
pub use write::WriteHalf;
