//! Replays one process: every event in order, against the table of live blocks.
//!
//! The event path (`step`, and below it the window, the merge and the table) allocates nothing per event and hashes
//! once. Conflicts are another function, and cold.

use tm_common::ids::{ProcessIndex, Space, Stamp};
use tm_common::metadata::CommandKind;

use super::ahead::Decoders;
use super::event::{Action, MergedEvent, State};
use super::live::Block;
use super::merge::Merge;
use super::moment::ns_per_stamp;
use super::observer::Observer;
use super::peak::Peak;
use super::ranges::{Change, Ranges};
use super::repair::solve;
use super::stream::Damage;
use super::tables::{Account, Tables};
use super::totals::{Amount, Totals};
use super::window::{Reach, Window};
use crate::reader::{Command, Recording};

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
    live: Tables,
    totals: Totals,
    tries: u64,
    peak: Peak,
    /// The mappings at their latest peak, if they have changed since.
    mapped_at_peak: Option<Ranges>,
    commands: Commands,
}

/// What the process was told to do with its traces.
#[derive(Debug)]
struct Commands {
    /// By stamp.
    list: Vec<Command>,
    /// The first that is still to come.
    next: usize,
    /// After which events that one takes effect; later than all if there is none.
    next_stamp: Stamp,
    is_tracing: bool,
    /// Whether there are blocks that nothing is known of, because their time was not recorded or was cleared.
    has_forgotten: bool,
    /// Whether a clearing makes the peak 0 too, as the program sees it. Reports of a whole run want the run's peak.
    resets_peak: bool,
}

impl Commands {
    fn new(recording: &Recording, process: ProcessIndex) -> Commands {
        let list: Vec<Command> =
            recording.commands_of(process).filter(|it| it.kind != CommandKind::Mark).cloned().collect();
        let next_stamp = list.first().map_or(Stamp(u64::MAX), |command| command.stamp);
        Commands { list, next: 0, next_stamp, is_tracing: true, has_forgotten: false, resets_peak: false }
    }

    /// The next one, which is due before the event of `stamp`.
    fn take_due(&mut self, stamp: Stamp) -> Option<Command> {
        let due = self.list.get(self.next).filter(|command| command.stamp < stamp)?.clone();
        self.next += 1;
        self.next_stamp = self.list.get(self.next).map_or(Stamp(u64::MAX), |command| command.stamp);
        Some(due)
    }
}

impl<'a> Engine<'a> {
    /// At the start of `process`, which has inherited the blocks of `live`.
    pub(super) fn new(
        recording: &'a Recording,
        process: ProcessIndex,
        mut live: Tables,
        decoders: &Decoders<'a>,
    ) -> Engine<'a> {
        live.reset_generations();
        let tolerance = (TOLERANCE_NS / ns_per_stamp(recording)).ceil().max(1.0) as u64;
        let sum = |account| live.iter(account).fold(0u64, |sum, block| sum.wrapping_add(block.size));
        let (live_bytes, live_blocks) = (sum(Account::Traced), live.n_traced() as u64);
        let mapped = Amount { bytes: sum(Account::Mappings), blocks: live.mappings.len() as u64 };
        let peak_stamp = recording.process(process).map_or(Stamp(0), |process| process.start);
        let (peak_bytes, peak_blocks) = (live_bytes, live_blocks);
        let totals = Totals {
            live_bytes,
            live_blocks,
            peak_bytes,
            peak_blocks,
            peak_stamp,
            mapped,
            mapped_peak: mapped,
            mapped_peak_stamp: peak_stamp,
            ..Totals::default()
        };
        let merge = Merge::new(recording, process, decoders);
        let window = Window::new(merge, tolerance.saturating_mul(AHEAD_TOLERANCES));
        Engine {
            process,
            window,
            tolerance,
            live,
            totals,
            tries: TRIES_MAX,
            peak: Peak::default(),
            mapped_at_peak: None,
            commands: Commands::new(recording, process),
        }
    }

    /// Replays the events up to and including `until`; `observer` is told of each as it takes effect.
    #[inline]
    pub fn run(&mut self, until: Stamp, observer: &mut impl Observer) {
        while let Some(event) = self.present().filter(|event| event.stamp <= until) {
            if event.stamp > self.commands.next_stamp {
                self.obey_until(event.stamp, observer);
            }
            self.step(&event, observer);
        }
        self.obey_until(Stamp(until.0.saturating_add(1)), observer);
    }

    /// Does what the process was told before `stamp`.
    #[cold]
    fn obey_until(&mut self, stamp: Stamp, observer: &mut impl Observer) {
        while let Some(command) = self.commands.take_due(stamp) {
            match command.kind {
                CommandKind::Start => self.commands.is_tracing = true,
                CommandKind::Stop | CommandKind::Clear => self.forget(command.stamp, observer),
                CommandKind::Mark => continue,
            }
            self.commands.is_tracing &= command.kind != CommandKind::Stop;
            self.commands.has_forgotten = true;
        }
    }

    /// Forgets what lives and is not younger than `stamp`. The peak's blocks are still known.
    fn forget(&mut self, stamp: Stamp, observer: &mut impl Observer) {
        for block in self.live.take_out_until(stamp, &mut self.peak) {
            self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
            self.totals.live_blocks -= 1;
            observer.forgot(&block, stamp);
        }
        if self.mapped_at_peak.is_none() {
            self.mapped_at_peak = Some(self.live.mappings.clone());
        }
        for block in self.live.mappings.take_out_all(|block| block.birth <= stamp) {
            self.totals.mapped.bytes = self.totals.mapped.bytes.wrapping_sub(block.size);
            self.totals.mapped.blocks -= 1;
            observer.forgot(&block, stamp);
        }
        if self.commands.resets_peak {
            self.reset_peak(stamp);
        }
    }

    /// Makes what lives now the peak, in all accounts: tracemalloc's `reset_peak`.
    pub fn reset_peak(&mut self, stamp: Stamp) {
        let Totals { live_bytes, live_blocks, mapped, .. } = self.totals;
        (self.totals.peak_bytes, self.totals.peak_blocks) = (live_bytes, live_blocks);
        (self.totals.peak_stamp, self.totals.mapped_peak_stamp) = (stamp, stamp);
        self.totals.mapped_peak = mapped;
        self.mapped_at_peak = None;
        self.peak.reached(&mut self.live);
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
        let heap = self.live.heap();
        for event in self.window.events_from(n_known) {
            heap.prefetch_index(event.address);
        }
        for event in self.window.events_from(n_known).filter(|event| event.is_release()) {
            heap.prefetch_block(event.address);
        }
    }

    /// The process.
    pub fn process(&self) -> ProcessIndex {
        self.process
    }

    /// The blocks that are live now.
    pub fn live(&self) -> &Tables {
        &self.live
    }

    /// The blocks that are live now, of a replay that is not gone on with.
    pub fn into_live(self) -> Tables {
        self.live
    }

    /// The sums so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The blocks that were live at the latest peak of an account, in no order.
    pub fn peak_blocks(&self, account: Account) -> impl Iterator<Item = Block> + '_ {
        let traced = (account == Account::Traced).then(|| self.peak.blocks(&self.live));
        let mapped = self.mapped_at_peak.as_ref().unwrap_or(&self.live.mappings);
        let mapped = (account == Account::Mappings).then(|| mapped.iter());
        traced.into_iter().flatten().chain(mapped.into_iter().flatten())
    }

    /// What could not be decoded so far.
    pub fn damage(&self) -> Damage {
        self.window.merge.damage()
    }

    #[inline]
    fn step(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.state != State::Pending || !self.commands.is_tracing {
            self.window.advance(State::Applied);
        } else if event.is_tracking() {
            self.track(event, observer);
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
        self.put(&event.block(), observer)
    }

    /// Puts a block into the table of its space; `false`, and nothing is changed, if there is one at its address.
    #[inline]
    fn put(&mut self, block: &Block, observer: &mut impl Observer) -> bool {
        let table = match block.space {
            Space::HEAP => self.live.heap_mut(),
            space => self.live.of(space),
        };
        if !table.insert(block, self.peak.next_generation()) {
            return false;
        }
        self.totals.live_bytes = self.totals.live_bytes.wrapping_add(block.size);
        self.totals.live_blocks += 1;
        self.note_peak(block.birth);
        observer.came(block);
        true
    }

    /// What the program tells of its own domains, and mappings. Of an address that is tracked already the new one counts;
    /// what was not tracked may go (`PyTraceMalloc_Track`, `PyTraceMalloc_Untrack`).
    #[cold]
    fn track(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.space == Space::MAPPINGS {
            self.map(event, observer);
        } else {
            self.take_out(event, observer);
            if event.action == Action::Track {
                // The place is free now.
                self.put(&event.block(), observer);
            }
            self.totals.tracks += u64::from(event.action == Action::Track);
            self.totals.untracks += u64::from(event.action == Action::Untrack);
        }
        observer.event(event);
    }

    fn map(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        let Engine { live, totals, mapped_at_peak, .. } = self;
        // A peak that is passed is kept; one that goes on rising is not copied. What replaces others may add nothing.
        let takes_away = event.action == Action::Untrack || live.mappings.overlap(event.address, event.size);
        if mapped_at_peak.is_none() && takes_away {
            *mapped_at_peak = Some(live.mappings.clone());
        }
        let mut changed = |change| match change {
            Change::Came(block) => {
                totals.mapped.bytes = totals.mapped.bytes.wrapping_add(block.size);
                totals.mapped.blocks += 1;
                observer.came(&block);
            }
            Change::Went(block) | Change::Cut(block) => {
                totals.mapped.bytes = totals.mapped.bytes.wrapping_sub(block.size);
                totals.mapped.blocks -= 1;
                if matches!(change, Change::Went(_)) {
                    observer.went(&block, event);
                } else {
                    observer.forgot(&block, event.stamp);
                }
            }
        };
        if event.action == Action::Track {
            live.mappings.insert(event.block(), &mut changed);
            totals.maps += 1;
        } else {
            live.mappings.remove(event.address, event.size, &mut changed);
            totals.unmaps += 1;
        }
        if totals.mapped.bytes > totals.mapped_peak.bytes {
            (totals.mapped_peak, totals.mapped_peak_stamp) = (totals.mapped, event.stamp);
            *mapped_at_peak = None;
        }
    }

    /// Takes the block at the event's address out of the table; `false` if there is none.
    #[inline]
    fn take_out(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        let table = match event.space {
            Space::HEAP => self.live.heap_mut(),
            space => self.live.of(space),
        };
        let Some(block) = self.peak.take_out(table, event.address) else { return false };
        self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
        self.totals.live_blocks -= 1;
        observer.went(&block, event);
        true
    }

    /// Adds an event that has taken effect to the sums.
    #[inline]
    fn count(&mut self, event: &MergedEvent) {
        if event.is_release() {
            self.totals.frees += u64::from(event.action == Action::Free);
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
            let live = self.live.heap().get(event.address).is_some() ^ (n_applied % 2 == 1);
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
                if event.is_release() {
                    self.unknown_free();
                } else {
                    self.totals.missed_frees += 1;
                }
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

    /// A block goes that nothing is known of.
    fn unknown_free(&mut self) {
        if self.commands.has_forgotten {
            self.totals.forgotten_frees += 1;
        } else {
            self.totals.unknown_frees += 1;
        }
    }

    /// No order fits: something is not in the recording.
    fn leftover(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.is_release() {
            self.unknown_free();
        } else {
            self.totals.missed_frees += 1;
            self.settle(event, observer);
        }
        self.count(event);
        observer.event(event);
    }
}
