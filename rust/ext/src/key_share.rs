//! `KeyShare` and `SharedSecret` for Python: the private key and the result never leave Rust.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use tlscore_crypto::{Group, KeyShare as Inner, SharedSecret as Secret};

use crate::buffers::View;

fn group_of(code: u16) -> PyResult<Group> {
    Group::from_code(code)
        .ok_or_else(|| PyValueError::new_err(format!("{code:#06x} is no group that this build can use")))
}

fn invalid(group: Group) -> PyErr {
    PyValueError::new_err(format!("the share is not valid for {}", group.name()))
}

/// One ephemeral private key.
#[pyclass(frozen, module = "tlscore._core")]
pub struct KeyShare {
    group: Group,
    public: Box<[u8]>,
    key: Mutex<Option<Inner>>,
}

#[pymethods]
impl KeyShare {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    /// Make a fresh one.
    #[staticmethod]
    #[pyo3(signature = (group, /))]
    fn generate(group: u16) -> PyResult<Self> {
        let group = group_of(group)?;
        let key = Inner::generate(group).map_err(|_| PyRuntimeError::new_err("the crypto provider made no key"))?;
        Ok(Self { group, public: key.public().into(), key: Mutex::new(Some(key)) })
    }

    /// Code of its group.
    #[getter]
    fn group(&self) -> u16 {
        self.group.code()
    }

    /// What the peer gets.
    #[getter]
    fn public<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.public)
    }

    /// Agree with the peer's share; uses the key up.
    #[pyo3(signature = (peer_share, /))]
    fn complete(&self, peer_share: &Bound<'_, PyAny>) -> PyResult<SharedSecret> {
        let mut view = View::empty();
        let peer = view.readable(peer_share)?;
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).take();
        let key = key.ok_or_else(|| {
            PyRuntimeError::new_err("this key share was used before; make a new one for each connection")
        })?;
        let secret = key.complete(peer).map_err(|_| invalid(self.group))?;
        Ok(SharedSecret::new(secret))
    }

    /// Answer a client's share in one step.
    #[staticmethod]
    #[pyo3(signature = (group, peer_share, /))]
    fn respond<'py>(
        py: Python<'py>,
        group: u16,
        peer_share: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyBytes>, SharedSecret)> {
        let group = group_of(group)?;
        let mut view = View::empty();
        let (share, secret) = tlscore_crypto::respond(group, view.readable(peer_share)?).map_err(|_| invalid(group))?;
        Ok((PyBytes::new(py, &share), SharedSecret::new(secret)))
    }

    fn __repr__(&self) -> String {
        format!("<KeyShare {}>", self.group.name())
    }
}

/// Result of a key exchange.
#[pyclass(frozen, module = "tlscore._core")]
pub struct SharedSecret(Mutex<Option<Secret>>);

impl SharedSecret {
    /// Hold a secret.
    pub fn new(secret: Secret) -> Self {
        Self(Mutex::new(Some(secret)))
    }

    /// Take the secret out, once.
    pub fn take(&self) -> PyResult<Secret> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(|| PyRuntimeError::new_err("this shared secret was used before"))
    }
}

#[pymethods]
impl SharedSecret {
    /// Client side of the RSA key exchange: (ciphertext, secret).
    #[staticmethod]
    #[pyo3(signature = (version_offered, spki, /))]
    fn rsa_premaster<'py>(
        py: Python<'py>,
        version_offered: u16,
        spki: &[u8],
    ) -> PyResult<(Bound<'py, PyBytes>, SharedSecret)> {
        let (ciphertext, secret) = crate::legacy_share::premaster(version_offered, spki)?;
        Ok((PyBytes::new(py, &ciphertext), secret))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }
}

/// Codes of the groups that this build can use.
#[pyfunction]
pub fn supported_groups(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, Group::ALL.iter().map(|group| group.code()))
}
