//! What lived and died at each place, and what lived there at the peak: figures that no sum at the end could give.

use tm_common::ids::{Address, Stamp};

use crate::events::{Block, MergedEvent};
use crate::model::Amount;
use crate::replay::live::MemoryKind;
use crate::replay::observer::{Held, Observer};
use crate::replay::selection::{Gate, Selection};

/// The figures of one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramPoint {
    /// What was allocated; a reallocation counts with its new size. What a forked process has inherited counts too: it would
    /// go without having come.
    pub allocated: Amount,
    /// How long all blocks lived that went, in stamps; after [`ProgramPoints::finish`], those that live with them.
    pub lifetime: u64,
    /// What is live.
    pub live: Amount,
    /// The most bytes that were live, and the blocks then.
    pub most: Amount,
    /// What had been allocated when most was live of all places.
    pub allocated_at_peak: Amount,
    /// What was live then.
    pub live_at_peak: Amount,
}

/// A place of blocks.
#[derive(Clone, Copy, Debug)]
struct Place {
    life: ProgramPoint,
    /// How many peaks there had been when the figures of the peak were noted: those of a later one are the figures of now.
    n_peaks: u64,
}

impl Place {
    /// Notes what was at the latest of `n_peaks`, before anything changes.
    #[inline]
    fn note_peak(&mut self, n_peaks: u64) {
        let Place { life, n_peaks: noted } = self;
        if *noted != n_peaks {
            (life.allocated_at_peak, life.live_at_peak) = (life.allocated, life.live);
            *noted = n_peaks;
        }
    }
}

/// The places of blocks, by number, and what was live of all.
#[derive(Debug)]
pub struct ProgramPoints<'a, P> {
    selection: Gate<'a>,
    place_of: P,
    places: Vec<Place>,
    /// What is live.
    pub live: Amount,
    /// The most bytes that were live at a time, and the blocks then.
    pub peak: Amount,
    /// When that was first so.
    pub peak_stamp: Stamp,
    /// The block that made it so: it is live before it is said to be allocated.
    peak_address: Address,
    n_peaks: u64,
    /// Whether the peak is that of the exact course, of a process that samples.
    is_told: bool,
}

impl<'a, P: FnMut(&Block) -> u32> ProgramPoints<'a, P> {
    /// Looks at the blocks in `selection`, of the places with the numbers that `place_of` gives; `inherited` are those that live
    /// at the start, `start`.
    pub fn new(
        selection: &'a Selection,
        place_of: P,
        start: Stamp,
        inherited: impl Iterator<Item = Block>,
    ) -> ProgramPoints<'a, P> {
        let (live, peak) = (Amount::default(), Amount::default());
        let selection = Gate::of(selection);
        let mut lives = ProgramPoints {
            selection,
            place_of,
            places: Vec::new(),
            live,
            peak,
            peak_stamp: start,
            peak_address: Address(0),
            n_peaks: 0,
            is_told: false,
        };
        for block in inherited.filter(|block| selection.admits_newborn(block)) {
            lives.of(&block).allocated += block.amount(&selection.thread_tags);
            lives.come(&block);
        }
        // None of them is told of as allocated.
        (lives.peak_stamp, lives.peak_address) = (start, Address(0));
        lives
    }

    /// Returns the figures by place, `live` being the blocks that are live at the end, `now`.
    #[must_use]
    pub fn finish(mut self, live: impl Iterator<Item = Block>, now: Stamp) -> Vec<ProgramPoint> {
        let selection = self.selection;
        for block in live.filter(|block| selection.admits_newborn(block)) {
            self.of(&block).lifetime += now.0.saturating_sub(block.birth.0);
        }
        let n_peaks = self.n_peaks;
        let noted = |mut place: Place| {
            place.note_peak(n_peaks);
            place.life
        };
        self.places.into_iter().map(noted).collect()
    }

    /// What is live at each place that has anything, by number.
    pub fn live_by_place(&self) -> impl Iterator<Item = (u32, Amount)> {
        let live = self.places.iter().map(|place| place.life.live).zip(0..);
        live.filter(|(live, _)| live.count > 0).map(|(live, place)| (place, live))
    }

    /// The figures of a block's place, which are about to change.
    #[inline]
    fn of(&mut self, block: &Block) -> &mut ProgramPoint {
        let place = (self.place_of)(block) as usize;
        if place >= self.places.len() {
            let new = Place { life: ProgramPoint::default(), n_peaks: self.n_peaks };
            self.places.resize(place + 1, new);
        }
        let place = &mut self.places[place];
        place.note_peak(self.n_peaks);
        &mut place.life
    }

    #[inline]
    fn come(&mut self, block: &Block) {
        let amount = block.amount(&self.selection.thread_tags);
        let life = self.of(block);
        life.live += amount;
        if life.live.bytes > life.most.bytes {
            life.most = life.live;
        }
        self.live += amount;
        if self.live.bytes > self.peak.bytes && !self.is_told {
            (self.peak, self.peak_stamp, self.peak_address) = (self.live, block.birth, block.address);
            self.n_peaks += 1;
        }
    }
}

impl<P: FnMut(&Block) -> u32> Observer for ProgramPoints<'_, P> {
    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        if self.selection.admits_newborn(block) {
            self.come(block);
        }
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        self.on_forget(block, event.stamp);
    }

    #[inline]
    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        if self.selection.admits_newborn(block) {
            let amount = block.amount(&self.selection.thread_tags);
            let life = self.of(block);
            life.live -= amount;
            life.lifetime = life.lifetime.saturating_add(stamp.0.saturating_sub(block.birth.0));
            self.live -= amount;
        }
    }

    fn on_held(&mut self, held: Option<&Held>, stamp: Stamp) {
        // Of a part of all blocks there is no exact course.
        self.is_told =
            held.is_some() && self.selection.is_whole() && self.selection.memory_kind() == MemoryKind::Traced;
        if self.is_told && held.is_some_and(|held| held.is_peak) {
            (self.peak, self.peak_stamp, self.peak_address) = (self.live, stamp, Address(0));
            self.n_peaks += 1;
        }
    }

    #[inline]
    fn on_event(&mut self, event: &MergedEvent) {
        if let Some(block) = self.selection.brought_by(event) {
            let made_peak = (block.birth, block.address) == (self.peak_stamp, self.peak_address);
            let amount = block.amount(&self.selection.thread_tags);
            let life = self.of(&block);
            life.allocated += amount;
            if made_peak {
                life.allocated_at_peak += amount;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tm_common::functions::Function;
    use tm_common::ids::{StackId, StreamIndex};

    use super::*;
    use crate::events::{Action, State};

    fn block(stack: u32, size: u64, birth: u64) -> Block {
        Block { stack: StackId(stack), size, birth: Stamp(birth), ..Block::default() }
    }

    fn amount(bytes: u64, count: u64) -> Amount {
        Amount { bytes, count }
    }

    /// The peak is of all places, the most of each its own.
    #[test]
    fn figures_of_the_peak_are_those_of_one_moment() {
        let selection = Selection::default();
        let inherited = [block(1, 5, 0)];
        let place_of = |block: &Block| block.stack.0;
        let mut lives = ProgramPoints::new(&selection, place_of, Stamp(1), inherited.into_iter());
        assert_eq!((lives.peak, lives.peak_stamp), (amount(5, 1), Stamp(1)));
        lives.on_alloc(&block(0, 100, 10));
        lives.on_forget(&block(0, 100, 10), Stamp(17));
        lives.on_alloc(&block(1, 60, 20));
        lives.on_alloc(&block(0, 50, 30));
        // 115 bytes are the most.
        lives.on_forget(&block(0, 50, 30), Stamp(40));
        lives.on_alloc(&block(1, 30, 50));
        lives.on_alloc(&block(2, 10, 60));
        assert_eq!((lives.peak, lives.peak_stamp), (amount(115, 3), Stamp(30)));
        let by_place: Vec<_> = lives.live_by_place().collect();
        assert_eq!(by_place, [(1, amount(95, 3)), (2, amount(10, 1))]);
        let live = [block(1, 5, 0), block(1, 60, 20), block(1, 30, 50), block(2, 10, 60)];
        let places = lives.finish(live.into_iter(), Stamp(100));
        let figures = |life: &ProgramPoint| (life.most, life.live_at_peak, life.live, life.lifetime);
        let expected = [
            (amount(100, 1), amount(50, 1), amount(0, 0), 7 + 10),
            (amount(95, 3), amount(65, 2), amount(95, 3), 100 + 80 + 50),
            (amount(10, 1), amount(0, 0), amount(10, 1), 40),
        ];
        assert_eq!(places.iter().map(figures).collect::<Vec<_>>(), expected);
    }

    /// The allocation that makes the peak is one of those up to it.
    #[test]
    fn what_had_been_allocated_at_the_peak_has_its_own_allocation() {
        let selection = Selection::default();
        let mut lives = ProgramPoints::new(&selection, |_: &Block| 0, Stamp(0), std::iter::empty());
        for (size, birth) in [(10, 1), (20, 2), (5, 3)] {
            let block = Block { address: Address(birth), ..block(7, size, birth) };
            let event = MergedEvent {
                stamp: block.birth,
                address: block.address,
                size,
                stack: block.stack,
                thread_tag: block.thread_tag,
                stream: StreamIndex(0),
                action: Action::Allocate,
                function: Function::Malloc,
                space: block.space,
                state: State::Pending,
            };
            lives.on_alloc(&block);
            lives.on_event(&event);
            lives.on_forget(&block, Stamp(birth));
        }
        let life = lives.finish(std::iter::empty(), Stamp(9))[0];
        assert_eq!((life.live_at_peak, life.allocated_at_peak), (amount(20, 1), amount(30, 2)));
        assert_eq!((life.live, life.allocated), (amount(0, 0), amount(35, 3)));
    }
}
