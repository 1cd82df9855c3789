//! What one record holds, and what follows from it.

use super::*;

pub(super) const KEY_UPDATE: u8 = 24;
const USER_CANCELED: u8 = 90;
const WARNING: u8 = 1;

impl<W: AsRef<[u8]>> ReadHalf<W> {
    /// A record without protection.
    pub(super) fn plain_record(&mut self, kind: u8, total: usize) -> Result<(), Error> {
        let may_alert = self.protection.is_none() || self.may_alert_in_plain();
        let content = match self.source.head(total) {
            Some(record) => &record[HEADER..],
            None => return Ok(()),
        };
        let outcome = match ContentType::from_octet(kind) {
            Some(ContentType::ChangeCipherSpec) => {
                let exact = content == [1];
                self.on_change_cipher_spec(exact)
            }
            Some(ContentType::Handshake) if self.protection.is_none() => {
                if content.is_empty() {
                    return Err(Error::unexpected("an empty handshake record"));
                }
                self.skip_octets = 0;
                self.joiner.push(content, &self.limits)
            }
            Some(ContentType::Alert) if may_alert => {
                let alert = <[u8; 2]>::try_from(content).ok();
                self.on_alert(alert)
            }
            Some(ContentType::ApplicationData) if self.skip_octets > 0 => self.skip(total),
            _ => Err(Error::unexpected(format!("an unprotected record of type {kind} where it may not stand"))),
        };
        self.consume_record(total);
        outcome
    }

    /// A client that could not read our ServerHello has no keys yet, so its alert comes in the clear: the only record that may.
    fn may_alert_in_plain(&self) -> bool {
        self.side == Side::Server
            && self.epoch == Epoch::Handshake
            && self.protection.as_ref().is_some_and(|keys| keys.records() == 0)
    }

    fn skip(&mut self, total: usize) -> Result<(), Error> {
        if total > self.skip_octets {
            return Err(Error::new(Code::BadRecordMac, "more early data than this server drops"));
        }
        self.skip_octets -= total;
        Ok(())
    }

    /// RFC 9846 5: "An implementation may receive an unencrypted record of type change_cipher_spec consisting of the single byte value
    /// 0x01 at any time after the first ClientHello … and before the peer's Finished … and MUST simply drop it"; any other value, or at
    /// any other time, "MUST" be treated as an unexpected record type.
    fn on_change_cipher_spec(&mut self, exact: bool) -> Result<(), Error> {
        self.counts.change_cipher_specs += 1;
        if exact && self.pending.is_some() {
            // RFC 5246 7.1: it stands between the peer's last message in the clear and its Finished, and changes the keys.
            let _boundary = self.joiner.boundary()?;
            self.protection = self.pending.take();
            self.epoch = Epoch::Application;
            return Ok(());
        }
        if !exact || !self.ccs_allowed || self.joiner.is_partial() {
            return Err(Error::unexpected("a change_cipher_spec record where it may not stand"));
        }
        if self.counts.change_cipher_specs > self.limits.change_cipher_specs {
            return Err(Error::limit("too many change_cipher_spec records"));
        }
        Ok(())
    }

    /// Octets of the inner plaintext of the protected record at the head, or `None` where it was skipped as early data.
    fn inner_length(&mut self, total: usize, overhead: usize, hides_type: bool) -> Result<Option<usize>, Error> {
        let Some(inner) = total.checked_sub(overhead).filter(|inner| *inner > 0 || !hides_type) else {
            if self.skip_octets > 0 {
                self.skip(total)?;
                self.consume_record(total);
                return Ok(None);
            }
            return Err(Error::new(Code::BadRecordMac, "a protected record that is shorter than its tag"));
        };
        // RFC 8449 4: a record above the limit that this end announced: "MUST" end with "record_overflow".
        let limit = self.inner_limit - usize::from(!hides_type && self.inner_limit == MAX_INNER);
        if inner > limit && self.skip_octets == 0 {
            let text = format!("a record with {inner} octets of content, type and padding, over the limit of {limit}");
            return Err(Error::new(Code::RecordOverflow, text));
        }
        Ok(Some(inner))
    }

    /// Open the protected record of `total` octets at the head.
    pub(super) fn open_record(
        &mut self,
        outer: u8,
        total: usize,
        destination: &mut Destination<'_>,
    ) -> Result<Step, Error> {
        let Some((overhead, hides_type)) = self.protection.as_ref().map(|keys| (keys.overhead(), keys.hides_type()))
        else {
            return Err(Error::new(Code::InternalError, "the read keys are gone"));
        };
        if self.is_legacy() {
            return self.open_legacy(outer, total, destination);
        }
        let Some(inner) = self.inner_length(total, overhead, hides_type)? else {
            return Ok(Step::Done);
        };
        // With the type hidden, its octet may find its place in the tail.
        let fits = destination.room() + usize::from(hides_type) >= inner;
        let direct = self.open && fits && outer == ContentType::ApplicationData as u8;
        if !direct && destination.filled() > 0 {
            return Ok(Step::Full);
        }
        let opened = self.open_at(direct, inner, total, destination);
        match opened {
            Ok(opened) => {
                self.skip_octets = 0;
                self.consume_record(total);
                match opened {
                    Opened::Direct(found) => self.on_direct(found?, destination)?,
                    Opened::Held => self.on_held((!hides_type).then_some(outer), inner)?,
                }
                self.ask_for_fresh_keys();
            }
            Err(error) if error.code == Code::BadRecordMac && self.skip_octets > 0 => {
                self.skip(total)?;
                self.consume_record(total);
            }
            Err(error) => return Err(error),
        }
        Ok(Step::Done)
    }

    /// Decrypt the record at the head: straight into the destination, or into `plain`.
    fn open_at(
        &mut self,
        direct: bool,
        inner: usize,
        total: usize,
        destination: &mut Destination<'_>,
    ) -> Result<Opened, Error> {
        let Some(protection) = self.protection.as_mut() else {
            return Err(Error::new(Code::InternalError, "the read keys are gone"));
        };
        let hides_type = protection.hides_type();
        let record = &self.source.front()[..total];
        let hard = self.limits.hard_records;
        if direct {
            let mut tail = [0_u8; 1];
            let content = inner.saturating_sub(usize::from(hides_type && destination.is_tidy()));
            let split = content.min(destination.space());
            let spill = inner - split;
            protection.open(record, hard, destination.window(split), &mut tail[..spill]).map(|window| {
                Opened::Direct(if hides_type {
                    direct_kind((spill > 0).then_some(tail[0]), window)
                } else {
                    Ok(Direct::Data(inner))
                })
            })
        } else {
            self.plain
                .append_with(inner, |out| protection.open(record, hard, out, &mut []).map(|_| ()))
                .map(|()| Opened::Held)
        }
    }

    /// The record is in the caller's memory: application data stays there, anything else was taken out of it.
    fn on_direct(&mut self, found: Direct, destination: &mut Destination<'_>) -> Result<(), Error> {
        match found {
            Direct::Data(_) if self.joiner.is_partial() => Err(interleaved()),
            Direct::Data(length) => {
                destination.advance(length);
                self.count_data(length)
            }
            Direct::Control(kind, content) => {
                let control = Self::on_control(&mut self.joiner, &self.limits, kind, &content)?;
                self.after_control(control)
            }
        }
    }

    /// The record is at the end of `plain`, which held nothing before it.
    pub(super) fn on_held(&mut self, outer: Option<u8>, inner: usize) -> Result<(), Error> {
        let held = self.plain.as_slice();
        let (kind, length) = match outer {
            Some(kind) => (kind, inner),
            None => content_type(&held[held.len() - inner..])?,
        };
        if kind == ContentType::ApplicationData as u8 {
            if !self.open || self.joiner.is_partial() {
                self.plain.clear();
                return Err(if self.open {
                    interleaved()
                } else {
                    Error::unexpected("application data before the handshake is complete")
                });
            }
            self.plain.truncate(length);
            self.plain.release();
            return self.count_data(length);
        }
        let outcome = Self::on_control(&mut self.joiner, &self.limits, kind, &held[..length]);
        self.plain.clear();
        self.plain.release();
        self.after_control(outcome?)
    }

    fn on_control(joiner: &mut Joiner, limits: &Limits, kind: u8, content: &[u8]) -> Result<Control, Error> {
        match ContentType::from_octet(kind) {
            // RFC 9846 5.1: "Implementations MUST NOT send zero-length fragments of Handshake types, even if those fragments contain padding."
            Some(ContentType::Handshake) if content.is_empty() => Err(Error::unexpected("an empty handshake record")),
            Some(ContentType::Handshake) => joiner.push(content, limits).map(|()| Control::Nothing),
            Some(ContentType::Alert) => Ok(Control::Alert(<[u8; 2]>::try_from(content).ok())),
            _ => Err(Error::unexpected(format!("a protected record of type {kind}"))),
        }
    }

    fn after_control(&mut self, control: Control) -> Result<(), Error> {
        match control {
            Control::Nothing => Ok(()),
            Control::Alert(alert) => self.on_alert(alert),
        }
    }

    /// RFC 9846 5.1: "a record with an Alert type MUST contain exactly one message."
    fn on_alert(&mut self, alert: Option<[u8; 2]>) -> Result<(), Error> {
        let Some([level, description]) = alert else {
            return Err(Error::new(Code::DecodeError, "an alert record that does not hold exactly one alert"));
        };
        if self.joiner.is_partial() {
            return Err(interleaved());
        }
        if description == USER_CANCELED || (level == WARNING && description != 0 && !self.hides_type()) {
            self.counts.warning_alerts += 1;
            if self.counts.warning_alerts > self.limits.warning_alerts {
                return Err(Error::limit("too many warning alerts"));
            }
        }
        self.closed |= description == 0;
        self.alert = Some((level, description));
        Ok(())
    }

    pub(super) fn count_data(&mut self, length: usize) -> Result<(), Error> {
        if length > 0 {
            self.counts.empty_records = 0;
            self.counts.warning_alerts = 0;
            self.counts.key_updates = 0;
            self.counts.post_handshake = 0;
            return Ok(());
        }
        self.counts.empty_records += 1;
        if self.counts.empty_records > self.limits.empty_records {
            return Err(Error::limit("too many empty records in a row"));
        }
        Ok(())
    }

    pub(super) fn count_post_handshake(&mut self) -> Result<(), Error> {
        if self.open {
            self.counts.post_handshake += 1;
            if self.counts.post_handshake > self.limits.post_handshake_messages {
                return Err(Error::limit("too many post-handshake messages without application data"));
            }
        }
        Ok(())
    }

    /// A KeyUpdate stands first: step the read keys on.
    pub(super) fn on_key_update(&mut self) -> Result<(), Error> {
        let request = match self.joiner.first() {
            Some([_, _, _, _, request]) => *request,
            _ => return Err(Error::new(Code::DecodeError, "a KeyUpdate message of the wrong length")),
        };
        // RFC 9846 4.7.3: "If an implementation receives any other value, it MUST terminate the connection with an "illegal_parameter" alert."
        if request > 1 {
            return Err(Error::new(Code::IllegalParameter, format!("a KeyUpdate with request_update {request}")));
        }
        self.joiner.consume(&self.limits)?;
        let _boundary = self.joiner.boundary()?;
        // What we asked for is no flood.
        self.counts.key_updates += u32::from(!self.signals.answered());
        if self.counts.key_updates > self.limits.key_updates {
            return Err(Error::limit("too many KeyUpdate messages without application data"));
        }
        self.protection.as_mut().ok_or_else(|| Error::new(Code::InternalError, "the read keys are gone"))?.update()?;
        self.updates += 1;
        if request == 1 {
            self.signals.owe_reply();
        }
        Ok(())
    }

    /// Where the peer's key grows old it is asked to update it, before the hard limit ends the connection.
    fn ask_for_fresh_keys(&mut self) {
        let records = self.protection.as_ref().map_or(0, Protection::records);
        if self.open
            && self.hides_type()
            && records >= self.limits.rekey_records
            && records % 1024 == self.limits.rekey_records % 1024
        {
            self.signals.want_request();
        }
    }

    /// The error that the next call reports.
    pub(super) fn fail_next(&mut self, error: Error) {
        self.failed = Some(error);
    }

    /// First octets that no TLS record starts with; say what they look like.
    pub(super) fn not_tls(&mut self, kind: u8) -> Error {
        let first: Vec<u8> = self.source.peek(8);
        let guess = match first.as_slice() {
            [b'H', b'T', b'T', b'P', ..] => "; the peer speaks plain HTTP",
            [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', ..] | [b'H', b'E', b'A', b'D', ..] => {
                "; the peer speaks plain HTTP"
            }
            [b'S', b'S', b'H', b'-', ..] => "; the peer speaks SSH",
            [b'2', b'2', b'0', ..] => "; the peer sent a plain SMTP or FTP greeting: STARTTLS comes first there",
            [high, _, 1, 0 | 3, ..] if high & 0x80 != 0 => "; it looks like an SSLv2 ClientHello",
            _ => "",
        };
        if self.epoch == Epoch::Plain {
            Error::unexpected(format!("the octets {} are no TLS record{guess}", first.escape_ascii()))
        } else {
            Error::unexpected(format!("a record of unknown type {kind}"))
        }
    }
}

enum Opened {
    Direct(Result<Direct, Error>),
    Held,
}

/// What a record held that was opened into the caller's memory.
enum Direct {
    Data(usize),
    Control(u8, Vec<u8>),
}

/// Find the content type; handshake messages and alerts are taken out of the caller's memory, which is wiped.
fn direct_kind(tail: Option<u8>, window: &mut [u8]) -> Result<Direct, Error> {
    let (kind, length) = match tail {
        Some(kind) if kind != 0 => (kind, window.len()),
        _ => content_type(window)?,
    };
    if kind == ContentType::ApplicationData as u8 {
        return Ok(Direct::Data(length));
    }
    let content = window[..length].to_vec();
    window.fill(0);
    Ok(Direct::Control(kind, content))
}

enum Control {
    Nothing,
    Alert(Option<[u8; 2]>),
}

fn interleaved() -> Error {
    // RFC 9846 5.1: "Handshake messages MUST NOT be interleaved with other record types."
    Error::unexpected("another record inside a handshake message")
}

/// Split an inner plaintext into content type and content length.
///
/// RFC 9846 5.4: "If a receiving implementation does not find a non-zero octet in the cleartext, it MUST terminate the connection with an
/// "unexpected_message" alert."
fn content_type(inner: &[u8]) -> Result<(u8, usize), Error> {
    match inner.iter().rposition(|octet| *octet != 0) {
        Some(at) => Ok((inner[at], at)),
        None => Err(Error::unexpected("a protected record of zeros alone")),
    }
}
