//! The named groups and the shape of their shares, as one table.
//!
//! A group has an elliptic curve, an ML-KEM parameter set, or both: a hybrid's share and secret are the two parts one
//! after the other, in an order that differs by group for historical reasons (draft-ietf-tls-ecdhe-mlkem section 3).

use super::ecdh::Curve;
use super::mlkem::ParameterSet;

/// A key exchange group of TLS 1.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Group {
    /// X25519 (RFC 7748).
    X25519,
    /// NIST P-256.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
    /// NIST P-521.
    Secp521r1,
    /// X25519 and ML-KEM-768.
    X25519MlKem768,
    /// P-256 and ML-KEM-768.
    SecP256r1MlKem768,
    /// P-384 and ML-KEM-1024.
    SecP384r1MlKem1024,
    /// ML-KEM-768 alone.
    MlKem768,
    /// ML-KEM-1024 alone.
    MlKem1024,
}

/// The parts of a group, in the order in which their shares and secrets are joined.
#[derive(Clone, Copy)]
pub(crate) enum Parts {
    Curve(Curve),
    Kem(ParameterSet),
    CurveThenKem(Curve, ParameterSet),
    KemThenCurve(ParameterSet, Curve),
}

impl Parts {
    pub(crate) fn curve(self) -> Option<Curve> {
        match self {
            Self::Curve(curve) | Self::CurveThenKem(curve, _) | Self::KemThenCurve(_, curve) => Some(curve),
            Self::Kem(_) => None,
        }
    }

    pub(crate) fn kem(self) -> Option<ParameterSet> {
        match self {
            Self::Kem(set) | Self::CurveThenKem(_, set) | Self::KemThenCurve(set, _) => Some(set),
            Self::Curve(_) => None,
        }
    }

    /// Split a share into (curve, KEM); a part that the group lacks is empty. `share` has the right length already.
    pub(crate) fn split(self, share: &[u8]) -> (&[u8], &[u8]) {
        let curve_len = self.curve().map_or(0, Curve::share_len);
        match self {
            Self::KemThenCurve(..) => {
                let (kem, curve) = share.split_at(share.len() - curve_len);
                (curve, kem)
            }
            _ => share.split_at(curve_len),
        }
    }

    /// Join two parts in the group's order.
    pub(crate) fn join(self, curve: &[u8], kem: &[u8]) -> Vec<u8> {
        match self {
            Self::KemThenCurve(..) => [kem, curve].concat(),
            _ => [curve, kem].concat(),
        }
    }
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 9] = [
        Self::X25519,
        Self::Secp256r1,
        Self::Secp384r1,
        Self::Secp521r1,
        Self::X25519MlKem768,
        Self::SecP256r1MlKem768,
        Self::SecP384r1MlKem1024,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    /// The group that IANA registered under `code`, if this crate has it.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.code() == code)
    }

    /// The code of the IANA registry "TLS Supported Groups".
    pub const fn code(self) -> u16 {
        match self {
            Self::Secp256r1 => 0x0017,
            Self::Secp384r1 => 0x0018,
            Self::Secp521r1 => 0x0019,
            Self::X25519 => 0x001d,
            Self::MlKem768 => 0x0201,
            Self::MlKem1024 => 0x0202,
            Self::SecP256r1MlKem768 => 0x11eb,
            Self::X25519MlKem768 => 0x11ec,
            Self::SecP384r1MlKem1024 => 0x11ed,
        }
    }

    /// The name of the same registry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp521r1 => "secp521r1",
            Self::X25519 => "x25519",
            Self::MlKem768 => "MLKEM768",
            Self::MlKem1024 => "MLKEM1024",
            Self::SecP256r1MlKem768 => "SecP256r1MLKEM768",
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::SecP384r1MlKem1024 => "SecP384r1MLKEM1024",
        }
    }

    /// Octets of a client's share.
    pub fn client_share_len(self) -> usize {
        let parts = self.parts();
        parts.curve().map_or(0, Curve::share_len) + parts.kem().map_or(0, ParameterSet::encapsulation_key_len)
    }

    /// Octets of a server's share.
    pub fn server_share_len(self) -> usize {
        let parts = self.parts();
        parts.curve().map_or(0, Curve::share_len) + parts.kem().map_or(0, ParameterSet::ciphertext_len)
    }

    pub(crate) const fn parts(self) -> Parts {
        match self {
            Self::X25519 => Parts::Curve(Curve::X25519),
            Self::Secp256r1 => Parts::Curve(Curve::P256),
            Self::Secp384r1 => Parts::Curve(Curve::P384),
            Self::Secp521r1 => Parts::Curve(Curve::P521),
            Self::X25519MlKem768 => Parts::KemThenCurve(ParameterSet::MlKem768, Curve::X25519),
            Self::SecP256r1MlKem768 => Parts::CurveThenKem(Curve::P256, ParameterSet::MlKem768),
            Self::SecP384r1MlKem1024 => Parts::CurveThenKem(Curve::P384, ParameterSet::MlKem1024),
            Self::MlKem768 => Parts::Kem(ParameterSet::MlKem768),
            Self::MlKem1024 => Parts::Kem(ParameterSet::MlKem1024),
        }
    }
}
