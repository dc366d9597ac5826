//! Replays one process: every event in order, against the table of live blocks.
//!
//! The event path (`step`, and below it the window, the merge and the table) allocates nothing per event and hashes
//! once. Conflicts are another function, and cold.

use tm_common::ids::{ProcessIndex, Stamp};

use super::ahead::Decoders;
use super::event::{MergedEvent, State};
use super::live::{Block, LiveTable};
use super::merge::Merge;
use super::moment::ns_per_stamp;
use super::observer::Observer;
use super::peak::Peak;
use super::repair::solve;
use super::stream::Damage;
use super::totals::Totals;
use super::window::{Reach, Window};
use crate::reader::Recording;

/// How long an event may wait for the one that has to come before it: twice what two processors' counters are ever
/// apart, `docs/format.md` section "Events".
pub const TOLERANCE_NS: f64 = 20_000.0;

/// How far to look ahead, in units of the tolerance: an order is the more certain the more of what follows it explains.
const AHEAD_TOLERANCES: u64 = 4;
/// The most steps of all searches for an order in a process: a few seconds, which only damage takes.
const TRIES_MAX: u64 = 30_000_000;

/// A process being replayed.
#[derive(Debug)]
pub struct Engine<'a> {
    process: ProcessIndex,
    window: Window<'a>,
    tolerance: u64,
    live: LiveTable,
    totals: Totals,
    tries: u64,
    peak: Peak,
}

impl<'a> Engine<'a> {
    /// At the start of `process`, which has inherited the blocks of `live`.
    pub(super) fn new(
        recording: &'a Recording,
        process: ProcessIndex,
        mut live: LiveTable,
        decoders: &Decoders<'a>,
    ) -> Engine<'a> {
        live.reset_generations();
        let tolerance = (TOLERANCE_NS / ns_per_stamp(recording)).ceil().max(1.0) as u64;
        let live_bytes = live.iter().fold(0u64, |sum, block| sum.wrapping_add(block.size));
        let live_blocks = live.len() as u64;
        let peak_stamp = recording.process(process).map_or(Stamp(0), |process| process.start);
        let (peak_bytes, peak_blocks) = (live_bytes, live_blocks);
        let totals =
            Totals { live_bytes, live_blocks, peak_bytes, peak_blocks, peak_stamp, ..Totals::default() };
        let merge = Merge::new(recording, process, decoders);
        let window = Window::new(merge, tolerance.saturating_mul(AHEAD_TOLERANCES));
        Engine { process, window, tolerance, live, totals, tries: TRIES_MAX, peak: Peak::default() }
    }

    /// Replays the events up to and including `until`; `observer` is told of each as it takes effect.
    #[inline]
    pub fn run(&mut self, until: Stamp, observer: &mut impl Observer) {
        while let Some(event) = self.present().filter(|event| event.stamp <= until) {
            self.step(&event, observer);
        }
    }

    /// The next event.
    #[inline]
    fn present(&mut self) -> Option<MergedEvent> {
        while self.window.wants_more() {
            self.take_more();
        }
        self.window.present()
    }

    /// Takes events from the merge, and has the processor fetch what they will need of the table, all at a time.
    #[inline(never)]
    fn take_more(&mut self) {
        let n_known = self.window.take_more();
        for event in self.window.events_from(n_known) {
            self.live.prefetch_index(event.address);
        }
        for event in self.window.events_from(n_known).filter(|event| event.is_release()) {
            self.live.prefetch_block(event.address);
        }
    }

    /// The process.
    pub fn process(&self) -> ProcessIndex {
        self.process
    }

    /// The blocks that are live now.
    pub fn live(&self) -> &LiveTable {
        &self.live
    }

    /// The blocks that are live now, of a replay that is not gone on with.
    pub fn into_live(self) -> LiveTable {
        self.live
    }

    /// The sums so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The blocks that were live at the latest peak, in no order.
    pub fn peak_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.peak.blocks(&self.live)
    }

    /// What could not be decoded so far.
    pub fn damage(&self) -> Damage {
        self.window.merge.damage()
    }

    #[inline]
    fn step(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.state != State::Pending {
            self.window.advance(State::Applied);
        } else if self.apply(event, observer) {
            self.count(event);
            observer.event(event);
            self.window.advance(State::Applied);
        } else {
            self.conflict(event, observer);
        }
    }

    /// Changes the table; `false`, and nothing is changed, if the event does not fit.
    #[inline]
    fn apply(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        if event.is_release() {
            return self.take_out(event, observer);
        }
        let &MergedEvent { address, size, stack, thread, stamp: birth, .. } = event;
        let block = Block { address, size, stack, thread, birth };
        if !self.live.insert(&block, self.peak.next_generation()) {
            return false;
        }
        self.totals.live_bytes = self.totals.live_bytes.wrapping_add(size);
        self.totals.live_blocks += 1;
        self.note_peak(birth);
        observer.came(&block);
        true
    }

    /// Takes the block at the event's address out of the table; `false` if there is none.
    #[inline]
    fn take_out(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        let Some(block) = self.peak.take_out(&mut self.live, event.address) else { return false };
        self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
        self.totals.live_blocks -= 1;
        observer.went(&block, event);
        true
    }

    /// Adds an event that has taken effect to the sums.
    #[inline]
    fn count(&mut self, event: &MergedEvent) {
        if event.is_release() {
            self.totals.frees += u64::from(event.action == super::Action::Free);
            return;
        }
        if event.is_reallocation() {
            self.totals.reallocations += 1;
        } else {
            self.totals.allocations += 1;
        }
        self.totals.bytes_allocated = self.totals.bytes_allocated.wrapping_add(event.size);
    }

    /// A block came: perhaps this is the peak. A repair that brings a block back counts as well.
    #[inline]
    fn note_peak(&mut self, stamp: Stamp) {
        if self.totals.live_bytes > self.totals.peak_bytes {
            self.totals.peak_bytes = self.totals.live_bytes;
            self.totals.peak_blocks = self.totals.live_blocks;
            self.totals.peak_stamp = stamp;
            self.peak.reached(&mut self.live);
        }
    }

    /// The event does not fit: finds an order of this address's events in which it does, first by what follows, then
    /// by taking back what was decided of late.
    #[cold]
    fn conflict(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        for reach in self.reaches() {
            let (places, items) = self.window.conflict(event.address, &reach, self.tolerance);
            let was_applied = |window: &mut Window<'_>, place| {
                window.event(place).is_some_and(|event| event.state == State::Applied)
            };
            let n_applied = places.iter().filter(|&&place| was_applied(&mut self.window, place)).count();
            let live = self.live.get(event.address).is_some() ^ (n_applied % 2 == 1);
            if places.len() <= 1 && reach.back == u64::MAX {
                break; // It is alone.
            }
            if let Some(order) = solve(&items, live, self.tolerance, &mut self.tries) {
                let order: Vec<usize> =
                    order.iter().filter_map(|&place| places.get(place).copied()).collect();
                self.reorder(&order, observer);
                self.window.advance(State::Applied);
                return;
            }
        }
        self.leftover(event, observer);
        self.window.advance(State::Leftover);
    }

    /// Where to look for the solution of a conflict: first for one that explains what follows too, and leaves as much
    /// as it is as can be.
    fn reaches(&self) -> [Reach; 6] {
        let ahead = self.tolerance.saturating_mul(AHEAD_TOLERANCES / 2);
        [(0, ahead), (self.tolerance, ahead), (u64::MAX, ahead), (0, 0), (self.tolerance, 0), (u64::MAX, 0)]
            .map(|(back, required_ahead)| Reach { back, required_ahead })
    }

    /// Replays the pending events of `order`, the whole order of one address's events of late. What belongs before
    /// events that were replayed already is counted, and changes nothing: its effect has passed.
    fn reorder(&mut self, order: &[usize], observer: &mut impl Observer) {
        let present = self.window.present_place();
        let last = |found: &mut dyn FnMut(usize) -> bool| order.iter().rposition(|&place| found(place));
        let n_passed =
            last(&mut |place| self.window.event(place).is_some_and(|event| event.state == State::Applied));
        let n_passed = n_passed.map_or(0, |last| last + 1);
        // What is to come after the present event waits for its turn.
        let n_due = last(&mut |place| place == present).map_or(0, |last| last + 1).max(n_passed);
        for (index, &place) in order.iter().enumerate().take(n_due) {
            let Some(event) = self.window.event(place) else { continue };
            let was_applied = event.state == State::Applied;
            event.state = State::Applied;
            let event = *event;
            if index + 1 == n_passed {
                self.settle(&event, observer);
            } else if index >= n_passed && !self.apply(&event, observer) {
                self.totals.missed_frees += u64::from(!event.is_release());
                self.totals.unknown_frees += u64::from(event.is_release());
            }
            if !was_applied {
                self.count(&event);
                observer.event(&event);
            }
        }
    }

    /// Makes the table say what `event` left of its address.
    fn settle(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        self.take_out(event, observer);
        if !event.is_release() {
            self.apply(event, observer);
        }
    }

    /// No order fits: something is not in the recording.
    fn leftover(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.is_release() {
            self.totals.unknown_frees += 1;
        } else {
            self.totals.missed_frees += 1;
            self.settle(event, observer);
        }
        self.count(event);
        observer.event(event);
    }
}
