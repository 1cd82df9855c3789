//! Where opened application data goes: the caller's memory, written front to back.

use std::mem::MaybeUninit;

/// A caller's buffer and how much of it is filled.
pub struct Destination<'a> {
    memory: &'a mut [MaybeUninit<u8>],
    limit: usize,
    filled: usize,
    tidy: bool,
}

impl<'a> Destination<'a> {
    /// All of `memory` may be written.
    #[must_use]
    pub fn new(memory: &'a mut [MaybeUninit<u8>]) -> Self {
        Self { limit: memory.len(), memory, filled: 0, tidy: false }
    }

    /// At most `limit` octets of application data; the memory behind them may be scribbled on, which saves a record's type octet a
    /// place of its own.
    #[must_use]
    pub fn with_slack(memory: &'a mut [MaybeUninit<u8>], limit: usize) -> Self {
        Self { limit: limit.min(memory.len()), memory, filled: 0, tidy: false }
    }

    /// No room: only what is not application data is wanted.
    #[must_use]
    pub fn none() -> Self {
        Self { memory: &mut [], limit: 0, filled: 0, tidy: false }
    }

    /// Whether a record's type octet must stay out of the memory behind its content.
    #[must_use]
    pub const fn tidy(mut self, tidy: bool) -> Self {
        self.tidy = tidy;
        self
    }

    /// Octets written.
    #[must_use]
    pub const fn filled(&self) -> usize {
        self.filled
    }

    /// Octets that can still be written.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.limit - self.filled
    }

    pub(crate) const fn is_tidy(&self) -> bool {
        self.tidy
    }

    /// Octets that can be scribbled on.
    pub(crate) const fn space(&self) -> usize {
        self.memory.len() - self.filled
    }

    /// The next `octets` octets of room.
    pub(crate) fn window(&mut self, octets: usize) -> &mut [MaybeUninit<u8>] {
        &mut self.memory[self.filled..self.filled + octets]
    }

    /// The first `octets` of the room are application data.
    pub(crate) fn advance(&mut self, octets: usize) {
        self.filled += octets;
    }

    /// Copy as much as fits; gives how much.
    pub(crate) fn copy(&mut self, data: &[u8]) -> usize {
        let octets = data.len().min(self.room());
        tlscore_crypto::copy_to_uninit(&data[..octets], self.window(octets));
        self.filled += octets;
        octets
    }
}
