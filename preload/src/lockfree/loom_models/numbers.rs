//! Threads that give keys their numbers, and look for them.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};

use super::{check, thread};
use crate::lockfree::numbers::Numbers;

/// Each thread that asks for a key gets the same number, and none finds a number of another key.
#[test]
fn a_key_has_one_number_whoever_was_faster() {
    check(2, |order| {
        let shared = Arc::new((Numbers::<2>::new(), AtomicU32::new(10)));
        let insert = |key: u64| {
            thread(&shared, move |(numbers, next): &(Numbers<2>, AtomicU32)| {
                // Relaxed: numbers only have to be distinct.
                let made = numbers.insert(key, || Some(next.fetch_add(1, Ordering::Relaxed)));
                (key, made)
            })
        };
        let looks = thread(&shared, |(numbers, _)| (1, numbers.find(1)));
        let results = order.run([insert(1), insert(1), looks]);
        let now = shared.0.find(1);
        assert!(now.is_some());
        assert!(results.iter().all(|(_, number)| number.is_none() || *number == now), "{results:?}");
    });
}
