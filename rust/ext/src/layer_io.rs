//! The application's side of `RecordLayer`: in memory and on descriptors.
//!
//! A write of any length is one call and at most one bytes object; a read opens every complete record that waits into one destination.

use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyBufferError, PyOverflowError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySequence};
use tlscore_core::read::Destination;
use tlscore_core::{Code, Error, Item};
use tlscore_crypto::Buffer;

use crate::buffers::{FreshBytes, View, WireBytes};
use crate::layer::RecordLayer;

/// Most octets of one bytes result: fresh memory above this costs more in page faults than the copy that it saves.
pub const READ_CAP: usize = 256 << 10;

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

    /// Octets that a bytes object for what waits must have.
    pub fn promise(slf: &Bound<'_, Self>, cap: usize) -> PyResult<usize> {
        let (py, this) = (slf.py(), slf.get());
        let promised = this.with_read(py, false, |half| Ok((half.promise(cap), half.is_legacy())));
        let promised = promised.and_then(|(promise, is_legacy)| {
            // Settling is decryption, so it is not for a thread that is attached.
            if is_legacy {
                this.with_read(py, true, |half| Ok(half.settle(promise)))
            } else {
                Ok(promise)
            }
        });
        promised.map_err(|error| Self::fail(slf, &error))
    }

    /// Open what waits into a bytes object made to measure; under one lock where the work is short.
    fn pull_fresh(slf: &Bound<'_, Self>) -> PyResult<(Item, FreshBytes)> {
        let (py, this) = (slf.py(), slf.get());
        if let Some(mut half) = this.try_read() {
            let promise = half.promise(READ_CAP);
            if promise < this.threshold() {
                let promise = half.settle(promise);
                let mut fresh = FreshBytes::new(py, promise)?;
                let pulled = half.pull(&mut Destination::with_slack(fresh.memory(), promise));
                drop(half);
                return pulled.map(|item| (item, fresh)).map_err(|error| Self::fail(slf, &error));
            }
        }
        let promise = Self::promise(slf, READ_CAP)?;
        let mut fresh = FreshBytes::new(py, promise)?;
        let memory = fresh.memory();
        let pulled = this.with_read(py, true, |half| half.pull(&mut Destination::with_slack(memory, promise)));
        pulled.map(|item| (item, fresh)).map_err(|error| Self::fail(slf, &error))
    }

    /// The error of a stream that ended, once everything before its end is read.
    fn check_ended(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        if *item == Item::NeedMore && slf.get().has_ended() {
            return Err(Self::misuse(slf, "truncated", "the stream ended without close_notify"));
        }
        Ok(())
    }
}

#[pymethods]
impl RecordLayer {
    /// Take wire octets from the peer; while the handshake runs, this drives it.
    ///
    /// Takes:    wire: bytes are kept as they are until they are opened; any other buffer is copied.
    /// Raises:   the AlertError of what is wrong in the handshake. Records after the handshake are opened, and
    ///           complained about, by read, read_into and events.
    /// Effects:  in the handshake, messages to send may wait in data_to_send().
    /// Source:   RFC 9846 section 5.1.
    #[pyo3(signature = (wire, /))]
    fn receive(slf: &Bound<'_, Self>, wire: &Bound<'_, PyAny>) -> PyResult<()> {
        let open = slf.get().is_usable();
        if !open {
            Self::check(slf)?;
        }
        Self::feed(slf, wire)?;
        if !open {
            slf.call_method0(intern!(slf.py(), "_advance"))?;
        }
        Ok(())
    }

    /// Open the complete records that wait, and give their application data.
    ///
    /// Gives:    at most 256 KiB; b"" when more wire octets are needed, or after the peer's close_notify (peer_closed).
    /// Raises:   BadRecordMac if a record fails its check; RecordOverflow; HandshakeNotComplete; TruncationError
    ///           where the stream ended without close_notify; after a failure the original error.
    /// Effects:  read sequence number + 1 per record; the interpreter is released above the threshold (128 KiB).
    /// Source:   RFC 9846 section 5.2, 5.5.
    #[pyo3(signature = ())]
    fn read(slf: &Bound<'_, Self>) -> PyResult<Py<PyBytes>> {
        let py = slf.py();
        loop {
            Self::check_open(slf)?;
            let (item, fresh) = Self::pull_fresh(slf)?;
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

    /// Open every complete record that waits, writing application data into `buffer`.
    ///
    /// Takes:    buffer: writable, contiguous, at least 1 octet. Octets behind those that count may be overwritten.
    /// Gives:    octets written, 0..len(buffer); 0 when more wire octets are needed, or after the peer's close_notify.
    /// Raises:   as read; BufferError for an empty buffer.
    /// Effects:  as read. It stops at each handshake message, alert and change of keys.
    /// Source:   RFC 9846 section 5.2, 5.5.
    #[pyo3(signature = (buffer, /))]
    fn read_into(slf: &Bound<'_, Self>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (py, this) = (slf.py(), slf.get());
        let mut view = View::empty();
        let memory = view.writable(buffer)?;
        if memory.is_empty() {
            return Err(PyBufferError::new_err("the buffer is empty; give one of at least 1 octet"));
        }
        let tidy = this.frugal.load(Ordering::Relaxed);
        loop {
            Self::check_open(slf)?;
            let long = memory.len() >= this.threshold() && this.waiting_wire() >= this.threshold();
            let item = this
                .with_read(py, long, |half| half.pull(&mut Destination::new(memory).tidy(tidy)))
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

    /// Seal application data; data_to_send() hands out the records.
    ///
    /// Takes:    data: any contiguous buffer.
    /// Gives:    len(data): all of it is sealed.
    /// Raises:   HandshakeNotComplete; ConnectionClosedError after close(); after a failure the original error.
    /// Effects:  write sequence number + 1 per record; keys are updated by themselves before the limit of the AEAD.
    /// Source:   RFC 9846 section 5.1, 5.5.
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
    ///
    /// Takes:    buffers: a sequence of contiguous buffers.
    /// Gives:    the octets of all of them.
    /// Raises:   as write.
    /// Source:   RFC 9846 section 5.1.
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
    ///
    /// Takes:    data: any contiguous buffer; out: writable, at least wire_size(len(data)) octets, apart from data.
    /// Gives:    octets written to `out`; data_to_send() has nothing left then.
    /// Raises:   as write; BufferTooSmall; ValueError where data and out share memory.
    /// Source:   RFC 9846 section 5.1, 5.5.
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
            let written = half.seal_exact(octets, rest)?;
            if waiting > 0 {
                tlscore_crypto::copy_to_uninit(half.outgoing().as_slice(), front);
                half.outgoing_mut().clear();
                half.outgoing_mut().release();
            }
            Ok(waiting + written)
        });
        sealed.map_err(|error| Self::fail(slf, &error))
    }

    /// Octets that write_into may need for `octets` of application data, with all that waits to be sent.
    ///
    /// Raises:   OverflowError where no memory holds that much; after a failure the original error.
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

    /// Everything that waits to be sent, once.
    ///
    /// Gives:    wire octets; b"" when nothing waits. After a failure it still hands out what waits: the alert.
    /// Raises:   ForkedConnectionError in a child of the process that made the connection.
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
}
