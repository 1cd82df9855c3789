//! What only the legacy tier reads: records with a cipher and a MAC, and a ClientHello in the format of SSLv2.
//!
//! How much content such a record has shows only once it is open, since padding hides it. So it is opened to the end of `plain`:
//! ```text
//! wire     [5|IV|ciphertext of content, MAC, padding]
//! plain    [ opened before, waits |content]                then copied to the destination; what does not fit waits
//! ```

use super::*;

/// A hundred cipher suites, a session id and a challenge are under half of it.
const LONGEST_SSLV2_HELLO: usize = 1024;

impl<W: AsRef<[u8]>> ReadHalf<W> {
    /// Open a record with a cipher and a MAC. Only then does its length show, so it goes to the end of `plain`.
    #[cold]
    pub(super) fn open_legacy(
        &mut self,
        outer: u8,
        total: usize,
        destination: &mut Destination<'_>,
    ) -> Result<Step, Error> {
        // Application data follows what the destination has; anything else comes after the caller has seen that.
        if destination.filled() > 0 && outer != ContentType::ApplicationData as u8 {
            return Ok(Step::Full);
        }
        let Some(protection) = self.protection.as_mut() else {
            return Err(Error::new(Code::InternalError, "the read keys are gone"));
        };
        let before = self.plain.len();
        let record = &self.source.front()[..total];
        protection.open_legacy(record, self.limits.hard_records, &mut self.plain)?;
        self.consume_record(total);
        let inner = self.plain.len() - before;
        let limit = self.inner_limit.min(MAX_PLAINTEXT);
        if inner > limit {
            // RFC 5246 6.2.3: the record is authentic, and its content longer than allowed.
            self.plain.truncate(before);
            let text = format!("a record with {inner} octets of content, over the limit of {limit}");
            return Err(Error::new(Code::RecordOverflow, text));
        }
        if outer == ContentType::ApplicationData as u8 && self.open && !self.joiner.is_partial() {
            self.plain.release();
            self.count_data(inner)?;
        } else {
            self.on_held(Some(outer), inner)?;
        }
        Ok(Step::Done)
    }

    /// Open application data of the legacy tier into `plain`, until that has `octets` or something else stands first.
    #[cold]
    pub(super) fn open_ahead(&mut self, octets: usize) {
        while self.plain.len() < octets
            && self.open
            && self.failed.is_none()
            && self.alert.is_none()
            && self.joiner.is_empty()
            && self.source.copy_at::<1>(0) == Some([ContentType::ApplicationData as u8])
        {
            match self.next_record(&mut Destination::none()) {
                Ok(Step::Done) => {}
                Ok(_) => return,
                // What was opened before it is authentic; the error comes once that is delivered.
                Err(error) => return self.fail_next(error),
            }
        }
    }

    /// RFC 5246 E.2: a ClientHello in the format of SSLv2 at the head, or `None` where TLS begins instead.
    #[cold]
    pub(super) fn sslv2_record(&mut self) -> Option<Step> {
        let head = self.source.copy_at::<4>(0)?;
        // A header of two octets with the high bit set; then CLIENT-HELLO, and a version of TLS.
        if head[0] & 0x80 == 0 || head[2..] != [1, 3] {
            self.sslv2 = Sslv2Hello::Refused;
            return None;
        }
        let total = 2 + usize::from(u16::from_be_bytes([head[0] & 0x7f, head[1]]));
        if total > LONGEST_SSLV2_HELLO {
            self.sslv2 = Sslv2Hello::Refused;
            return None;
        }
        let Some(hello) = self.source.head(total).map(<[u8]>::to_vec) else {
            return Some(Step::NeedMore);
        };
        self.source.consume(total);
        self.sslv2 = Sslv2Hello::Here(hello);
        Some(Step::Done)
    }
}
