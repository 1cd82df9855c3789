//! What can be known of the records that wait, without opening them: how much they hold, and how much the first one lacks.

use super::ReadHalf;
use crate::protection::Protection;
use crate::record::{ContentType, HEADER, MAX_CIPHERTEXT, MAX_PLAINTEXT};

/// How far `promise` looks: sixteen full records.
const WALK: usize = 16 * MAX_PLAINTEXT;

/// Records of at least this length carry bulk data: alerts and most messages are far smaller.
const BULK: usize = 4096;

impl<W: AsRef<[u8]>> ReadHalf<W> {
    /// Octets of application data that the whole records which wait hold at most, up to `cap`, without opening them.
    ///
    /// Headers that were walked over once are not walked again: a peer that makes each read stop early gains nothing.
    pub fn promise(&mut self, cap: usize) -> usize {
        let (overhead, longest) = (self.record_overhead(), self.longest());
        while self.walked_content < WALK {
            let at = self.walked;
            let Some(head) = self.source.copy_at::<HEADER>(at) else { break };
            let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
            let content = length.saturating_sub(overhead);
            let next = at + HEADER + length;
            if head[0] != ContentType::ApplicationData as u8 || length > longest || self.source.available() < next {
                break;
            }
            if self.walked_content + content > WALK && self.walked_content > 0 {
                break;
            }
            self.walked = next;
            self.walked_content += content;
        }
        (self.plain.len() + self.walked_content).min(cap)
    }

    fn record_overhead(&self) -> usize {
        self.protection.as_ref().map_or(0, |keys| keys.overhead() - HEADER + usize::from(keys.hides_type()))
    }

    /// Whether the keys are of the legacy tier.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        self.protection.as_ref().is_some_and(Protection::is_legacy)
    }

    /// Make `promise` exact for `pull`. How long a record of the legacy tier is shows only once it is open, so those that wait are opened.
    pub fn settle(&mut self, promise: usize) -> usize {
        if !self.is_legacy() {
            return promise;
        }
        self.open_ahead(promise);
        self.plain.len().min(promise)
    }

    /// The longest protected record, without its header.
    pub(super) fn longest(&self) -> usize {
        self.protection.as_ref().map_or(MAX_CIPHERTEXT, Protection::longest)
    }

    /// Octets to receive so that nothing whole is held back: what the record at the head lacks, or its header where that has not come
    /// whole. Behind a large record the header of the next one comes along, which halves the calls of a bulk transfer; a header alone
    /// gives nothing, so whatever can be read still shows in the descriptor.
    #[must_use]
    pub fn missing(&self) -> usize {
        let available = self.source.available();
        let wanted = match self.head_length() {
            Some(length) if length >= BULK => HEADER + length.min(self.longest()) + HEADER,
            Some(length) => HEADER + length,
            None => HEADER,
        };
        wanted.saturating_sub(available).max(1)
    }

    /// Whether the record at the head is a large one, of which this much room can hold the content.
    #[must_use]
    pub fn bulk_fits(&self, room: usize) -> bool {
        self.head_length().is_some_and(|length| length >= BULK && length <= room)
    }

    fn head_length(&self) -> Option<usize> {
        let head = self.source.copy_at::<HEADER>(0)?;
        Some(usize::from(u16::from_be_bytes([head[3], head[4]])))
    }

    /// Drop the record of `total` octets at the head.
    pub(super) fn consume_record(&mut self, total: usize) {
        self.source.consume(total);
        let content = (total - HEADER).saturating_sub(self.record_overhead());
        match (self.walked.checked_sub(total), self.walked_content.checked_sub(content)) {
            (Some(walked), Some(left)) => (self.walked, self.walked_content) = (walked, left),
            _ => (self.walked, self.walked_content) = (0, 0),
        }
    }
}
