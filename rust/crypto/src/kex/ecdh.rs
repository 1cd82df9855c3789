//! Ephemeral Diffie-Hellman on X25519 and the NIST curves.
//!
//! X25519 is two calls into AWS-LC on 32-octet arrays; the NIST curves go through aws-lc-rs, which checks that a
//! peer's point is on its curve. RFC 9846 7.4.2: "leading zeros found in this octet string MUST NOT be truncated":
//! results have the full length of the field.

use aws_lc_rs::agreement::{agree, Algorithm, PrivateKey, UnparsedPublicKey, ECDH_P256, ECDH_P384, ECDH_P521};
use aws_lc_sys as lc;
use zeroize::Zeroizing;

use crate::ffi::check;
use crate::CryptoError;

const X25519_LEN: usize = 32;
/// First octet of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

#[derive(Clone, Copy)]
pub(crate) enum Curve {
    X25519,
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) fn share_len(self) -> usize {
        match self {
            Self::X25519 => X25519_LEN,
            Self::P256 => 65,
            Self::P384 => 97,
            Self::P521 => 133,
        }
    }

    fn nist(self) -> Option<&'static Algorithm> {
        match self {
            Self::X25519 => None,
            Self::P256 => Some(&ECDH_P256),
            Self::P384 => Some(&ECDH_P384),
            Self::P521 => Some(&ECDH_P521),
        }
    }
}

/// A private key; its holder is consumed by the agreement, so that it serves once.
pub(crate) enum CurveKey {
    X25519(Box<Zeroizing<[u8; X25519_LEN]>>),
    Nist(Curve, Box<PrivateKey>),
}

impl CurveKey {
    /// A fresh key and its public share.
    pub(crate) fn generate(curve: Curve) -> Result<(Self, Vec<u8>), CryptoError> {
        let Some(algorithm) = curve.nist() else {
            let mut private = Box::new(Zeroizing::new([0; X25519_LEN]));
            let mut public = vec![0; X25519_LEN];
            // SAFETY: both have the 32 octets that the call writes.
            unsafe { lc::X25519_keypair(public.as_mut_ptr(), private.as_mut_ptr()) };
            return Ok((Self::X25519(private), public));
        };
        let private = PrivateKey::generate(algorithm).map_err(|_| CryptoError)?;
        let public = private.compute_public_key().map_err(|_| CryptoError)?;
        Ok((Self::Nist(curve, Box::new(private)), public.as_ref().to_vec()))
    }

    /// A key whose private value a test chose.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn from_private(curve: Curve, private: &[u8]) -> Result<Self, CryptoError> {
        match curve.nist() {
            None => {
                let octets: [u8; X25519_LEN] = private.try_into().map_err(|_| CryptoError)?;
                Ok(Self::X25519(Box::new(Zeroizing::new(octets))))
            }
            Some(algorithm) => {
                let key = PrivateKey::from_private_key(algorithm, private).map_err(|_| CryptoError)?;
                Ok(Self::Nist(curve, Box::new(key)))
            }
        }
    }

    /// The shared value with a peer's share.
    pub(crate) fn agree(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        match self {
            Self::X25519(private) => agree_x25519(private, peer),
            Self::Nist(curve, private) => agree_nist(*curve, private, peer),
        }
    }
}

fn agree_x25519(private: &[u8; X25519_LEN], peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let peer: &[u8; X25519_LEN] = peer.try_into().map_err(|_| CryptoError)?;
    let mut shared = Zeroizing::new(vec![0; X25519_LEN]);
    // RFC 9846 7.4.2: "Implementations MUST check whether the computed Diffie-Hellman shared secret is the all-zero
    // value and abort if so". The library does, and then returns 0.
    // SAFETY: all three have 32 octets.
    check(unsafe { lc::X25519(shared.as_mut_ptr(), private.as_ptr(), peer.as_ptr()) })?;
    Ok(shared)
}

fn agree_nist(curve: Curve, private: &PrivateKey, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    // RFC 9846 4.3.8.2: "uint8 legacy_form = 4". The library would take compressed points and whole SPKI structures.
    // RFC 9846 4.3.8.2: "peers MUST validate each other's public value Q by ensuring that the point is a valid point on
    // the elliptic curve". The library does when it parses the point.
    if peer.len() != curve.share_len() || peer[0] != UNCOMPRESSED {
        return Err(CryptoError);
    }
    let peer = UnparsedPublicKey::new(private.algorithm(), peer);
    agree(private, peer, CryptoError, |shared| Ok(Zeroizing::new(shared.to_vec())))
}
