//! Moves between buffers of which one may be uninitialised, and the scratch memory of a split open.

use core::mem::MaybeUninit;

use crate::Buffer;

/// Copies are made in pieces of this many octets. On Zen 3 and 4 glibc's memcpy takes `rep movsb` above about 2 KiB,
/// which runs at a tenth of its speed when source and destination share their low 12 address bits, as page-aligned
/// buffers do.
const PIECE: usize = 1024;

/// Zero all of `out`.
#[cold]
pub(crate) fn zero(out: &mut [MaybeUninit<u8>]) {
    out.fill(MaybeUninit::new(0));
}

/// Copy `source` into memory that may be uninitialised, and give the octets written.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn copy_to_uninit<'a>(source: &[u8], out: &'a mut [MaybeUninit<u8>]) -> &'a mut [u8] {
    assert_eq!(source.len(), out.len());
    for (from, to) in source.chunks(PIECE).zip(out.chunks_mut(PIECE)) {
        // SAFETY: both are valid for the length of the piece, and a `&mut` cannot overlap a `&`.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr().cast::<u8>(), from.len()) };
    }
    // SAFETY: the loop wrote every octet.
    unsafe { assume_written(out) }
}

/// The same memory as octets.
///
/// # Safety
/// Every octet of `out` must have been written.
#[inline]
pub(crate) unsafe fn assume_written(out: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: one layout, and initialised, as the caller promises.
    unsafe { core::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<u8>(), out.len()) }
}

/// Run `open` on one contiguous piece of memory and hand what it wrote to `out` and `tail`.
///
/// For AEADs that cannot stream. The memory comes from the pool; what fails is never copied out.
pub(crate) fn open_split<E>(
    out: &mut [MaybeUninit<u8>],
    tail: &mut [u8],
    open: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<(), E>,
) -> Result<(), E> {
    let mut scratch = Buffer::new();
    scratch.append_with(out.len() + tail.len(), open)?;
    let (head, rest) = scratch.as_slice().split_at(out.len());
    copy_to_uninit(head, out);
    tail.copy_from_slice(rest);
    Ok(())
}
