//! Pooled byte buffers that are consumed at the front and filled at the back.
//!
//! ```text
//! memory  [ consumed | live octets | room ]
//!                    start         end      capacity
//! ```
//!
//! Fresh memory costs a page fault per 4 KiB, which is far more than AES-GCM costs for the same octets; so memory goes
//! back to a pool of the process and is used again. A buffer that is empty and released holds no memory at all: idle
//! connections are cheap. Memory is zeroed when it is first made and stays initialised from then on; the octets of an
//! earlier user are overwritten before anyone can read them, because only `start..end` is ever shown, but they do stay
//! in memory until then. [`Buffer::wiped`] is for those that must not.

use core::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use zeroize::Zeroize;

const SMALLEST: usize = 4 * 1024;
const LARGEST_KEPT: usize = 1024 * 1024;
const CLASSES: usize = (LARGEST_KEPT / SMALLEST).ilog2() as usize + 1;
/// What the pool holds at most, all classes together.
const KEPT_AT_MOST: usize = 8 * 1024 * 1024;

/// Memory that nobody uses, by size class. Never waited for: a class that is locked counts as empty or full.
struct Pool {
    classes: [Mutex<Vec<Box<[u8]>>>; CLASSES],
    kept: AtomicUsize,
}

static POOL: Pool = Pool { classes: [const { Mutex::new(Vec::new()) }; CLASSES], kept: AtomicUsize::new(0) };

impl Pool {
    fn class(capacity: usize) -> Option<usize> {
        (SMALLEST..=LARGEST_KEPT).contains(&capacity).then(|| (capacity / SMALLEST).ilog2() as usize)
    }

    fn take(&self, octets: usize) -> Box<[u8]> {
        let capacity = octets.max(SMALLEST).next_power_of_two();
        let pooled = Self::class(capacity).and_then(|class| self.classes[class].try_lock().ok()?.pop());
        match pooled {
            Some(memory) => {
                self.kept.fetch_sub(memory.len(), Ordering::Relaxed);
                memory
            }
            None => vec![0; capacity].into_boxed_slice(),
        }
    }

    fn give(&self, memory: Box<[u8]>) {
        let Some(class) = Self::class(memory.len()) else {
            return;
        };
        let octets = memory.len();
        // Reserve first, so that two threads cannot both take the last room.
        if self.kept.fetch_add(octets, Ordering::Relaxed) + octets <= KEPT_AT_MOST {
            if let Ok(mut class) = self.classes[class].try_lock() {
                class.push(memory);
                return;
            }
        }
        self.kept.fetch_sub(octets, Ordering::Relaxed);
    }
}

/// A growable byte buffer whose memory comes from, and returns to, a pool.
#[derive(Default)]
pub struct Buffer {
    memory: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty buffer without memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Live octets.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are no live octets.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Octets of memory held, used or not.
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// The live octets.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// The live octets, to change in place.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }

    /// Drop the first `octets` live octets.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn consume(&mut self, octets: usize) {
        assert!(octets <= self.len(), "cannot consume more than there is");
        self.start += octets;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Drop all live octets; the memory stays.
    #[inline]
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Keep the first `octets` live octets; nothing happens if there are fewer.
    #[inline]
    pub fn truncate(&mut self, octets: usize) {
        self.end = self.end.min(self.start.saturating_add(octets));
    }

    /// Append a copy of `octets`.
    pub fn extend_from_slice(&mut self, octets: &[u8]) {
        self.spare(octets.len())[..octets.len()].copy_from_slice(octets);
        self.commit(octets.len());
    }

    /// Append `octets` octets that `write` puts in place. If it fails, the live octets are what they were.
    ///
    /// `write` gets memory of which it must write every octet: what it leaves out shows what an earlier user left.
    pub fn append_with<E>(
        &mut self,
        octets: usize,
        write: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let room = &mut self.spare(octets)[..octets];
        // SAFETY: the types have one layout. Safe code could store "uninitialised" through the view, which the guard
        // undoes before the memory is looked at as octets again, also when `write` unwinds.
        let view = unsafe { core::slice::from_raw_parts_mut(room.as_mut_ptr().cast::<MaybeUninit<u8>>(), room.len()) };
        let guard = Freeze(view);
        let result = write(&mut *guard.0);
        drop(guard);
        result?;
        self.commit(octets);
        Ok(())
    }

    /// Room for at least `octets` octets after the live ones, for a system call to fill; then [`Buffer::commit`].
    pub fn spare(&mut self, octets: usize) -> &mut [u8] {
        if self.memory.len() - self.end < octets {
            self.make_room(octets);
        }
        &mut self.memory[self.end..]
    }

    /// Make `octets` octets of the room live.
    ///
    /// # Panics
    /// If there is less room.
    #[inline]
    pub fn commit(&mut self, octets: usize) {
        assert!(octets <= self.memory.len() - self.end, "cannot commit more than the room");
        self.end += octets;
    }

    /// Give the memory back to the pool if no octet is live.
    pub fn release(&mut self) {
        if self.is_empty() && !self.memory.is_empty() {
            self.clear();
            POOL.give(core::mem::take(&mut self.memory));
        }
    }

    /// Move few live octets out of large memory, so that the head of a record whose rest is late does not hold it.
    pub fn shrink(&mut self) {
        self.release();
        if self.memory.len() > 4 * SMALLEST && self.len() <= self.memory.len() / 4 {
            let mut smaller = POOL.take(self.len());
            smaller[..self.len()].copy_from_slice(self.as_slice());
            self.end = self.len();
            self.start = 0;
            POOL.give(core::mem::replace(&mut self.memory, smaller));
        }
    }

    /// Zero the memory and give it back. Memory that the buffer outgrew before went back as it was.
    pub fn wiped(mut self) {
        self.memory.zeroize();
        self.clear();
    }

    /// Move the live octets to the front where that gives the room at a fair price, else to larger memory.
    #[cold]
    fn make_room(&mut self, octets: usize) {
        let live = self.start..self.end;
        let needed = live.len().checked_add(octets).expect("lengths of memory add up");
        // A move must be paid for by octets consumed or about to come, or many small appends would each move a long
        // tail.
        let paid = live.len() / 4 <= self.start.max(octets);
        if needed <= self.memory.len() && paid {
            self.memory.copy_within(live.clone(), 0);
        } else {
            let mut larger = POOL.take(needed);
            larger[..live.len()].copy_from_slice(&self.memory[live.clone()]);
            let outgrown = core::mem::replace(&mut self.memory, larger);
            POOL.give(outgrown);
        }
        self.start = 0;
        self.end = live.len();
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        POOL.give(core::mem::take(&mut self.memory));
    }
}

/// A view of initialised memory that may have been de-initialised in the language's eyes.
struct Freeze<'a>(&'a mut [MaybeUninit<u8>]);

impl Drop for Freeze<'_> {
    fn drop(&mut self) {
        // SAFETY: no octet is written. The call is opaque to the compiler and gets a pointer that it may write through,
        // so from here on the octets are whatever the memory holds, which is real memory that was zeroed when it was
        // made.
        unsafe { aws_lc_sys::OPENSSL_cleanse(self.0.as_mut_ptr().cast(), 0) };
    }
}
