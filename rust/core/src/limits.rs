//! Every bound on what a peer may make this end hold or do, and where each comes from.

/// Limits of one connection. All of them can be set; the defaults are the ones that ship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a ClientHello, header included. The largest honest one carries two hybrid shares and a session ticket: under 8 KiB.
    pub client_hello: usize,
    /// Octets of a Certificate message: eight RSA-4096 or ML-DSA-87 certificates.
    pub certificate: usize,
    /// Octets of any other handshake message.
    pub message: usize,
    /// Empty application data records in a row (the CPU cost of a record without progress).
    pub empty_records: u32,
    /// Warning alerts (user_canceled) in a row.
    pub warning_alerts: u32,
    /// KeyUpdate messages without application data between them.
    pub key_updates: u32,
    /// Other post-handshake messages without application data between them.
    pub post_handshake_messages: u32,
    /// change_cipher_spec records for middlebox compatibility.
    pub change_cipher_specs: u32,
    /// Records under one key after which this end updates its keys by itself.
    pub rekey_records: u64,
    /// Records under one key after which it refuses to go on; never above the limit of the suite (RFC 9846 5.5).
    pub hard_records: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            client_hello: 16 << 10,
            certificate: 128 << 10,
            message: 64 << 10,
            empty_records: 32,
            warning_alerts: 4,
            key_updates: 32,
            post_handshake_messages: 32,
            change_cipher_specs: 2,
            rekey_records: 1 << 24,
            hard_records: u64::MAX - 1,
        }
    }
}

impl Limits {
    /// Set one by name; false where there is no such limit or the value does not fit.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        let small = u32::try_from(value).ok().filter(|count| *count > 0);
        let octets = usize::try_from(value).ok().filter(|size| (64..=1 << 24).contains(size));
        match (name, small, octets) {
            ("client_hello", _, Some(size)) => self.client_hello = size,
            ("certificate", _, Some(size)) => self.certificate = size,
            ("message", _, Some(size)) => self.message = size,
            ("empty_records", Some(count), _) => self.empty_records = count,
            ("warning_alerts", Some(count), _) => self.warning_alerts = count,
            ("key_updates", Some(count), _) => self.key_updates = count,
            ("post_handshake_messages", Some(count), _) => self.post_handshake_messages = count,
            ("change_cipher_specs", Some(count), _) => self.change_cipher_specs = count,
            ("rekey_records", ..) if value >= 2 => self.rekey_records = value,
            ("hard_records", ..) if value >= 3 => self.hard_records = value,
            _ => return false,
        }
        true
    }

    /// The cap of a handshake message by its type, header included.
    #[must_use]
    pub const fn message_cap(&self, kind: u8) -> usize {
        match kind {
            1 => self.client_hello,
            11 | 25 => self.certificate,
            _ => self.message,
        }
    }
}
