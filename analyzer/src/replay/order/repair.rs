//! Finds the order in which one address's events can have happened, when the order of their stamps cannot be it.
//!
//! Two processors' clocks differ a little, so that the stamps of an allocation and the free before it may be swapped.
//! What is certain: an address's allocations and frees alternate, a stream's events are in order, and no event happened
//! before another one whose stamp is more than the tolerance smaller. This is a search for an order with these three
//! properties, which prefers that of the stamps. It knows only one address and a short time; where two blocks at one
//! address fit as well in either order, it leaves them as their stamps say.

use rustc_hash::FxHashSet;
use tm_common::ids::{Stamp, StreamIndex};

/// One event of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replay) struct Item {
    pub stamp: Stamp,
    pub stream: StreamIndex,
    /// Whether the block goes (or comes).
    pub release: bool,
    /// Whether the order has to contain it; others may be left for later.
    pub required: bool,
}

/// The most steps of the search for one conflict. Real ones take a few.
const TRIES_MAX: u64 = 100_000;
/// The most events of one address that are looked at for one conflict.
pub(in crate::replay) const ITEMS_MAX: usize = 1024;

/// An order of `items` (ascending in stamps, at most [`ITEMS_MAX`]) as places in it, which starts with a block if
/// `live`; `None` if there is none, or none was found in `tries` steps, which are counted down.
pub(in crate::replay) fn solve(
    items: &[Item],
    live: bool,
    tolerance: u64,
    tries: &mut u64,
) -> Option<Vec<usize>> {
    let n_required = items.iter().filter(|item| item.required).count();
    let mut search = Search {
        items,
        tolerance,
        placed: vec![false; items.len()],
        order: Vec::new(),
        n_missing: n_required,
        failed: FxHashSet::default(),
        signature: 0,
        tries: TRIES_MAX.min(*tries),
    };
    let before = search.tries;
    let found = search.place_next(live, 0);
    *tries -= before - search.tries;
    found.then_some(search.order)
}

struct Search<'a> {
    items: &'a [Item],
    tolerance: u64,
    placed: Vec<bool>,
    order: Vec<usize>,
    /// How many required items are not placed.
    n_missing: usize,
    /// Signatures of the sets of placed items from which there is no way on.
    failed: FxHashSet<u64>,
    signature: u64,
    tries: u64,
}

impl Search<'_> {
    /// Places items until the required ones are; `false`, and nothing is changed, if that cannot be done.
    fn place_next(&mut self, live: bool, earliest: usize) -> bool {
        if self.n_missing == 0 {
            return true;
        }
        if self.tries == 0 || self.failed.contains(&self.signature) {
            return false;
        }
        self.tries -= 1;
        let Some(rest) = self.placed.get(earliest..) else { return false };
        let Some(n_passed) = rest.iter().position(|placed| !placed) else { return false };
        let earliest = earliest + n_passed;
        let limit = self.items.get(earliest).map_or(0, |item| item.stamp.0.saturating_add(self.tolerance));
        let mut streams_passed: Vec<StreamIndex> = Vec::new();
        for place in earliest..self.items.len() {
            let Some(&item) = self.items.get(place).filter(|item| item.stamp.0 <= limit) else { break };
            if self.placed.get(place) != Some(&false) || streams_passed.contains(&item.stream) {
                continue;
            }
            streams_passed.push(item.stream);
            if item.release != live {
                continue;
            }
            self.set(place, item, true);
            self.order.push(place);
            if self.place_next(!live, earliest) {
                return true;
            }
            self.order.pop();
            self.set(place, item, false);
        }
        self.failed.insert(self.signature);
        false
    }

    fn set(&mut self, place: usize, item: Item, placed: bool) {
        debug_assert!(place < self.placed.len(), "there is no item {place} to be placed");
        if let Some(entry) = self.placed.get_mut(place) {
            *entry = placed;
        }
        if item.required && placed {
            self.n_missing -= 1;
        } else if item.required {
            self.n_missing += 1;
        }
        // Zobrist's: the exclusive or of a random number for each placed item.
        let number = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.signature ^= (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "0a5" is an allocation of stream 0 at stamp 5, "1f6" a free of stream 1 at 6.
    fn order(text: &str, live: bool) -> Option<Vec<usize>> {
        let item = |word: &str| Item {
            stream: StreamIndex(word[..1].parse().unwrap_or(0)),
            release: &word[1..2] == "f",
            stamp: Stamp(word[2..].parse().unwrap_or(0)),
            required: true,
        };
        solve(&text.split(' ').map(item).collect::<Vec<_>>(), live, 20, &mut 1_000)
    }

    #[test]
    fn stamps_decide_where_they_can() {
        assert_eq!(order("0a1 1f2 1a3 0f4", false), Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_free_is_waited_for_up_to_the_tolerance() {
        assert_eq!(order("0a1 1f21", true), Some(vec![1, 0]));
        assert_eq!(order("0a1 1f22", true), None);
    }

    #[test]
    fn a_ring_does_not_overtake_itself() {
        assert_eq!(order("0a1 0f2", true), None);
        assert_eq!(order("0a1 1a2 1f3", false), Some(vec![1, 2, 0]));
    }
}
