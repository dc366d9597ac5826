//! Processes that claim room of the file, give it back, and cut the file, all at once.

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};

use super::{cells, check, read, thread, write};
use crate::lockfree::file_end::{Refused, claim, cut, give_back};

/// The end of what is claimed, and the file's grains.
struct File {
    end: AtomicU64,
    grains: Vec<UnsafeCell<u64>>,
}

impl File {
    fn new() -> Arc<File> {
        Arc::new(File { end: AtomicU64::new(0), grains: cells(8) })
    }

    /// Claims a grain and writes into it, or finds that it cannot and gives it back: what was claimed.
    fn grow(&self, process: u64, succeeds: bool) -> Option<u64> {
        let start = claim(&self.end, 1, u64::MAX, loom::thread::yield_now).ok()?;
        let grain = &self.grains[start as usize];
        assert_eq!(read(grain), 0, "no two claims overlap, and what is behind the end holds zeros");
        write(grain, process);
        if !succeeds {
            write(grain, 0);
            give_back(&self.end, start, 1);
        }
        succeeds.then_some(start)
    }

    /// Cuts the file: an `ftruncate` makes the grains behind the cut zeros.
    fn cut(&self) -> Option<()> {
        cut(&self.end, |end| self.grains[end as usize..].iter().for_each(|grain| write(grain, 0)))
    }
}

#[test]
fn no_two_claims_overlap_and_nothing_claimed_is_cut() {
    check(2, |order| {
        let file = File::new();
        let [one, two] = [(1, true), (2, false)].map(|(process, succeeds)| {
            thread(&file, move |file: &File| file.grow(process, succeeds).map(|start| (start, process)))
        });
        let cuts = thread(&file, |file| file.cut().and(None));
        for (start, process) in order.run([one, two, cuts]).into_iter().flatten() {
            assert_eq!(read(&file.grains[start as usize]), process);
            assert!(file.end.load(Ordering::Relaxed) > start);
        }
    });
}

#[test]
fn the_end_is_never_behind_the_limit() {
    check(3, |order| {
        let file = File::new();
        let claims = [(); 2].map(|()| {
            thread(&file, |file: &File| {
                let claimed = claim(&file.end, 3, 5, loom::thread::yield_now);
                assert!(file.end.load(Ordering::Relaxed) <= 5);
                Some(claimed)
            })
        });
        let claimed: Vec<_> = order.run(claims).into_iter().flatten().collect();
        assert!(claimed.contains(&Ok(0)) && claimed.contains(&Err(Refused::AtLimit)), "{claimed:?}");
    });
}

#[test]
fn of_two_that_cut_at_once_one_cuts_and_the_end_stays() {
    check(3, |order| {
        let file = File::new();
        file.grow(1, true);
        let done = order.run([(); 2].map(|()| thread(&file, File::cut)));
        assert!(done.iter().any(Option::is_some));
        assert_eq!((file.end.load(Ordering::Relaxed), read(&file.grains[0])), (1, 1));
    });
}
