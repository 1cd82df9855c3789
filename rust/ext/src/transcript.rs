//! `Transcript` for Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tlscore_core::tls12::TLS12;
use tlscore_core::{Suite, Suite12, Transcript as Inner};
use tlscore_crypto::HashAlgorithm;

use crate::buffers::View;

/// The suite of a code, or a ValueError.
pub fn suite_of(code: u16) -> PyResult<Suite> {
    Suite::from_code(code).ok_or_else(|| PyValueError::new_err(format!("{code:#06x} is no TLS 1.3 cipher suite")))
}

/// The hash of a suite in a version, or a ValueError.
fn hash_of(code: u16, version: u16) -> PyResult<HashAlgorithm> {
    match Suite12::from_code(code) {
        // RFC 4346 7.4.9 and RFC 2246 7.4.9: MD5(handshake_messages) + SHA-1(handshake_messages).
        Some(_) if version < TLS12 => Ok(HashAlgorithm::Md5Sha1),
        Some(suite) => Ok(suite.hash()),
        None => Ok(suite_of(code)?.hash()),
    }
}

/// Hash of the handshake messages in order.
#[pyclass(frozen, module = "tlscore._core")]
pub struct Transcript(Mutex<Inner>);

impl Transcript {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Public data only: after a panic elsewhere it is still a transcript.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hash of all messages so far.
    pub fn hash(&self) -> PyResult<tlscore_crypto::Digest> {
        self.lock().digest().ok_or_else(|| PyRuntimeError::new_err("the hash of the transcript is not selected yet"))
    }
}

#[pymethods]
impl Transcript {
    #[new]
    #[pyo3(signature = (keep = false, /))]
    fn new(keep: bool) -> Self {
        Self(Mutex::new(if keep { Inner::keeping() } else { Inner::default() }))
    }

    /// All messages so far, once: they are not kept any longer.
    #[pyo3(signature = ())]
    fn take_messages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let kept = self.lock().take_messages();
        let kept = kept.ok_or_else(|| PyRuntimeError::new_err("this transcript keeps no messages"))?;
        Ok(PyBytes::new(py, kept.as_slice()))
    }

    /// Keep the messages no longer.
    #[pyo3(signature = ())]
    fn forget_messages(&self) {
        drop(self.lock().take_messages());
    }

    /// Add whole messages.
    #[pyo3(signature = (messages, /))]
    fn add(&self, messages: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut view = View::empty();
        let octets = view.readable(messages)?;
        self.lock().add(octets);
        Ok(())
    }

    /// Choose the hash of a suite.
    #[pyo3(signature = (suite, version = 0x0303, /))]
    fn select_hash(&self, suite: u16, version: u16) -> PyResult<()> {
        if self.lock().select(hash_of(suite, version)?) {
            Ok(())
        } else {
            Err(PyRuntimeError::new_err("the transcript has another hash already"))
        }
    }

    /// Hash of all messages so far.
    #[pyo3(signature = ())]
    fn digest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.hash()?.as_ref()))
    }

    /// Replace ClientHello1 by the synthetic message.
    #[pyo3(signature = ())]
    fn fold_hello_retry(&self) -> PyResult<()> {
        if self.lock().fold_hello_retry() {
            Ok(())
        } else {
            Err(PyRuntimeError::new_err("the hash of the transcript is not selected yet"))
        }
    }

    /// The transcript that starts with message_hash(ClientHello1).
    #[staticmethod]
    #[pyo3(signature = (suite, digest, /))]
    fn from_client_hello1_hash(suite: u16, digest: &[u8]) -> PyResult<Self> {
        let algorithm = suite_of(suite)?.hash();
        if digest.len() != algorithm.output_len() {
            return Err(PyValueError::new_err("the hash of ClientHello1 has the wrong length for the suite"));
        }
        Ok(Self(Mutex::new(Inner::from_client_hello1(algorithm, digest))))
    }

    /// An independent copy.
    #[pyo3(signature = ())]
    fn fork(&self) -> Self {
        Self(Mutex::new(self.lock().fork()))
    }
}
