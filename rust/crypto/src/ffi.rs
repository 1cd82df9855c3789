//! The return convention of AWS-LC in one place: 1 is success, and a failure leaves a trail in a queue of the thread.

use crate::CryptoError;

/// Turn a return code into a result.
///
/// A failure also empties the thread's error queue: nobody reads it, and a peer that sends forged records must not make
/// it grow or leave allocations behind.
#[inline]
pub(crate) fn check(code: core::ffi::c_int) -> Result<(), CryptoError> {
    if code == 1 {
        return Ok(());
    }
    Err(refuse())
}

/// Empty the error queue and name the failure.
#[cold]
pub(crate) fn refuse() -> CryptoError {
    // SAFETY: takes no argument and touches only the calling thread's queue.
    unsafe { aws_lc_sys::ERR_clear_error() };
    CryptoError
}
