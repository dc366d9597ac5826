//! Threads that meet objects, and one whose object goes.

use loom::sync::Arc;

use super::{check, thread};
use crate::lockfree::addresses::Addresses;

/// Two threads may insert an object at once and others may crowd it; once it has gone, its address has no number.
#[test]
fn an_address_has_no_number_once_its_object_has_gone() {
    check(2, |order| {
        let shared = Arc::new(Addresses::new());
        let insert = |address: usize, number: u32| {
            thread(&shared, move |cache: &Addresses| {
                cache.insert(address, number);
                let found = cache.find(address);
                assert!(found.is_none_or(|found| found == number), "{found:?}");
            })
        };
        // No more threads than loom has room for: what crowds first is not one of its own.
        shared.insert(0x2000, 2);
        order.run([insert(0x1000, 1), insert(0x1000, 1)]);
        let later = thread(&shared, |cache: &Addresses| cache.insert(0x3000, 3));
        let goes = thread(&shared, |cache: &Addresses| {
            assert!(cache.remove(0x1000), "it was known, or had to make room");
            assert_eq!(cache.find(0x1000), None);
        });
        order.run([later, goes]);
        assert_eq!(shared.find(0x1000), None);
    });
}
