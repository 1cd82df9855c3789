//! Keys of one direction: the AEAD, its IV, the sequence number, and for application traffic the secret that a KeyUpdate steps on.

use std::mem::MaybeUninit;

use tlscore_crypto::{hkdf_expand_label, hmac, Digest, RecordKey, Secret};
use zeroize::Zeroize;

use crate::record::{header, ContentType, HEADER};
use crate::schedule::finished_key;
use crate::{Code, Error, Suite};

/// A traffic secret on its way to the half that will use it.
pub struct TrafficSecret {
    /// The suite that it belongs to.
    pub suite: Suite,
    pub(crate) secret: Secret,
}

/// Record protection of one direction under one key.
pub struct Protection {
    suite: Suite,
    key: RecordKey,
    iv: [u8; 12],
    sequence: u64,
    secret: Secret,
}

impl Drop for Protection {
    fn drop(&mut self) {
        self.iv.zeroize();
    }
}

impl Protection {
    /// RFC 9846 7.3: key and IV from a traffic secret.
    pub fn new(traffic: TrafficSecret) -> Result<Self, Error> {
        let TrafficSecret { suite, secret } = traffic;
        let mut key = [0_u8; 32];
        let key_len = suite.aead().key_len();
        let mut iv = [0_u8; 12];
        let made = hkdf_expand_label(suite.hash(), &secret, b"key", &[], &mut key[..key_len])
            .and_then(|()| hkdf_expand_label(suite.hash(), &secret, b"iv", &[], &mut iv))
            .and_then(|()| RecordKey::new(suite.aead(), &key[..key_len]));
        key.zeroize();
        Ok(Self { suite, key: made?, iv, sequence: 0, secret })
    }

    /// RFC 9846 7.2: the next generation of the secret, and keys from it; the old ones are wiped.
    pub fn update(&mut self) -> Result<(), Error> {
        let mut next = [0_u8; 64];
        let length = self.suite.hash().output_len();
        hkdf_expand_label(self.suite.hash(), &self.secret, b"traffic upd", &[], &mut next[..length])?;
        let secret = Secret::from_slice(&next[..length]);
        next.zeroize();
        *self = Self::new(TrafficSecret { suite: self.suite, secret })?;
        Ok(())
    }

    /// Records protected or opened under this key so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.sequence
    }

    /// Octets that protection adds after the inner plaintext.
    #[must_use]
    pub fn tag_len(&self) -> usize {
        self.key.tag_len()
    }

    /// Most records that this key may protect.
    #[must_use]
    pub const fn record_limit(&self) -> u64 {
        self.suite.record_limit()
    }

    /// Start counting at `sequence`: what a test of the limits would otherwise need 2^24 records for.
    pub fn set_sequence(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// verify_data of a Finished message under this traffic secret (post-handshake authentication, RFC 9846 4.5.3).
    pub fn finished_mac(&self, transcript: &[u8]) -> Result<Digest, Error> {
        let key = finished_key(self.suite, &self.secret)?;
        Ok(hmac(self.suite.hash(), key.as_bytes(), transcript))
    }

    fn nonce(&self) -> [u8; 12] {
        // RFC 9846 5.3: the 64-bit sequence number, padded to the left with zeros, is XORed with the IV.
        let mut nonce = self.iv;
        for (octet, counter) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *octet ^= counter;
        }
        nonce
    }

    fn advance(&mut self, limit: u64) -> Result<(), Error> {
        // RFC 9846 5.3: "If a TLS implementation would need to wrap a sequence number, it MUST either rekey (Section 4.7.3) or terminate
        // the connection." For AES the limit of the suite comes first; both are checked before use.
        if self.sequence >= limit.min(self.record_limit()) {
            return Err(Error::new(
                Code::InternalError,
                "the key has protected as many records as is safe; update the keys or open a new connection",
            ));
        }
        Ok(())
    }

    /// Seal one record: `out` gets header, ciphertext and tag, exactly `HEADER + plaintext + trailer + tag` octets.
    pub fn seal(
        &mut self,
        plaintext: &[u8],
        trailer: &[u8],
        hard_limit: u64,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), Error> {
        self.advance(hard_limit)?;
        let length = plaintext.len() + trailer.len() + self.tag_len();
        let header = header(ContentType::ApplicationData, 0x0303, length);
        let (head, body) = out.split_at_mut(HEADER);
        for (slot, octet) in head.iter_mut().zip(header) {
            slot.write(octet);
        }
        self.key.seal(&self.nonce(), &header, plaintext, trailer, body)?;
        self.sequence += 1;
        Ok(())
    }

    /// Open one record; `record` is header, ciphertext and tag. The inner plaintext goes to `out` and its end to `tail`.
    pub fn open<'a>(
        &mut self,
        record: &[u8],
        hard_limit: u64,
        out: &'a mut [MaybeUninit<u8>],
        tail: &mut [u8],
    ) -> Result<&'a mut [u8], Error> {
        self.advance(hard_limit)?;
        let (header, sealed) = record.split_at(HEADER);
        // RFC 9846 5.2: "If the decryption fails, the receiver MUST terminate the connection with a "bad_record_mac" alert."
        let opened = self.key.open(&self.nonce(), header, sealed, out, tail).map_err(|_| {
            Error::new(
                Code::BadRecordMac,
                "a record failed its authentication check: it was changed on the way, repeated, or sealed with another key",
            )
        })?;
        self.sequence += 1;
        Ok(opened)
    }
}
