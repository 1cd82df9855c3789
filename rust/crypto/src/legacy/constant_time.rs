//! The check of a MAC-then-encrypt record once it is decrypted, in constant time (RFC 5246 6.2.3.2; Lucky Thirteen).
//!
//! ```text
//! plain   [ content                | MAC | padding | p ]      p: octets of padding before it, each of them p
//!         [ never MAC or padding   |<--- a window of 256 + MAC ---->]
//! ```
//! Public is the length of `plain` alone. Where content ends is a secret number until the record is found authentic:
//! it is in masks and data, never in a branch, a loop bound or an address; arithmetic on it wraps, since a check of
//! overflow is a branch. tests/hostile/test_constant_time.py shows it
//! of the machine code, with valgrind.

use core::hint::black_box;

use zeroize::Zeroizing;

use super::mac::MAX_MAC;
use super::secret_length::SecretLengthMac;
use super::PseudoHeader;

/// Octets of the longest padding, its length octet included.
const LONGEST_PADDING: usize = 256;
/// Room for the window in which the MAC may lie.
const WINDOW: usize = LONGEST_PADDING + MAX_MAC + 16;

/// All ones where a < b. Small numbers, so that sixteen octets are looked at at once.
#[inline(always)]
pub(super) fn below(a: i16, b: i16) -> u8 {
    (a.wrapping_sub(b) >> (i16::BITS - 1)) as u8
}

/// All ones where a = b, for lengths of memory.
#[inline(always)]
pub(super) fn equal(a: usize, b: usize) -> u8 {
    ((a ^ b).wrapping_sub(1) as isize >> (isize::BITS - 1)) as u8
}

/// Length of the content, or `None` where MAC or padding is wrong. `plain` has more octets than a MAC; its length is public.
pub(super) fn verify(mac: &SecretLengthMac, header: &PseudoHeader, plain: &[u8]) -> Option<usize> {
    // The MAC covers the length in two octets. No record is that long: it is refused before.
    if plain.len() > usize::from(u16::MAX) {
        return None;
    }
    let tag = mac.output_len();
    let most = plain.len() - tag;
    let (padding, mut good) = padding_of(plain, tag);
    // Wrong padding counts as none, so that the MAC covers all there is (RFC 5246 6.2.3.2: "might assume a zero-length pad").
    let content = most.wrapping_sub(padding & usize::from(good).wrapping_mul(0x0101));
    let least = most.saturating_sub(LONGEST_PADDING);
    let expected = mac.compute(header, plain, black_box(content), least..=most);
    good &= tag_mask(&plain[least..], &expected[..tag], content.wrapping_sub(least));
    // The first and only thing that shows.
    reveal(good, content)
}

/// (octets of padding with the length octet, all ones where they are right).
fn padding_of(plain: &[u8], tag: usize) -> (usize, u8) {
    let Some(&last) = plain.last() else { return (0, 0) };
    let last = black_box(last);
    // Shorter records are filled up with octets that pass for padding.
    let mut window = Zeroizing::new([last; LONGEST_PADDING]);
    let octets = plain.len().min(LONGEST_PADDING);
    window[LONGEST_PADDING - octets..].copy_from_slice(&plain[plain.len() - octets..]);
    let content = (LONGEST_PADDING - 1) as i16 - i16::from(last);
    // RFC 5246 6.2.3.2: "Each uint8 in the padding data vector MUST be filled with the padding length value." Always all that could be.
    let mut wrong = 0;
    for (at, octet) in window.iter().enumerate() {
        wrong |= (octet ^ last) & !below(at as i16, content);
    }
    let padding = usize::from(last) + 1;
    let fits = equal(plain.len().wrapping_sub(padding.wrapping_add(tag)) >> (usize::BITS - 1), 0);
    (padding, black_box(equal(usize::from(wrong), 0) & fits))
}

/// All ones where `expected` lies in `window` at the secret place `offset`.
fn tag_mask(window: &[u8], expected: &[u8], offset: usize) -> u8 {
    // The expected octets are moved to their place by shifts of 1, 2, 4 … 256, each of which happens or does not.
    let (mut placed, mut cover) = (Zeroizing::new([0_u8; WINDOW]), [0_u8; WINDOW]);
    let mut before = Zeroizing::new([0_u8; WINDOW]);
    placed[..expected.len()].copy_from_slice(expected);
    cover[..expected.len()].fill(0xff);
    for bit in 0..=LONGEST_PADDING.ilog2() {
        let moves = black_box(0_u8.wrapping_sub((offset >> bit & 1) as u8));
        shift(&mut placed, &mut before, 1 << bit, moves);
        shift(&mut cover, &mut before, 1 << bit, moves);
    }
    let mut wrong = 0;
    for ((octet, expected), counts) in window.iter().zip(placed.iter()).zip(cover) {
        wrong |= (octet ^ expected) & counts;
    }
    black_box(equal(usize::from(wrong), 0))
}

/// Move all octets up by `distance` where `moves` is all ones; where it is zero, do the same work for nothing. `before` is room for a
/// copy, which the caller wipes.
#[inline(always)]
fn shift(octets: &mut [u8; WINDOW], before: &mut [u8; WINDOW], distance: usize, moves: u8) {
    *before = *octets;
    let (low, high) = octets.split_at_mut(distance);
    for octet in low {
        *octet &= !moves;
    }
    for (octet, from) in high.iter_mut().zip(before.iter()) {
        *octet = from & moves | *octet & !moves;
    }
}

/// Where the secret becomes public: whether the record is authentic, and if it is, its length.
fn reveal(good: u8, content: usize) -> Option<usize> {
    #[cfg(feature = "test-hooks")]
    let good = crate::test_hooks::declassify(good);
    if good == 0 {
        return None;
    }
    #[cfg(feature = "test-hooks")]
    let content = crate::test_hooks::declassify(content);
    Some(content)
}
