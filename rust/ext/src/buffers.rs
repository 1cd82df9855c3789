//! Arguments that are buffers, and bytes objects that are filled after they are made.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A contiguous buffer that somebody else owns, exported to us until drop.
///
/// Exporters may keep pointers into the `Py_buffer`, so it is filled where it stays: make an empty one, then call `fill`.
pub struct View<'py> {
    raw: ffi::Py_buffer,
    filled: bool,
    _attached: PhantomData<Python<'py>>,
}

impl<'py> View<'py> {
    /// Without a buffer.
    pub fn empty() -> Self {
        Self { raw: ffi::Py_buffer::new(), filled: false, _attached: PhantomData }
    }

    fn fill(&mut self, object: &Bound<'py, PyAny>, flags: std::ffi::c_int) -> PyResult<()> {
        debug_assert!(!self.filled);
        // SAFETY: we are attached (the Bound proves it), `raw` stays in place until PyBuffer_Release in drop.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut self.raw, flags) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        self.filled = true;
        Ok(())
    }

    /// Octets of `object` to read from.
    ///
    /// The caller may still write to them from another thread. Sealing reads each octet once, so a writer can change what is sent and
    /// nothing else; wire octets are copied before they are opened.
    pub fn readable(&mut self, object: &Bound<'py, PyAny>) -> PyResult<&[u8]> {
        self.fill(object, ffi::PyBUF_SIMPLE)?;
        if self.raw.len == 0 {
            return Ok(&[]);
        }
        // SAFETY: a PyBUF_SIMPLE export is `len` contiguous octets at `buf`, kept alive by the export until drop.
        Ok(unsafe { std::slice::from_raw_parts(self.raw.buf.cast(), self.raw.len as usize) })
    }

    /// Octets of `object` to write to.
    pub fn writable(&mut self, object: &Bound<'py, PyAny>) -> PyResult<&mut [MaybeUninit<u8>]> {
        self.fill(object, ffi::PyBUF_WRITABLE)?;
        if self.raw.len == 0 {
            return Ok(&mut []);
        }
        // SAFETY: as above, and the exporter allows writing. Python code that reads the same memory meanwhile sees half-written octets,
        // as with socket.recv_into.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.raw.buf.cast(), self.raw.len as usize) })
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        if self.filled {
            // SAFETY: filled by PyObject_GetBuffer and released once; `_attached` keeps the View inside the attached scope.
            unsafe { ffi::PyBuffer_Release(&raw mut self.raw) };
        }
    }
}

/// A bytes object whose octets are not written yet. It becomes visible to Python only through `finish` or `sealed`.
pub struct FreshBytes {
    object: Py<PyBytes>,
    start: *mut MaybeUninit<u8>,
    length: usize,
}

// SAFETY: nobody else has a reference to the object, so its octets are as good as owned; the pointer lives as long as it does.
unsafe impl Send for FreshBytes {}

impl FreshBytes {
    /// Make one of `length` octets without filling it.
    pub fn new(py: Python<'_>, length: usize) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(length)
            .map_err(|_| PyMemoryError::new_err("too many octets for one bytes object"))?;
        // SAFETY: a null source asks for an object with uninitialised contents; the result is a new reference or null with an error set.
        let object =
            unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size)) }?;
        // SAFETY: PyBytes_FromStringAndSize makes a bytes object.
        let object = unsafe { object.cast_into_unchecked::<PyBytes>() };
        // SAFETY: it is a bytes object, which has its octets inline.
        let start = unsafe { ffi::PyBytes_AsString(object.as_ptr()) }.cast();
        Ok(Self { object: object.unbind(), start, length })
    }

    /// Its octets, and one more behind them that Python keeps for a terminating zero. Nothing at all where it is empty: there is one
    /// empty bytes object, and the whole process shares it.
    pub fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        if self.length == 0 {
            return &mut [];
        }
        // SAFETY: the object is not shared yet, so nobody reads it; a bytes object has `length + 1` octets of storage.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length + 1) }
    }

    fn terminate(&mut self) {
        if let Some(last) = self.memory().last_mut() {
            last.write(0);
        }
    }

    /// The object where all of it is written, else a bytes object of its first `filled` octets, which the caller has written.
    ///
    /// The stable ABI cannot shorten a bytes object, so the rare short result (padding, a control record in the middle) is a copy.
    pub fn finish(mut self, py: Python<'_>, filled: usize) -> Py<PyBytes> {
        assert!(filled <= self.length);
        self.terminate();
        if filled == self.length {
            return self.object;
        }
        // SAFETY: the caller has written the first `filled` octets, and they are within the object.
        let written = unsafe { std::slice::from_raw_parts(self.start.cast::<u8>(), filled) };
        PyBytes::new(py, written).unbind()
    }

    /// The object, all of which the caller has written, as wire octets; the interpreter is not needed for that.
    pub fn sealed(mut self) -> WireBytes {
        self.terminate();
        WireBytes { start: self.start.cast_const().cast(), length: self.length, object: self.object }
    }
}

/// Immutable wire octets in a bytes object: what a half keeps instead of a copy, readable without the interpreter.
pub struct WireBytes {
    object: Py<PyBytes>,
    start: *const u8,
    length: usize,
}

// SAFETY: a bytes object never changes and `object` keeps it alive; the pointer is only read.
unsafe impl Send for WireBytes {}
// SAFETY: as above.
unsafe impl Sync for WireBytes {}

impl WireBytes {
    /// Keep `bytes`.
    pub fn new(bytes: &Bound<'_, PyBytes>) -> Self {
        let octets = bytes.as_bytes();
        Self { start: octets.as_ptr(), length: octets.len(), object: bytes.clone().unbind() }
    }

    /// The object itself.
    pub fn into_object(self) -> Py<PyBytes> {
        self.object
    }
}

impl AsRef<[u8]> for WireBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `object` keeps the octets alive and unchanged.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}
