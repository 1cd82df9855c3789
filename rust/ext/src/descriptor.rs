//! System calls on a socket that the caller owns: receive, send, wait. Nothing here is attached to the interpreter.
//!
//! Calls never block by themselves (MSG_DONTWAIT): waiting is a `poll` of its own, with no lock held, so that a thread that waits for data
//! stops nobody.

use std::io;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::PyResult;
use tlscore_core::source::Source;
use tlscore_core::WriteHalf;

/// Octets of application data that are sealed before they are sent: 16 full records, which stay in the second-level cache.
pub const CHUNK: usize = 256 << 10;
/// Room for one receive call.
const RECEIVE: usize = 256 << 10;

/// How long to wait for a descriptor.
pub struct Wait {
    deadline: Option<Instant>,
    never: bool,
}

impl Wait {
    /// `None` waits for ever, zero not at all.
    pub fn new(timeout: Option<f64>) -> PyResult<Self> {
        let Some(seconds) = timeout else {
            return Ok(Self { deadline: None, never: false });
        };
        let span = Duration::try_from_secs_f64(seconds)
            .map_err(|_| PyValueError::new_err("a timeout is None, 0 or a positive number of seconds"))?;
        Ok(Self { deadline: Instant::now().checked_add(span), never: span.is_zero() })
    }

    /// Not at all, whatever the clock says.
    pub const NEVER: Self = Self { deadline: None, never: true };

    /// Not at all.
    pub const fn is_never(&self) -> bool {
        self.never
    }
}

/// How a wait ended.
pub enum Outcome {
    Ready,
    TimedOut,
    Interrupted,
    Failed(io::Error),
}

/// What a wait is for.
#[derive(Clone, Copy)]
pub enum Until {
    Readable,
    Writable,
    Either,
}

/// Wait until the descriptor can be read or written.
pub fn wait(fd: i32, wait: &Wait, until: Until) -> Outcome {
    if wait.never {
        return Outcome::TimedOut;
    }
    let events = match until {
        Until::Readable => libc::POLLIN,
        Until::Writable => libc::POLLOUT,
        Until::Either => libc::POLLIN | libc::POLLOUT,
    };
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    let milliseconds = match wait.deadline {
        None => -1,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Outcome::TimedOut;
            }
            i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
        }
    };
    // SAFETY: one valid pollfd, alive during the call.
    match unsafe { libc::poll(&raw mut entry, 1, milliseconds) } {
        0 => Outcome::TimedOut,
        1 => Outcome::Ready,
        _ => {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                Outcome::Interrupted
            } else {
                Outcome::Failed(error)
            }
        }
    }
}

/// Receive once into the source. `Ok(None)` where nothing is there yet.
pub fn receive<W: AsRef<[u8]>>(fd: i32, source: &mut Source<W>) -> io::Result<Option<usize>> {
    receive_up_to(fd, source, RECEIVE)
}

/// As `receive`, and at most so many octets: what is not taken still shows in `select` and `poll`.
pub fn receive_up_to<W: AsRef<[u8]>>(fd: i32, source: &mut Source<W>, octets: usize) -> io::Result<Option<usize>> {
    let room = source.spare(octets.min(RECEIVE));
    let octets = octets.min(room.len());
    let room = &mut room[..octets];
    loop {
        // SAFETY: `room` is writable memory of that length, which we hold alone.
        let count = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), libc::MSG_DONTWAIT) };
        if let Ok(octets) = usize::try_from(count) {
            source.commit(octets);
            return Ok(Some(octets));
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error if error.kind() == io::ErrorKind::WouldBlock => {
                source.settle();
                return Ok(None);
            }
            error => return Err(error),
        }
    }
}

/// Send what the write half holds. `Ok(true)` when nothing is left.
pub fn drain(fd: i32, half: &mut WriteHalf) -> io::Result<bool> {
    let outgoing = half.outgoing_mut();
    while !outgoing.is_empty() {
        let octets = outgoing.as_slice();
        // SAFETY: `octets` is readable memory of that length, borrowed for the call.
        let count = unsafe { libc::send(fd, octets.as_ptr().cast(), octets.len(), libc::MSG_DONTWAIT | NO_SIGNAL) };
        if let Ok(sent) = usize::try_from(count) {
            outgoing.consume(sent);
            continue;
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            error => return Err(error),
        }
    }
    outgoing.release();
    Ok(true)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// Elsewhere Python ignores SIGPIPE for the whole process.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NO_SIGNAL: i32 = 0;
