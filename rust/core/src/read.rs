//! The read half: records become application data, handshake messages and alerts.
//!
//! `pull` opens records one after another until something stops it: the caller's buffer is full, a whole handshake message or an alert
//! stands first, or more wire octets are needed. Application data goes straight to the destination:
//! ```text
//! wire          [5|ciphertext of content, type, padding|tag]
//! destination   [ ...already filled... |content|t|pad]        the type octet and padding land behind the content and are overwritten by
//!                                                             the next record; where the content fits exactly they go to a small tail
//! ```
//! A record that the destination cannot hold is opened into `plain` and copied from there, so nothing is ever lost.

use std::sync::Arc;

use tlscore_crypto::{Buffer, Digest};

use crate::joiner::Joiner;
use crate::protection::{Protection, TrafficSecret};
use crate::record::{ContentType, Epoch, HEADER, MAX_CIPHERTEXT, MAX_INNER, MAX_PLAINTEXT};
use crate::source::Source;
use crate::{Code, Error, Limits, Side, Signals};

mod ahead;
mod content;
mod destination;
mod legacy;

pub use destination::Destination;

/// What `pull` stopped at.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// This many octets of application data are in the destination (more than zero).
    Data(usize),
    /// A whole handshake message stands first: `message` shows it.
    Message,
    /// An alert stands first.
    Alert {
        /// Level as sent.
        level: u8,
        /// Description as sent.
        description: u8,
    },
    /// Application data stands first and there was no room to put it.
    DataWaits,
    /// More wire octets are needed.
    NeedMore,
    /// The peer closed its direction; nothing more will come.
    Closed,
}

/// What became of the record at the head.
enum Step {
    /// It is processed.
    Done,
    /// It is not complete.
    NeedMore,
    /// It is complete, and the destination has no room left for it.
    Full,
}

/// The receiving direction of one connection; `W` is a shared chunk of wire octets.
pub struct ReadHalf<W> {
    /// Wire octets that wait.
    pub source: Source<W>,
    side: Side,
    joiner: Joiner,
    plain: Buffer,
    alert: Option<(u8, u8)>,
    protection: Option<Protection>,
    pending: Option<Protection>,
    epoch: Epoch,
    open: bool,
    closed: bool,
    failed: Option<Error>,
    inner_limit: usize,
    ccs_allowed: bool,
    skip_octets: usize,
    sslv2: Sslv2Hello,
    /// Octets of the waiting records that `promise` has looked at, and what they may hold.
    walked: usize,
    walked_content: usize,
    limits: Limits,
    counts: Counts,
    signals: Arc<Signals>,
    updates: u64,
}

/// A ClientHello in the format of SSLv2: where it may stand, it is the very first thing.
enum Sslv2Hello {
    Refused,
    Allowed,
    /// With its two length octets.
    Here(Vec<u8>),
}

#[derive(Default)]
struct Counts {
    empty_records: u32,
    warning_alerts: u32,
    key_updates: u32,
    post_handshake: u32,
    change_cipher_specs: u32,
}

impl<W: AsRef<[u8]>> ReadHalf<W> {
    /// A half without keys.
    #[must_use]
    pub fn new(side: Side, signals: Arc<Signals>) -> Self {
        Self {
            source: Source::default(),
            side,
            joiner: Joiner::default(),
            plain: Buffer::new(),
            alert: None,
            protection: None,
            pending: None,
            epoch: Epoch::Plain,
            open: false,
            closed: false,
            failed: None,
            inner_limit: MAX_INNER,
            ccs_allowed: false,
            skip_octets: 0,
            sslv2: Sslv2Hello::Refused,
            walked: 0,
            walked_content: 0,
            limits: Limits::default(),
            counts: Counts::default(),
            signals,
            updates: 0,
        }
    }

    /// Set the limits.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Our record_size_limit, in force from the handshake keys on (RFC 8449 4).
    pub fn set_inner_limit(&mut self, limit: usize) {
        self.inner_limit = limit.clamp(64, MAX_INNER);
    }

    /// Whether a change_cipher_spec for middlebox compatibility may stand here.
    pub fn allow_change_cipher_spec(&mut self, allowed: bool) {
        self.ccs_allowed = allowed;
    }

    /// Whether the first octets may be a ClientHello in the format of SSLv2 (RFC 5246 E.2).
    pub fn allow_sslv2_hello(&mut self, allowed: bool) {
        self.sslv2 = if allowed { Sslv2Hello::Allowed } else { Sslv2Hello::Refused };
    }

    /// Early data that was not accepted: drop up to this many octets of it (RFC 9846 4.3.10).
    pub fn skip_early_data(&mut self, octets: usize) {
        self.skip_octets = octets;
    }

    /// Application data may be read from here on.
    pub fn open(&mut self) -> Result<(), Error> {
        if self.epoch != Epoch::Application {
            return Err(Error::new(Code::InternalError, "application keys are not installed for reading"));
        }
        self.open = true;
        self.ccs_allowed = false;
        Ok(())
    }

    /// Change to the keys of a later epoch; only at a message boundary.
    pub fn install(&mut self, epoch: Epoch, traffic: TrafficSecret) -> Result<(), Error> {
        let _boundary = self.joiner.boundary()?;
        if epoch <= self.epoch {
            return Err(Error::new(Code::InternalError, "read keys of an earlier epoch"));
        }
        self.protection = Some(Protection::new(traffic)?);
        self.epoch = epoch;
        Ok(())
    }

    /// TLS 1.2: the keys that the peer's change_cipher_spec will bring into force.
    pub fn expect_change_cipher_spec12(&mut self, protection: Protection) -> Result<(), Error> {
        if self.epoch != Epoch::Plain || self.pending.is_some() {
            return Err(Error::new(Code::InternalError, "read keys of an earlier epoch"));
        }
        self.pending = Some(protection);
        Ok(())
    }

    /// Whether content types are hidden, as under the keys of TLS 1.3.
    fn hides_type(&self) -> bool {
        self.protection.as_ref().is_some_and(Protection::hides_type)
    }

    /// Refuse a message that goes on past a point where the peer must wait for our answer.
    pub fn require_boundary(&self) -> Result<(), Error> {
        self.joiner.boundary().map(|_| ())
    }

    /// Wipe keys and drop everything that was not read.
    pub fn kill(&mut self) {
        self.protection = None;
        self.pending = None;
        self.open = false;
        self.source.clear();
        (self.walked, self.walked_content) = (0, 0);
        self.joiner.clear();
        std::mem::take(&mut self.plain).wiped();
    }

    /// close_notify arrived.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Application octets opened and not read.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.plain.len()
    }

    /// Records under the current key, and key updates received.
    #[must_use]
    pub fn counters(&self) -> (u64, u64) {
        (self.protection.as_ref().map_or(0, Protection::records), self.updates)
    }

    /// Protection, for the tests of the limits.
    pub fn protection_mut(&mut self) -> Option<&mut Protection> {
        self.protection.as_mut()
    }

    /// verify_data under the peer's current application traffic secret.
    pub fn finished_mac(&self, transcript: &[u8]) -> Result<Digest, Error> {
        match &self.protection {
            Some(protection) if self.epoch == Epoch::Application => protection.finished_mac(transcript),
            _ => Err(Error::new(Code::InternalError, "no application traffic secret")),
        }
    }

    /// The whole handshake message that stands first.
    #[must_use]
    pub fn message(&self) -> Option<&[u8]> {
        match &self.sslv2 {
            Sslv2Hello::Here(hello) => Some(hello),
            _ => self.joiner.first(),
        }
    }

    /// Drop the message that `message` showed.
    pub fn consume_message(&mut self) -> Result<(), Error> {
        if matches!(self.sslv2, Sslv2Hello::Here(_)) {
            self.sslv2 = Sslv2Hello::Refused;
            return Ok(());
        }
        self.joiner.consume(&self.limits)
    }

    /// Open records until something stops it; application data goes to `destination`.
    ///
    /// # Errors
    /// What is wrong with a record or message; from then on always the same, and nothing more is opened.
    pub fn pull(&mut self, destination: &mut Destination<'_>) -> Result<Item, Error> {
        let pulled = self.pull_once(destination);
        if let Err(error) = &pulled {
            self.failed.get_or_insert_with(|| error.clone());
        }
        pulled
    }

    fn pull_once(&mut self, destination: &mut Destination<'_>) -> Result<Item, Error> {
        loop {
            if let Some(item) = self.stopped(destination)? {
                return Ok(item);
            }
            match self.next_record(destination) {
                Ok(Step::Done) => {}
                Ok(Step::Full) => return Ok(Item::Data(destination.filled())),
                Ok(Step::NeedMore) => {
                    self.source.settle();
                    return Ok(if destination.filled() > 0 {
                        Item::Data(destination.filled())
                    } else {
                        Item::NeedMore
                    });
                }
                // What was opened before the bad record is authentic; it is delivered, and the error comes with the next call.
                Err(error) if destination.filled() == 0 => return Err(error),
                Err(error) => {
                    self.fail_next(error);
                    return Ok(Item::Data(destination.filled()));
                }
            }
        }
    }

    /// What must be handed over before another record is opened.
    fn stopped(&mut self, destination: &mut Destination<'_>) -> Result<Option<Item>, Error> {
        if !self.plain.is_empty() {
            let taken = destination.copy(self.plain.as_slice());
            self.plain.consume(taken);
            self.plain.release();
            // No record is opened while an older one waits: what it brings, an error above all, would come out of turn. Nothing at all
            // is opened behind a record that failed.
            if !self.plain.is_empty() || self.failed.is_some() {
                return Ok(Some(match destination.filled() {
                    0 => Item::DataWaits,
                    octets => Item::Data(octets),
                }));
            }
        }
        if self.failed.is_some() && destination.filled() > 0 {
            return Ok(Some(Item::Data(destination.filled())));
        }
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if destination.filled() > 0
            && (destination.room() == 0 || self.alert.is_some() || !self.joiner.is_empty() || self.closed)
        {
            return Ok(Some(Item::Data(destination.filled())));
        }
        if let Some((level, description)) = self.alert.take() {
            return Ok(Some(Item::Alert { level, description }));
        }
        if self.joiner.first_kind() == Some(content::KEY_UPDATE) && self.open && self.hides_type() {
            self.on_key_update()?;
            return Ok(None);
        }
        if self.message().is_some() {
            self.count_post_handshake()?;
            return Ok(Some(Item::Message));
        }
        if self.closed {
            // RFC 9846 6.1: "Any data received after a closure alert has been received MUST be ignored."
            self.source.clear();
            (self.walked, self.walked_content) = (0, 0);
            return Ok(Some(Item::Closed));
        }
        Ok(None)
    }

    /// Process one record.
    #[inline(always)]
    fn next_record(&mut self, destination: &mut Destination<'_>) -> Result<Step, Error> {
        if self.source.front().len() < HEADER && self.source.head(HEADER).is_none() {
            return Ok(Step::NeedMore);
        }
        if !matches!(self.sslv2, Sslv2Hello::Refused) {
            if let Some(step) = self.sslv2_record() {
                return Ok(step);
            }
        }
        let front = self.source.front();
        let (kind, length) = (front[0], usize::from(u16::from_be_bytes([front[3], front[4]])));
        let total = HEADER + length;
        let whole = front.len() >= total;
        // TLS 1.3 shows every protected record as application data; under TLS 1.2 keys every record is protected.
        let protected = match &self.protection {
            Some(keys) => kind == ContentType::ApplicationData as u8 || !keys.hides_type(),
            None => false,
        };
        if !protected || length > MAX_CIPHERTEXT || !self.hides_type() {
            self.check_header(kind, length, protected)?;
        }
        if !whole && self.source.head(total).is_none() {
            return Ok(Step::NeedMore);
        }
        if protected {
            return self.open_record(kind, total, destination);
        }
        self.plain_record(kind, total)?;
        Ok(Step::Done)
    }

    fn check_header(&mut self, kind: u8, length: usize, protected: bool) -> Result<(), Error> {
        if ContentType::from_octet(kind).is_none() {
            return Err(self.not_tls(kind));
        }
        // RFC 9846 5.1 and 5.2: a record that exceeds the length "MUST" end the connection with a "record_overflow" alert.
        let longest = if protected { self.longest() } else { MAX_PLAINTEXT };
        let longest = if self.skip_octets > 0 { MAX_CIPHERTEXT } else { longest };
        if length > longest {
            return Err(Error::new(
                Code::RecordOverflow,
                format!("a record of {length} octets, over the limit of {longest}"),
            ));
        }
        Ok(())
    }
}
