//! Handshake secret: traffic keys of the handshake and the Finished MACs.

use tlscore_crypto::{derive_secret, hkdf_extract, Digest, Secret};
use zeroize::Zeroizing;

use super::{finished_mac, key_log_line, key_log_lines, verify_finished, ApplicationSchedule};
use crate::protection::TrafficSecret;
use crate::{Error, Side, Suite, Transcript};

/// Both handshake traffic secrets; they outlive the handshake secret until both Finished are done.
pub(crate) struct HandshakeTraffic {
    pub(crate) suite: Suite,
    client: Secret,
    server: Secret,
}

impl HandshakeTraffic {
    pub(crate) fn of(&self, side: Side) -> &Secret {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(crate) fn traffic(&self, side: Side) -> TrafficSecret {
        TrafficSecret { suite: self.suite, secret: self.of(side).duplicate() }
    }

    pub(crate) fn finished_mac(&self, sender: Side, transcript: &[u8]) -> Result<Digest, Error> {
        finished_mac(self.suite, self.of(sender), transcript)
    }

    pub(crate) fn verify_finished(&self, sender: Side, transcript: &[u8], data: &[u8]) -> Result<bool, Error> {
        verify_finished(self.suite, self.of(sender), transcript, data)
    }
}

/// The second state of the schedule.
pub struct HandshakeSchedule {
    secret: Secret,
    traffic: HandshakeTraffic,
}

impl HandshakeSchedule {
    pub(super) fn derive(suite: Suite, secret: Secret, transcript: &[u8]) -> Self {
        let traffic = HandshakeTraffic {
            suite,
            client: derive_secret(suite.hash(), &secret, b"c hs traffic", transcript),
            server: derive_secret(suite.hash(), &secret, b"s hs traffic", transcript),
        };
        Self { secret, traffic }
    }

    /// Traffic secret of one sender.
    #[must_use]
    pub fn traffic(&self, sender: Side) -> TrafficSecret {
        self.traffic.traffic(sender)
    }

    /// verify_data of the sender's Finished.
    pub fn finished_mac(&self, sender: Side, transcript: &[u8]) -> Result<Digest, Error> {
        self.traffic.finished_mac(sender, transcript)
    }

    /// Check of the sender's Finished in constant time.
    pub fn verify_finished(&self, sender: Side, transcript: &[u8], data: &[u8]) -> Result<bool, Error> {
        self.traffic.verify_finished(sender, transcript, data)
    }

    /// Lines for the key log.
    #[must_use]
    pub fn key_log(&self, client_random: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut lines = key_log_lines();
        key_log_line(&mut lines, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", client_random, self.traffic.of(Side::Client));
        key_log_line(&mut lines, "SERVER_HANDSHAKE_TRAFFIC_SECRET", client_random, self.traffic.of(Side::Server));
        lines
    }

    /// On to the main secret, with the hash of ClientHello..server Finished.
    #[must_use]
    pub fn into_application(self, transcript: &[u8]) -> ApplicationSchedule {
        let hash = self.traffic.suite.hash();
        let zeros = [0_u8; 64];
        let salt = derive_secret(hash, &self.secret, b"derived", Transcript::empty(hash).as_ref());
        let main = hkdf_extract(hash, salt.as_bytes(), &zeros[..hash.output_len()]);
        ApplicationSchedule::derive(main, self.traffic, transcript)
    }
}
