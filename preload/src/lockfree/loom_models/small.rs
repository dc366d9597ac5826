//! The try-lock, the pair with a version, and the cache of words.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};

use super::{cells, check, read, thread, write};
use crate::lockfree::pair;
use crate::lockfree::try_lock::TryLock;
use crate::lockfree::words::Words;

/// Adds one under the lock, if it is to be had: how many were added.
fn add((lock, cell): &(TryLock, UnsafeCell<u64>)) -> u64 {
    lock.take().map_or(0, |_held| {
        write(cell, read(cell) + 1);
        1
    })
}

#[test]
fn a_try_lock_has_one_holder_who_sees_what_the_last_one_did() {
    check(4, |order| {
        let shared = Arc::new((TryLock::new(), cells(1).remove(0)));
        let n_held: u64 = order
            .run([thread(&shared, |shared| add(shared) + add(shared)), thread(&shared, add)])
            .iter()
            .sum();
        assert!(shared.0.take().is_some(), "nobody leaves it locked");
        assert_eq!(read(&shared.1), n_held);
    });
}

#[test]
fn a_reader_tells_pairs_that_belong_together() {
    check(4, |order| {
        let shared = Arc::new([(); 3].map(|()| AtomicU64::new(0)));
        let writer = thread(&shared, |[version, one, two]| {
            (1..3).for_each(|n| pair::write(version, [(one, n), (two, 10 * n)]));
        });
        let reader = thread(&shared, |pair| {
            // Acquire: as a reader must.
            let [before, one, two, after] =
                [0, 1, 2, 0].map(|place: usize| pair[place].load(Ordering::Acquire));
            if before == after && before.is_multiple_of(2) {
                assert_eq!((one, two), (before / 2, 10 * (before / 2)));
            }
        });
        order.run([writer, reader]);
    });
}

/// Makes the word of an address: two different ones.
fn word_of(address: usize) -> u64 {
    100 + address as u64 % 2
}

/// There is room for two addresses: a third one overwrites, and addresses are forgotten meanwhile.
#[test]
fn a_word_that_is_found_is_the_address_s_own() {
    check(2, |order| {
        let table = Arc::new(Words::new());
        assert!(table.initialise());
        let inserts = [[1, 3], [2, 3]].map(|addresses| {
            thread(&table, move |table: &Words| {
                addresses.iter().for_each(|&address| table.insert(address, word_of(address)));
            })
        });
        let looks = thread(&table, |table| {
            for address in [3, 2, 1] {
                let found = table.find(address);
                assert!(found.is_none_or(|word| word == word_of(address)), "{address}: {found:?}");
            }
            table.clear();
        });
        let [one, two] = inserts;
        order.run([one, two, looks]);
        for address in [1, 2, 3] {
            assert!(table.find(address).is_none_or(|word| word == word_of(address)), "{address}");
        }
    });
}
