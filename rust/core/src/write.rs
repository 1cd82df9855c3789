//! The write half: application data, handshake flights and alerts become records.
//!
//! Application data is sealed out of place: from the caller's memory straight into the output, with no copy between.
//! ```text
//! caller   [ 16384 | 16384 | 5000 ]
//!             │ seal    │ seal   │ seal
//! output   [5|16384|1|16][5|16384|1|16][5|5000|1|16]     header, ciphertext of content and type octet, tag
//! ```
//! Control records (flights, alerts, KeyUpdate) go to `outgoing`; whoever writes application data elsewhere drains that first.

use std::mem::MaybeUninit;
use std::sync::Arc;

use tlscore_crypto::{Buffer, Digest};

use crate::joiner::MESSAGE_HEADER;
use crate::protection::{Protection, TrafficSecret};
use crate::record::{header, ContentType, Epoch, MAX_INNER, MAX_PLAINTEXT};
use crate::{Code, Error, Limits, Padding, Side, Signals};

const KEY_UPDATE: u8 = 24;

/// Content type octet of application data and the longest padding, all in one place, so that a trailer is a slice of it.
static APPLICATION_TRAILER: [u8; MAX_INNER] = {
    let mut trailer = [0; MAX_INNER];
    trailer[0] = ContentType::ApplicationData as u8;
    trailer
};

/// The sending direction of one connection.
pub struct WriteHalf {
    outgoing: Buffer,
    protection: Option<Protection>,
    epoch: Epoch,
    open: bool,
    closed: bool,
    first_flight: bool,
    inner_limit: usize,
    version: Option<u16>,
    padding: Padding,
    limits: Limits,
    signals: Arc<Signals>,
    updates: u64,
}

impl WriteHalf {
    /// A half without keys.
    #[must_use]
    pub fn new(side: Side, signals: Arc<Signals>) -> Self {
        Self {
            outgoing: Buffer::new(),
            protection: None,
            epoch: Epoch::Plain,
            open: false,
            closed: false,
            first_flight: side == Side::Client,
            inner_limit: MAX_INNER,
            version: None,
            padding: Padding::None,
            limits: Limits::default(),
            signals,
            updates: 0,
        }
    }

    /// Set the limits.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Set the padding of application data records.
    pub fn set_padding(&mut self, padding: Padding) {
        self.padding = padding;
    }

    /// The peer's record_size_limit (RFC 8449 4): content, type octet and padding of a protected record together.
    pub fn set_inner_limit(&mut self, limit: usize) {
        self.inner_limit = limit.clamp(64, MAX_INNER);
    }

    /// The version in the header of every record that is not protected, from here on.
    pub fn set_version(&mut self, version: u16) {
        self.version = Some(version);
    }

    /// Application data may be written from here on.
    pub fn open(&mut self) -> Result<(), Error> {
        if self.epoch != Epoch::Application {
            return Err(Error::new(Code::InternalError, "application keys are not installed for writing"));
        }
        self.open = true;
        Ok(())
    }

    /// Wipe the keys; what waits in `outgoing` stays, so that an alert can leave.
    pub fn kill(&mut self) {
        self.protection = None;
        self.open = false;
    }

    /// Change to the keys of a later epoch.
    pub fn install(&mut self, epoch: Epoch, traffic: TrafficSecret) -> Result<(), Error> {
        self.protect(epoch, Protection::new(traffic)?)
    }

    /// TLS 1.2: send change_cipher_spec and change to the keys that it announces (RFC 5246 7.1).
    pub fn change_cipher_spec12(&mut self, protection: Protection) -> Result<(), Error> {
        self.send_change_cipher_spec();
        self.protect(Epoch::Application, protection)
    }

    fn protect(&mut self, epoch: Epoch, protection: Protection) -> Result<(), Error> {
        if epoch <= self.epoch {
            return Err(Error::new(Code::InternalError, "write keys of an earlier epoch"));
        }
        self.protection = Some(protection);
        self.epoch = epoch;
        Ok(())
    }

    /// What waits to be sent.
    #[must_use]
    pub const fn outgoing(&self) -> &Buffer {
        &self.outgoing
    }

    /// What waits to be sent, to drain it.
    pub fn outgoing_mut(&mut self) -> &mut Buffer {
        &mut self.outgoing
    }

    /// close_notify was queued.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Application data may be written.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open && !self.closed
    }

    /// Records under the current key, and key updates sent.
    #[must_use]
    pub fn counters(&self) -> (u64, u64) {
        (self.protection.as_ref().map_or(0, Protection::records), self.updates)
    }

    /// Protection, for limits' tests and post-handshake Finished.
    pub fn protection_mut(&mut self) -> Option<&mut Protection> {
        self.protection.as_mut()
    }

    /// verify_data under the current application traffic secret.
    pub fn finished_mac(&self, transcript: &[u8]) -> Result<Digest, Error> {
        match &self.protection {
            Some(protection) if self.epoch == Epoch::Application => protection.finished_mac(transcript),
            _ => Err(Error::new(Code::InternalError, "no application traffic secret")),
        }
    }

    // ---- application data ----

    /// Octets of content in a full record. RFC 8449 4: the limit counts the content type octet in TLS 1.3, which TLS 1.2 has not.
    fn fragment(&self) -> usize {
        match &self.protection {
            Some(keys) if !keys.hides_type() => self.inner_limit.min(MAX_PLAINTEXT),
            _ => self.inner_limit - 1,
        }
    }

    fn trailer(&self, protection: &Protection, content: usize) -> usize {
        if protection.hides_type() {
            self.padding.trailer(content, self.inner_limit)
        } else {
            0
        }
    }

    fn ready(&self) -> Result<(), Error> {
        if self.closed {
            return Err(Error::new(Code::Closed, "close_notify was sent; this direction is closed"));
        }
        if !self.open {
            return Err(Error::new(
                Code::HandshakeNotComplete,
                "application data cannot be written before the handshake is complete",
            ));
        }
        Ok(())
    }

    fn rekey_at(&self, protection: &Protection) -> u64 {
        if !protection.hides_type() {
            // TLS 1.2 cannot update keys: the hard limit ends the connection.
            return u64::MAX;
        }
        // One record short of every hard limit, since the KeyUpdate itself is a record under the old key.
        self.limits.rekey_records.min(self.limits.hard_records.min(protection.record_limit()) - 1)
    }

    /// Octets of the records for `octets` of application data, key updates on the way included; control records that wait are not.
    #[must_use]
    pub fn sealed_size(&self, octets: usize) -> usize {
        let Some(protection) = &self.protection else {
            return 0;
        };
        let record = |content: usize| protection.record_len(content + self.trailer(protection, content));
        let fragment = self.fragment();
        if protection.has_known_iv() && octets > 1 {
            let rest = octets - 1;
            let whole = (rest / fragment).saturating_mul(record(fragment));
            return whole.saturating_add(record(1) + if rest % fragment > 0 { record(rest % fragment) } else { 0 });
        }
        if (1..=fragment).contains(&octets) && protection.records() < self.rekey_at(protection) {
            return record(octets);
        }
        let whole = octets / fragment;
        let rest = octets % fragment;
        let records = (whole + usize::from(rest > 0)) as u64;
        let threshold = self.rekey_at(protection);
        let before = threshold.saturating_sub(protection.records());
        let updates = records.saturating_sub(before).div_ceil(threshold) as usize;
        // No memory holds a message whose size would not fit; a question about one gets the largest number there is.
        let data = whole.saturating_mul(record(fragment)).saturating_add(if rest > 0 { record(rest) } else { 0 });
        data.saturating_add(updates.saturating_mul(protection.overhead() + MESSAGE_HEADER + 2))
    }

    /// Queue the control records that must stand before the next application data.
    ///
    /// RFC 9846 4.7.3: "If the request_update field is set to "update_requested", then the receiver MUST send a KeyUpdate of its own with
    /// request_update set to "update_not_requested" prior to sending its next Application Data record."
    pub fn settle_control(&mut self) -> Result<(), Error> {
        if self.epoch != Epoch::Application
            || self.closed
            || !self.protection.as_ref().is_some_and(Protection::hides_type)
        {
            return Ok(());
        }
        let reply = self.signals.take_reply();
        let request = self.signals.take_request();
        let due = self.protection.as_ref().is_some_and(|keys| keys.records() >= self.rekey_at(keys));
        if reply || request || due {
            self.key_update(request)?;
        }
        Ok(())
    }

    fn key_update(&mut self, request: bool) -> Result<(), Error> {
        let message = [KEY_UPDATE, 0, 0, 1, u8::from(request)];
        self.push_protected(ContentType::Handshake, &message)?;
        let protection = self.protection.as_mut().ok_or_else(no_keys)?;
        protection.update()?;
        self.updates += 1;
        Ok(())
    }

    /// Seal application data into `out`; gives the octets written. `settle_control` and the draining of `outgoing` come first.
    pub fn seal_into(&mut self, data: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<usize, Error> {
        if out.len() < self.sealed_size(data.len()) {
            return Err(Error::new(Code::BufferTooSmall, "the output is smaller than the records"));
        }
        self.seal_exact(data, out)
    }

    /// As `seal_into`, for a caller that has just asked `sealed_size` for the length of `out`.
    ///
    /// # Panics
    /// If `out` is shorter than that.
    pub fn seal_exact(&mut self, mut data: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<usize, Error> {
        self.ready()?;
        let mut at = 0;
        if data.len() > 1 && self.protection.as_ref().is_some_and(Protection::has_known_iv) {
            at = self.seal_first_octet(data, out)?;
            data = &data[1..];
        }
        let fragment = self.fragment();
        while !data.is_empty() {
            if self.protection.as_ref().is_some_and(|keys| keys.records() >= self.rekey_at(keys)) {
                at += self.update_between(&mut out[at..])?;
            }
            let (content, rest) = data.split_at(data.len().min(fragment));
            let trailer = self.protection.as_ref().map_or(0, |keys| self.trailer(keys, content.len()));
            let protection = self.protection.as_mut().ok_or_else(no_keys)?;
            let end = at + protection.record_len(content.len() + trailer);
            protection.seal(
                ContentType::ApplicationData,
                content,
                &APPLICATION_TRAILER[..trailer],
                self.limits.hard_records,
                &mut out[at..end],
            )?;
            at = end;
            data = rest;
        }
        Ok(at)
    }

    /// TLS 1.0 (BEAST): who chooses this data may have seen the block that its first record goes on from. One octet alone is sealed first: too
    /// little to choose a block with, and what it becomes is the block that the rest goes on from, which nobody saw before all of the data
    /// was chosen. That holds for MAC-then-encrypt, where a MAC that nobody knows fills the block, and for encrypt-then-MAC, where the padding
    /// leaves 256 blocks to choose from.
    ///
    /// Once for each write is enough: the data stands as a whole when the call begins, so a later record goes on from a block that its
    /// chooser could not see either. Only the data of the next call may depend on it, and that call begins with one octet again.
    #[cold]
    fn seal_first_octet(&mut self, data: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<usize, Error> {
        let protection = self.protection.as_mut().ok_or_else(no_keys)?;
        let length = protection.record_len(1);
        let hard = self.limits.hard_records;
        protection.seal(ContentType::ApplicationData, &data[..1], &[], hard, &mut out[..length])?;
        Ok(length)
    }

    /// Where the key is used up in the middle of a long write: a KeyUpdate between two of its records.
    #[cold]
    fn update_between(&mut self, out: &mut [MaybeUninit<u8>]) -> Result<usize, Error> {
        let protection = self.protection.as_mut().ok_or_else(no_keys)?;
        let message = [KEY_UPDATE, 0, 0, 1, 0];
        let length = protection.record_len(message.len() + 1);
        protection.seal(
            ContentType::Handshake,
            &message,
            &[ContentType::Handshake as u8],
            self.limits.hard_records,
            &mut out[..length],
        )?;
        protection.update()?;
        self.updates += 1;
        Ok(length)
    }

    /// Seal application data behind what waits in `outgoing`.
    pub fn seal(&mut self, data: &[u8]) -> Result<(), Error> {
        self.ready()?;
        self.settle_control()?;
        let size = self.sealed_size(data.len());
        // The buffer leaves the half for the call, since sealing borrows all of it.
        let mut outgoing = std::mem::take(&mut self.outgoing);
        let sealed = outgoing.append_with(size, |out| self.seal_exact(data, out).map(|_| ()));
        self.outgoing = outgoing;
        sealed
    }

    // ---- flights, alerts, closure ----

    fn push_protected(&mut self, kind: ContentType, content: &[u8]) -> Result<(), Error> {
        let protection = self.protection.as_mut().ok_or_else(no_keys)?;
        let hidden = [kind as u8];
        let trailer = if protection.hides_type() { &hidden[..] } else { &[] };
        let size = protection.record_len(content.len() + trailer.len());
        let hard = self.limits.hard_records;
        self.outgoing.append_with(size, |out| protection.seal(kind, content, trailer, hard, out))
    }

    fn push(&mut self, kind: ContentType, content: &[u8]) -> Result<(), Error> {
        if self.protection.is_some() {
            return self.push_protected(kind, content);
        }
        if self.epoch != Epoch::Plain {
            return Err(no_keys());
        }
        // RFC 9846 5.1: "legacy_record_version: MUST be set to 0x0303 for all records … other than an initial ClientHello …, where it MAY
        // also be 0x0301 for compatibility purposes."
        let initial = if self.first_flight && kind == ContentType::Handshake { 0x0301 } else { 0x0303 };
        let version = self.version.unwrap_or(initial);
        self.outgoing.extend_from_slice(&header(kind, version, content.len()));
        self.outgoing.extend_from_slice(content);
        Ok(())
    }

    /// Queue one or more whole handshake messages, packed into as few records as they need.
    pub fn send_handshake(&mut self, messages: &[u8]) -> Result<(), Error> {
        if self.closed {
            return Err(Error::new(Code::Closed, "close_notify was sent; this direction is closed"));
        }
        let fragment = if self.protection.is_some() { self.fragment() } else { MAX_PLAINTEXT };
        for content in messages.chunks(fragment) {
            self.push(ContentType::Handshake, content)?;
        }
        self.first_flight = false;
        Ok(())
    }

    /// Queue the change_cipher_spec of middlebox compatibility (RFC 9846 E.4); it is never protected.
    pub fn send_change_cipher_spec(&mut self) {
        self.outgoing.extend_from_slice(&header(ContentType::ChangeCipherSpec, self.version.unwrap_or(0x0303), 1));
        self.outgoing.extend_from_slice(&[1]);
    }

    /// Queue an alert under the keys in force.
    pub fn send_alert(&mut self, level: u8, description: u8) -> Result<(), Error> {
        if self.closed {
            return Ok(());
        }
        self.push(ContentType::Alert, &[level, description])
    }

    /// Queue close_notify once; nothing can be written after it.
    pub fn close(&mut self) -> Result<(), Error> {
        if self.closed {
            return Ok(());
        }
        self.settle_control()?;
        self.send_alert(1, 0)?;
        self.closed = true;
        Ok(())
    }

    /// Ask for an update of our keys, and with `request` of the peer's too.
    pub fn update_keys(&mut self, request: bool) -> Result<(), Error> {
        self.ready()?;
        if !self.protection.as_ref().is_some_and(Protection::hides_type) {
            return Err(Error::new(Code::InternalError, "TLS 1.2 has no key update"));
        }
        if request {
            self.signals.want_request();
        }
        self.signals.owe_reply();
        self.settle_control()
    }
}

fn no_keys() -> Error {
    Error::new(Code::InternalError, "the write keys are gone")
}
