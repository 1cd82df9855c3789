//! Early secret: pre-shared keys and their binders.

use tlscore_crypto::{derive_secret, hkdf_extract, hmac, hmac_verify, Digest, Secret, SharedSecret};

use super::{finished_key, HandshakeSchedule};
use crate::{Code, Error, Suite, Transcript};

/// A pre-shared key, bound to the hash of its suite.
pub struct Psk {
    pub(crate) suite: Suite,
    pub(crate) secret: Secret,
}

impl Psk {
    /// From octets that the caller holds. They must be 1 to 64.
    #[must_use]
    pub fn external(suite: Suite, secret: &[u8]) -> Option<Self> {
        (1..=64).contains(&secret.len()).then(|| Self { suite, secret: Secret::from_slice(secret) })
    }
}

/// Where a pre-shared key came from: the binder labels differ, so that one cannot pass as the other (RFC 9846 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinderKind {
    /// Provisioned outside TLS.
    External,
    /// From a ticket.
    Resumption,
}

/// The first state of the schedule.
pub struct EarlySchedule {
    suite: Suite,
    secret: Secret,
}

impl EarlySchedule {
    /// Start with a pre-shared key, or with the zeros that RFC 9846 7.1 puts in its place.
    pub fn new(suite: Suite, psk: Option<&Psk>) -> Result<Self, Error> {
        // RFC 9846 4.3.11: "The server MUST ensure that it selects a compatible PSK (if any) and cipher suite."
        if psk.is_some_and(|psk| psk.suite.hash() != suite.hash()) {
            return Err(Error::new(Code::InternalError, "the pre-shared key belongs to a suite with another hash"));
        }
        let zeros = [0_u8; 64];
        let length = suite.hash().output_len();
        let ikm = psk.map_or(&zeros[..length], |psk| psk.secret.as_bytes());
        Ok(Self { suite, secret: hkdf_extract(suite.hash(), &zeros[..length], ikm) })
    }

    fn binder_key(&self, kind: BinderKind) -> Result<Secret, Error> {
        let label: &[u8] = match kind {
            BinderKind::External => b"ext binder",
            BinderKind::Resumption => b"res binder",
        };
        let empty = Transcript::empty(self.suite.hash());
        finished_key(self.suite, &derive_secret(self.suite.hash(), &self.secret, label, empty.as_ref()))
    }

    /// Binder over the hash of the truncated ClientHello (RFC 9846 4.3.11.2).
    pub fn binder(&self, kind: BinderKind, transcript: &[u8]) -> Result<Digest, Error> {
        Ok(hmac(self.suite.hash(), self.binder_key(kind)?.as_bytes(), transcript))
    }

    /// Check of a binder in constant time.
    pub fn verify_binder(&self, kind: BinderKind, transcript: &[u8], binder: &[u8]) -> Result<bool, Error> {
        Ok(hmac_verify(self.suite.hash(), self.binder_key(kind)?.as_bytes(), transcript, binder))
    }

    /// On to the handshake secret, with the hash of ClientHello..ServerHello.
    #[must_use]
    pub fn into_handshake(self, shared: Option<&SharedSecret>, transcript: &[u8]) -> HandshakeSchedule {
        let hash = self.suite.hash();
        let zeros = [0_u8; 64];
        let salt = derive_secret(hash, &self.secret, b"derived", Transcript::empty(hash).as_ref());
        let ikm = shared.map_or(&zeros[..hash.output_len()], SharedSecret::as_bytes);
        let secret = hkdf_extract(hash, salt.as_bytes(), ikm);
        HandshakeSchedule::derive(self.suite, secret, transcript)
    }
}
