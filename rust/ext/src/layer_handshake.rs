//! The handshake's side of `RecordLayer`: what connection.py and handshake/ call, and applications do not.

use std::sync::atomic::Ordering;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tlscore_core::read::Destination;
use tlscore_core::{Item, Limits, Padding, ReadHalf};

use crate::buffers::View;
use crate::layer::RecordLayer;
use crate::transcript::Transcript;

/// handshake_type of a Finished message (RFC 9846 4).
const FINISHED: u8 = 20;

#[pymethods]
impl RecordLayer {
    /// Nothing more will be received: once what waits is read, the next read raises.
    #[pyo3(signature = ())]
    fn _mark_end_of_stream(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Like `receive`, without driving the handshake.
    #[pyo3(signature = (wire, /))]
    fn _feed(slf: &Bound<'_, Self>, wire: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::check(slf)?;
        Self::feed(slf, wire)
    }

    /// Next thing that is not application data.
    #[pyo3(signature = ())]
    fn _pull(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let item = Self::reading(slf, |half| half.pull(&mut Destination::none()))?;
        slf.get().note(&item);
        match item {
            Item::Message => Ok(Self::take_message(slf)?.map_or_else(|| py.None(), Py::into_any)),
            Item::Alert { level, description } => {
                let code = u16::from(level) << 8 | u16::from(description);
                Ok(code.into_pyobject(py)?.into_any().unbind())
            }
            _ => Ok(py.None()),
        }
    }

    /// Open records at the head until application data or nothing remains, calling the hooks.
    #[pyo3(signature = ())]
    fn _poll(slf: &Bound<'_, Self>) -> PyResult<()> {
        loop {
            let item = Self::reading(slf, |half| half.pull(&mut Destination::none()))?;
            if !Self::dispatch(slf, &item)? {
                return Ok(());
            }
        }
    }

    /// Queue handshake messages.
    #[pyo3(signature = (messages, /))]
    fn _send_handshake(slf: &Bound<'_, Self>, messages: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut view = View::empty();
        let octets = view.readable(messages)?;
        Self::writing(slf, |writer| writer.half.send_handshake(octets))
    }

    /// Queue the messages of a post-handshake authentication and the Finished that ends them.
    ///
    /// One call under one lock: a key update between the two would make the Finished wrong (RFC 9846 4.5.3).
    #[pyo3(signature = (messages, transcript, /))]
    fn _send_late_authentication(slf: &Bound<'_, Self>, messages: &[u8], transcript: &Transcript) -> PyResult<()> {
        let hash = transcript.hash()?;
        Self::writing(slf, |writer| {
            let mac = writer.half.finished_mac(hash.as_ref())?;
            let length = u8::try_from(mac.as_ref().len()).unwrap_or(u8::MAX);
            let flight = [messages, &[FINISHED, 0, 0, length], mac.as_ref()].concat();
            writer.half.send_handshake(&flight)
        })
    }

    /// Queue the compatibility change_cipher_spec.
    #[pyo3(signature = ())]
    fn _send_change_cipher_spec(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::writing(slf, |writer| {
            writer.half.send_change_cipher_spec();
            Ok(())
        })
    }

    /// Queue an alert.
    #[pyo3(signature = (level, description, /))]
    fn _send_alert(slf: &Bound<'_, Self>, level: u8, description: u8) -> PyResult<()> {
        Self::writing(slf, |writer| writer.half.send_alert(level, description))
    }

    /// Queue close_notify.
    #[pyo3(signature = ())]
    fn _close_write(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::writing(slf, |writer| writer.half.close())
    }

    /// Update the write keys, and ask the peer for the same.
    #[pyo3(signature = (request_peer, /))]
    fn _request_key_update(slf: &Bound<'_, Self>, request_peer: bool) -> PyResult<()> {
        Self::writing(slf, |writer| writer.half.update_keys(request_peer))
    }

    /// Whether a compatibility change_cipher_spec may stand here.
    #[pyo3(signature = (allowed, /))]
    fn _expect_change_cipher_spec(slf: &Bound<'_, Self>, allowed: bool) -> PyResult<()> {
        Self::reading(slf, |half| {
            half.allow_change_cipher_spec(allowed);
            Ok(())
        })
    }

    /// Drop up to `octets` of early data that was not accepted.
    #[pyo3(signature = (octets, /))]
    fn _skip_early_data(slf: &Bound<'_, Self>, octets: usize) -> PyResult<()> {
        Self::reading(slf, |half| {
            half.skip_early_data(octets);
            Ok(())
        })
    }

    /// Refuse handshake data behind the message just taken, where the peer must wait for an answer.
    #[pyo3(signature = ())]
    fn _require_boundary(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::reading(slf, |half| half.require_boundary())
    }

    /// The version in the header of every record that is written from here on.
    #[pyo3(signature = (version, /))]
    fn _set_record_version(slf: &Bound<'_, Self>, version: u16) -> PyResult<()> {
        if !(0x0301..=0x0303).contains(&version) {
            return Err(PyValueError::new_err(format!("no record has version {version:#06x}")));
        }
        Self::writing(slf, |writer| {
            writer.half.set_version(version);
            Ok(())
        })
    }

    /// Whether the peer's first octets may be a ClientHello in the format of SSLv2.
    #[pyo3(signature = (allowed, /))]
    fn _allow_sslv2_hello(slf: &Bound<'_, Self>, allowed: bool) -> PyResult<()> {
        Self::reading(slf, |half| {
            half.allow_sslv2_hello(allowed);
            Ok(())
        })
    }

    /// The peer's record_size_limit.
    #[pyo3(signature = (limit, /))]
    fn _set_peer_record_size_limit(slf: &Bound<'_, Self>, limit: usize) -> PyResult<()> {
        Self::writing(slf, |writer| {
            writer.half.set_inner_limit(limit);
            Ok(())
        })
    }

    /// Our record_size_limit.
    #[pyo3(signature = (limit, /))]
    fn _set_own_record_size_limit(slf: &Bound<'_, Self>, limit: usize) -> PyResult<()> {
        Self::reading(slf, |half| {
            half.set_inner_limit(limit);
            Ok(())
        })
    }

    /// Padding of application data records.
    #[pyo3(signature = (kind, value, /))]
    fn _set_padding(slf: &Bound<'_, Self>, kind: &str, value: usize) -> PyResult<()> {
        let padding = match kind {
            "none" => Padding::None,
            "multiple" if value > 0 => Padding::Multiple(value),
            "full" => Padding::Full,
            _ => return Err(PyValueError::new_err(format!("no padding {kind:?} with value {value}"))),
        };
        Self::writing(slf, |writer| {
            writer.half.set_padding(padding);
            Ok(())
        })
    }

    /// Limits by name.
    #[pyo3(signature = (limits, /))]
    fn _set_limits(slf: &Bound<'_, Self>, limits: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut all = Limits::default();
        for (name, value) in limits {
            let (name, value) = (name.extract::<String>()?, value.extract::<u64>()?);
            if !all.set(&name, value) {
                return Err(PyValueError::new_err(format!("no limit {name} with value {value}")));
            }
        }
        Self::reading(slf, |half| {
            half.set_limits(all);
            Ok(())
        })?;
        Self::writing(slf, |writer| {
            writer.half.set_limits(all);
            Ok(())
        })
    }

    /// Octets of one call from which the interpreter is released.
    #[pyo3(signature = (octets, /))]
    fn _set_release_threshold(&self, octets: usize) {
        self.release.store(octets, Ordering::Relaxed);
    }

    /// Whether descriptor calls receive record by record, and reads leave the memory behind the content of records alone.
    #[pyo3(signature = (frugal, /))]
    fn _set_frugal(&self, frugal: bool) {
        self.frugal.store(frugal, Ordering::Relaxed);
    }

    /// Application data may pass from here on.
    #[pyo3(signature = ())]
    fn _open(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::reading(slf, ReadHalf::open)?;
        Self::writing(slf, |writer| writer.half.open())?;
        slf.get().open.store(true, Ordering::Release);
        Ok(())
    }

    /// Wipe all keys; every later call raises `error`.
    #[pyo3(signature = (error, /))]
    fn _kill(slf: &Bound<'_, Self>, error: Py<PyAny>) -> PyResult<()> {
        let this = slf.get();
        let _ = this.error.set(error);
        this.dead.store(true, Ordering::Release);
        this.open.store(false, Ordering::Release);
        if Self::check_fork(slf).is_err() {
            // In a forked child a lock may be held by a thread that only the parent has. The keys are copies that nothing here uses.
            return Ok(());
        }
        // No lock is held across a wait, so both are had soon; a poisoned one guards nothing that still works.
        let _ = this.with_read(slf.py(), false, |half| {
            half.kill();
            Ok(())
        });
        let _ = this.with_write(slf.py(), false, |writer| {
            writer.half.kill();
            Ok(())
        });
        Ok(())
    }

    /// Pretend that `records` records passed under the current keys of one direction: how the tests reach the AEAD limits.
    #[pyo3(signature = (writing, records, /))]
    fn _set_sequence(slf: &Bound<'_, Self>, writing: bool, records: u64) -> PyResult<()> {
        if writing {
            Self::writing(slf, |writer| {
                if let Some(protection) = writer.half.protection_mut() {
                    protection.set_sequence(records);
                }
                Ok(())
            })
        } else {
            Self::reading(slf, |half| {
                if let Some(protection) = half.protection_mut() {
                    protection.set_sequence(records);
                }
                Ok(())
            })
        }
    }
}
