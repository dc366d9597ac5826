//! Streams' segments, and room that is divided.

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};

use super::{cells, check, read, thread, write};
use crate::lockfree::room::{commit, give_grains_back, take_bytes, take_grains, take_rest};

/// A cursor and what it divides.
type Room = (AtomicU32, Vec<UnsafeCell<u64>>);

fn new_room(size: usize) -> Arc<Room> {
    Arc::new((AtomicU32::new(0), cells(size)))
}

#[test]
fn a_reader_that_sees_n_bytes_of_a_stream_sees_n_whole_bytes() {
    check(4, |order| {
        let stream = new_room(6);
        let writer = thread(&stream, |(used, bytes)| {
            for end in [2, 4, 6] {
                (end - 2..end).for_each(|at| write(&bytes[at], 1 + at as u64));
                commit(used, end as u32);
            }
        });
        let reader = thread(&stream, |(used, bytes)| {
            for _ in 0..2 {
                // Acquire: as a reader of the file must.
                let len = used.load(Ordering::Acquire) as usize;
                assert!(len.is_multiple_of(2), "whole records");
                assert!((0..len).all(|at| read(&bytes[at]) == 1 + at as u64));
            }
        });
        order.run([writer, reader]);
    });
}

#[test]
fn bytes_of_a_segment_are_given_to_one_thread_each() {
    check(4, |order| {
        let segment = new_room(5);
        let threads = [1, 2].map(|number| {
            thread(&segment, move |(used, bytes): &Room| {
                for len in [2, 1] {
                    let at = take_bytes(used, len, bytes.len()).into_iter();
                    at.flat_map(|at| at..at + len).for_each(|at| write(&bytes[at], number));
                }
            })
        });
        order.run(threads);
        let n_taken = segment.1.iter().filter(|cell| read(cell) != 0).count();
        assert!(n_taken >= 4, "at most one byte is left over: {n_taken}");
    });
}

/// Takes up to two grains of an extent and writes into them, or finds that it cannot and gives them back.
fn take_two(extent: &Room, number: u64, succeeds: bool) {
    let Some((at, grains)) = take_grains(&extent.0, extent.1.len() as u32, 1, 2) else { return };
    for grain in &extent.1[at as usize..][..usize::from(grains)] {
        assert_eq!(read(grain), 0, "room is given to one thread");
        write(grain, if succeeds { number } else { 0 });
    }
    if !succeeds {
        give_grains_back(&extent.0, at, 2);
    }
}

#[test]
fn grains_of_an_extent_are_given_to_one_thread_each_or_are_its_rest() {
    // Of 3 grains the second claim may get one; of 4 both get two.
    for size in [3, 4] {
        check(3, move |order| {
            let extent = new_room(size);
            let [one, two] = [(1, true), (2, false)].map(|(number, succeeds)| {
                thread(&extent, move |extent: &Room| {
                    take_two(extent, number, succeeds);
                    take_two(extent, number, true);
                })
            });
            let leaves = thread(&extent, |(cursor, grains)| {
                // Another process may use this part of the file from here on.
                for grain in &grains[take_rest(cursor, grains.len() as u32) as usize..] {
                    assert_eq!(read(grain), 0, "the rest is nobody's");
                    write(grain, 9);
                }
            });
            order.run([one, two, leaves]);
        });
    }
}
