//! Ephemeral key exchange: the client makes a [`KeyShare`] and completes it, the server answers with [`respond`].
//!
//! The legacy tier adds Diffie-Hellman in finite fields ([`DheKey`]), and the transport of a secret under the server's RSA key
//! ([`rsa_premaster`], [`RsaDecryptor`]), which is not ephemeral at all.
//!
//! A key share serves one exchange: completing it consumes it. Lengths are exact. The only thing that a failure says is
//! that the peer's share is not valid.

mod ecdh;
mod finite_field;
mod group;
mod mlkem;
mod rsa;

use zeroize::{Zeroize, Zeroizing};

use crate::CryptoError;
use ecdh::CurveKey;
pub use finite_field::{DheGroup, DheKey};
pub use group::Group;
use group::Parts;
use mlkem::KemKey;
pub use rsa::{rsa_premaster, select_premaster, RsaDecryptor, PREMASTER};

/// The result of a key exchange, wiped on drop.
pub struct SharedSecret(Box<[u8]>);

impl SharedSecret {
    /// The octets that go into the key schedule. Whoever copies them owns the wiping of the copy.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn from_octets(octets: &[u8]) -> Self {
        Self(octets.into())
    }

    fn join(parts: Parts, curve: &[u8], kem: &[u8]) -> Self {
        // Exactly as long as its capacity, so that boxing it moves no octet.
        Self(parts.join(curve, kem).into_boxed_slice())
    }
}

impl Drop for SharedSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The client's half of a key exchange: a private key that serves once, and the share to send.
pub struct KeyShare {
    group: Group,
    public: Vec<u8>,
    curve: Option<CurveKey>,
    kem: Option<KemKey>,
}

impl KeyShare {
    /// A fresh key for `group`.
    pub fn generate(group: Group) -> Result<Self, CryptoError> {
        let parts = group.parts();
        let (curve, curve_share) = parts.curve().map(CurveKey::generate).transpose()?.unzip();
        let (kem, kem_share) = parts.kem().map(KemKey::generate).transpose()?.unzip();
        Ok(Self {
            group,
            public: parts.join(&curve_share.unwrap_or_default(), &kem_share.unwrap_or_default()),
            curve,
            kem,
        })
    }

    /// A share whose private keys a test chose; it has no public half.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn from_private(group: Group, curve: &[u8], kem: &[u8]) -> Result<Self, CryptoError> {
        let parts = group.parts();
        Ok(Self {
            group,
            public: Vec::new(),
            curve: parts.curve().map(|part| CurveKey::from_private(part, curve)).transpose()?,
            kem: parts.kem().map(|part| KemKey::from_bytes(part, kem)).transpose()?,
        })
    }

    /// The group it is for.
    pub fn group(&self) -> Group {
        self.group
    }

    /// The share to send.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret shared with the server whose share is `peer`.
    pub fn complete(self, peer: &[u8]) -> Result<SharedSecret, CryptoError> {
        if peer.len() != self.group.server_share_len() {
            return Err(CryptoError);
        }
        let parts = self.group.parts();
        let (curve_share, kem_share) = parts.split(peer);
        let curve = self.curve.map(|key| key.agree(curve_share)).transpose()?;
        let kem = self.kem.map(|key| key.decapsulate(kem_share)).transpose()?;
        Ok(SharedSecret::join(parts, octets(&curve), octets(&kem)))
    }
}

/// The server's half in one step: the share to send and the secret, for a client's share `peer`.
pub fn respond(group: Group, peer: &[u8]) -> Result<(Vec<u8>, SharedSecret), CryptoError> {
    if peer.len() != group.client_share_len() {
        return Err(CryptoError);
    }
    let parts = group.parts();
    let (curve_peer, kem_peer) = parts.split(peer);
    let (curve_share, curve) = parts.curve().map(|curve| respond_curve(curve, curve_peer)).transpose()?.unzip();
    let (kem_share, kem) = parts.kem().map(|set| mlkem::encapsulate(set, kem_peer)).transpose()?.unzip();
    let share = parts.join(&curve_share.unwrap_or_default(), &kem_share.unwrap_or_default());
    Ok((share, SharedSecret::join(parts, octets(&curve), octets(&kem))))
}

fn respond_curve(curve: ecdh::Curve, peer: &[u8]) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), CryptoError> {
    let (key, share) = CurveKey::generate(curve)?;
    Ok((share, key.agree(peer)?))
}

fn octets(part: &Option<Zeroizing<Vec<u8>>>) -> &[u8] {
    part.as_ref().map_or(&[], |octets| octets.as_slice())
}
