//! Keys of one direction: the AEAD, its IV, the sequence number, and for application traffic the secret that a KeyUpdate steps on.
//!
//! The legacy tier has a cipher and a MAC in place of the AEAD. How long its content is shows only once a record is open, so it is opened
//! into a buffer of its own; everything else is the same.

use std::mem::MaybeUninit;

use tlscore_crypto::{
    hkdf_expand_label, hmac, Buffer, Digest, LegacyKeys, LegacyOpener, LegacyParameters, LegacySealer, PseudoHeader,
    RecordKey, Secret,
};
use zeroize::Zeroize;

use crate::record::{header, ContentType, HEADER, MAX_CIPHERTEXT, MAX_PLAINTEXT};
use crate::schedule::finished_key;
use crate::{Code, Error, Suite, Suite12};

/// A traffic secret on its way to the half that will use it.
pub struct TrafficSecret {
    /// The suite that it belongs to.
    pub suite: Suite,
    pub(crate) secret: Secret,
}

/// How a record of this direction is laid out and what its AEAD covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// TLS 1.3: the content type is encrypted; the header is what the tag covers beside it.
    Tls13,
    /// TLS 1.2, AES-GCM and AES-CCM (RFC 5288, 6655): 8 octets of the nonce travel in front of the ciphertext.
    Explicit,
    /// TLS 1.2, ChaCha20-Poly1305 (RFC 7905): the nonce is made as in TLS 1.3.
    Implicit,
    /// TLS 1.0 to 1.2: a cipher and a MAC.
    Legacy,
}

/// What seals or opens.
enum Key {
    Aead(RecordKey),
    Sealer(Box<LegacySealer>),
    Opener(Box<LegacyOpener>),
}

/// Which way records go under a key of the legacy tier.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Seal,
    Open,
}

/// Octets of the nonce that travel with a record of `Framing::Explicit`.
const EXPLICIT: usize = 8;

/// Record protection of one direction under one key.
pub struct Protection {
    framing: Framing,
    /// In every header that is written; read headers must have it under a key of the legacy tier.
    version: u16,
    limit: u64,
    key: Key,
    /// Octets that a record is longer than its inner plaintext; with padding to whole blocks, at least.
    overhead: usize,
    /// Whether each record's IV is known to whoever saw the record before it (TLS 1.0).
    has_known_iv: bool,
    iv: [u8; 12],
    sequence: u64,
    /// What the next generation of keys comes from; TLS 1.2 has none.
    chain: Option<TrafficSecret>,
}

impl Drop for Protection {
    fn drop(&mut self) {
        self.iv.zeroize();
    }
}

impl Protection {
    /// RFC 9846 7.3: key and IV from a traffic secret.
    pub fn new(traffic: TrafficSecret) -> Result<Self, Error> {
        let TrafficSecret { suite, secret } = &traffic;
        let mut key = [0_u8; 32];
        let key_len = suite.aead().key_len();
        let mut iv = [0_u8; 12];
        let made = hkdf_expand_label(suite.hash(), secret, b"key", &[], &mut key[..key_len])
            .and_then(|()| hkdf_expand_label(suite.hash(), secret, b"iv", &[], &mut iv))
            .and_then(|()| RecordKey::new(suite.aead(), &key[..key_len]));
        key.zeroize();
        let limit = suite.record_limit();
        Ok(Self::with_aead(Framing::Tls13, limit, made?, iv, Some(traffic)))
    }

    fn with_aead(framing: Framing, limit: u64, key: RecordKey, iv: [u8; 12], chain: Option<TrafficSecret>) -> Self {
        let explicit = if framing == Framing::Explicit { EXPLICIT } else { 0 };
        let overhead = HEADER + explicit + key.tag_len();
        let (version, key) = (0x0303, Key::Aead(key));
        Self { framing, version, limit, key, overhead, has_known_iv: false, iv, sequence: 0, chain }
    }

    /// TLS 1.2 with an AEAD: key and the fixed part of the nonce come out of the key block (RFC 5246 6.3).
    pub(crate) fn tls12(suite: Suite12, key: RecordKey, fixed_iv: &[u8]) -> Self {
        let framing = if suite.fixed_iv_len() == 4 { Framing::Explicit } else { Framing::Implicit };
        let mut iv = [0_u8; 12];
        iv[..fixed_iv.len()].copy_from_slice(fixed_iv);
        Self::with_aead(framing, suite.record_limit(), key, iv, None)
    }

    /// The legacy tier, for one direction.
    pub(crate) fn legacy(
        parameters: LegacyParameters,
        (version, limit): (u16, u64),
        keys: &LegacyKeys<'_>,
        direction: Direction,
    ) -> Result<Self, Error> {
        let key = match direction {
            Direction::Seal => Key::Sealer(Box::new(LegacySealer::new(parameters, keys)?)),
            Direction::Open => Key::Opener(Box::new(LegacyOpener::new(parameters, keys)?)),
        };
        let overhead = HEADER + parameters.least_overhead();
        let (framing, has_known_iv, iv) = (Framing::Legacy, parameters.implicit_iv, [0; 12]);
        Ok(Self { framing, version, limit, key, overhead, has_known_iv, iv, sequence: 0, chain: None })
    }

    /// RFC 9846 7.2: the next generation of the secret, and keys from it; the old ones are wiped.
    pub fn update(&mut self) -> Result<(), Error> {
        let Some(TrafficSecret { suite, secret }) = &self.chain else {
            return Err(Error::new(Code::InternalError, "TLS 1.2 has no key update"));
        };
        let suite = *suite;
        let mut next = [0_u8; 64];
        let length = suite.hash().output_len();
        hkdf_expand_label(suite.hash(), secret, b"traffic upd", &[], &mut next[..length])?;
        let secret = Secret::from_slice(&next[..length]);
        next.zeroize();
        *self = Self::new(TrafficSecret { suite, secret })?;
        Ok(())
    }

    /// Whether records hide their content type, as in TLS 1.3.
    #[inline]
    #[must_use]
    pub fn hides_type(&self) -> bool {
        self.framing == Framing::Tls13
    }

    /// Whether a record is to be opened with `open_legacy`.
    #[inline]
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        matches!(self.framing, Framing::Legacy)
    }

    /// Whether each record's IV is known to whoever saw the record before it (TLS 1.0).
    #[inline]
    #[must_use]
    pub(crate) const fn has_known_iv(&self) -> bool {
        self.has_known_iv
    }

    /// Octets that a record is longer than its inner plaintext; with padding to whole blocks, at least.
    #[inline]
    #[must_use]
    pub const fn overhead(&self) -> usize {
        self.overhead
    }

    /// Octets of the record of an inner plaintext.
    #[inline]
    #[must_use]
    pub fn record_len(&self, inner: usize) -> usize {
        match &self.key {
            Key::Sealer(sealer) => HEADER + sealer.parameters().sealed_len(inner),
            _ => self.overhead + inner,
        }
    }

    /// The longest protected record, without its header.
    ///
    /// RFC 5246 6.2.3: "The length MUST NOT exceed 2^14 + 2048." An AEAD adds no more than TLS 1.3 allows for.
    #[inline]
    #[must_use]
    pub const fn longest(&self) -> usize {
        if self.is_legacy() {
            MAX_PLAINTEXT + 2048
        } else {
            MAX_CIPHERTEXT
        }
    }

    /// Records protected or opened under this key so far.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.sequence
    }

    /// Most records that this key may protect.
    #[must_use]
    pub const fn record_limit(&self) -> u64 {
        self.limit
    }

    /// Start counting at `sequence`: what a test of the limits would otherwise need 2^24 records for.
    pub fn set_sequence(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// verify_data of a Finished message under this traffic secret (post-handshake authentication, RFC 9846 4.5.3).
    pub fn finished_mac(&self, transcript: &[u8]) -> Result<Digest, Error> {
        let Some(TrafficSecret { suite, secret }) = &self.chain else {
            return Err(Error::new(Code::InternalError, "TLS 1.2 has no post-handshake authentication"));
        };
        let key = finished_key(*suite, secret)?;
        Ok(hmac(suite.hash(), key.as_bytes(), transcript))
    }

    /// Octets between the header and the ciphertext of an AEAD.
    #[inline]
    fn explicit(&self) -> usize {
        if self.framing == Framing::Explicit {
            EXPLICIT
        } else {
            0
        }
    }

    #[inline]
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        if self.framing == Framing::Explicit {
            // RFC 5288 3: "The nonce_explicit MAY be the 64-bit sequence number": a counter cannot repeat, a random value can.
            nonce[4..].copy_from_slice(&self.sequence.to_be_bytes());
            return nonce;
        }
        // RFC 9846 5.3: the 64-bit sequence number, padded to the left with zeros, is XORed with the IV.
        for (octet, counter) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *octet ^= counter;
        }
        nonce
    }

    /// What the tag covers in TLS 1.2 (RFC 5246 6.2.3.3): sequence number, type, version, length of the plaintext.
    fn associated12(&self, header: [u8; HEADER], plaintext: usize) -> [u8; 13] {
        let mut associated = [0_u8; 13];
        associated[..8].copy_from_slice(&self.sequence.to_be_bytes());
        associated[8..11].copy_from_slice(&header[..3]);
        let [.., high, low] = plaintext.to_be_bytes();
        associated[11..].copy_from_slice(&[high, low]);
        associated
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

    /// Seal one record: `out` gets exactly `record_len(plaintext + trailer)` octets.
    ///
    /// In TLS 1.3 `trailer` is the content type octet and the padding; in TLS 1.2, where `kind` stands in the header, it is empty.
    pub fn seal(
        &mut self,
        kind: ContentType,
        plaintext: &[u8],
        trailer: &[u8],
        hard_limit: u64,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<(), Error> {
        self.advance(hard_limit)?;
        let Key::Aead(key) = &self.key else {
            return self.seal_legacy(kind, plaintext, out);
        };
        let outer = if self.hides_type() { ContentType::ApplicationData } else { kind };
        let header = header(outer, 0x0303, out.len() - HEADER);
        let (head, rest) = out.split_at_mut(HEADER);
        tlscore_crypto::copy_to_uninit(&header, head);
        let (prefix, body) = rest.split_at_mut(self.explicit());
        let nonce = self.nonce();
        if self.hides_type() {
            key.seal(&nonce, &header, plaintext, trailer, body)?;
        } else {
            if !prefix.is_empty() {
                tlscore_crypto::copy_to_uninit(&nonce[4..], prefix);
            }
            key.seal(&nonce, &self.associated12(header, plaintext.len()), plaintext, trailer, body)?;
        }
        self.sequence += 1;
        Ok(())
    }

    /// Open one record, given whole. The inner plaintext goes to `out` and its end to `tail`.
    pub fn open<'a>(
        &mut self,
        record: &[u8],
        hard_limit: u64,
        out: &'a mut [MaybeUninit<u8>],
        tail: &mut [u8],
    ) -> Result<&'a mut [u8], Error> {
        self.advance(hard_limit)?;
        let Key::Aead(key) = &self.key else {
            return Err(wrong_way());
        };
        let (header, sealed) = record.split_at(HEADER);
        let opened = if self.hides_type() {
            key.open(&self.nonce(), header, sealed, out, tail)
        } else {
            let mut fields = [0_u8; HEADER];
            fields.copy_from_slice(header);
            let (explicit, sealed) = sealed.split_at(self.explicit());
            let mut nonce = self.nonce();
            if let Some(sent) = explicit.first_chunk::<EXPLICIT>() {
                // The peer chose it; a wrong one fails the tag like any other change.
                nonce[4..].copy_from_slice(sent);
            }
            let associated = self.associated12(fields, out.len() + tail.len());
            key.open(&nonce, &associated, sealed, out, tail)
        };
        // RFC 9846 5.2: "If the decryption fails, the receiver MUST terminate the connection with a "bad_record_mac" alert."
        let opened = opened.map_err(|_| bad_record_mac())?;
        self.sequence += 1;
        Ok(opened)
    }

    fn seal_legacy(&mut self, kind: ContentType, plaintext: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<(), Error> {
        let (head, body) = out.split_at_mut(HEADER);
        let header = header(kind, self.version, body.len());
        tlscore_crypto::copy_to_uninit(&header, head);
        let pseudo = self.pseudo_header(header);
        let Key::Sealer(sealer) = &mut self.key else {
            return Err(wrong_way());
        };
        sealer.seal(&pseudo, plaintext, body)?;
        self.sequence += 1;
        Ok(())
    }

    /// Open one record of the legacy tier, given whole, and append its content to `plain`.
    pub fn open_legacy(&mut self, record: &[u8], hard_limit: u64, plain: &mut Buffer) -> Result<(), Error> {
        self.advance(hard_limit)?;
        let Some((header, sealed)) = record.split_first_chunk::<HEADER>() else {
            return Err(bad_record_mac());
        };
        let pseudo = self.pseudo_header(*header);
        let Key::Opener(opener) = &mut self.key else {
            return Err(wrong_way());
        };
        // RFC 5246 6.2.3.2: "implementations MUST ensure that record processing time is essentially the same whether or not the padding is
        // correct", and 7.2.2 has one alert for both. Lengths and the version are in the clear, so they may be looked at first.
        if header[1..3] != self.version.to_be_bytes() {
            return Err(bad_record_mac());
        }
        opener.open(&pseudo, sealed, plain).map_err(|_| bad_record_mac())?;
        self.sequence += 1;
        Ok(())
    }

    /// What the MAC covers before the length (RFC 5246 6.2.3.1): sequence number, type, version.
    fn pseudo_header(&self, header: [u8; HEADER]) -> PseudoHeader {
        let mut pseudo = [0; 11];
        pseudo[..8].copy_from_slice(&self.sequence.to_be_bytes());
        pseudo[8..].copy_from_slice(&header[..3]);
        pseudo
    }
}

/// One error for every way in which a record can fail.
fn bad_record_mac() -> Error {
    Error::new(
        Code::BadRecordMac,
        "a record failed its authentication check: it was changed on the way, repeated, or sealed with another key",
    )
}

fn wrong_way() -> Error {
    Error::new(Code::InternalError, "a key of the other direction, or of another kind")
}
