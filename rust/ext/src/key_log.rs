//! `KeyLog` for Python: the only way, and only if the caller asks for it, in which traffic secrets leave this library.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyPermissionError;
use pyo3::prelude::*;

/// A file of NSS key log lines.
#[pyclass(frozen, module = "tlscore._core")]
pub struct KeyLog(Mutex<File>);

impl KeyLog {
    /// Append whole lines with one system call, so that processes that share the file do not mix them.
    pub fn write(&self, lines: &[u8]) {
        // A full disk must not end a connection: the log is an aid for debugging.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines);
    }
}

#[pymethods]
impl KeyLog {
    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::facts::not_for_pickle())
    }

    /// Open for appending; a new file can be read by its owner alone.
    #[new]
    #[pyo3(signature = (path, /))]
    fn new(path: PathBuf) -> PyResult<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(libc::O_CLOEXEC).open(path)?;
        let about = file.metadata()?;
        if about.is_file() && about.permissions().mode() & 0o077 != 0 {
            return Err(PyPermissionError::new_err(
                "the key log exists and others than its owner can read it: chmod 600, or name a new file",
            ));
        }
        Ok(Self(Mutex::new(file)))
    }
}
