//! Places of threads that are gone, and the threads that look for one.

use std::boxed::Box;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};

use super::{check, read, thread, write};
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

    /// Begins a thread: returns the number that it found in its place, and the place.
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
    check(3, |order| {
        let process = Process::new();
        let first = thread(&process, |process| {
            let found = process.begin(1).0;
            process.end(1);
            found
        });
        let [second, third] =
            [2, 3].map(|tid| thread(&process, move |process: &Process| process.begin(tid).0));
        let found = order.run([first, second, third]);
        assert!(found[1..].iter().all(|before| [0, 1].contains(before)), "{found:?}");
        assert_ne!(found[1..], [1, 1], "two threads have one place");
        assert!((2..=3).contains(&process.places.iter().count()));
    });
}

/// Thread 1 is gone, 2 takes its place and ends, and the kernel uses number 1 again for a thread that takes the place.
/// Meanwhile 3 has seen that 1 is gone.
#[test]
fn a_tid_that_is_used_again_does_not_make_two_threads_share_a_place() {
    check(3, |order| {
        let process = Process::new();
        process.begin(1);
        process.end(1);
        let address = |content: &UnsafeCell<u64>| core::ptr::from_ref(content) as usize;
        let again = thread(&process, move |process| {
            process.begin(2);
            process.end(2);
            address(process.begin(1).1)
        });
        let third = thread(&process, move |process| address(process.begin(3).1));
        let places = order.run([again, third]);
        assert_ne!(places[0], places[1]);
    });
}

#[test]
fn places_that_are_added_at_once_are_all_in_the_list() {
    check(4, |order| {
        let places: Arc<Places<u64>> = Arc::new(Places::new());
        order.run([1, 2].map(|tid| {
            thread(&places, move |places: &Places<u64>| {
                let place = Box::into_raw(Box::new(Place::new(u64::from(tid))));
                // SAFETY: leaked, and this thread's own.
                unsafe { places.append(place, tid) };
            })
        }));
        assert_eq!(places.iter().sum::<u64>(), 3);
    });
}
