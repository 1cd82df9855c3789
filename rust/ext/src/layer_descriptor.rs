//! `RecordLayer` on descriptors: receive and open, seal and send, each in one call that leaves the interpreter to others.

use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyBufferError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tlscore_core::read::Destination;
use tlscore_core::{Error, Item};

use crate::buffers::{FreshBytes, View};
use crate::descriptor::{self, Outcome, Until, Wait};
use crate::layer::{Reader, RecordLayer, Writer};
use crate::layer_io::READ_CAP;

/// The exception of a system call that failed. It is marked, since exceptions of signal handlers come out of the same calls and say
/// nothing about the stream.
pub fn stream_error(py: Python<'_>, error: std::io::Error) -> PyErr {
    let error = match error.raw_os_error() {
        // With its number, which programs compare, and the text that Python gives it.
        Some(number) => {
            let text = error.to_string();
            PyOSError::new_err((number, text.split(" (os error").next().unwrap_or_default().to_owned()))
        }
        None => PyErr::from(error),
    };
    // An OSError takes attributes; if it ever does not, it passes for a handler's.
    let _ = error.value(py).setattr(intern!(py, "from_stream"), true);
    error
}

/// How one detached step of a receiving call ended.
pub enum Step {
    Item(Item),
    EndOfStream,
    WouldBlock,
    Failed(std::io::Error),
}

impl RecordLayer {
    /// Wait on a descriptor, detached, then look at signals.
    fn wait(slf: &Bound<'_, Self>, fd: i32, wait: &Wait, until: Until) -> PyResult<()> {
        let py = slf.py();
        match py.detach(|| descriptor::wait(fd, wait, until)) {
            Outcome::Ready => Ok(()),
            Outcome::Interrupted => py.check_signals(),
            Outcome::TimedOut if wait.is_never() => {
                let code = if matches!(until, Until::Writable) { "want_write" } else { "want_read" };
                Err(Self::misuse(slf, code, "the operation would block"))
            }
            Outcome::TimedOut => Err(Self::misuse(slf, "timed_out", "the operation timed out")),
            Outcome::Failed(error) => Err(stream_error(py, error)),
        }
    }

    /// Receive once; a frugal layer takes record by record, so that nothing whole is held back that no `select` shows.
    fn receive_next(this: &Self, fd: i32, half: &mut Reader) -> std::io::Result<Option<usize>> {
        if !this.frugal.load(Ordering::Relaxed) {
            return descriptor::receive(fd, &mut half.source);
        }
        let octets = half.missing();
        descriptor::receive_up_to(fd, &mut half.source, octets)
    }

    /// Receive once into the read buffer. None where the descriptor would block.
    fn receive_once(slf: &Bound<'_, Self>, fd: i32) -> PyResult<Option<usize>> {
        let this = slf.get();
        let received = slf.py().detach(|| {
            let mut half = this.lock_read()?;
            Ok(Self::receive_next(this, fd, &mut half))
        });
        match received.map_err(|error: Error| Self::fail(slf, &error))? {
            Ok(octets) => Ok(octets),
            Err(error) => Err(stream_error(slf.py(), error)),
        }
    }

    /// Send what waits. True when nothing waits any more.
    fn push_out(slf: &Bound<'_, Self>, fd: i32) -> PyResult<bool> {
        let this = slf.get();
        let sent = slf.py().detach(|| {
            let mut writer = this.lock_write()?;
            writer.spill();
            if this.is_open() && !this.is_dead() {
                writer.half.settle_control()?;
            }
            Ok(descriptor::drain(fd, &mut writer.half))
        });
        match sent.map_err(|error: Error| Self::fail(slf, &error))? {
            Ok(done) => Ok(done),
            Err(error) => Err(stream_error(slf.py(), error)),
        }
    }

    /// Before a wait for the peer: send what it may be waiting for (a key update that it asked for, an answer to its request), as far
    /// as that goes without blocking. Failures to send are not ours to report: what the peer sent before can still be read.
    fn push_answers(slf: &Bound<'_, Self>, fd: i32) -> PyResult<Until> {
        let this = slf.get();
        let left = this.with_write(slf.py(), false, |writer| {
            writer.spill();
            // While older records wait no new ones are made, or a peer that never reads would grow the queue as it likes.
            let mut left = !descriptor::drain(fd, &mut writer.half).unwrap_or(true);
            if !left {
                writer.half.settle_control()?;
                left = !descriptor::drain(fd, &mut writer.half).unwrap_or(true);
            }
            Ok(left && writer.waiting() > 0)
        });
        let left = left.map_err(|error| Self::fail(slf, &error))?;
        Ok(if left { Until::Either } else { Until::Readable })
    }

    /// Open what waits, receiving until there is something; detached from the interpreter.
    fn step(this: &Self, fd: i32, destination: &mut Destination<'_>) -> Result<Step, Error> {
        let frugal = this.frugal.load(Ordering::Relaxed);
        let mut half = this.lock_read()?;
        loop {
            let item = half.pull(destination)?;
            // A frugal layer that knows that more bulk data comes goes on while there is room.
            let more = frugal && matches!(item, Item::Data(_)) && half.bulk_fits(destination.room());
            if item != Item::NeedMore && !more {
                return Ok(Step::Item(item));
            }
            match Self::receive_next(this, fd, &mut half) {
                // What was opened is delivered; the end and errors come again.
                Ok(Some(0) | None) | Err(_) if more => return Ok(Step::Item(item)),
                Ok(Some(0)) => return Ok(Step::EndOfStream),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Step::WouldBlock),
                Err(error) => return Ok(Step::Failed(error)),
            }
        }
    }

    /// What follows from a step: octets of application data (0 after close_notify), or None to go on.
    pub fn take_step(
        slf: &Bound<'_, Self>,
        fd: i32,
        wait: &Wait,
        step: Result<Step, Error>,
    ) -> PyResult<Option<usize>> {
        match step.map_err(|error| Self::fail(slf, &error))? {
            Step::Item(Item::Data(octets)) => return Ok(Some(octets)),
            Step::Item(item) => {
                if !Self::dispatch(slf, &item)? {
                    return Ok(Some(0));
                }
            }
            Step::EndOfStream => return Err(Self::misuse(slf, "truncated", "the stream ended without close_notify")),
            Step::WouldBlock => {
                let until = Self::push_answers(slf, fd)?;
                Self::wait(slf, fd, wait, until)?;
            }
            Step::Failed(error) => return Err(stream_error(slf.py(), error)),
        }
        Ok(None)
    }

    /// Find out how much application data waits, receiving at most once. Where none does, the step is what stands there instead.
    pub fn look(this: &Self, fd: i32, limit: usize) -> Result<(Step, usize), Error> {
        let mut half = this.lock_read()?;
        let mut received = false;
        loop {
            let promise = half.promise(limit).min(limit);
            if promise > 0 {
                return Ok((Step::Item(Item::DataWaits), promise));
            }
            // What stands first is no whole record of application data, or one whose length does not tell what it holds.
            let item = half.pull(&mut Destination::none())?;
            if item == Item::DataWaits {
                continue;
            }
            if item != Item::NeedMore || received {
                return Ok((if item == Item::NeedMore { Step::WouldBlock } else { Step::Item(item) }, 0));
            }
            match descriptor::receive(fd, &mut half.source) {
                Ok(Some(0)) => return Ok((Step::EndOfStream, 0)),
                Ok(Some(_)) => received = true,
                Ok(None) => return Ok((Step::WouldBlock, 0)),
                Err(error) => return Ok((Step::Failed(error), 0)),
            }
        }
    }

    /// Open what waits, receiving at most once; for callers that an event loop calls again.
    pub fn single_step(this: &Self, fd: i32, destination: &mut Destination<'_>) -> Result<Step, Error> {
        let mut half = this.lock_read()?;
        let mut item = half.pull(destination)?;
        if item == Item::NeedMore {
            match descriptor::receive(fd, &mut half.source) {
                Ok(Some(0)) => return Ok(Step::EndOfStream),
                Ok(Some(_)) => item = half.pull(destination)?,
                Ok(None) => {}
                Err(error) => return Ok(Step::Failed(error)),
            }
        }
        Ok(if item == Item::NeedMore { Step::WouldBlock } else { Step::Item(item) })
    }

    /// Before control goes back to an event loop, which may not come back for long: answer what the peer asked for, and hold no more
    /// memory than what waits deserves.
    pub fn rest(slf: &Bound<'_, Self>, fd: i32) -> PyResult<()> {
        let this = slf.get();
        if this.is_due() {
            Self::push_answers(slf, fd)?;
        }
        if let Some(mut half) = this.try_read() {
            half.source.shrink();
        }
        Ok(())
    }

    fn flush(slf: &Bound<'_, Self>, fd: i32, wait: &Wait) -> PyResult<()> {
        while !Self::push_out(slf, fd)? {
            Self::wait(slf, fd, wait, Until::Writable)?;
        }
        Ok(())
    }
}

#[pymethods]
impl RecordLayer {
    /// Receive from a descriptor and open, until application data is there.
    ///
    /// Takes:    fd: a connected stream socket; buffer: as read_into; timeout: seconds, 0 or None (for ever).
    /// Gives:    octets written, at least 1; 0 after the peer's close_notify.
    /// Raises:   WantReadError; TimeoutError; TruncationError at end of stream; OSError of the call; as read_into.
    /// Effects:  one call without the interpreter; before it waits it sends what the peer may be waiting for.
    #[pyo3(signature = (fd, buffer, timeout, /))]
    fn read_from(slf: &Bound<'_, Self>, fd: i32, buffer: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let memory = view.writable(buffer)?;
        if memory.is_empty() {
            return Err(PyBufferError::new_err("the buffer is empty; give one of at least 1 octet"));
        }
        let wait = Wait::new(timeout)?;
        let tidy = this.frugal.load(Ordering::Relaxed);
        loop {
            Self::check_open(slf)?;
            let step = py.detach(|| Self::step(this, fd, &mut Destination::new(memory).tidy(tidy)));
            if let Some(octets) = Self::take_step(slf, fd, &wait, step)? {
                return Ok(octets);
            }
        }
    }

    /// As read_from, into a bytes object of at most `limit` octets, and at most 256 KiB.
    ///
    /// Gives:    b"" after the peer's close_notify.
    #[pyo3(signature = (fd, limit, timeout, /))]
    fn read_bytes_from(slf: &Bound<'_, Self>, fd: i32, limit: usize, timeout: Option<f64>) -> PyResult<Py<PyBytes>> {
        let (py, this) = (slf.py(), slf.get());
        let limit = limit.clamp(1, READ_CAP);
        let wait = Wait::new(timeout)?;
        loop {
            Self::check_open(slf)?;
            // First the octets that are there already: how long the result can be is known before it is made.
            let promise = Self::promise(slf, limit)?.min(limit);
            let mut fresh = FreshBytes::new(py, promise)?;
            let memory = fresh.memory();
            let step = py.detach(|| {
                let mut destination = Destination::with_slack(memory, promise);
                if promise > 0 {
                    return Ok(Step::Item(this.lock_read()?.pull(&mut destination)?));
                }
                Self::step(this, fd, &mut destination)
            });
            if let Ok(Step::Item(Item::DataWaits | Item::NeedMore)) = step {
                continue;
            }
            if let Some(octets) = Self::take_step(slf, fd, &wait, step)? {
                return Ok(fresh.finish(py, octets));
            }
        }
    }

    /// Seal all of `data` and send it on a descriptor.
    ///
    /// Takes:    timeout: as read_from.
    /// Gives:    octets of `data` whose records have left: all of them, but with timeout 0.
    /// Raises:   WantWriteError: call again with the same data; UsageError where that call gives fewer octets, which
    ///           leaves all as it is; TimeoutError: how much has left is not known; OSError of the system call; as write.
    /// Effects:  one call without the interpreter per 256 KiB.
    #[pyo3(signature = (fd, data, timeout, /))]
    fn send_to(slf: &Bound<'_, Self>, fd: i32, data: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        Self::check_open(slf)?;
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let octets = view.readable(data)?;
        let wait = Wait::new(timeout)?;
        let owed = Self::writing(slf, |writer: &mut Writer| Ok(writer.owed))?;
        if octets.len() < owed {
            // What was refused is sealed already and counts as these octets: fewer cannot be the same ones, and would never leave.
            let detail = format!(
                "{owed} octets were refused by an earlier call and are sealed, and this call gives {} in their place",
                octets.len()
            );
            return Err(Self::misuse(slf, "bad_length", &detail));
        }
        Self::flush(slf, fd, &wait)?;
        if owed > 0 {
            return Self::writing(slf, |writer: &mut Writer| Ok(std::mem::take(&mut writer.owed)));
        }
        let mut done = 0;
        while done < octets.len() {
            let chunk = &octets[done..octets.len().min(done + descriptor::CHUNK)];
            let sent = py.detach(|| {
                let mut writer = this.lock_write()?;
                writer.spill();
                writer.half.seal(chunk)?;
                Ok(descriptor::drain(fd, &mut writer.half))
            });
            done += chunk.len();
            match sent.map_err(|error: Error| Self::fail(slf, &error))? {
                Ok(true) if wait.is_never() => return Ok(done),
                Ok(true) => {}
                Ok(false) if wait.is_never() => {
                    Self::writing(slf, |writer| {
                        writer.owed = chunk.len();
                        Ok(())
                    })?;
                    return Err(Self::misuse(
                        slf,
                        "want_write",
                        "the records are sealed and not all of them could be sent; call again with the same data",
                    ));
                }
                Ok(false) => {
                    Self::wait(slf, fd, &wait, Until::Writable)?;
                    Self::flush(slf, fd, &wait)?;
                }
                Err(error) => return Err(stream_error(py, error)),
            }
            if done < octets.len() {
                Self::check_open(slf)?;
            }
        }
        Ok(done)
    }

    /// Send everything that waits: flights, alerts, records that an earlier call could not send.
    ///
    /// Raises:   WantWriteError; TimeoutError; OSError of the system call.
    #[pyo3(signature = (fd, timeout, /))]
    fn flush_to(slf: &Bound<'_, Self>, fd: i32, timeout: Option<f64>) -> PyResult<()> {
        Self::check_fork(slf)?;
        let wait = Wait::new(timeout)?;
        Self::flush(slf, fd, &wait)
    }

    /// Receive once from a descriptor; while the handshake runs, this drives it.
    ///
    /// Gives:    octets received; 0 at end of stream.
    /// Raises:   WantReadError; TimeoutError; OSError of the system call; as receive.
    #[pyo3(signature = (fd, timeout, /))]
    fn fill_from(slf: &Bound<'_, Self>, fd: i32, timeout: Option<f64>) -> PyResult<usize> {
        Self::check(slf)?;
        let wait = Wait::new(timeout)?;
        loop {
            if let Some(octets) = Self::receive_once(slf, fd)? {
                if octets > 0 && !slf.get().is_open() {
                    slf.call_method0(intern!(slf.py(), "_advance"))?;
                    if let Some(mut half) = slf.get().try_read() {
                        half.source.shrink();
                    }
                }
                return Ok(octets);
            }
            Self::wait(slf, fd, &wait, Until::Readable)?;
        }
    }
}
