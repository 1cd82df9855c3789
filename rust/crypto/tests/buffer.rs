//! Buffers: what goes in comes out, whatever moves in between.

mod common;

use std::mem::MaybeUninit;

use common::TestData;
use tlscore_crypto::Buffer;

#[test]
fn test_buffer_has_no_memory_before_its_first_octet() {
    let mut buffer = Buffer::new();
    assert_eq!((buffer.len(), buffer.capacity(), buffer.is_empty()), (0, 0, true));
    buffer.consume(0);
    buffer.release();
    assert_eq!(buffer.as_slice(), b"");
}

#[test]
fn test_buffer_gives_back_what_went_in() {
    let mut data = TestData(5);
    let mut buffer = Buffer::new();
    let mut expected: Vec<u8> = Vec::new();
    for _ in 0..3000 {
        let room = data.below(9000);
        let octets = data.octets(room);
        match data.below(4) {
            0 => buffer.extend_from_slice(&octets),
            1 => {
                let spare = buffer.spare(octets.len());
                assert!(spare.len() >= octets.len());
                spare[..octets.len()].copy_from_slice(&octets);
                buffer.commit(octets.len());
            }
            2 => {
                let written = buffer.append_with::<()>(octets.len(), |out| {
                    assert_eq!(out.len(), octets.len());
                    tlscore_crypto::copy_to_uninit(&octets, out);
                    Ok(())
                });
                assert_eq!(written, Ok(()));
            }
            _ => {
                let some = data.below(expected.len() + 1);
                buffer.consume(some);
                expected.drain(..some);
                continue;
            }
        }
        expected.extend_from_slice(&octets);
        assert_eq!(buffer.as_slice(), expected);
    }
}

#[test]
fn test_buffer_keeps_its_length_when_writing_fails() {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(b"kept");
    let result = buffer.append_with(100, |out| {
        out.fill(MaybeUninit::new(9));
        Err("refused")
    });
    assert_eq!(result, Err("refused"));
    assert_eq!(buffer.as_slice(), b"kept");
}

#[test]
fn test_buffer_stays_readable_whatever_the_writer_stores() {
    let mut buffer = Buffer::new();
    let written = buffer.append_with::<()>(64, |out| {
        out.fill(MaybeUninit::uninit());
        Ok(())
    });
    assert_eq!(written, Ok(()));
    // What it holds is unspecified, but two looks see the same.
    assert_eq!(buffer.as_slice().to_vec(), buffer.as_slice());
}

#[test]
fn test_buffer_changes_in_place_and_is_cut() {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(b"xxhello world");
    buffer.consume(2);
    buffer.as_mut_slice()[0] = b'H';
    buffer.truncate(5);
    assert_eq!(buffer.as_slice(), b"Hello");
    buffer.truncate(50);
    assert_eq!(buffer.as_slice(), b"Hello");
    buffer.clear();
    assert!(buffer.is_empty());
}

#[test]
fn test_buffer_releases_its_memory_only_when_empty() {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(b"data");
    buffer.release();
    assert_eq!(buffer.as_slice(), b"data");
    buffer.consume(4);
    assert!(buffer.capacity() > 0);
    buffer.release();
    assert_eq!(buffer.capacity(), 0);
}

#[test]
fn test_buffer_does_not_grow_when_it_is_drained_as_fast_as_it_fills() {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(&[0; 1000]);
    for _ in 0..10_000 {
        buffer.extend_from_slice(&[1; 700]);
        buffer.consume(700);
    }
    assert_eq!(buffer.len(), 1000);
    assert!(buffer.capacity() <= 8192, "{}", buffer.capacity());
}

#[test]
#[should_panic(expected = "cannot consume more")]
fn test_buffer_refuses_to_consume_more_than_there_is() {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(b"four");
    buffer.consume(5);
}

#[test]
#[should_panic(expected = "cannot commit more")]
fn test_buffer_refuses_to_commit_more_than_its_room() {
    let mut buffer = Buffer::new();
    let room = buffer.spare(10).len();
    buffer.commit(room + 1);
}

#[test]
fn test_buffer_that_shrinks_keeps_its_octets_and_no_large_memory() {
    let mut buffer = Buffer::new();
    buffer.spare(300_000);
    buffer.commit(300_000);
    buffer.as_mut_slice()[299_000..].fill(7);
    buffer.shrink();
    assert_eq!((buffer.len(), buffer.capacity()), (300_000, 524_288));
    buffer.consume(299_000);
    buffer.shrink();
    assert_eq!((buffer.as_slice(), buffer.capacity()), (&[7; 1000][..], 4096));
    buffer.extend_from_slice(&[8; 10_000]);
    assert_eq!((buffer.as_slice()[999], buffer.as_slice()[1000]), (7, 8));
    buffer.consume(11_000);
    buffer.shrink();
    assert_eq!(buffer.capacity(), 0);
}
