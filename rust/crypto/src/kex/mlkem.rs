//! ML-KEM (FIPS 203) as key exchange: the client's share is an encapsulation key, the server's a ciphertext.
//!
//! A ciphertext that was tampered with decapsulates to a secret that nobody knows (implicit rejection), so that only
//! lengths can fail on the client; on the server the modulus check of the encapsulation key can (FIPS 203 7.2).

use aws_lc_rs::kem::{Algorithm, AlgorithmId, Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_1024, ML_KEM_768};
use zeroize::Zeroizing;

use crate::CryptoError;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterSet {
    MlKem768,
    MlKem1024,
}

impl ParameterSet {
    fn algorithm(self) -> &'static Algorithm<AlgorithmId> {
        match self {
            Self::MlKem768 => &ML_KEM_768,
            Self::MlKem1024 => &ML_KEM_1024,
        }
    }

    pub(crate) fn encapsulation_key_len(self) -> usize {
        match self {
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }

    pub(crate) fn ciphertext_len(self) -> usize {
        match self {
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
        }
    }
}

/// A decapsulation key and the parameter set that it belongs to.
pub(crate) struct KemKey {
    set: ParameterSet,
    key: DecapsulationKey<AlgorithmId>,
}

impl KemKey {
    /// A fresh key and its encapsulation key.
    pub(crate) fn generate(set: ParameterSet) -> Result<(Self, Vec<u8>), CryptoError> {
        let key = DecapsulationKey::generate(set.algorithm()).map_err(|_| CryptoError)?;
        let public = key.encapsulation_key().map_err(|_| CryptoError)?;
        let public = public.key_bytes().map_err(|_| CryptoError)?.as_ref().to_vec();
        Ok((Self { set, key }, public))
    }

    /// A key that a test chose.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn from_bytes(set: ParameterSet, key: &[u8]) -> Result<Self, CryptoError> {
        let key = DecapsulationKey::new(set.algorithm(), key).map_err(|_| CryptoError)?;
        Ok(Self { set, key })
    }

    /// The secret in a peer's ciphertext.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if ciphertext.len() != self.set.ciphertext_len() {
            return Err(CryptoError);
        }
        let shared = self.key.decapsulate(Ciphertext::from(ciphertext)).map_err(|_| crate::ffi::refuse())?;
        Ok(Zeroizing::new(shared.as_ref().to_vec()))
    }
}

/// A fresh secret and its ciphertext for a peer's encapsulation key, which must be reduced modulo q.
pub(crate) fn encapsulate(set: ParameterSet, peer: &[u8]) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), CryptoError> {
    let key = EncapsulationKey::new(set.algorithm(), peer).map_err(|_| crate::ffi::refuse())?;
    let (ciphertext, shared) = key.encapsulate().map_err(|_| crate::ffi::refuse())?;
    Ok((ciphertext.as_ref().to_vec(), Zeroizing::new(shared.as_ref().to_vec())))
}
