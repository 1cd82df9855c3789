//! Key schedule of TLS 1.2 (RFC 5246 8.1, 6.3, 7.4.9; RFC 7627): pre-main secret ──► main secret ──► key block, Finished, exporters.
//!
//! The RFCs say "master secret"; RFC 9846 says "main secret". The labels on the wire stay what they are.

use tlscore_crypto::{constant_time_eq, hmac, HashAlgorithm, Secret, SharedSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::protection::Protection;
use crate::{Error, Side, Suite12};

const MAIN_SECRET: usize = 48;
/// RFC 5246 7.4.9: verify_data_length is 12 for all suites here.
const VERIFY_DATA: usize = 12;

/// RFC 5246 5: PRF(secret, label, seed) = P_hash(secret, label + seed), as much of it as `out` holds.
pub fn prf(hash: HashAlgorithm, secret: &[u8], label: &[u8], seeds: &[&[u8]], out: &mut [u8]) {
    let seed: Vec<u8> = [label].iter().chain(seeds).flat_map(|part| part.iter().copied()).collect();
    let mut link = hmac(hash, secret, &seed);
    for chunk in out.chunks_mut(hash.output_len()) {
        let input = Zeroizing::new([link.as_ref(), &seed].concat());
        let block = hmac(hash, secret, &input);
        chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        link = hmac(hash, secret, link.as_ref());
    }
}

/// Both directions' keys of one connection.
pub struct Keys12 {
    /// What the client seals with.
    pub client: Protection,
    /// What the server seals with.
    pub server: Protection,
}

/// The main secret of one connection.
pub struct MainSecret12 {
    suite: Suite12,
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
        suite: Suite12,
        shared: &SharedSecret,
        client_random: [u8; 32],
        server_random: [u8; 32],
        session_hash: Option<&[u8]>,
    ) -> Self {
        let mut main = [0_u8; MAIN_SECRET];
        match session_hash {
            Some(digest) => prf(suite.hash(), shared.as_bytes(), b"extended master secret", &[digest], &mut main),
            None => {
                let seeds = [&client_random[..], &server_random[..]];
                prf(suite.hash(), shared.as_bytes(), b"master secret", &seeds, &mut main);
            }
        }
        let secret = Secret::from_slice(&main);
        main.zeroize();
        Self { suite, secret, client_random, server_random }
    }

    /// RFC 5246 6.3: "client_write_key, server_write_key, client_write_IV, server_write_IV" in this order; an AEAD has no MAC keys.
    pub fn keys(&self) -> Result<Keys12, Error> {
        let (key, iv) = (self.suite.aead().key_len(), self.suite.fixed_iv_len());
        let mut block = Zeroizing::new([0_u8; 2 * (32 + 12)]);
        let seeds = [&self.server_random[..], &self.client_random[..]];
        prf(self.suite.hash(), self.secret.as_bytes(), b"key expansion", &seeds, &mut block[..2 * (key + iv)]);
        let (keys, ivs) = block[..2 * (key + iv)].split_at(2 * key);
        Ok(Keys12 {
            client: Protection::tls12(self.suite, &keys[..key], &ivs[..iv])?,
            server: Protection::tls12(self.suite, &keys[key..], &ivs[iv..])?,
        })
    }

    /// verify_data of the sender's Finished over the hash of all handshake messages before it.
    #[must_use]
    pub fn finished_mac(&self, sender: Side, transcript: &[u8]) -> [u8; VERIFY_DATA] {
        let label: &[u8] = match sender {
            Side::Client => b"client finished",
            Side::Server => b"server finished",
        };
        let mut data = [0_u8; VERIFY_DATA];
        prf(self.suite.hash(), self.secret.as_bytes(), label, &[transcript], &mut data);
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
        prf(self.suite.hash(), self.secret.as_bytes(), label, &seeds, out);
    }

    /// Line for the key log.
    #[must_use]
    pub fn key_log(&self) -> Zeroizing<Vec<u8>> {
        let mut lines = crate::schedule::key_log_lines();
        crate::schedule::key_log_line(&mut lines, "CLIENT_RANDOM", &self.client_random, &self.secret);
        lines
    }
}
