//! Record constants and header (RFC 9846 5.1, 5.2).

/// Octets of a record header: type, legacy version, length.
pub const HEADER: usize = 5;
/// RFC 9846 5.1: "The length MUST NOT exceed 2^14 bytes."
pub const MAX_PLAINTEXT: usize = 1 << 14;
/// RFC 9846 5.2: "The length MUST NOT exceed 2^14 + 256 bytes."
pub const MAX_CIPHERTEXT: usize = MAX_PLAINTEXT + 256;
/// Content, content type octet and padding together.
pub const MAX_INNER: usize = MAX_PLAINTEXT + 1;

/// Record content types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ContentType {
    /// change_cipher_spec, for middlebox compatibility only.
    ChangeCipherSpec = 20,
    /// alert
    Alert = 21,
    /// handshake
    Handshake = 22,
    /// application_data; on the wire also every protected record.
    ApplicationData = 23,
}

impl ContentType {
    /// From the octet on the wire.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            20 => Some(Self::ChangeCipherSpec),
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::ApplicationData),
            _ => None,
        }
    }
}

/// Which keys a half works under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Epoch {
    /// No keys yet.
    Plain,
    /// Handshake traffic keys.
    Handshake,
    /// Application traffic keys.
    Application,
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who sent the ClientHello.
    Client,
    /// Who answered it.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A record header as octets.
#[must_use]
pub const fn header(kind: ContentType, version: u16, length: usize) -> [u8; HEADER] {
    let [high, low] = version.to_be_bytes();
    let [.., length_high, length_low] = length.to_be_bytes();
    [kind as u8, high, low, length_high, length_low]
}
