//! Secrets of a key schedule: up to 64 octets that are wiped when dropped.
//!
//! The octets live in a heap block of their own, so that moving a `Secret` moves a pointer and leaves no copy behind on
//! the stack; the wipe in `Drop` then reaches the only copy. There is no `Debug`, no `Clone` and no `PartialEq`:
//! printing is impossible, copying is spelled out ([`Secret::duplicate`]), comparing goes through `constant_time_eq`.

use zeroize::Zeroize;

/// The longest secret: the output of SHA-512.
pub(crate) const MAX_SECRET_LEN: usize = 64;

/// A secret of at most 64 octets, wiped on drop.
pub struct Secret {
    octets: Box<[u8; MAX_SECRET_LEN]>,
    len: usize,
}

impl Secret {
    /// Copy a secret in; the caller wipes its own copy.
    ///
    /// # Panics If `octets` is longer than 64: the lengths in use are those of hash outputs, so a longer one is a bug
    /// in the caller.
    pub fn from_slice(octets: &[u8]) -> Self {
        let mut secret = Self::zeros(octets.len());
        secret.as_mut_bytes().copy_from_slice(octets);
        secret
    }

    /// A secret of `len` zero octets: the stand-in for a PSK or a (EC)DHE value that is not there.
    ///
    /// # Panics
    /// If `len` is over 64.
    pub fn zeros(len: usize) -> Self {
        assert!(len <= MAX_SECRET_LEN, "a secret has at most 64 octets");
        Self { octets: Box::new([0; MAX_SECRET_LEN]), len }
    }

    /// The octets. Whoever copies them owns the wiping of the copy.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    pub(crate) fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.octets[..self.len]
    }

    /// The number of octets.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no octets.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A second copy, asked for by name because each copy is one more thing to wipe.
    pub fn duplicate(&self) -> Self {
        Self { octets: self.octets.clone(), len: self.len }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}
