//! What hears of each event during a replay.

use tm_common::ids::Stamp;

use super::checkpoint::FoldedPart;
use crate::events::{Block, MergedEvent};

/// Listens to a replay. At any time, the blocks that came and did not go are those that are live, the inherited ones
/// aside.
pub trait Observer {
    /// The turn has come of what happened at `stamp`: all that follows happens then, however old its own stamp
    /// is, until the next call. What a replay up to a moment shows is what was told before a later turn.
    #[inline]
    fn on_turn(&mut self, _stamp: Stamp) {}

    /// Events at the beginning are not there any more, and `part` is what is known of them; the next is later.
    /// Returns whether it is taken in: what then is said is of the whole run.
    fn on_folded(&mut self, _part: &FoldedPart<'_>) -> bool {
        false
    }

    /// A block is live from here on.
    #[inline]
    fn on_alloc(&mut self, _block: &Block) {}

    /// A block is no longer live: `event` released it or, where its free is not in the recording, took its address.
    #[inline]
    fn on_free(&mut self, _block: &Block, _event: &MergedEvent) {}

    /// A block is no longer looked at: the program said so at `stamp`, and it may live on; or it is a mapping that is cut
    /// into parts, which come next.
    #[inline]
    fn on_forget(&mut self, _block: &Block, _stamp: Stamp) {}

    /// A block has become another one of the same size, at the same place: to most it is as if one went and one came.
    #[inline]
    fn on_move(&mut self, old: &Block, new: &Block) {
        self.on_forget(old, new.birth);
        self.on_alloc(new);
    }

    /// The program has forgotten what lived before: as it sees it, what lives now is the peak.
    #[inline]
    fn on_peak_reset(&mut self, _stamp: Stamp) {}

    /// An event has taken effect. One of which it shows only later that it came before others of its address comes
    /// after them, and changes no block.
    #[inline]
    fn on_event(&mut self, _event: &MergedEvent) {}

    /// A part of a record of totals has come: [`MergedEvent::total`] says which.
    #[inline]
    fn on_total(&mut self, _event: &MergedEvent) {}

    /// It has become known what all blocks hold, in a process that samples; by `None`, that it is not known from here on.
    #[inline]
    fn on_held(&mut self, _held: Option<&Held>, _stamp: Stamp) {}
}

/// The exact course of what the allocator says all blocks hold, known now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What they hold now.
    pub bytes: u64,
    /// The most since it was known before.
    pub highest: u64,
    /// Whether that is more than ever before: then what lives now is what lived at the peak.
    pub is_peak: bool,
}

/// Nobody.
impl Observer for () {
    fn on_folded(&mut self, _part: &FoldedPart<'_>) -> bool {
        true
    }
}

/// Two at a time.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        // Both are to hear of it.
        let (first, second) = (self.0.on_folded(part), self.1.on_folded(part));
        first && second
    }

    #[inline]
    fn on_turn(&mut self, stamp: Stamp) {
        self.0.on_turn(stamp);
        self.1.on_turn(stamp);
    }

    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        self.0.on_alloc(block);
        self.1.on_alloc(block);
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        self.0.on_free(block, event);
        self.1.on_free(block, event);
    }

    #[inline]
    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        self.0.on_forget(block, stamp);
        self.1.on_forget(block, stamp);
    }

    #[inline]
    fn on_move(&mut self, old: &Block, new: &Block) {
        self.0.on_move(old, new);
        self.1.on_move(old, new);
    }

    #[inline]
    fn on_peak_reset(&mut self, stamp: Stamp) {
        self.0.on_peak_reset(stamp);
        self.1.on_peak_reset(stamp);
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        self.0.on_event(event);
        self.1.on_event(event);
    }

    #[inline]
    fn on_total(&mut self, event: &MergedEvent) {
        self.0.on_total(event);
        self.1.on_total(event);
    }

    #[inline]
    fn on_held(&mut self, held: Option<&Held>, stamp: Stamp) {
        self.0.on_held(held, stamp);
        self.1.on_held(held, stamp);
    }
}
