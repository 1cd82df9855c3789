//! The fork guard: a counter that every fork() of this process raises in the child.
//!
//! A connection remembers the count of its birth. A child that inherited it would seal other plaintext under the same key and nonce, so
//! each call compares the two first: one load, no system call.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

use pyo3::prelude::*;

static GENERATION: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Begin to count. Idempotent.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `in_child` only adds to an atomic, which is async-signal-safe, as a handler after fork must be.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// The count of this process.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Times that this process was forked from one that had loaded the module.
#[pyfunction]
pub fn fork_generation() -> u32 {
    generation()
}
