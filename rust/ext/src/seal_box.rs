//! `CookieKey` for Python: authenticated encryption of small things that this process gives away and gets back.

use std::mem::MaybeUninit;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tlscore_crypto::{fill_random, AeadAlgorithm, Buffer, Provider, RecordKey};
use zeroize::Zeroize;

use crate::buffers::View;

const NONCE: usize = 12;

/// A random AES-256-GCM key. Nonces are random: at 2^32 cookies their chance to meet is 2^-33, and cookies live for seconds.
#[pyclass(frozen, module = "tlscore._core")]
pub struct CookieKey(RecordKey);

fn failed() -> PyErr {
    PyRuntimeError::new_err("the crypto provider failed")
}

#[pymethods]
impl CookieKey {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    #[new]
    fn new() -> PyResult<Self> {
        let mut key = [0_u8; 32];
        fill_random(&mut key);
        let made = RecordKey::with_provider(Provider::AwsLc, AeadAlgorithm::Aes256Gcm, &key);
        key.zeroize();
        made.map(Self).map_err(|_| failed())
    }

    /// nonce, ciphertext and tag of `data`.
    #[pyo3(signature = (data, associated, /))]
    fn seal<'py>(&self, py: Python<'py>, data: &[u8], associated: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut nonce = [0_u8; NONCE];
        fill_random(&mut nonce);
        let mut cookie = Buffer::new();
        cookie.extend_from_slice(&nonce);
        cookie
            .append_with(data.len() + self.0.tag_len(), |out| self.0.seal(&nonce, associated, data, &[], out))
            .map_err(|_| failed())?;
        Ok(PyBytes::new(py, cookie.as_slice()))
    }

    /// The data of a cookie that this key sealed, else None.
    #[pyo3(signature = (cookie, associated, /))]
    fn open<'py>(
        &self,
        py: Python<'py>,
        cookie: &Bound<'_, PyAny>,
        associated: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let mut view = View::empty();
        let cookie = view.readable(cookie)?;
        let Some((nonce, sealed)) = cookie.split_first_chunk::<NONCE>() else {
            return Ok(None);
        };
        let Some(length) = sealed.len().checked_sub(self.0.tag_len()) else {
            return Ok(None);
        };
        let mut out = vec![MaybeUninit::uninit(); length];
        Ok(self.0.open(nonce, associated, sealed, &mut out, &mut []).ok().map(|data| PyBytes::new(py, data)))
    }
}
