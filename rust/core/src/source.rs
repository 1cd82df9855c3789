//! Wire octets that arrived and were not opened yet.
//!
//! ```text
//!   owned (pooled, copied in)          chunk (immutable, shared with the caller, never copied)
//!   [consumed|#### head ####]          [consumed|############### rest ###############]
//! ```
//! Octets of `owned` come before those of `chunk`. A record that lies across both is completed in `owned`, so each octet of a chunk is
//! copied at most once, and most are not copied at all. Ciphertext that the caller could still write to is always copied first.

use tlscore_crypto::Buffer;

/// A queue of wire octets; `W` is an immutable chunk that the caller shares.
pub struct Source<W> {
    owned: Buffer,
    chunk: Option<W>,
    at: usize,
}

impl<W: AsRef<[u8]>> Default for Source<W> {
    fn default() -> Self {
        Self { owned: Buffer::new(), chunk: None, at: 0 }
    }
}

impl<W: AsRef<[u8]>> Source<W> {
    #[inline]
    fn rest(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&[], |chunk| &chunk.as_ref()[self.at..])
    }

    /// Octets that wait.
    #[must_use]
    pub fn available(&self) -> usize {
        self.owned.len() + self.rest().len()
    }

    /// Copy octets in.
    pub fn feed(&mut self, wire: &[u8]) {
        self.settle();
        self.owned.extend_from_slice(wire);
    }

    /// Take a chunk without copying it.
    #[inline]
    pub fn feed_shared(&mut self, chunk: W) {
        if self.chunk.is_some() {
            self.settle();
        }
        self.chunk = Some(chunk);
    }

    /// Room for `octets` more, for a receive call; `commit` tells how many came.
    pub fn spare(&mut self, octets: usize) -> &mut [u8] {
        self.settle();
        self.owned.spare(octets)
    }

    /// `octets` of the room that `spare` gave are filled.
    pub fn commit(&mut self, octets: usize) {
        self.owned.commit(octets);
    }

    /// Move what is left of the chunk into owned memory and let the chunk go.
    pub fn settle(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.owned.extend_from_slice(&chunk.as_ref()[self.at..]);
            self.at = 0;
        }
        self.owned.release();
    }

    /// The octets at the front that lie in one piece; more may follow in another.
    #[inline]
    #[must_use]
    pub fn front(&self) -> &[u8] {
        if self.owned.is_empty() {
            self.rest()
        } else {
            self.owned.as_slice()
        }
    }

    /// The first `octets` octets in one piece, or `None` where fewer wait.
    pub fn head(&mut self, octets: usize) -> Option<&[u8]> {
        if self.available() < octets {
            return None;
        }
        if !self.owned.is_empty() && self.owned.len() < octets {
            let missing = octets - self.owned.len();
            let chunk = self.chunk.as_ref().map_or(&[][..], |chunk| &chunk.as_ref()[self.at..]);
            self.owned.extend_from_slice(&chunk[..missing]);
            self.at += missing;
        }
        if self.owned.is_empty() {
            Some(&self.rest()[..octets])
        } else {
            Some(&self.owned.as_slice()[..octets])
        }
    }

    /// A copy of `N` octets from `at` on, or `None` where they have not all arrived. Nothing is moved.
    #[must_use]
    pub fn copy_at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let owned = self.owned.as_slice();
        if let Some(piece) = owned.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
            return Some(*piece);
        }
        if let Some(beyond) = at.checked_sub(owned.len()) {
            return self.rest().get(beyond..)?.first_chunk::<N>().copied();
        }
        let mut piece = [0; N];
        let from_owned = &owned[at..];
        piece[..from_owned.len()].copy_from_slice(from_owned);
        piece[from_owned.len()..].copy_from_slice(self.rest().get(..N - from_owned.len())?);
        Some(piece)
    }

    /// A copy of the first octets, fewer where fewer wait.
    #[must_use]
    pub fn peek(&self, octets: usize) -> Vec<u8> {
        self.owned.as_slice().iter().chain(self.rest()).take(octets).copied().collect()
    }

    /// Drop the first octets, which a call of `head` has shown.
    #[inline]
    pub fn consume(&mut self, octets: usize) {
        if self.owned.is_empty() {
            self.at += octets;
            if self.rest().is_empty() {
                self.chunk = None;
                self.at = 0;
            }
        } else {
            self.owned.consume(octets);
            self.owned.release();
        }
    }

    /// Hold no more memory than what waits deserves; for a caller that may not come back soon.
    pub fn shrink(&mut self) {
        self.settle();
        self.owned.shrink();
    }

    /// Drop everything.
    pub fn clear(&mut self) {
        self.chunk = None;
        self.at = 0;
        self.owned.clear();
        self.owned.release();
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn octets_come_out_in_order_however_they_went_in() {
        let mut source: Source<Vec<u8>> = Source::default();
        source.feed(&[1, 2, 3]);
        source.feed_shared(vec![4, 5, 6, 7]);
        assert_eq!(source.head(5), Some(&[1, 2, 3, 4, 5][..]));
        source.consume(5);
        assert_eq!(source.head(3), None);
        source.feed_shared(vec![8, 9]);
        assert_eq!(source.available(), 4);
        assert_eq!(source.head(4), Some(&[6, 7, 8, 9][..]));
        source.consume(4);
        assert_eq!(source.available(), 0);
        source.feed(&[1, 2, 3]);
        source.feed_shared(vec![4, 5, 6]);
        assert_eq!(source.copy_at(0), Some([1, 2, 3]));
        assert_eq!(source.copy_at(1), Some([2, 3, 4]));
        assert_eq!(source.copy_at(3), Some([4, 5, 6]));
        assert_eq!(source.copy_at::<3>(4), None);
        source.clear();
        source.feed_shared(vec![10]);
        assert_eq!(source.head(1), Some(&[10][..]));
    }

    #[test]
    fn a_chunk_alone_is_never_copied() {
        let chunk = vec![7_u8; 100];
        let address = chunk.as_ptr();
        let mut source: Source<Vec<u8>> = Source::default();
        source.feed_shared(chunk);
        source.consume(40);
        assert_eq!(source.head(60).map(<[u8]>::as_ptr), Some(address.wrapping_add(40)));
    }
}
