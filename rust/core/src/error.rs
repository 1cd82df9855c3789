//! What can go wrong in the record layer, each with the alert that the RFC names for it.

use std::borrow::Cow;

/// Kind of a failure; stable, since Python maps it to an exception class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A record failed its authentication check.
    BadRecordMac,
    /// A record is longer than the limit in force.
    RecordOverflow,
    /// A record or message that may not stand here.
    UnexpectedMessage,
    /// A length or a form is wrong.
    DecodeError,
    /// A field holds a forbidden value.
    IllegalParameter,
    /// Our own failure.
    InternalError,
    /// A limit on a harmless but endless behaviour was passed, or a key was used up.
    Limit,
    /// Application data before the handshake is complete.
    HandshakeNotComplete,
    /// Writing after close_notify was sent.
    Closed,
    /// The output is smaller than the records that go there.
    BufferTooSmall,
}

impl Code {
    /// The name that Python sees.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRecordMac => "bad_record_mac",
            Self::RecordOverflow => "record_overflow",
            Self::UnexpectedMessage => "unexpected_message",
            Self::DecodeError => "decode_error",
            Self::IllegalParameter => "illegal_parameter",
            Self::InternalError => "internal_error",
            Self::Limit => "limit",
            Self::HandshakeNotComplete => "handshake_not_complete",
            Self::Closed => "closed",
            Self::BufferTooSmall => "buffer_too_small",
        }
    }

    /// The alert to send (RFC 9846 6.2), or `None` for misuse that leaves the connection alive.
    #[must_use]
    pub const fn alert(self) -> Option<u8> {
        match self {
            Self::UnexpectedMessage | Self::Limit => Some(10),
            Self::BadRecordMac => Some(20),
            Self::RecordOverflow => Some(22),
            Self::IllegalParameter => Some(47),
            Self::DecodeError => Some(50),
            Self::InternalError => Some(80),
            Self::HandshakeNotComplete | Self::Closed | Self::BufferTooSmall => None,
        }
    }
}

/// A failure: its kind and one sentence about the cause. Never holds octets of plaintext or of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Kind.
    pub code: Code,
    /// Cause, one sentence without a full stop.
    pub detail: Cow<'static, str>,
}

impl Error {
    /// Make one.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(crate) fn unexpected(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UnexpectedMessage, detail)
    }

    pub(crate) fn limit(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Limit, detail)
    }
}

impl From<tlscore_crypto::CryptoError> for Error {
    fn from(_: tlscore_crypto::CryptoError) -> Self {
        Self::new(Code::InternalError, "the crypto provider failed")
    }
}
