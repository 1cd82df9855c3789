//! The application's side of `RecordLayer`: in memory and on descriptors.
//!
//! A write of any length is one call and at most one bytes object; a read opens every complete record that waits into one destination.

use pyo3::exceptions::{PyBufferError, PyOverflowError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySequence};
use tlscore_core::read::Destination;
use tlscore_core::{Code, Error, Item};
use tlscore_crypto::Buffer;

use crate::buffers::{FreshBytes, View, WireBytes};
use crate::descriptor::{self, Outcome, Until, Wait};
use crate::layer::{RecordLayer, Writer};

/// Most octets of one bytes result: fresh memory above this costs more in page faults than the copy that it saves.
const READ_CAP: usize = 256 << 10;

/// Two KeyUpdate records: what `wire_size` allows for control records that another thread may make due meanwhile.
const CONTROL_ROOM: usize = 2 * (5 + 5 + 1 + 16);

impl RecordLayer {
    /// Take wire octets in: bytes objects are kept as they are, anything that could still change is copied.
    pub fn feed(slf: &Bound<'_, Self>, wire: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let fed = if let Ok(bytes) = wire.cast_exact::<PyBytes>() {
            let chunk = WireBytes::new(bytes);
            this.with_read(py, false, |half| {
                half.source.feed_shared(chunk);
                Ok(())
            })
        } else {
            let mut view = View::empty();
            let octets = view.readable(wire)?;
            this.with_read(py, octets.len() >= this.threshold(), |half| {
                half.source.feed(octets);
                Ok(())
            })
        };
        fed.map_err(|error| Self::fail(slf, &error))
    }

    /// Seal into a bytes object of its own, if nothing else waits. None where something does.
    fn seal_fresh(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        let long = data.len() >= this.threshold();
        let Some(mut writer) = this.try_write() else {
            return Ok(false);
        };
        if this.is_dead() || writer.waiting() > 0 || !writer.half.is_open() {
            return Ok(false);
        }
        if writer.half.settle_control().is_err() || writer.waiting() > 0 {
            return Ok(false);
        }
        let size = writer.half.sealed_size(data.len());
        let mut fresh = FreshBytes::new(py, size)?;
        if long {
            drop(writer);
            let sealed = this.with_write(py, true, move |writer| {
                // Another thread may have queued something or updated the keys in between: then the records go the other way.
                let same = writer.waiting() == 0 && writer.half.sealed_size(data.len()) == size;
                if same {
                    writer.half.seal_exact(data, &mut fresh.memory()[..size])?;
                    writer.single = Some(fresh.sealed());
                }
                Ok(same)
            });
            return sealed.map_err(|error| Self::fail(slf, &error));
        }
        match writer.half.seal_exact(data, &mut fresh.memory()[..size]) {
            Ok(_) => {
                writer.single = Some(fresh.sealed());
                Ok(true)
            }
            Err(error) => {
                drop(writer);
                Err(Self::fail(slf, &error))
            }
        }
    }

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
            Outcome::Failed(error) => Err(error.into()),
        }
    }

    /// Receive once into the read buffer. None where the descriptor would block.
    fn receive_once(slf: &Bound<'_, Self>, fd: i32) -> PyResult<Option<usize>> {
        let this = slf.get();
        let received = slf.py().detach(|| {
            let mut half = this.lock_read()?;
            Ok(descriptor::receive(fd, &mut half.source))
        });
        match received.map_err(|error: Error| Self::fail(slf, &error))? {
            Ok(octets) => Ok(octets),
            Err(error) => Err(error.into()),
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
            Err(error) => Err(error.into()),
        }
    }

    /// Before a wait for the peer: send what it may be waiting for (a key update that it asked for, an answer to its request), as far
    /// as that goes without blocking. Failures to send are not ours to report: what the peer sent before can still be read.
    fn push_answers(slf: &Bound<'_, Self>, fd: i32) -> PyResult<Until> {
        let this = slf.get();
        let left = this.with_write(slf.py(), false, |writer| {
            writer.half.settle_control()?;
            if writer.waiting() == 0 {
                return Ok(false);
            }
            writer.spill();
            Ok(!descriptor::drain(fd, &mut writer.half).unwrap_or(true))
        });
        let left = left.map_err(|error| Self::fail(slf, &error))?;
        Ok(if left { Until::Either } else { Until::Readable })
    }

    /// The error of a stream that ended, once everything before its end is read.
    fn check_ended(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        if *item == Item::NeedMore && slf.get().has_ended() {
            return Err(Self::misuse(slf, "truncated", "the stream ended without close_notify"));
        }
        Ok(())
    }

    /// Open what waits, receiving until there is something; detached from the interpreter.
    fn step(this: &Self, fd: i32, destination: &mut Destination<'_>) -> Result<Step, Error> {
        let mut half = this.lock_read()?;
        loop {
            let item = half.pull(destination)?;
            if item != Item::NeedMore {
                return Ok(Step::Item(item));
            }
            match descriptor::receive(fd, &mut half.source) {
                Ok(Some(0)) => return Ok(Step::EndOfStream),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Step::WouldBlock),
                Err(error) => return Ok(Step::Failed(error)),
            }
        }
    }

    /// What follows from a step: octets of application data (0 after close_notify), or None to go on.
    fn take_step(slf: &Bound<'_, Self>, fd: i32, wait: &Wait, step: Result<Step, Error>) -> PyResult<Option<usize>> {
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
            Step::Failed(error) => return Err(error.into()),
        }
        Ok(None)
    }

    fn flush(slf: &Bound<'_, Self>, fd: i32, wait: &Wait) -> PyResult<()> {
        while !Self::push_out(slf, fd)? {
            Self::wait(slf, fd, wait, Until::Writable)?;
        }
        Ok(())
    }
}

/// How one detached step of a receiving call ended.
enum Step {
    Item(Item),
    EndOfStream,
    WouldBlock,
    Failed(std::io::Error),
}

#[pymethods]
impl RecordLayer {
    /// Take wire octets from the peer.
    #[pyo3(signature = (wire, /))]
    fn receive(slf: &Bound<'_, Self>, wire: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::check(slf)?;
        Self::feed(slf, wire)?;
        if !slf.get().is_open() {
            slf.call_method0(intern!(slf.py(), "_advance"))?;
        }
        Ok(())
    }

    /// All application data that waits, up to 256 KiB.
    #[pyo3(signature = ())]
    fn read(slf: &Bound<'_, Self>) -> PyResult<Py<PyBytes>> {
        let (py, this) = (slf.py(), slf.get());
        loop {
            Self::check_open(slf)?;
            let promise = this
                .with_read(py, false, |half| Ok(half.promise(READ_CAP)))
                .map_err(|error| Self::fail(slf, &error))?;
            let mut fresh = FreshBytes::new(py, promise)?;
            let memory = fresh.memory();
            let item = this
                .with_read(py, promise >= this.threshold(), |half| {
                    half.pull(&mut Destination::with_slack(memory, promise))
                })
                .map_err(|error| Self::fail(slf, &error))?;
            if let Item::Data(octets) = item {
                return Ok(fresh.finish(py, octets));
            }
            drop(fresh);
            Self::check_ended(slf, &item)?;
            if !Self::dispatch(slf, &item)? && item != Item::DataWaits {
                return Ok(PyBytes::new(py, &[]).unbind());
            }
        }
    }

    /// Open every complete record that waits into `buffer`.
    #[pyo3(signature = (buffer, /))]
    fn read_into(slf: &Bound<'_, Self>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let memory = view.writable(buffer)?;
        if memory.is_empty() {
            return Err(PyBufferError::new_err("the buffer is empty; give one of at least 1 octet"));
        }
        loop {
            Self::check_open(slf)?;
            let long = memory.len() >= this.threshold() && this.waiting_wire() >= this.threshold();
            let item = this
                .with_read(py, long, |half| half.pull(&mut Destination::new(memory)))
                .map_err(|error| Self::fail(slf, &error))?;
            if let Item::Data(octets) = item {
                return Ok(octets);
            }
            Self::check_ended(slf, &item)?;
            if !Self::dispatch(slf, &item)? {
                return Ok(0);
            }
        }
    }

    /// Seal application data; `data_to_send` hands out the records.
    #[pyo3(signature = (data, /))]
    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        Self::check_open(slf)?;
        let mut view = View::empty();
        let octets = view.readable(data)?;
        if octets.is_empty() || Self::seal_fresh(slf, octets)? {
            return Ok(octets.len());
        }
        let this = slf.get();
        let sealed = this.with_write(slf.py(), octets.len() >= this.threshold(), |writer| {
            writer.spill();
            writer.half.seal(octets)
        });
        sealed.map_err(|error| Self::fail(slf, &error))?;
        Ok(octets.len())
    }

    /// Seal several buffers as one stream of full records.
    #[pyo3(signature = (buffers, /))]
    fn write_many(slf: &Bound<'_, Self>, buffers: &Bound<'_, PyAny>) -> PyResult<usize> {
        Self::check_open(slf)?;
        let mut joined = Buffer::new();
        let sequence = buffers.cast::<PySequence>()?;
        for index in 0..sequence.len()? {
            let mut view = View::empty();
            joined.extend_from_slice(view.readable(&sequence.get_item(index)?)?);
        }
        let this = slf.get();
        let octets = joined.as_slice();
        let sealed = this.with_write(slf.py(), octets.len() >= this.threshold(), |writer| {
            writer.spill();
            writer.half.seal(octets)
        });
        let length = octets.len();
        joined.wiped();
        sealed.map_err(|error| Self::fail(slf, &error))?;
        Ok(length)
    }

    /// Seal application data into `out`, behind whatever waited to be sent.
    #[pyo3(signature = (data, out, /))]
    fn write_into(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>) -> PyResult<usize> {
        Self::check_open(slf)?;
        let (mut source, mut target) = (View::empty(), View::empty());
        let octets = source.readable(data)?;
        let memory = target.writable(out)?;
        let (input, output) = (octets.as_ptr_range(), memory.as_ptr_range());
        if input.start < output.end.cast() && output.start.cast() < input.end {
            return Err(PyValueError::new_err(
                "data and out share memory; the records would overwrite what is still to be sealed",
            ));
        }
        let this = slf.get();
        let sealed = this.with_write(slf.py(), octets.len() >= this.threshold(), |writer| {
            writer.spill();
            let half = &mut writer.half;
            half.settle_control()?;
            let waiting = half.outgoing().len();
            let size = half.sealed_size(octets.len());
            if memory.len() < waiting + size {
                return Err(Error::new(
                    Code::BufferTooSmall,
                    format!(
                        "the records need {} octets and the output has {}; ask wire_size() first",
                        waiting + size,
                        memory.len()
                    ),
                ));
            }
            let (front, rest) = memory.split_at_mut(waiting);
            let written = half.seal_into(octets, rest)?;
            if waiting > 0 {
                tlscore_crypto::copy_to_uninit(half.outgoing().as_slice(), front);
                half.outgoing_mut().clear();
                half.outgoing_mut().release();
            }
            Ok(waiting + written)
        });
        sealed.map_err(|error| Self::fail(slf, &error))
    }

    /// Octets that `write_into` may need for `octets` of application data.
    #[pyo3(signature = (octets, /))]
    fn wire_size(slf: &Bound<'_, Self>, octets: usize) -> PyResult<usize> {
        if isize::try_from(octets).is_err() {
            return Err(PyOverflowError::new_err("no memory holds that many octets"));
        }
        Self::check(slf)?;
        let size = slf.get().with_write(slf.py(), false, |writer| {
            Ok(writer.half.sealed_size(octets).saturating_add(writer.waiting() + CONTROL_ROOM))
        });
        size.map_err(|error| Self::fail(slf, &error))
    }

    /// Everything that waits to be sent.
    #[pyo3(signature = ())]
    fn data_to_send(slf: &Bound<'_, Self>) -> PyResult<Py<PyBytes>> {
        let (py, this) = (slf.py(), slf.get());
        Self::check_fork(slf)?;
        let taken = this.with_write(py, false, |writer| {
            if writer.single.is_none() && this.is_open() && !this.is_dead() {
                writer.half.settle_control()?;
            }
            Ok(if writer.half.outgoing().is_empty() { writer.single.take() } else { None })
        });
        if let Some(bytes) = taken.map_err(|error| Self::fail(slf, &error))? {
            return Ok(bytes.into_object());
        }
        let Some(mut writer) = this.try_write() else {
            return Ok(PyBytes::new(py, &[]).unbind());
        };
        writer.spill();
        let bytes = PyBytes::new(py, writer.half.outgoing().as_slice()).unbind();
        writer.half.outgoing_mut().clear();
        writer.half.outgoing_mut().release();
        Ok(bytes)
    }

    /// Receive from a descriptor and open until application data is there.
    #[pyo3(signature = (fd, buffer, timeout, /))]
    fn read_from(slf: &Bound<'_, Self>, fd: i32, buffer: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let memory = view.writable(buffer)?;
        if memory.is_empty() {
            return Err(PyBufferError::new_err("the buffer is empty; give one of at least 1 octet"));
        }
        let wait = Wait::new(timeout)?;
        loop {
            Self::check_open(slf)?;
            let step = py.detach(|| Self::step(this, fd, &mut Destination::new(memory)));
            if let Some(octets) = Self::take_step(slf, fd, &wait, step)? {
                return Ok(octets);
            }
        }
    }

    /// As `read_from`, into a bytes object of at most `limit` octets.
    #[pyo3(signature = (fd, limit, timeout, /))]
    fn read_bytes_from(slf: &Bound<'_, Self>, fd: i32, limit: usize, timeout: Option<f64>) -> PyResult<Py<PyBytes>> {
        let (py, this) = (slf.py(), slf.get());
        let limit = limit.clamp(1, READ_CAP);
        let wait = Wait::new(timeout)?;
        loop {
            Self::check_open(slf)?;
            // First the octets that are there already: how long the result can be is known before it is made.
            let promise = this.with_read(py, false, |half| Ok(half.promise(limit)));
            let promise = promise.map_err(|error| Self::fail(slf, &error))?.min(limit);
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

    /// Seal all of `data` and send it.
    #[pyo3(signature = (fd, data, timeout, /))]
    fn send_to(slf: &Bound<'_, Self>, fd: i32, data: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        Self::check_open(slf)?;
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let octets = view.readable(data)?;
        let wait = Wait::new(timeout)?;
        Self::flush(slf, fd, &wait)?;
        let owed = Self::writing(slf, |writer: &mut Writer| Ok(std::mem::take(&mut writer.owed)))?;
        if owed > 0 {
            return Ok(owed.min(octets.len()));
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
                Err(error) => return Err(error.into()),
            }
            if done < octets.len() {
                Self::check_open(slf)?;
            }
        }
        Ok(done)
    }

    /// Send everything that waits.
    #[pyo3(signature = (fd, timeout, /))]
    fn flush_to(slf: &Bound<'_, Self>, fd: i32, timeout: Option<f64>) -> PyResult<()> {
        Self::check_fork(slf)?;
        let wait = Wait::new(timeout)?;
        Self::flush(slf, fd, &wait)
    }

    /// Receive once from a descriptor, and drive the handshake while it runs.
    #[pyo3(signature = (fd, timeout, /))]
    fn fill_from(slf: &Bound<'_, Self>, fd: i32, timeout: Option<f64>) -> PyResult<usize> {
        Self::check(slf)?;
        let wait = Wait::new(timeout)?;
        loop {
            if let Some(octets) = Self::receive_once(slf, fd)? {
                if octets > 0 && !slf.get().is_open() {
                    slf.call_method0(intern!(slf.py(), "_advance"))?;
                }
                return Ok(octets);
            }
            Self::wait(slf, fd, &wait, Until::Readable)?;
        }
    }
}
