//! Key exchanges of the legacy tier for Python: Diffie-Hellman in finite fields, and RSA.
//!
//! They take up to some milliseconds, so the interpreter is released. No secret becomes a Python object.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tlscore_crypto::{rsa_premaster, DheGroup, DheKey, RsaDecryptor as Decryptor};

use crate::key_share::SharedSecret;

/// The group of a peer's parameters, or a ValueError that says why it is none.
fn group_of(p: &[u8], g: &[u8]) -> PyResult<DheGroup> {
    DheGroup::recognise(p, g).ok_or_else(|| {
        let start = p.iter().position(|octet| *octet != 0).unwrap_or(p.len());
        let bits = p[start..].first().map_or(0, |first| (p.len() - start) * 8 - first.leading_zeros() as usize);
        PyValueError::new_err(format!(
            "a Diffie-Hellman group of {bits} bits that is neither one of RFC 7919 nor one of RFC 3526 with 2048 bits and more"
        ))
    })
}

fn no_key() -> PyErr {
    PyRuntimeError::new_err("the crypto provider made no key")
}

fn agree(py: Python<'_>, key: DheKey, peer: &[u8]) -> PyResult<SharedSecret> {
    let name = key.group().name();
    let secret = py
        .detach(|| key.agree(peer))
        .map_err(|_| PyValueError::new_err(format!("the public value is not between 1 and p - 1 of {name}")))?;
    Ok(SharedSecret::new(secret))
}

/// One ephemeral finite-field key.
#[pyclass(frozen, module = "tlscore._core")]
pub struct DheShare {
    group: DheGroup,
    public: Box<[u8]>,
    key: Mutex<Option<DheKey>>,
}

#[pymethods]
impl DheShare {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    /// Make a fresh one.
    #[staticmethod]
    #[pyo3(signature = (group, /))]
    fn generate(py: Python<'_>, group: u16) -> PyResult<Self> {
        let group = DheGroup::from_code(group)
            .ok_or_else(|| PyValueError::new_err(format!("{group:#06x} is no group of RFC 7919")))?;
        let key = py.detach(|| DheKey::generate(group)).map_err(|_| no_key())?;
        Ok(Self { group, public: key.public().into(), key: Mutex::new(Some(key)) })
    }

    /// Code of its group.
    #[getter]
    fn group(&self) -> u16 {
        self.group.code()
    }

    /// The prime.
    #[getter]
    fn p<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.group.prime())
    }

    /// The generator.
    #[getter]
    fn g<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.group.generator())
    }

    /// What the peer gets.
    #[getter]
    fn public<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.public)
    }

    /// Agree with the peer's public value; uses the key up.
    #[pyo3(signature = (peer_public, /))]
    fn complete(&self, py: Python<'_>, peer_public: &[u8]) -> PyResult<SharedSecret> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).take();
        let key =
            key.ok_or_else(|| PyRuntimeError::new_err("this key was used before; make a new one for each connection"))?;
        agree(py, key, peer_public)
    }

    /// Answer a server's parameters and public value in one step.
    #[staticmethod]
    #[pyo3(signature = (p, g, peer_public, /))]
    fn respond<'py>(
        py: Python<'py>,
        p: &[u8],
        g: &[u8],
        peer_public: &[u8],
    ) -> PyResult<(u16, Bound<'py, PyBytes>, SharedSecret)> {
        let group = group_of(p, g)?;
        let key = py.detach(|| DheKey::generate(group)).map_err(|_| no_key())?;
        let public = PyBytes::new(py, key.public());
        Ok((group.code(), public, agree(py, key, peer_public)?))
    }

    fn __repr__(&self) -> String {
        format!("<DheShare {}>", self.group.name())
    }
}

/// (code or 0, name, bits) of known parameters.
#[pyfunction]
#[pyo3(signature = (p, g, /))]
pub fn dhe_group(p: &[u8], g: &[u8]) -> PyResult<(u16, &'static str, usize)> {
    let group = group_of(p, g)?;
    Ok((group.code(), group.name(), group.bits()))
}

/// A server's RSA key for the RSA key exchange.
#[pyclass(frozen, module = "tlscore._core")]
pub struct RsaDecryptor(Decryptor);

#[pymethods]
impl RsaDecryptor {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    #[new]
    #[pyo3(signature = (pkcs8, /))]
    fn new(pkcs8: &[u8]) -> PyResult<Self> {
        let key = Decryptor::from_pkcs8(pkcs8);
        key.map(Self).map_err(|_| PyValueError::new_err("this is no PKCS#8 RSA key of 1,024 to 8,192 bits"))
    }

    /// Bits of the modulus.
    #[getter]
    fn bits(&self) -> u32 {
        self.0.bits()
    }

    /// The client's secret, or a random one.
    #[pyo3(signature = (ciphertext, client_version, /))]
    fn decrypt(&self, py: Python<'_>, ciphertext: &[u8], client_version: u16) -> SharedSecret {
        SharedSecret::new(py.detach(|| self.0.decrypt(ciphertext, client_version)))
    }

    fn __repr__(&self) -> String {
        format!("<RsaDecryptor {} bits>", self.0.bits())
    }
}

/// Client side of the RSA key exchange.
pub fn premaster(version: u16, spki: &[u8]) -> PyResult<(Vec<u8>, SharedSecret)> {
    let (ciphertext, secret) = rsa_premaster(version, spki)
        .map_err(|_| PyValueError::new_err("the server's key is no RSA key of 1,024 to 8,192 bits"))?;
    Ok((ciphertext, SharedSecret::new(secret)))
}
