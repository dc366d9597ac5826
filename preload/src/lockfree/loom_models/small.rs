//! The try-lock, the pair with a version, and the cache of words.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::{cells, check, join, read, write};
use crate::lockfree::pair;
use crate::lockfree::try_lock::TryLock;
use crate::lockfree::words::Words;

#[test]
fn a_try_lock_has_one_holder_who_sees_what_the_last_one_did() {
    check(4, || {
        let shared = Arc::new((TryLock::new(), cells(1)));
        let add = |shared: &(TryLock, std::vec::Vec<_>)| {
            let held = shared.0.take();
            held.map(|_held| write(&shared.1[0], read(&shared.1[0]) + 1)).is_some()
        };
        let other = {
            let shared = shared.clone();
            thread::spawn(move || u64::from(add(&shared)) + u64::from(add(&shared)))
        };
        let n_held = u64::from(add(&shared)) + join([other])[0];
        assert!(shared.0.take().is_some(), "nobody leaves it locked");
        assert_eq!(read(&shared.1[0]), n_held);
    });
}

#[test]
fn a_reader_tells_pairs_that_belong_together() {
    check(4, || {
        let pair = Arc::new([(); 3].map(|()| AtomicU64::new(0)));
        let writer = {
            let pair = pair.clone();
            thread::spawn(move || {
                let [version, one, two] = &*pair;
                (1..3).for_each(|n| pair::write(version, [(one, n), (two, 10 * n)]));
            })
        };
        // Acquire: as a reader must.
        let [before, one, two, after] = [0, 1, 2, 0].map(|place: usize| pair[place].load(Ordering::Acquire));
        if before == after && before.is_multiple_of(2) {
            assert_eq!((one, two), (before / 2, 10 * (before / 2)));
        }
        join([writer]);
    });
}

/// There is room for two addresses: a third one overwrites, and addresses are forgotten meanwhile.
#[test]
fn a_word_that_is_found_is_the_address_s_own() {
    check(3, || {
        let table = Arc::new(Words::new());
        assert!(table.initialise());
        let threads = [[1, 3], [2, 3]].map(|addresses| {
            let table = table.clone();
            thread::spawn(move || addresses.map(|address| table.insert(address, 100 + address as u64 % 2)))
        });
        for address in [3, 1] {
            let found = table.find(address);
            assert!(found.is_none_or(|word| word == 100 + address as u64 % 2), "{address}: {found:?}");
        }
        table.clear();
        join(threads);
    });
}
