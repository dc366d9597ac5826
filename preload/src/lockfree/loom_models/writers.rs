//! Processes that enter and leave the list of those that may still write.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};

use super::{check, thread};
use crate::lockfree::writers::{enter, leave};

/// The pid of a process that was killed.
const DEAD: u32 = 7;

fn exists(pid: u32) -> bool {
    pid != DEAD
}

#[test]
fn of_processes_that_leave_at_once_at_least_one_is_the_last() {
    check(3, |order| {
        let places = Arc::new([1, 2, DEAD].map(AtomicU32::new));
        let alone =
            order.run([1, 2].map(|pid| thread(&places, move |places| leave(&places[..], pid, exists))));
        assert!(alone.contains(&true), "nobody cuts the file");
    });
}

#[test]
fn processes_that_enter_at_once_get_a_place_each() {
    check(3, |order| {
        let places = Arc::new([DEAD, 0, 3].map(AtomicU32::new));
        order.run([1, 2].map(|pid| thread(&places, move |places| enter(&places[..], pid, exists))));
        let mut found: [u32; 3] = core::array::from_fn(|place| places[place].load(Ordering::Relaxed));
        found.sort_unstable();
        assert_eq!(found, [1, 2, 3]);
    });
}
