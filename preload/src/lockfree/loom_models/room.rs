//! Rings' segments, and room that is divided.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::{cells, check, join, read, write};
use crate::lockfree::room::{commit, give_grains_back, take_bytes, take_grains, take_rest};

#[test]
fn a_reader_that_sees_n_bytes_of_a_ring_sees_n_whole_bytes() {
    check(4, || {
        let ring = Arc::new((AtomicU32::new(0), cells(6)));
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                for record in 0..3 {
                    let end = 2 * (record + 1);
                    (end - 2..end).for_each(|at| write(&ring.1[at], 1 + at as u64));
                    commit(&ring.0, end as u32);
                }
            })
        };
        for _ in 0..2 {
            // Acquire: as a reader of the file must.
            let len = ring.0.load(Ordering::Acquire) as usize;
            assert!(len.is_multiple_of(2), "whole records");
            assert!((0..len).all(|at| read(&ring.1[at]) == 1 + at as u64));
        }
        join([writer]);
    });
}

#[test]
fn bytes_of_a_segment_are_given_to_one_thread_each() {
    check(4, || {
        let segment = Arc::new((AtomicU32::new(0), cells(5)));
        let threads = [1, 2].map(|thread| {
            let segment = segment.clone();
            thread::spawn(move || {
                let taken = [2, 1].map(|len| (len, take_bytes(&segment.0, len, segment.1.len())));
                for (len, at) in taken {
                    at.into_iter().flat_map(|at| at..at + len).for_each(|at| write(&segment.1[at], thread));
                }
            })
        });
        join(threads);
        let n_taken = segment.1.iter().filter(|cell| read(cell) != 0).count();
        assert!(n_taken >= 4, "at most one byte is left over: {n_taken}");
    });
}

/// Takes up to two grains of an extent and writes into them, or finds that it cannot and gives them back.
fn take_two(extent: &(AtomicU32, std::vec::Vec<UnsafeCell<u64>>), thread: u64, succeeds: bool) {
    let Some((at, grains)) = take_grains(&extent.0, extent.1.len() as u32, 1, 2) else { return };
    for grain in &extent.1[at as usize..][..usize::from(grains)] {
        assert_eq!(read(grain), 0, "room is given to one thread");
        write(grain, if succeeds { thread } else { 0 });
    }
    if !succeeds {
        give_grains_back(&extent.0, at, 2);
    }
}

#[test]
fn grains_of_an_extent_are_given_to_one_thread_each_or_are_its_rest() {
    // Of 3 grains the second claim may get one; of 4 both get two.
    for size in [3, 4] {
        check(3, move || {
            let extent = Arc::new((AtomicU32::new(0), cells(size)));
            let threads = [(1, true), (2, false)].map(|(thread, succeeds)| {
                let extent = extent.clone();
                thread::spawn(move || {
                    take_two(&extent, thread, succeeds);
                    take_two(&extent, thread, true);
                })
            });
            // Another process may use this part of the file from here on.
            let rest = take_rest(&extent.0, size as u32) as usize;
            for grain in &extent.1[rest..] {
                assert_eq!(read(grain), 0, "the rest is nobody's");
                write(grain, 9);
            }
            join(threads);
            assert!(extent.1[rest..].iter().all(|grain| read(grain) == 9));
        });
    }
}
