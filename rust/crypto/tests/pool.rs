//! The pool behind the buffers. One test, because it watches the memory of the whole process.

use tlscore_crypto::Buffer;

#[test]
fn test_pool_reuses_memory_and_bounds_what_it_keeps() {
    let address = |buffer: &Buffer| buffer.as_slice().as_ptr() as usize;

    // What one buffer gives back, the next one of the class gets.
    let mut first = Buffer::new();
    first.extend_from_slice(&[0xaa; 100_000]);
    let place = address(&first);
    drop(first);
    let mut second = Buffer::new();
    second.extend_from_slice(&[1; 70_000]);
    assert_eq!(address(&second), place);
    assert_eq!(second.capacity(), 131_072);

    // Wiped memory holds none of what it held.
    second.wiped();
    let mut third = Buffer::new();
    assert!(third.spare(131_072).iter().all(|octet| *octet == 0));
    third.commit(1);
    assert_eq!(address(&third), place);
    drop(third);

    // 8 MiB are kept, in pieces of at most 1 MiB.
    let many: Vec<Buffer> = (0..12).map(|_| filled(1 << 20)).collect();
    let places: Vec<usize> = many.iter().map(address).collect();
    drop(many);
    let again: Vec<Buffer> = (0..7).map(|_| filled(1 << 20)).collect();
    assert!(again.iter().all(|buffer| places.contains(&address(buffer))));
    drop(again);
    let huge = filled((1 << 20) + 1);
    assert_eq!(huge.capacity(), 2 << 20);
    drop(huge);
}

fn filled(octets: usize) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.spare(octets);
    buffer.commit(octets);
    buffer
}
