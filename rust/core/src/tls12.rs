//! Key schedule of TLS 1.2 (RFC 5246 8.1, 6.3, 7.4.9; RFC 7627): pre-main secret ──► main secret ──► key block, Finished, exporters.
//!
//! TLS 1.0 and 1.1 are the same but for the hash: MD5 and SHA-1 together, in the PRF and in the transcript (RFC 2246 5, RFC 4346 5).
//! The RFCs say "master secret"; RFC 9846 says "main secret". The labels on the wire stay what they are.

use tlscore_crypto::{
    constant_time_eq, hmac, prf_md5_sha1, HashAlgorithm, LegacyKeys, RecordKey, Secret, SharedSecret,
};
use zeroize::{Zeroize, Zeroizing};

use crate::protection::{Direction, Protection};
use crate::suite::Cipher12;
use crate::{Code, Error, Side, Suite12};

/// TLS 1.2 on the wire.
pub const TLS12: u16 = 0x0303;
const TLS10: u16 = 0x0301;

const MAIN_SECRET: usize = 48;
/// RFC 5246 7.4.9: verify_data_length is 12 for all suites here.
const VERIFY_DATA: usize = 12;

/// RFC 5246 5: PRF(secret, label, seed) = P_hash(secret, label + seed), as much of it as `out` holds.
pub fn prf(hash: HashAlgorithm, secret: &[u8], label: &[u8], seeds: &[&[u8]], out: &mut [u8]) {
    if hash == HashAlgorithm::Md5Sha1 {
        return prf_md5_sha1(secret, label, &seeds.concat(), out);
    }
    let seed: Vec<u8> = [label].iter().chain(seeds).flat_map(|part| part.iter().copied()).collect();
    let mut link = Zeroizing::new(hmac(hash, secret, &seed));
    for chunk in out.chunks_mut(hash.output_len()) {
        let input = Zeroizing::new([(*link).as_ref(), &seed].concat());
        let block = Zeroizing::new(hmac(hash, secret, &input));
        chunk.copy_from_slice(&(*block).as_ref()[..chunk.len()]);
        *link = hmac(hash, secret, (*link).as_ref());
    }
}

/// What is negotiated about the protection of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms12 {
    suite: Suite12,
    version: u16,
    encrypt_then_mac: bool,
}

impl Terms12 {
    /// The terms, where they go together: an AEAD and every newer MAC need TLS 1.2; RFC 7366 is for CBC alone.
    pub fn new(suite: Suite12, version: u16, encrypt_then_mac: bool) -> Result<Self, &'static str> {
        if !(TLS10..=TLS12).contains(&version) {
            return Err("TLS 1.0, 1.1 and 1.2 have a key schedule of this kind");
        }
        if version < TLS12 && !suite.is_before12() {
            return Err("the cipher suite needs TLS 1.2");
        }
        if encrypt_then_mac && !suite.is_cbc() {
            return Err("encrypt_then_mac is for CBC cipher suites");
        }
        Ok(Self { suite, version, encrypt_then_mac })
    }

    /// The hash of transcript and PRF.
    #[must_use]
    pub fn hash(&self) -> HashAlgorithm {
        if self.version < TLS12 {
            HashAlgorithm::Md5Sha1
        } else {
            self.suite.hash()
        }
    }

    /// Octets of (MAC key, key, IV) of one direction.
    fn lengths(&self) -> (usize, usize, usize) {
        match self.suite.cipher() {
            Cipher12::Aead(aead) => (0, aead.key_len(), self.suite.fixed_iv_len()),
            Cipher12::Legacy(cipher, mac) => {
                let chained = self.version == TLS10 && self.suite.is_cbc();
                (mac.output_len(), cipher.key_len(), if chained { 16 } else { 0 })
            }
        }
    }
}

/// The keys of one direction, until it is known which way records go under them here.
pub struct Keys12 {
    terms: Terms12,
    mac: Secret,
    key: Secret,
    iv: Secret,
}

impl Keys12 {
    /// For records that we write.
    pub fn for_sealing(&self) -> Result<Protection, Error> {
        self.protection(Direction::Seal)
    }

    /// For records that we read.
    pub fn for_opening(&self) -> Result<Protection, Error> {
        self.protection(Direction::Open)
    }

    fn protection(&self, direction: Direction) -> Result<Protection, Error> {
        let Terms12 { suite, version, encrypt_then_mac } = self.terms;
        if let Cipher12::Aead(aead) = suite.cipher() {
            return Ok(Protection::tls12(suite, RecordKey::new(aead, self.key.as_bytes())?, self.iv.as_bytes()));
        }
        let parameters = suite
            .parameters(version == TLS10 && suite.is_cbc(), encrypt_then_mac)
            .ok_or_else(|| Error::new(Code::InternalError, "a cipher suite without a cipher"))?;
        let keys = LegacyKeys { mac: self.mac.as_bytes(), cipher: self.key.as_bytes(), iv: self.iv.as_bytes() };
        Protection::legacy(parameters, (version, suite.record_limit()), &keys, direction)
    }
}

/// The main secret of one connection.
pub struct MainSecret12 {
    terms: Terms12,
    secret: Secret,
    client_random: [u8; 32],
    server_random: [u8; 32],
}

impl MainSecret12 {
    /// From the result of the key exchange.
    ///
    /// With `session_hash` it is the extended main secret (RFC 7627 4), bound to the whole handshake so far; without, that of RFC 5246.
    #[must_use]
    pub fn derive(
        terms: Terms12,
        shared: &SharedSecret,
        client_random: [u8; 32],
        server_random: [u8; 32],
        session_hash: Option<&[u8]>,
    ) -> Self {
        let mut main = [0_u8; MAIN_SECRET];
        match session_hash {
            Some(digest) => prf(terms.hash(), shared.as_bytes(), b"extended master secret", &[digest], &mut main),
            None => {
                let seeds = [&client_random[..], &server_random[..]];
                prf(terms.hash(), shared.as_bytes(), b"master secret", &seeds, &mut main);
            }
        }
        let secret = Secret::from_slice(&main);
        main.zeroize();
        Self { terms, secret, client_random, server_random }
    }

    /// What the (client, server) seals with. RFC 5246 6.3: "client_write_MAC_key, server_write_MAC_key, client_write_key,
    /// server_write_key, client_write_IV, server_write_IV" in this order.
    #[must_use]
    pub fn keys(&self) -> (Keys12, Keys12) {
        let (mac, key, iv) = self.terms.lengths();
        let mut block = Zeroizing::new([0_u8; 2 * (48 + 32 + 16)]);
        let block = &mut block[..2 * (mac + key + iv)];
        let seeds = [&self.server_random[..], &self.client_random[..]];
        prf(self.terms.hash(), self.secret.as_bytes(), b"key expansion", &seeds, block);
        let mut rest: &[u8] = block;
        let mut next = |octets: usize| {
            let (part, after) = rest.split_at(octets);
            rest = after;
            Secret::from_slice(part)
        };
        let (macs, keys, ivs) = ((next(mac), next(mac)), (next(key), next(key)), (next(iv), next(iv)));
        let terms = self.terms;
        (Keys12 { terms, mac: macs.0, key: keys.0, iv: ivs.0 }, Keys12 { terms, mac: macs.1, key: keys.1, iv: ivs.1 })
    }

    /// verify_data of the sender's Finished over the hash of all handshake messages before it.
    #[must_use]
    pub fn finished_mac(&self, sender: Side, transcript: &[u8]) -> [u8; VERIFY_DATA] {
        let label: &[u8] = match sender {
            Side::Client => b"client finished",
            Side::Server => b"server finished",
        };
        let mut data = [0_u8; VERIFY_DATA];
        prf(self.terms.hash(), self.secret.as_bytes(), label, &[transcript], &mut data);
        data
    }

    /// Check of verify_data in constant time.
    #[must_use]
    pub fn verify_finished(&self, sender: Side, transcript: &[u8], data: &[u8]) -> bool {
        constant_time_eq(&self.finished_mac(sender, transcript), data)
    }

    /// Keying material for the application (RFC 5705 4); a context of no octets is not the same as no context.
    pub fn export(&self, label: &[u8], context: Option<&[u8]>, out: &mut [u8]) {
        let length = context.map(|context| u16::try_from(context.len()).unwrap_or(u16::MAX).to_be_bytes());
        let mut seeds = vec![&self.client_random[..], &self.server_random[..]];
        if let (Some(length), Some(context)) = (&length, context) {
            seeds.extend([&length[..], context]);
        }
        prf(self.terms.hash(), self.secret.as_bytes(), label, &seeds, out);
    }

    /// Line for the key log.
    #[must_use]
    pub fn key_log(&self) -> Zeroizing<Vec<u8>> {
        let mut lines = crate::schedule::key_log_lines();
        crate::schedule::key_log_line(&mut lines, "CLIENT_RANDOM", &self.client_random, &self.secret);
        lines
    }
}
