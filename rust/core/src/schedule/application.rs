//! Main secret: application traffic, exporters and resumption.

use tlscore_crypto::{derive_secret, hash, hkdf_expand_label, Digest, Secret};
use zeroize::{Zeroize, Zeroizing};

use super::handshake::HandshakeTraffic;
use super::{key_log_line, key_log_lines, Psk};
use crate::protection::TrafficSecret;
use crate::{Code, Error, Side, Suite, Transcript};

/// The last state of the schedule. Secrets leave it once each: traffic secrets to the halves of the record layer.
pub struct ApplicationSchedule {
    suite: Suite,
    main: Option<Secret>,
    handshake: Option<HandshakeTraffic>,
    client: Option<Secret>,
    server: Option<Secret>,
    exporter: Secret,
    resumption: Option<Secret>,
}

fn used_up(what: &'static str) -> Error {
    Error::new(Code::InternalError, what)
}

impl ApplicationSchedule {
    pub(super) fn derive(main: Secret, handshake: HandshakeTraffic, transcript: &[u8]) -> Self {
        let suite = handshake.suite;
        let derive = |label: &[u8]| derive_secret(suite.hash(), &main, label, transcript);
        Self {
            suite,
            client: Some(derive(b"c ap traffic")),
            server: Some(derive(b"s ap traffic")),
            exporter: derive(b"exp master"),
            resumption: None,
            handshake: Some(handshake),
            main: Some(main),
        }
    }

    /// Application traffic secret of one sender; it is handed out once.
    pub fn take_traffic(&mut self, sender: Side) -> Result<TrafficSecret, Error> {
        let slot = match sender {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let secret = slot.take().ok_or_else(|| used_up("the application traffic secret was installed before"))?;
        Ok(TrafficSecret { suite: self.suite, secret })
    }

    fn handshake(&self) -> Result<&HandshakeTraffic, Error> {
        self.handshake.as_ref().ok_or_else(|| used_up("the handshake traffic secrets are wiped"))
    }

    /// Handshake traffic secret of one sender, for the client's last flight.
    pub fn handshake_traffic(&self, sender: Side) -> Result<TrafficSecret, Error> {
        Ok(self.handshake()?.traffic(sender))
    }

    /// verify_data of the sender's Finished.
    pub fn finished_mac(&self, sender: Side, transcript: &[u8]) -> Result<Digest, Error> {
        self.handshake()?.finished_mac(sender, transcript)
    }

    /// Check of the sender's Finished in constant time.
    pub fn verify_finished(&self, sender: Side, transcript: &[u8], data: &[u8]) -> Result<bool, Error> {
        self.handshake()?.verify_finished(sender, transcript, data)
    }

    /// Wipe what only the handshake needed.
    pub fn forget_handshake(&mut self) {
        self.handshake = None;
    }

    /// Resumption secret, from the hash of ClientHello..client Finished; the main secret is wiped.
    pub fn derive_resumption(&mut self, transcript: &[u8]) -> Result<(), Error> {
        let main = self.main.take().ok_or_else(|| used_up("the resumption secret was derived before"))?;
        self.resumption = Some(derive_secret(self.suite.hash(), &main, b"res master", transcript));
        Ok(())
    }

    /// Pre-shared key of a ticket (RFC 9846 4.7.1).
    pub fn resumption_psk(&self, ticket_nonce: &[u8]) -> Result<Psk, Error> {
        let resumption = self.resumption.as_ref().ok_or_else(|| used_up("the resumption secret is not derived yet"))?;
        let mut psk = [0_u8; 64];
        let length = self.suite.hash().output_len();
        hkdf_expand_label(self.suite.hash(), resumption, b"resumption", ticket_nonce, &mut psk[..length])?;
        let secret = Secret::from_slice(&psk[..length]);
        psk.zeroize();
        Ok(Psk { suite: self.suite, secret })
    }

    /// Keying material for the application (RFC 9846 7.5): `out` is filled.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let algorithm = self.suite.hash();
        let secret = derive_secret(algorithm, &self.exporter, label, Transcript::empty(algorithm).as_ref());
        hkdf_expand_label(algorithm, &secret, b"exporter", hash(algorithm, context).as_ref(), out)?;
        Ok(())
    }

    /// Lines for the key log; empty once the traffic secrets are installed.
    #[must_use]
    pub fn key_log(&self, client_random: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut lines = key_log_lines();
        if let (Some(client), Some(server)) = (&self.client, &self.server) {
            key_log_line(&mut lines, "CLIENT_TRAFFIC_SECRET_0", client_random, client);
            key_log_line(&mut lines, "SERVER_TRAFFIC_SECRET_0", client_random, server);
            key_log_line(&mut lines, "EXPORTER_SECRET", client_random, &self.exporter);
        }
        lines
    }
}
