//! Handshake messages put together from records (RFC 9846 5.1).
//!
//! Memory grows with what arrived, never with what a header claims; a header that claims more than the cap of its type is refused as
//! soon as it is seen.

use tlscore_crypto::Buffer;

use crate::{Code, Error, Limits};

/// Octets of a handshake message header: type and 24-bit length.
pub const MESSAGE_HEADER: usize = 4;

/// Proof that no part of a handshake message waits: keys may change. Only the joiner makes one.
#[derive(Debug)]
pub struct Boundary(());

/// Collects the content of handshake records and hands out whole messages.
#[derive(Default)]
pub struct Joiner {
    held: Buffer,
}

impl Joiner {
    /// Take the content of one handshake record.
    pub fn push(&mut self, content: &[u8], limits: &Limits) -> Result<(), Error> {
        self.held.extend_from_slice(content);
        self.check(limits)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.held.is_empty() && self.length().is_none()
    }

    fn claimed(&self) -> Option<(u8, usize)> {
        match self.held.as_slice() {
            [kind, high, middle, low, ..] => {
                let body = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
                Some((*kind, MESSAGE_HEADER + body))
            }
            _ => None,
        }
    }

    fn length(&self) -> Option<usize> {
        self.claimed().map(|(_, total)| total).filter(|total| *total <= self.held.len())
    }

    /// Refuse a first message that claims more than its cap.
    pub fn check(&self, limits: &Limits) -> Result<(), Error> {
        match self.claimed() {
            Some((kind, total)) if total > limits.message_cap(kind) => Err(Error::new(
                Code::DecodeError,
                format!(
                    "a handshake message of type {kind} claims {total} octets, over the limit of {}",
                    limits.message_cap(kind)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The first whole message, header included; it stays until `consume`.
    #[must_use]
    pub fn first(&self) -> Option<&[u8]> {
        self.length().map(|total| &self.held.as_slice()[..total])
    }

    /// Type of the first whole message.
    #[must_use]
    pub fn first_kind(&self) -> Option<u8> {
        self.first().map(|message| message[0])
    }

    /// Drop the first whole message and look at the next one's claim.
    pub fn consume(&mut self, limits: &Limits) -> Result<(), Error> {
        if let Some(total) = self.length() {
            self.held.consume(total);
            self.held.release();
        }
        self.check(limits)
    }

    /// Proof that the last message ended where its record ended.
    ///
    /// RFC 9846 5.1: "Handshake messages MUST NOT span key changes. Implementations MUST verify that all messages immediately preceding
    /// a key change align with a record boundary; if not, then they MUST terminate the connection with an "unexpected_message" alert."
    pub fn boundary(&self) -> Result<Boundary, Error> {
        if self.held.is_empty() {
            Ok(Boundary(()))
        } else {
            Err(Error::unexpected("handshake data goes on past a message that changes the keys"))
        }
    }

    /// Drop everything.
    pub fn clear(&mut self) {
        self.held.clear();
        self.held.release();
    }
}
