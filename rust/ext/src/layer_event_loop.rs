//! `RecordLayer` on descriptors for event loops: the calls never wait, and say so without an exception.

use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tlscore_core::read::Destination;
use tlscore_core::{Error, Item};

use crate::buffers::{FreshBytes, View};
use crate::descriptor::{self, Wait};
use crate::layer::RecordLayer;
use crate::layer_descriptor::{stream_error, Step};
use crate::layer_io::READ_CAP;

#[pymethods]
impl RecordLayer {
    /// Receive from a descriptor at most once and open, without waiting.
    ///
    /// Takes:    fd, buffer: as read_from.
    /// Gives:    octets written; 0 after the peer's close_notify; -1 where nothing whole has come.
    /// Raises:   TruncationError at end of stream; OSError of the call; as read_into.
    /// Effects:  one call without the interpreter; answers that the peer asked for are sent as far as that goes.
    #[pyo3(signature = (fd, buffer, /))]
    fn try_read_from(slf: &Bound<'_, Self>, fd: i32, buffer: &Bound<'_, PyAny>) -> PyResult<isize> {
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let memory = view.writable(buffer)?;
        if memory.is_empty() {
            return Err(PyBufferError::new_err("the buffer is empty; give one of at least 1 octet"));
        }
        loop {
            Self::check_open(slf)?;
            let step = py.detach(|| Self::single_step(this, fd, &mut Destination::new(memory)));
            if let Ok(Step::WouldBlock) = step {
                Self::rest(slf, fd)?;
                return Ok(-1);
            }
            if let Some(octets) = Self::take_step(slf, fd, &Wait::NEVER, step)? {
                Self::rest(slf, fd)?;
                return Ok(octets as isize);
            }
        }
    }

    /// As try_read_from, into a bytes object of at most `limit` octets, and at most 256 KiB.
    ///
    /// Gives:    b"" after the peer's close_notify; None where nothing whole has come.
    #[pyo3(signature = (fd, limit, /))]
    fn try_read_bytes_from(slf: &Bound<'_, Self>, fd: i32, limit: usize) -> PyResult<Option<Py<PyBytes>>> {
        let (py, this) = (slf.py(), slf.get());
        let limit = limit.clamp(1, READ_CAP);
        loop {
            Self::check_open(slf)?;
            let looked = py.detach(|| Self::look(this, fd, limit));
            let (step, promise) = looked.map_err(|error| Self::fail(slf, &error))?;
            if let Step::WouldBlock = step {
                Self::rest(slf, fd)?;
                return Ok(None);
            }
            if promise == 0 {
                if Self::take_step(slf, fd, &Wait::NEVER, Ok(step))?.is_some() {
                    Self::rest(slf, fd)?;
                    return Ok(Some(PyBytes::new(py, &[]).unbind()));
                }
                continue;
            }
            let mut fresh = FreshBytes::new(py, promise)?;
            let memory = fresh.memory();
            let step =
                py.detach(|| Ok(Step::Item(this.lock_read()?.pull(&mut Destination::with_slack(memory, promise))?)));
            if let Ok(Step::Item(Item::DataWaits | Item::NeedMore)) = step {
                continue;
            }
            if let Some(octets) = Self::take_step(slf, fd, &Wait::NEVER, step)? {
                Self::rest(slf, fd)?;
                return Ok(Some(fresh.finish(py, octets)));
            }
        }
    }

    /// Seal all of `data` and send what the descriptor takes, without waiting; what it does not take waits here.
    ///
    /// Takes:    data: any contiguous buffer; an empty one sends what waits.
    /// Gives:    sealed octets that wait, 0 where all has left.
    /// Raises:   OSError of the system call; as write.
    /// Effects:  one call without the interpreter.
    #[pyo3(signature = (fd, data, /))]
    fn try_send_to(slf: &Bound<'_, Self>, fd: i32, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        Self::check_open(slf)?;
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let octets = view.readable(data)?;
        let sent = py.detach(|| {
            let mut writer = this.lock_write()?;
            writer.spill();
            writer.half.settle_control()?;
            let mut takes = descriptor::drain(fd, &mut writer.half);
            for chunk in octets.chunks(descriptor::CHUNK) {
                writer.half.seal(chunk)?;
                if matches!(takes, Ok(true)) {
                    takes = descriptor::drain(fd, &mut writer.half);
                }
            }
            Ok(takes.map(|_| writer.waiting()))
        });
        sent.map_err(|error: Error| Self::fail(slf, &error))?.map_err(|error| stream_error(py, error))
    }
}
