//! Threads that take free extents, while a keeper gives some back: also ones that were taken a moment ago.

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use tm_common::free_list::{Top, next_of, next_word};

use super::{cells, check, read, thread, write};
use crate::lockfree::free_list::pop;

/// A list, and extents: of each the word that leads to the next one, and what is in it.
struct List {
    top: AtomicU64,
    next: Vec<AtomicU64>,
    content: Vec<UnsafeCell<u64>>,
}

impl List {
    /// Has `n` extents, from 1 on, of which the last ones, from `first` on, are on the list.
    fn new(n: u32, first: u32) -> Arc<List> {
        let list = List {
            top: AtomicU64::new(Top::default().word()),
            next: (0..=n).map(|_| AtomicU64::new(0)).collect(),
            content: cells(n as usize + 1),
        };
        (first..=n).rev().for_each(|extent| list.push(extent));
        Arc::new(list)
    }

    /// Takes an extent, and begins to use it as `number`.
    fn pop(&self, number: u64) -> Option<u32> {
        let look = |first: u32| {
            let next = next_of(self.next[first as usize].load(Ordering::Relaxed))?;
            Some(((), next))
        };
        let (first, ()) = pop(&self.top, look, |()| {})?;
        let content = &self.content[first as usize];
        assert_eq!(read(content), 0, "it is handed out once, and empty");
        write(content, number);
        self.next[first as usize].store(0, Ordering::Relaxed);
        Some(first)
    }

    /// Empties an extent and puts it on the list, as a keeper does.
    fn push(&self, extent: u32) {
        write(&self.content[extent as usize], 0);
        // Relaxed: nobody else changes it, but for the list's beginning, which is compared.
        let mut seen = self.top.load(Ordering::Relaxed);
        loop {
            self.next[extent as usize].store(next_word(Top::of(seen).first), Ordering::Relaxed);
            let pushed = Top::of(seen).pushed(extent).word();
            // Release: publishes what is in it and the next one.
            match self.top.compare_exchange(seen, pushed, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes all that is left, and checks that each of `n` extents is there or in `taken`, once.
    fn has_all_but(&self, mut taken: Vec<u32>, n: u32) {
        let top = || Top::of(self.top.load(Ordering::Relaxed));
        assert_eq!(u32::from(top().count()) + taken.len() as u32, n);
        taken.extend(std::iter::from_fn(|| self.pop(9)));
        assert_eq!(top().first, 0, "the list ends");
        taken.sort_unstable();
        assert!(taken.iter().copied().eq(1..=n), "{taken:?}");
    }
}

#[test]
fn each_extent_goes_to_one_thread_and_none_is_lost() {
    check(3, |order| {
        let list = List::new(3, 2);
        let takes = [1, 2].map(|number| thread(&list, move |list: &List| list.pop(number)));
        let gives = thread(&list, |list| {
            list.push(1);
            None
        });
        let taken = order.run(takes.into_iter().chain([gives])).into_iter().flatten().collect();
        list.has_all_but(taken, 3);
    });
}

/// One looks at the first extent and its next one; meanwhile both are taken, and the first one comes back.
#[test]
fn an_extent_that_comes_back_does_not_bring_its_old_next_one() {
    check(3, |order| {
        let list = List::new(2, 1);
        let slow = thread(&list, |list: &List| list.pop(1).into_iter().collect::<Vec<u32>>());
        let quick = thread(&list, |list: &List| {
            let taken: Vec<u32> = [list.pop(2), list.pop(2)].into_iter().flatten().collect();
            match taken[..] {
                [first, second] => {
                    list.push(first);
                    std::vec![second]
                }
                _ => taken,
            }
        });
        let taken = order.run([slow, quick]).into_iter().flatten().collect();
        list.has_all_but(taken, 2);
    });
}
