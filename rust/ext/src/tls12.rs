//! The key schedule of TLS 1.2, and of TLS 1.0 and 1.1, for Python.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tlscore_core::tls12::{Keys12, Terms12};
use tlscore_core::{MainSecret12 as Inner, Side, Suite12};
use zeroize::Zeroize;

use crate::buffers::FreshBytes;
use crate::key_log::KeyLog;
use crate::key_share::SharedSecret;
use crate::layer::RecordLayer;
use crate::transcript::Transcript;

/// The main secret of one connection of TLS 1.2 or before, and the keys of its two directions until they are installed.
#[pyclass(frozen, module = "tlscore._core")]
pub struct MainSecret12 {
    main: Inner,
    client: Mutex<Option<Keys12>>,
    server: Mutex<Option<Keys12>>,
}

fn side(is_client: bool) -> Side {
    if is_client {
        Side::Client
    } else {
        Side::Server
    }
}

impl MainSecret12 {
    fn take(&self, sender: Side) -> PyResult<Keys12> {
        let slot = match sender {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        let keys = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        keys.ok_or_else(|| PyRuntimeError::new_err("the keys of this direction were installed before"))
    }
}

fn random_of(octets: &[u8]) -> PyResult<[u8; 32]> {
    octets.try_into().map_err(|_| PyValueError::new_err("a random is 32 octets"))
}

#[pymethods]
impl MainSecret12 {
    /// From the result of the key exchange; with a session hash it is the extended main secret.
    #[staticmethod]
    #[pyo3(signature = (suite, shared, client_random, server_random, session_hash, key_log, version = 0x0303,
                        encrypt_then_mac = false, /))]
    #[expect(clippy::too_many_arguments, reason = "one call from Python with all that was negotiated")]
    fn derive(
        suite: u16,
        shared: &SharedSecret,
        client_random: &[u8],
        server_random: &[u8],
        session_hash: Option<&[u8]>,
        key_log: Option<Py<KeyLog>>,
        version: u16,
        encrypt_then_mac: bool,
    ) -> PyResult<Self> {
        let suite = Suite12::from_code(suite)
            .ok_or_else(|| PyValueError::new_err(format!("{suite:#06x} is no TLS 1.2 cipher suite of this build")))?;
        let terms = Terms12::new(suite, version, encrypt_then_mac).map_err(PyValueError::new_err)?;
        let (client_random, server_random) = (random_of(client_random)?, random_of(server_random)?);
        let main = Inner::derive(terms, &shared.take()?, client_random, server_random, session_hash);
        let (client, server) = main.keys();
        if let Some(log) = key_log {
            log.get().write(&main.key_log());
        }
        Ok(Self { main, client: Mutex::new(Some(client)), server: Mutex::new(Some(server)) })
    }

    /// Send change_cipher_spec and change to our keys.
    #[pyo3(signature = (layer, /))]
    fn change_write(&self, layer: &Bound<'_, RecordLayer>) -> PyResult<()> {
        let keys = self.take(layer.get().side())?;
        RecordLayer::writing(layer, move |writer| writer.half.change_cipher_spec12(keys.for_sealing()?))
    }

    /// The peer's next change_cipher_spec changes to its keys.
    #[pyo3(signature = (layer, /))]
    fn expect_read(&self, layer: &Bound<'_, RecordLayer>) -> PyResult<()> {
        let keys = self.take(layer.get().side().peer())?;
        RecordLayer::reading(layer, move |half| half.expect_change_cipher_spec12(keys.for_opening()?))
    }

    /// verify_data of a Finished.
    #[pyo3(signature = (sender_is_client, transcript, /))]
    fn finished_mac<'py>(
        &self,
        py: Python<'py>,
        sender_is_client: bool,
        transcript: &Transcript,
    ) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.main.finished_mac(side(sender_is_client), transcript.hash()?.as_ref())))
    }

    /// Check of a Finished.
    #[pyo3(signature = (sender_is_client, transcript, verify_data, /))]
    fn verify_finished(&self, sender_is_client: bool, transcript: &Transcript, verify_data: &[u8]) -> PyResult<bool> {
        Ok(self.main.verify_finished(side(sender_is_client), transcript.hash()?.as_ref(), verify_data))
    }

    /// Keying material for the application (RFC 5705).
    #[pyo3(signature = (label, context, length, /))]
    fn export(&self, py: Python<'_>, label: &[u8], context: Option<&[u8]>, length: usize) -> PyResult<Py<PyBytes>> {
        if label.is_empty() || length == 0 || length > 1 << 16 || context.is_some_and(|octets| octets.len() > 0xffff) {
            return Err(PyValueError::new_err(
                "an exporter takes a label, a context of up to 65,535 octets and gives 1 to 65,536 octets",
            ));
        }
        let mut out = vec![0_u8; length];
        self.main.export(label, context, &mut out);
        let mut fresh = FreshBytes::new(py, length)?;
        tlscore_crypto::copy_to_uninit(&out, &mut fresh.memory()[..length]);
        out.zeroize();
        Ok(fresh.finish(py, length))
    }
}
