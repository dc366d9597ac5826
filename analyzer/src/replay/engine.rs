//! Replays one process: every event in order, against the table of live blocks.
//!
//! The event path (`step`, and below it the window, the merge and the table) allocates nothing per event and hashes
//! once. Conflicts are another function, and cold.

use tm_common::ids::{ProcessIndex, Stamp};

use super::event::{MergedEvent, State};
use super::live::{Block, LiveTable};
use super::merge::Merge;
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
    window: Window<'a>,
    tolerance: u64,
    live: LiveTable,
    totals: Totals,
    n_events: u64,
    tries: u64,
    peak_event: u64,
}

impl<'a> Engine<'a> {
    /// At the start of `process`, which has inherited the blocks of `live`.
    pub fn new(recording: &'a Recording, process: ProcessIndex, live: LiveTable) -> Engine<'a> {
        let clock = &recording.header.clock;
        let ns_per_stamp = clock.ns_per_tick() * (1u64 << clock.shift) as f64;
        let tolerance = (TOLERANCE_NS / ns_per_stamp).ceil().max(1.0) as u64;
        let live_bytes = live.iter().fold(0u64, |sum, block| sum.wrapping_add(block.size));
        let live_blocks = live.len() as u64;
        let peak_stamp = recording.process(process).map_or(Stamp(0), |process| process.start);
        let (peak_bytes, peak_blocks) = (live_bytes, live_blocks);
        let totals =
            Totals { live_bytes, live_blocks, peak_bytes, peak_blocks, peak_stamp, ..Totals::default() };
        let window = Window::new(Merge::new(recording, process), tolerance.saturating_mul(AHEAD_TOLERANCES));
        Engine { window, tolerance, live, totals, n_events: 0, tries: TRIES_MAX, peak_event: 0 }
    }

    /// Replays the events up to and including `until`; `observer` sees each as it takes effect.
    #[inline]
    pub fn run(&mut self, until: Stamp, observer: &mut impl FnMut(&MergedEvent)) {
        while let Some(event) = self.window.present().filter(|event| event.stamp <= until) {
            self.step(&event, observer);
        }
    }

    /// Replays the first `n_events` events, as [`Engine::peak_event`] counts them.
    pub fn run_events(&mut self, n_events: u64) {
        while self.n_events < n_events {
            let Some(event) = self.window.present() else { return };
            self.step(&event, &mut |_| {});
        }
    }

    /// The blocks that are live now.
    pub fn live(&self) -> &LiveTable {
        &self.live
    }

    /// The sums so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// How many events had been replayed when the peak was reached.
    pub fn peak_event(&self) -> u64 {
        self.peak_event
    }

    /// What could not be decoded so far.
    pub fn damage(&self) -> Damage {
        self.window.merge.damage()
    }

    #[inline]
    fn step(&mut self, event: &MergedEvent, observer: &mut impl FnMut(&MergedEvent)) {
        if event.state != State::Pending {
            self.window.advance(State::Applied);
        } else if self.apply(event) {
            self.count(event);
            observer(event);
            self.window.advance(State::Applied);
        } else {
            self.conflict(event, observer);
        }
    }

    /// Changes the table; `false`, and nothing is changed, if the event does not fit.
    #[inline]
    fn apply(&mut self, event: &MergedEvent) -> bool {
        if event.is_release() {
            let Some(block) = self.live.remove(event.address) else { return false };
            self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
            self.totals.live_blocks -= 1;
            return true;
        }
        let block = Block { address: event.address, size: event.size, stack: event.stack };
        if !self.live.insert(block) {
            return false;
        }
        self.totals.live_bytes = self.totals.live_bytes.wrapping_add(event.size);
        self.totals.live_blocks += 1;
        true
    }

    /// Adds an event that has taken effect to the sums.
    #[inline]
    fn count(&mut self, event: &MergedEvent) {
        self.n_events += 1;
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
        if self.totals.live_bytes > self.totals.peak_bytes {
            self.totals.peak_bytes = self.totals.live_bytes;
            self.totals.peak_blocks = self.totals.live_blocks;
            self.totals.peak_stamp = event.stamp;
            self.peak_event = self.n_events;
        }
    }

    /// The event does not fit: finds an order of this address's events in which it does, first by what follows, then
    /// by taking back what was decided of late.
    #[cold]
    fn conflict(&mut self, event: &MergedEvent, observer: &mut impl FnMut(&MergedEvent)) {
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
    fn reorder(&mut self, order: &[usize], observer: &mut impl FnMut(&MergedEvent)) {
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
                self.settle(&event);
            } else if index >= n_passed && !self.apply(&event) {
                self.totals.missed_frees += u64::from(!event.is_release());
                self.totals.unknown_frees += u64::from(event.is_release());
            }
            if !was_applied {
                self.count(&event);
                observer(&event);
            }
        }
    }

    /// Makes the table say what `event` left of its address.
    fn settle(&mut self, event: &MergedEvent) {
        if let Some(block) = self.live.remove(event.address) {
            self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
            self.totals.live_blocks -= 1;
        }
        if !event.is_release() {
            self.apply(event);
        }
    }

    /// No order fits: something is not in the recording.
    fn leftover(&mut self, event: &MergedEvent, observer: &mut impl FnMut(&MergedEvent)) {
        if event.is_release() {
            self.totals.unknown_frees += 1;
        } else {
            self.totals.missed_frees += 1;
            self.settle(event);
        }
        self.count(event);
        observer(event);
    }
}
