//! `RecordLayer`: one connection's two halves, each behind its own lock.
//!
//! Order of the rules here: a lock is never waited for while attached to the interpreter (a first try, then detached), and Python is never
//! called while one is held: errors, messages and alerts are taken out first, then the hook of the subclass runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use tlscore_core::{Code, Epoch, Error, Item, ReadHalf, Side, Signals, WriteHalf};

use crate::buffers::WireBytes;
use crate::fork;

/// Below this much AEAD work the interpreter stays attached: about 8 µs of AES-GCM.
pub const RELEASE_THRESHOLD: usize = 128 << 10;

/// What the read lock guards.
pub type Reader = ReadHalf<WireBytes>;

/// What the write lock guards.
pub struct Writer {
    pub half: WriteHalf,
    /// Records of one write, sealed straight into a bytes object; they stand before `half.outgoing()`.
    pub single: Option<WireBytes>,
    /// Octets of application data whose records a non-blocking call sealed and could not send whole.
    pub owed: usize,
}

impl Writer {
    /// Records of an earlier write go before what is queued next.
    #[inline]
    pub fn spill(&mut self) {
        if let Some(single) = self.single.take() {
            self.half.outgoing_mut().extend_from_slice(single.as_ref());
        }
    }

    /// Sealed octets that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.single.as_ref().map_or(0, |single| single.as_ref().len()) + self.half.outgoing().len()
    }
}

/// Record layer of one connection; see the class of the same name in `_core.pyi`.
#[pyclass(frozen, subclass, weakref, module = "tlscore._core")]
pub struct RecordLayer {
    side: Side,
    read: Mutex<Reader>,
    write: Mutex<Writer>,
    signals: Arc<Signals>,
    /// Not PyOnceLock: the garbage collector looks at it without the interpreter's leave.
    pub(crate) error: OnceLock<Py<PyAny>>,
    pub(crate) dead: AtomicBool,
    pub(crate) open: AtomicBool,
    peer_closed: AtomicBool,
    pub(crate) ended: AtomicBool,
    /// Receive record by record, and leave the memory behind the content of records alone.
    pub(crate) frugal: AtomicBool,
    pub(crate) release: AtomicUsize,
    generation: u32,
}

fn poisoned() -> Error {
    Error::new(Code::InternalError, "an earlier call was broken off in the middle")
}

impl RecordLayer {
    pub fn side(&self) -> Side {
        self.side
    }

    pub fn threshold(&self) -> usize {
        self.release.load(Ordering::Relaxed)
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Open, alive and of this process. A dead connection is not open: one flag and the fork counter are all that the hot paths
    /// look at.
    #[inline]
    pub fn is_usable(&self) -> bool {
        self.is_open() && self.generation == fork::generation()
    }

    /// Before anything that seals or opens: the original error of a dead connection, or the fork guard's.
    pub fn check(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        if let Some(error) = this.error.get() {
            // Each raise lengthens the traceback of its exception, and frames keep their locals: a dead connection that is asked again
            // and again must not grow.
            // SAFETY: attached, and the stored object is an exception; None is a valid traceback.
            unsafe { ffi::PyException_SetTraceback(error.as_ptr(), ffi::Py_None()) };
            return Err(PyErr::from_value(error.bind(slf.py()).clone()));
        }
        Self::check_fork(slf)
    }

    pub fn check_fork(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().generation != fork::generation() {
            return Err(Self::misuse(
                slf,
                "forked",
                "this process was forked after the connection was made; its keys belong to the parent",
            ));
        }
        Ok(())
    }

    /// As `check`, and the handshake must be complete.
    #[inline]
    pub fn check_open(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().is_usable() {
            return Ok(());
        }
        Self::check(slf)?;
        if slf.get().is_open() {
            Ok(())
        } else {
            Err(Self::misuse(
                slf,
                "handshake_not_complete",
                "application data cannot pass before the handshake is complete",
            ))
        }
    }

    /// The exception of an error that leaves the connection alive.
    pub fn misuse(slf: &Bound<'_, Self>, code: &str, detail: &str) -> PyErr {
        Self::exception(slf, code, -1, detail)
    }

    /// The exception of a failure of the record layer; the subclass sends the alert and kills the connection.
    pub fn fail(slf: &Bound<'_, Self>, error: &Error) -> PyErr {
        let alert = error.code.alert().map_or(-1, i32::from);
        Self::exception(slf, error.code.name(), alert, &error.detail)
    }

    fn exception(slf: &Bound<'_, Self>, code: &str, alert: i32, detail: &str) -> PyErr {
        match slf.call_method1(intern!(slf.py(), "_record_error"), (code, alert, detail)) {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }

    fn with<M: Send, T: Send>(
        py: Python<'_>,
        mutex: &Mutex<M>,
        long: bool,
        work: impl FnOnce(&mut M) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        if !long {
            match mutex.try_lock() {
                Ok(mut half) => return work(&mut half),
                Err(TryLockError::Poisoned(_)) => return Err(poisoned()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        py.detach(move || work(&mut *mutex.lock().map_err(|_| poisoned())?))
    }

    /// Work on the read half; detached from the interpreter where it is `long` or the lock is taken.
    pub fn with_read<T: Send>(
        &self,
        py: Python<'_>,
        long: bool,
        work: impl FnOnce(&mut Reader) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        Self::with(py, &self.read, long, work)
    }

    /// Work on the write half; detached from the interpreter where it is `long` or the lock is taken.
    pub fn with_write<T: Send>(
        &self,
        py: Python<'_>,
        long: bool,
        work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        Self::with(py, &self.write, long, work)
    }

    /// The read lock, for a thread that is detached already.
    pub fn lock_read(&self) -> Result<MutexGuard<'_, Reader>, Error> {
        self.read.lock().map_err(|_| poisoned())
    }

    /// The write lock, for a thread that is detached already.
    pub fn lock_write(&self) -> Result<MutexGuard<'_, Writer>, Error> {
        self.write.lock().map_err(|_| poisoned())
    }

    /// Wire octets that wait; 0 while another thread reads.
    pub fn waiting_wire(&self) -> usize {
        self.read.try_lock().map_or(0, |half| half.source.available())
    }

    /// Whether a key update, or the answer to one, waits to be sealed.
    pub fn is_due(&self) -> bool {
        self.signals.due()
    }

    /// Whether the stream is known to have ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The read lock where it is free, for a thread that is attached.
    pub fn try_read(&self) -> Option<MutexGuard<'_, Reader>> {
        self.read.try_lock().ok()
    }

    /// The write lock where it is free, for a thread that is attached.
    pub fn try_write(&self) -> Option<MutexGuard<'_, Writer>> {
        self.write.try_lock().ok()
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Remember what an item tells about the peer's closure.
    pub fn note(&self, item: &Item) {
        if matches!(item, Item::Closed | Item::Alert { description: 0, .. }) {
            self.peer_closed.store(true, Ordering::Release);
        }
    }

    /// Take the message that stands first, as a bytes object.
    pub fn take_message(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyBytes>>> {
        let py = slf.py();
        let taken = slf.get().with_read(py, false, |half| {
            let message = half.message().map(<[u8]>::to_vec);
            if message.is_some() {
                half.consume_message()?;
            }
            Ok(message)
        });
        let message = taken.map_err(|error| Self::fail(slf, &error))?;
        Ok(message.map(|octets| PyBytes::new(py, &octets).unbind()))
    }

    /// Hand a message or an alert of an open connection to the subclass. False where the item is neither.
    pub fn dispatch(slf: &Bound<'_, Self>, item: &Item) -> PyResult<bool> {
        let py = slf.py();
        slf.get().note(item);
        match item {
            Item::Message => {
                if let Some(message) = Self::take_message(slf)? {
                    slf.call_method1(intern!(py, "_on_post_handshake"), (message,))?;
                }
                Ok(true)
            }
            Item::Alert { level, description } => {
                slf.call_method1(intern!(py, "_on_alert"), (*level, *description))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Queue something behind what waits, with the error turned into the exception.
    pub fn writing<T: Send>(
        slf: &Bound<'_, Self>,
        work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        Self::check(slf)?;
        let queued = slf.get().with_write(slf.py(), false, |writer| {
            writer.spill();
            work(writer)
        });
        queued.map_err(|error| Self::fail(slf, &error))
    }

    /// `with_read` with the error turned into the exception.
    pub fn reading<T: Send>(
        slf: &Bound<'_, Self>,
        work: impl FnOnce(&mut Reader) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        Self::check(slf)?;
        slf.get().with_read(slf.py(), false, work).map_err(|error| Self::fail(slf, &error))
    }

    /// Install keys for reading.
    pub fn install_read(
        slf: &Bound<'_, Self>,
        epoch: Epoch,
        traffic: tlscore_core::protection::TrafficSecret,
    ) -> PyResult<()> {
        Self::reading(slf, move |half| half.install(epoch, traffic))
    }

    /// Install keys for writing.
    pub fn install_write(
        slf: &Bound<'_, Self>,
        epoch: Epoch,
        traffic: tlscore_core::protection::TrafficSecret,
    ) -> PyResult<()> {
        Self::writing(slf, move |writer| writer.half.install(epoch, traffic))
    }
}

#[pymethods]
impl RecordLayer {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    #[new]
    #[pyo3(signature = (is_client, /, *_args, **_kwargs))]
    fn new(is_client: bool, _args: &Bound<'_, PyAny>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        let side = if is_client { Side::Client } else { Side::Server };
        let signals = Arc::new(Signals::default());
        Self {
            side,
            read: Mutex::new(ReadHalf::new(side, Arc::clone(&signals))),
            write: Mutex::new(Writer { half: WriteHalf::new(side, Arc::clone(&signals)), single: None, owed: 0 }),
            signals,
            error: OnceLock::new(),
            dead: AtomicBool::new(false),
            open: AtomicBool::new(false),
            peer_closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            frugal: AtomicBool::new(false),
            release: AtomicUsize::new(RELEASE_THRESHOLD),
            generation: fork::generation(),
        }
    }

    /// A dead connection holds its error, whose traceback holds frames, which hold the connection: let the collector see that.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.error.get().map_or(Ok(()), |error| visit.call(error))
    }

    /// Sealed octets that wait to be sent; a key update that is due and not sealed yet counts as one.
    #[getter]
    fn pending_wire(&self) -> usize {
        // A lock that is taken means that another thread is sending right now.
        self.try_write().map_or(0, |writer| writer.waiting() + usize::from(writer.half.is_open() && self.signals.due()))
    }

    /// Application octets that are opened and wait to be read.
    #[getter]
    fn pending_plaintext(&self) -> usize {
        self.read.try_lock().map_or(0, |half| half.waiting())
    }

    /// Wire octets received and not opened.
    #[getter]
    fn buffered_wire(&self) -> usize {
        self.waiting_wire()
    }

    /// close_notify arrived.
    #[getter]
    fn peer_closed(&self) -> bool {
        self.peer_closed.load(Ordering::Acquire)
    }

    /// close_notify was queued.
    #[getter]
    fn write_closed(&self) -> bool {
        self.write.try_lock().is_ok_and(|writer| writer.half.is_closed())
    }

    /// (records opened, records sealed) under the current keys, (key updates received, sent).
    #[getter]
    fn counters(slf: &Bound<'_, Self>) -> PyResult<(u64, u64, u64, u64)> {
        Self::check_fork(slf)?;
        let (py, this) = (slf.py(), slf.get());
        let counted = this.with_read(py, false, |half| Ok(half.counters())).and_then(|(opened, received)| {
            let (sealed, sent) = this.with_write(py, false, |writer| Ok(writer.half.counters()))?;
            Ok((opened, sealed, received, sent))
        });
        counted.map_err(|error| Self::fail(slf, &error))
    }

    // ---- hooks: the subclass overrides all of them ----

    /// Drive the handshake with what was received.
    #[pyo3(signature = ())]
    fn _advance(&self) {}

    /// A handshake message after the handshake.
    #[pyo3(signature = (_message, /))]
    fn _on_post_handshake(&self, _message: &Bound<'_, PyAny>) {}

    /// An alert.
    #[pyo3(signature = (_level, _description, /))]
    fn _on_alert(&self, _level: u8, _description: u8) {}

    /// The exception of a failure.
    #[pyo3(signature = (code, _alert, detail, /))]
    fn _record_error(slf: &Bound<'_, Self>, code: &str, _alert: i32, detail: &str) -> Py<PyAny> {
        pyo3::exceptions::PyRuntimeError::new_err(format!("{code}: {detail}")).into_value(slf.py()).into_any()
    }
}
