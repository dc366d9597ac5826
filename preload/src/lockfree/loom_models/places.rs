//! Places of threads that are gone, and the threads that look for one.

use std::boxed::Box;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{check, join, read, write};
use crate::lockfree::places::{Place, Places};

/// The places, and which tids the kernel knows.
struct Process {
    places: Places<UnsafeCell<u64>>,
    alive: [AtomicBool; 4],
}

impl Process {
    fn new() -> Arc<Process> {
        let alive = core::array::from_fn(|_| AtomicBool::new(false));
        Arc::new(Process { places: Places::new(), alive })
    }

    /// A thread begins: the number that it found in its place, and the place.
    fn begin(&self, tid: u32) -> (u64, &UnsafeCell<u64>) {
        self.alive[tid as usize].store(true, Ordering::Relaxed);
        // Acquire: the kernel does not say that a thread is gone before what it did can be seen.
        let exists = |tid: u32| self.alive[tid as usize].load(Ordering::Acquire);
        let found = self.places.take_over(tid, 4, exists);
        let content = found.unwrap_or_else(|| {
            let place = Box::into_raw(Box::new(Place::new(UnsafeCell::new(0))));
            // SAFETY: leaked, and this thread's own.
            unsafe { self.places.append(place, tid) }
        });
        let before = read(content);
        write(content, before + u64::from(tid));
        (before, content)
    }

    fn end(&self, tid: u32) {
        self.alive[tid as usize].store(false, Ordering::Release);
    }
}

#[test]
fn a_dead_thread_s_place_goes_to_one_thread_which_sees_what_was_left() {
    check(3, || {
        let process = Process::new();
        let first = {
            let process = process.clone();
            thread::spawn(move || {
                process.begin(1);
                process.end(1);
            })
        };
        let second = {
            let process = process.clone();
            thread::spawn(move || process.begin(2).0)
        };
        let found = [process.begin(3).0, join([second])[0]];
        join([first]);
        assert!(found.iter().all(|before| [0, 1].contains(before)), "{found:?}");
        assert_ne!(found, [1, 1], "two threads have one place");
        assert!((2..=3).contains(&process.places.iter().count()));
    });
}

/// Thread 1 is gone, 2 takes its place and ends, and the kernel uses number 1 again for a thread that takes the place.
/// Meanwhile 3 has seen that 1 is gone.
#[test]
fn a_tid_that_is_used_again_does_not_make_two_threads_share_a_place() {
    check(3, || {
        let process = Process::new();
        process.begin(1);
        process.end(1);
        let others = {
            let process = process.clone();
            thread::spawn(move || {
                process.begin(2);
                process.end(2);
                core::ptr::from_ref(process.begin(1).1) as usize
            })
        };
        let mine = core::ptr::from_ref(process.begin(3).1) as usize;
        assert_ne!(join([others])[0], mine);
    });
}

#[test]
fn places_that_are_added_at_once_are_all_in_the_list() {
    check(4, || {
        let places: Arc<Places<u64>> = Arc::new(Places::new());
        let threads = [1, 2].map(|tid| {
            let places = places.clone();
            thread::spawn(move || {
                let place = Box::into_raw(Box::new(Place::new(u64::from(tid))));
                // SAFETY: leaked, and this thread's own.
                unsafe { places.append(place, tid) };
            })
        });
        join(threads);
        assert_eq!(places.iter().sum::<u64>(), 3);
    });
}
