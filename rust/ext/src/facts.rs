//! What this build is, and small helpers.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use tlscore_core::{Suite, Suite12};
use tlscore_crypto::{AeadAlgorithm, Provider};

use crate::transcript::suite_of;

/// The error of copying or pickling a handle to a secret.
pub fn not_for_pickle() -> PyErr {
    PyTypeError::new_err("this object is a handle to secrets in this process: it cannot be copied or pickled")
}

/// Codes of the suites of this build.
pub fn suites() -> (u16, u16, u16, u16, u16) {
    let [a, b, c, d, e] = Suite::ALL.map(Suite::code);
    (a, b, c, d, e)
}

/// Codes of the TLS 1.2 suites of this build.
pub fn suites12(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, Suite12::ALL.map(Suite12::code))
}

/// Codes of the other suites of TLS 1.2 and before of this build.
pub fn suites_legacy(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, Suite12::legacy().map(Suite12::code).collect::<Vec<_>>())
}

/// Facts of this build.
#[pyfunction]
pub fn build_facts(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("version", env!("CARGO_PKG_VERSION"))?;
    facts.set_item("providers", "AWS-LC, ring")?;
    facts.set_item("aes_gcm", tlscore_crypto::provider_for(AeadAlgorithm::Aes128Gcm).name())?;
    facts.set_item("chacha20_poly1305", tlscore_crypto::provider_for(AeadAlgorithm::ChaCha20Poly1305).name())?;
    facts.set_item("cpu", tlscore_crypto::cpu_features())?;
    facts.set_item("profile", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    facts.set_item("target", format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS))?;
    Ok(facts)
}

/// Longest operation that the limit is measured for.
const LIMIT_OCTETS: usize = 64 << 20;

/// Seconds of `rounds` raw AEAD operations, or None where the provider lacks the AEAD.
#[pyfunction]
#[pyo3(signature = (provider, suite, octets, rounds, open, /))]
pub fn aead_limit(
    py: Python<'_>,
    provider: &str,
    suite: u16,
    octets: usize,
    rounds: u32,
    open: bool,
) -> PyResult<Option<f64>> {
    let provider = [Provider::AwsLc, Provider::Ring]
        .into_iter()
        .find(|known| known.name() == provider)
        .ok_or_else(|| PyValueError::new_err(format!("no provider {provider:?}")))?;
    if octets > LIMIT_OCTETS {
        return Err(PyValueError::new_err(format!("at most {LIMIT_OCTETS} octets")));
    }
    let algorithm = suite_of(suite)?.aead();
    Ok(py.detach(|| {
        if open {
            tlscore_crypto::raw_open_seconds(provider, algorithm, octets, rounds)
        } else {
            tlscore_crypto::raw_seal_seconds(provider, algorithm, octets, rounds)
        }
    }))
}

/// Octets from the provider's generator.
#[pyfunction]
#[pyo3(signature = (octets, /))]
pub fn random_bytes(py: Python<'_>, octets: usize) -> PyResult<Bound<'_, PyBytes>> {
    if isize::try_from(octets).is_err() {
        return Err(PyOverflowError::new_err("no bytes object is that long"));
    }
    PyBytes::new_with(py, octets, |out| {
        tlscore_crypto::fill_random(out);
        Ok(())
    })
}

/// Equality in a time that depends on the lengths alone.
#[pyfunction]
#[pyo3(signature = (a, b, /))]
pub fn constant_time_equal(a: &[u8], b: &[u8]) -> bool {
    tlscore_crypto::constant_time_eq(a, b)
}
