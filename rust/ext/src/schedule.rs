//! The key schedule for Python: each state is used up by the step to the next one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tlscore_core::schedule::BinderKind;
use tlscore_core::{self as core, Epoch, Error, Side};
use zeroize::Zeroize;

use crate::buffers::{FreshBytes, View};
use crate::key_log::KeyLog;
use crate::key_share::SharedSecret;
use crate::layer::RecordLayer;
use crate::transcript::{suite_of, Transcript};

fn raise(error: Error) -> PyErr {
    PyRuntimeError::new_err(error.detail.into_owned())
}

fn side(is_client: bool) -> Side {
    if is_client {
        Side::Client
    } else {
        Side::Server
    }
}

fn kind(external: bool) -> BinderKind {
    if external {
        BinderKind::External
    } else {
        BinderKind::Resumption
    }
}

/// A state that a later step uses up.
struct Stage<T>(Mutex<Option<T>>);

impl<T> Stage<T> {
    fn new(state: T) -> Self {
        Self(Mutex::new(Some(state)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> PyResult<T> {
        self.lock().take().ok_or_else(used_up)
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R, Error>) -> PyResult<R> {
        work(self.lock().as_mut().ok_or_else(used_up)?).map_err(raise)
    }
}

fn used_up() -> PyErr {
    PyRuntimeError::new_err("this state of the key schedule was used up by a later one")
}

/// A pre-shared key.
#[pyclass(frozen, module = "tlscore._core")]
pub struct Psk(core::Psk);

#[pymethods]
impl Psk {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    /// From octets that the caller holds.
    #[staticmethod]
    #[pyo3(signature = (suite, secret, /))]
    fn external(suite: u16, secret: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut view = View::empty();
        core::Psk::external(suite_of(suite)?, view.readable(secret)?)
            .map(Self)
            .ok_or_else(|| PyValueError::new_err("a pre-shared key is 1 to 64 octets"))
    }
}

/// State "early secret".
#[pyclass(frozen, module = "tlscore._core")]
pub struct EarlySchedule(Stage<core::EarlySchedule>);

#[expect(clippy::wrong_self_convention, reason = "Python has no self by value: the stage inside is taken instead")]
#[pymethods]
impl EarlySchedule {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    #[new]
    #[pyo3(signature = (suite, psk = None, /))]
    fn new(suite: u16, psk: Option<&Psk>) -> PyResult<Self> {
        let early = core::EarlySchedule::new(suite_of(suite)?, psk.map(|psk| &psk.0)).map_err(raise)?;
        Ok(Self(Stage::new(early)))
    }

    /// Binder over the truncated ClientHello.
    #[pyo3(signature = (truncated_transcript, external, /))]
    fn binder<'py>(
        &self,
        py: Python<'py>,
        truncated_transcript: &Transcript,
        external: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let hash = truncated_transcript.hash()?;
        let binder = self.0.with(|early| early.binder(kind(external), hash.as_ref()))?;
        Ok(PyBytes::new(py, binder.as_ref()))
    }

    /// Check of a binder.
    #[pyo3(signature = (truncated_transcript, external, binder, /))]
    fn verify_binder(&self, truncated_transcript: &Transcript, external: bool, binder: &[u8]) -> PyResult<bool> {
        let hash = truncated_transcript.hash()?;
        self.0.with(|early| early.verify_binder(kind(external), hash.as_ref(), binder))
    }

    /// On to the handshake secret.
    #[pyo3(signature = (shared, transcript, key_log, client_random, /))]
    fn into_handshake(
        &self,
        shared: Option<&SharedSecret>,
        transcript: &Transcript,
        key_log: Option<Py<KeyLog>>,
        client_random: &[u8],
    ) -> PyResult<HandshakeSchedule> {
        let hash = transcript.hash()?;
        let secret = shared.map(SharedSecret::take).transpose()?;
        let next = self.0.take()?.into_handshake(secret.as_ref(), hash.as_ref());
        let log = key_log.map(|file| Log { file, client_random: client_random.into() });
        if let Some(log) = &log {
            log.file.get().write(&next.key_log(&log.client_random));
        }
        Ok(HandshakeSchedule { stage: Stage::new(next), log: Mutex::new(log) })
    }
}

struct Log {
    file: Py<KeyLog>,
    client_random: Box<[u8]>,
}

/// State "handshake secret".
#[pyclass(frozen, module = "tlscore._core")]
pub struct HandshakeSchedule {
    stage: Stage<core::HandshakeSchedule>,
    log: Mutex<Option<Log>>,
}

#[expect(clippy::wrong_self_convention, reason = "Python has no self by value: the stage inside is taken instead")]
#[pymethods]
impl HandshakeSchedule {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    /// Install the peer's handshake keys.
    #[pyo3(signature = (layer, /))]
    fn install_read(&self, layer: &Bound<'_, RecordLayer>) -> PyResult<()> {
        let traffic = self.stage.with(|state| Ok(state.traffic(layer.get().side().peer())))?;
        RecordLayer::install_read(layer, Epoch::Handshake, traffic)
    }

    /// Install our handshake keys.
    #[pyo3(signature = (layer, /))]
    fn install_write(&self, layer: &Bound<'_, RecordLayer>) -> PyResult<()> {
        let traffic = self.stage.with(|state| Ok(state.traffic(layer.get().side())))?;
        RecordLayer::install_write(layer, Epoch::Handshake, traffic)
    }

    /// verify_data of a Finished.
    #[pyo3(signature = (sender_is_client, transcript, /))]
    fn finished_mac<'py>(
        &self,
        py: Python<'py>,
        sender_is_client: bool,
        transcript: &Transcript,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let hash = transcript.hash()?;
        let mac = self.stage.with(|state| state.finished_mac(side(sender_is_client), hash.as_ref()))?;
        Ok(PyBytes::new(py, mac.as_ref()))
    }

    /// Check of a Finished.
    #[pyo3(signature = (sender_is_client, transcript, verify_data, /))]
    fn verify_finished(&self, sender_is_client: bool, transcript: &Transcript, verify_data: &[u8]) -> PyResult<bool> {
        let hash = transcript.hash()?;
        self.stage.with(|state| state.verify_finished(side(sender_is_client), hash.as_ref(), verify_data))
    }

    /// On to the main secret.
    #[pyo3(signature = (transcript, /))]
    fn into_application(&self, transcript: &Transcript) -> PyResult<ApplicationSchedule> {
        let hash = transcript.hash()?;
        let next = self.stage.take()?.into_application(hash.as_ref());
        if let Some(log) = self.log.lock().unwrap_or_else(PoisonError::into_inner).take() {
            log.file.get().write(&next.key_log(&log.client_random));
        }
        Ok(ApplicationSchedule(Stage::new(next)))
    }
}

/// State "main secret".
#[pyclass(frozen, module = "tlscore._core")]
pub struct ApplicationSchedule(Stage<core::ApplicationSchedule>);

#[pymethods]
impl ApplicationSchedule {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    /// verify_data of a Finished.
    #[pyo3(signature = (sender_is_client, transcript, /))]
    fn finished_mac<'py>(
        &self,
        py: Python<'py>,
        sender_is_client: bool,
        transcript: &Transcript,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let hash = transcript.hash()?;
        let mac = self.0.with(|state| state.finished_mac(side(sender_is_client), hash.as_ref()))?;
        Ok(PyBytes::new(py, mac.as_ref()))
    }

    /// Check of a Finished.
    #[pyo3(signature = (sender_is_client, transcript, verify_data, /))]
    fn verify_finished(&self, sender_is_client: bool, transcript: &Transcript, verify_data: &[u8]) -> PyResult<bool> {
        let hash = transcript.hash()?;
        self.0.with(|state| state.verify_finished(side(sender_is_client), hash.as_ref(), verify_data))
    }

    /// Install the peer's application keys.
    #[pyo3(signature = (layer, /))]
    fn install_read(&self, layer: &Bound<'_, RecordLayer>) -> PyResult<()> {
        let traffic = self.0.with(|state| state.take_traffic(layer.get().side().peer()))?;
        RecordLayer::install_read(layer, Epoch::Application, traffic)
    }

    /// Install our application keys.
    #[pyo3(signature = (layer, /))]
    fn install_write(&self, layer: &Bound<'_, RecordLayer>) -> PyResult<()> {
        let traffic = self.0.with(|state| state.take_traffic(layer.get().side()))?;
        RecordLayer::install_write(layer, Epoch::Application, traffic)
    }

    /// Wipe the handshake traffic secrets.
    #[pyo3(signature = ())]
    fn forget_handshake(&self) -> PyResult<()> {
        self.0.with(|state| {
            state.forget_handshake();
            Ok(())
        })
    }

    /// Derive the resumption secret.
    #[pyo3(signature = (transcript, /))]
    fn derive_resumption(&self, transcript: &Transcript) -> PyResult<()> {
        let hash = transcript.hash()?;
        self.0.with(|state| state.derive_resumption(hash.as_ref()))
    }

    /// Pre-shared key of a ticket.
    #[pyo3(signature = (ticket_nonce, /))]
    fn resumption_psk(&self, ticket_nonce: &[u8]) -> PyResult<Psk> {
        self.0.with(|state| state.resumption_psk(ticket_nonce)).map(Psk)
    }

    /// Keying material for the application.
    #[pyo3(signature = (label, context, length, /))]
    fn export(&self, py: Python<'_>, label: &[u8], context: &[u8], length: usize) -> PyResult<Py<PyBytes>> {
        if label.is_empty() || label.len() > 249 || length == 0 || length > 8160 {
            return Err(PyValueError::new_err(
                "an exporter takes a label of 1 to 249 octets and gives 1 to 8160 octets",
            ));
        }
        let mut out = vec![0_u8; length];
        self.0.with(|state| state.export(label, context, &mut out))?;
        let mut fresh = FreshBytes::new(py, length)?;
        tlscore_crypto::copy_to_uninit(&out, &mut fresh.memory()[..length]);
        out.zeroize();
        Ok(fresh.finish(py, length))
    }
}

/// Finished of post-handshake authentication.
#[pyfunction]
#[pyo3(signature = (layer, own, transcript, /))]
pub fn post_handshake_finished_mac<'py>(
    layer: &Bound<'py, RecordLayer>,
    own: bool,
    transcript: &Transcript,
) -> PyResult<Bound<'py, PyBytes>> {
    let hash = transcript.hash()?;
    let mac = if own {
        RecordLayer::writing(layer, |writer| writer.half.finished_mac(hash.as_ref()))?
    } else {
        RecordLayer::reading(layer, |half| half.finished_mac(hash.as_ref()))?
    };
    Ok(PyBytes::new(layer.py(), mac.as_ref()))
}
