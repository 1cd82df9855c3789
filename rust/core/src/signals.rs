//! What the two halves of a connection tell each other without taking each other's lock.

use std::sync::atomic::{AtomicBool, Ordering};

/// Flags about key updates, shared by the read half and the write half.
#[derive(Debug, Default)]
pub struct Signals {
    reply_due: AtomicBool,
    request_due: AtomicBool,
    request_outstanding: AtomicBool,
}

impl Signals {
    /// The peer asked for an update of our keys.
    pub(crate) fn owe_reply(&self) {
        self.reply_due.store(true, Ordering::Release);
    }

    /// Take the debt; true where one was open.
    pub(crate) fn take_reply(&self) -> bool {
        self.reply_due.load(Ordering::Acquire) && self.reply_due.swap(false, Ordering::AcqRel)
    }

    /// This end wants the peer to update its keys.
    pub(crate) fn want_request(&self) {
        self.request_due.store(true, Ordering::Release);
    }

    /// Take the wish and mark it as sent, unless one is under way already.
    ///
    /// RFC 9846 4.7.3: "Until receiving a subsequent KeyUpdate from the peer, the sender MUST NOT send another KeyUpdate with
    /// request_update set to "update_requested"."
    pub(crate) fn take_request(&self) -> bool {
        self.request_due.load(Ordering::Acquire)
            && self.request_due.swap(false, Ordering::AcqRel)
            && !self.request_outstanding.swap(true, Ordering::AcqRel)
    }

    /// A KeyUpdate of the peer arrived; true where it answers a request of ours.
    pub(crate) fn answered(&self) -> bool {
        self.request_outstanding.swap(false, Ordering::AcqRel)
    }

    /// Whether anything waits to be sent.
    #[must_use]
    pub fn due(&self) -> bool {
        self.reply_due.load(Ordering::Acquire)
            || (self.request_due.load(Ordering::Acquire) && !self.request_outstanding.load(Ordering::Acquire))
    }
}
