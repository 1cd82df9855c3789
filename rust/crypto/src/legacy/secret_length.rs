//! HMAC over a message whose length is secret within 256 octets.
//!
//! ```text
//! blocks   [ always content | … | may be content, the end, or nothing       ]
//!            hashed at once        hashed one by one, each made with masks; the state after the last one is kept
//! ```
//! As many blocks are hashed for the shortest content as for the longest. The compression functions are the library's,
//! and take the same time for any block.

use core::hint::black_box;
use core::mem::MaybeUninit;
use core::ops::RangeInclusive;

use aws_lc_sys as lc;
use zeroize::Zeroizing;

use super::constant_time::{below, equal};
use super::{MacAlgorithm, PseudoHeader};

/// The longest block and the longest state of a hash.
const MAX_BLOCK: usize = 128;
const MAX_STATE: usize = 64;
/// What a MAC covers before the content: pseudo header and length.
const HEADER: usize = 13;

/// The state of a hash between two blocks.
trait Compression: Copy {
    /// Octets of a block.
    const BLOCK: usize;
    /// Octets of the message length at the end of the last block.
    const LENGTH: usize;
    /// Octets of the hash.
    const OUTPUT: usize;

    fn start() -> Self;

    /// Hash whole blocks.
    fn absorb(&mut self, blocks: &[u8]);

    /// The state as it is put out.
    fn state(&self) -> [u8; MAX_STATE];
}

macro_rules! compression {
    ($context:ty, $init:ident, $update:ident, $block:literal, $length:literal, $output:literal) => {
        impl Compression for $context {
            const BLOCK: usize = $block;
            const LENGTH: usize = $length;
            const OUTPUT: usize = $output;

            fn start() -> Self {
                let mut context = MaybeUninit::zeroed();
                // SAFETY: plain integers, for which zero is valid; the call sets the starting values.
                unsafe {
                    lc::$init(context.as_mut_ptr());
                    context.assume_init()
                }
            }

            fn absorb(&mut self, blocks: &[u8]) {
                debug_assert_eq!(blocks.len() % Self::BLOCK, 0);
                // SAFETY: an initialised context, and a pointer that is readable for its length.
                unsafe { lc::$update(self, blocks.as_ptr().cast(), blocks.len()) };
            }

            fn state(&self) -> [u8; MAX_STATE] {
                let mut octets = [0; MAX_STATE];
                let width = size_of_val(&self.h[0]);
                for (to, word) in octets.chunks_exact_mut(width).zip(self.h) {
                    to.copy_from_slice(&word.to_be_bytes());
                }
                octets
            }
        }
    };
}

compression!(lc::SHA_CTX, SHA1_Init, SHA1_Update, 64, 8, 20);
compression!(lc::SHA256_CTX, SHA256_Init, SHA256_Update, 64, 8, 32);
compression!(lc::SHA512_CTX, SHA384_Init, SHA384_Update, 128, 16, 48);

/// The two states of an HMAC after its key (RFC 2104 2).
struct Keyed<H: Compression> {
    inner: Box<Wiped<H>>,
    outer: Box<Wiped<H>>,
}

impl<H: Compression> Keyed<H> {
    fn new(key: &[u8]) -> Self {
        let pad = |value: u8| {
            let mut block = Zeroizing::new([value; MAX_BLOCK]);
            for (octet, key) in block.iter_mut().zip(key) {
                *octet ^= key;
            }
            let mut state = Box::new(Wiped(H::start()));
            state.0.absorb(&block[..H::BLOCK]);
            state
        };
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    fn compute(
        &self,
        header: &PseudoHeader,
        plain: &[u8],
        content: usize,
        lengths: RangeInclusive<usize>,
    ) -> Zeroizing<[u8; MAX_STATE]> {
        let mut front = [0; HEADER];
        front[..header.len()].copy_from_slice(header);
        front[header.len()..].copy_from_slice(&(content as u16).to_be_bytes());
        let (least, most) = lengths.into_inner();
        let mut state = Wiped(self.inner.0);
        let first = (HEADER + least) / H::BLOCK;
        if first > 0 {
            let (begin, rest) = plain[..first * H::BLOCK - HEADER].split_at(H::BLOCK - HEADER);
            let mut block = Zeroizing::new([0; MAX_BLOCK]);
            block[..HEADER].copy_from_slice(&front);
            block[HEADER..H::BLOCK].copy_from_slice(begin);
            state.0.absorb(&block[..H::BLOCK]);
            state.0.absorb(rest);
        }
        let blocks = first..(HEADER + most + H::LENGTH) / H::BLOCK + 1;
        let inner = finish(&mut state.0, &front, plain, content.wrapping_add(HEADER), blocks);
        let mut last = Zeroizing::new([0; MAX_BLOCK]);
        last[..H::OUTPUT].copy_from_slice(&inner[..H::OUTPUT]);
        last[H::OUTPUT] = 0x80;
        last[H::BLOCK - 8..H::BLOCK].copy_from_slice(&bits(H::BLOCK + H::OUTPUT));
        let mut outer = Wiped(self.outer.0);
        outer.0.absorb(&last[..H::BLOCK]);
        Zeroizing::new(outer.0.state())
    }
}

/// A state with the key in it, wiped on drop.
struct Wiped<H: Compression>(H);

impl<H: Compression> Drop for Wiped<H> {
    fn drop(&mut self) {
        // SAFETY: writes within the bounds of the state, over plain integers.
        unsafe { lc::OPENSSL_cleanse(core::ptr::from_mut(&mut self.0).cast(), size_of::<H>()) };
    }
}

/// The inner hash of `total` octets, a secret number, where `blocks` may hold the end.
fn finish<H: Compression>(
    state: &mut H,
    front: &[u8; HEADER],
    plain: &[u8],
    total: usize,
    blocks: core::ops::Range<usize>,
) -> Zeroizing<[u8; MAX_STATE]> {
    let end = total.wrapping_add(H::LENGTH) / H::BLOCK;
    let length = bits(total.wrapping_add(H::BLOCK));
    let mut result = Zeroizing::new([0; MAX_STATE]);
    let mut block = Zeroizing::new([0; MAX_BLOCK]);
    for index in blocks {
        let start = index * H::BLOCK;
        lay_out(&mut block[..H::BLOCK], start, front, plain);
        // Where the content ends, seen from this block: within some blocks of it.
        let rest = black_box(total.wrapping_sub(start) as i16);
        for (at, octet) in block[..H::BLOCK].iter_mut().enumerate() {
            let content = below(at as i16, rest);
            let end = below(at as i16, rest.wrapping_add(1)) & !content;
            *octet = *octet & content | 0x80 & end;
        }
        let is_end = equal(index, end);
        for (octet, length) in block[H::BLOCK - 8..H::BLOCK].iter_mut().zip(length) {
            *octet |= length & is_end;
        }
        state.absorb(&block[..H::BLOCK]);
        for (octet, now) in result.iter_mut().zip(state.state()) {
            *octet |= now & is_end;
        }
    }
    result
}

/// The octets of header and record from `start` on, zeros behind their end.
fn lay_out(block: &mut [u8], start: usize, front: &[u8; HEADER], plain: &[u8]) {
    block.fill(0);
    let mut block = block;
    if start < HEADER {
        let (head, rest) = block.split_at_mut(HEADER - start);
        head.copy_from_slice(&front[start..]);
        block = rest;
    }
    let rest = &plain[start.saturating_sub(HEADER).min(plain.len())..];
    let octets = rest.len().min(block.len());
    block[..octets].copy_from_slice(&rest[..octets]);
}

/// A length in bits, as hashes have it at their end; the upper half of SHA-384's is zero.
fn bits(octets: usize) -> [u8; 8] {
    (octets as u64).wrapping_mul(8).to_be_bytes()
}

/// HMAC for records of which it is not known yet where their content ends.
pub(super) struct SecretLengthMac(Algorithm);

enum Algorithm {
    Sha1(Keyed<lc::SHA_CTX>),
    Sha256(Keyed<lc::SHA256_CTX>),
    Sha384(Keyed<lc::SHA512_CTX>),
}

impl SecretLengthMac {
    /// `key` is no longer than a block.
    pub(super) fn new(algorithm: MacAlgorithm, key: &[u8]) -> Self {
        Self(match algorithm {
            MacAlgorithm::Sha1 => Algorithm::Sha1(Keyed::new(key)),
            MacAlgorithm::Sha256 => Algorithm::Sha256(Keyed::new(key)),
            MacAlgorithm::Sha384 => Algorithm::Sha384(Keyed::new(key)),
        })
    }

    /// Octets of a MAC.
    pub(super) const fn output_len(&self) -> usize {
        match self.0 {
            Algorithm::Sha1(_) => 20,
            Algorithm::Sha256(_) => 32,
            Algorithm::Sha384(_) => 48,
        }
    }

    /// The MAC of the first `content` octets of `plain`, a secret number in the range `lengths`, which is public.
    pub(super) fn compute(
        &self,
        header: &PseudoHeader,
        plain: &[u8],
        content: usize,
        lengths: RangeInclusive<usize>,
    ) -> Zeroizing<[u8; MAX_STATE]> {
        match &self.0 {
            Algorithm::Sha1(keyed) => keyed.compute(header, plain, content, lengths),
            Algorithm::Sha256(keyed) => keyed.compute(header, plain, content, lengths),
            Algorithm::Sha384(keyed) => keyed.compute(header, plain, content, lengths),
        }
    }
}
