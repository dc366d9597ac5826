//! Replays one process: every event in order, against the table of live blocks.
//!
//! The event path (`step`, and below it the window, the merge and the table) allocates nothing per event and hashes
//! once. Conflicts are another function, and cold.

mod conflict;
mod folded;

pub(crate) use folded::From;

use std::sync::Arc;

use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::metadata::CommandKind;

use super::checkpoint::FoldedProcess;
use super::commands::Commands;
use super::live::Ledger;
use super::live::Totals;
use super::live::{LiveBlocks, MemoryKind};
use super::moment::ns_per_stamp;
use super::observer::Observer;
use super::order::Window;
use crate::events::{Action, Block, Damage, EventStream, Merge, MergedEvent, State};
use crate::reader::{Command, Recording};

/// How long an event may wait for the one that has to come before it: twice what two processors' counters are ever
/// apart, `docs/format.md` section "Events".
pub const TOLERANCE_NS: f64 = 20_000.0;

/// How far to look ahead, in units of the tolerance: an order is the more certain the more of what follows it explains.
const AHEAD_TOLERANCES: u64 = 4;
/// The most steps of all searches for an order in a process: a few seconds, which only damage takes.
const TRIES_MAX: u64 = 30_000_000;

/// A process being replayed from its streams.
#[derive(Debug)]
pub struct Replayer<S> {
    process: ProcessIndex,
    window: Window<S>,
    tolerance: u64,
    ledger: Ledger,
    tries: u64,
    commands: Commands,
    /// The latest event that was replayed: those before it come late.
    replayed_until: Stamp,
    /// What it began with.
    folded: Option<FoldedProcess>,
    left_out_until: Option<Stamp>,
    /// Whether it is not known what it began with.
    is_unknown: bool,
}

/// What a [`Replayer`] begins with.
pub(crate) struct Beginning {
    /// What the process has: what it inherited, or what a checkpoint has of it.
    pub from: From,
    /// Whether there may be events of several threads, so that stamps may be swapped.
    pub may_swap: bool,
    /// Whether a clearing makes the peak 0 too.
    pub resets_peak: bool,
}

/// How many stamps of `recording` the tolerance is.
pub(crate) fn tolerance(recording: &Recording) -> u64 {
    (TOLERANCE_NS / ns_per_stamp(recording)).ceil().max(1.0) as u64
}

impl<S: EventStream> Replayer<S> {
    /// At the start of `process`, or where its events are folded to.
    pub(crate) fn new(
        recording: &Recording,
        process: ProcessIndex,
        merge: Merge<S>,
        beginning: Beginning,
    ) -> Replayer<S> {
        let tolerance = tolerance(recording);
        let start = recording.process(process).map_or(Stamp(0), |process| process.start);
        let thread_tags = &recording.thread_tags;
        let mut commands = Commands::new(recording, process, beginning.resets_peak);
        let is_unknown = matches!(beginning.from, From::Unknown);
        let (ledger, folded) = match beginning.from {
            From::Start(live) => (Ledger::new(*live, start, Arc::clone(thread_tags)), None),
            From::Unknown => {
                commands.has_forgotten = true;
                (Ledger::new(LiveBlocks::default(), start, Arc::clone(thread_tags)), None)
            }
            From::Checkpoint(folded) => {
                commands.pass(folded.until(), folded.has_forgotten());
                (folded.ledger(thread_tags, beginning.resets_peak), Some(*folded))
            }
        };
        let span = if beginning.may_swap { tolerance.saturating_mul(AHEAD_TOLERANCES) } else { 0 };
        Replayer {
            process,
            window: Window::new(merge, span),
            tolerance,
            ledger,
            tries: TRIES_MAX,
            commands,
            replayed_until: folded.as_ref().map_or(Stamp(0), |folded| folded.until()),
            folded,
            left_out_until: None,
            is_unknown,
        }
    }

    /// Goes on with streams that have more to read than before. `change` gets them with all that was read and is still to
    /// be replayed, in order, which it has to put into a stream that stands before the others.
    pub(crate) fn resume(&mut self, change: impl FnOnce(&mut Vec<S>, &mut dyn Iterator<Item = MergedEvent>)) {
        self.window.resume(change);
    }

    /// Its streams. Nothing of them may change.
    pub(crate) fn streams_mut(&mut self) -> &mut [S] {
        self.window.merge.streams_mut()
    }

    /// The stamp of the latest event that was replayed.
    pub(crate) fn replayed_until(&self) -> Stamp {
        self.replayed_until
    }

    /// Adds what the process was told, which is not known yet.
    pub(crate) fn add_command(&mut self, command: Command) {
        self.commands.add(command);
    }

    /// Changes the tolerance: the clock's rate has become known.
    pub(crate) fn set_tolerance(&mut self, tolerance: u64) {
        self.tolerance = tolerance;
        self.window.set_span(tolerance.saturating_mul(AHEAD_TOLERANCES));
    }

    /// Whether events count, after what the process was told so far.
    pub fn is_tracing(&self) -> bool {
        self.commands.is_tracing
    }

    /// Replays the events up to and including `until`; `observer` hears of each as it takes effect.
    #[inline]
    pub fn run(&mut self, until: Stamp, observer: &mut impl Observer) {
        self.run_late(until, observer);
        let mut latest = self.replayed_until;
        while let Some(stamp) = self.next_stamp().filter(|stamp| *stamp <= until) {
            if stamp > self.commands.next_stamp {
                self.obey_until(stamp, observer);
            }
            latest = stamp;
            observer.on_turn(stamp);
            self.step(observer);
        }
        self.replayed_until = latest.max(self.replayed_until);
        self.obey_until(Stamp(until.0.saturating_add(1)), observer);
    }

    /// Does what came to be known only after later events had been replayed. Streams that were whole have nothing of it.
    #[cold]
    fn run_late(&mut self, until: Stamp, observer: &mut impl Observer) {
        let limit = self.replayed_until.min(until);
        self.obey_until(limit, observer);
        while self.next_stamp().is_some_and(|stamp| stamp < limit) {
            let Some(event) = self.window.present().copied() else { break };
            let is_forgotten = Some(event.stamp) <= self.commands.forgotten_until;
            // A block that came since took the place of the one that `realloc` gave back, before its record was written.
            let has_gone = event.action == Action::ReallocateBegin
                && self
                    .ledger
                    .live()
                    .heap()
                    .get(event.address)
                    .is_some_and(|block| block.birth > event.stamp);
            if event.state == State::Pending && is_forgotten {
                self.window.advance(State::Applied);
            } else if event.state == State::Pending && has_gone {
                let missed_frees = &mut self.ledger.totals.missed_frees;
                *missed_frees = missed_frees.saturating_sub(1);
                observer.on_event(&event);
                self.window.advance(State::Applied);
            } else {
                self.step_cold(observer);
            }
        }
    }

    /// As [`Replayer::step`], off the event path.
    #[inline(never)]
    fn step_cold(&mut self, observer: &mut impl Observer) {
        self.step(observer);
    }

    /// Does what the process was told before `stamp`.
    #[cold]
    fn obey_until(&mut self, stamp: Stamp, observer: &mut impl Observer) {
        while let Some(command) = self.commands.take_due(stamp) {
            observer.on_turn(command.stamp);
            // Blocks from before a start are held, or given back, that nothing is known of, and so are those that are forgotten.
            self.ledger.lose_course(command.stamp, observer);
            if command.kind == CommandKind::Start {
                continue;
            }
            // What came between a stop and the moment that it became known goes too: nothing is recorded after it, so nobody
            // would tell of its end. If there was another start meanwhile, that is not known of the rest.
            if command.kind == CommandKind::Stop {
                self.ledger.restart_exact();
            }
            let until = if self.commands.is_tracing { command.stamp } else { Stamp(u64::MAX) };
            self.ledger.forget(until, observer);
            if self.commands.resets_peak {
                self.ledger.reset_peak(command.stamp);
            }
            observer.on_peak_reset(command.stamp);
        }
    }

    /// Makes what lives now the peak, of all kinds of memory: tracemalloc's `reset_peak`.
    pub fn reset_peak(&mut self, stamp: Stamp) {
        self.ledger.reset_peak(stamp);
    }

    /// The stamp of the next event, whose turn it is.
    #[inline]
    fn next_stamp(&mut self) -> Option<Stamp> {
        while self.window.wants_more() {
            self.take_more();
        }
        self.window.present().map(|event| event.stamp)
    }

    /// Takes events from the merge, and has the processor fetch what they will need of the table, all at a time.
    #[inline(never)]
    fn take_more(&mut self) {
        let n_known = self.window.take_more();
        let heap = self.ledger.live().heap();
        if !heap.is_worth_prefetching() {
            return;
        }
        let new = self.window.events_from(n_known);
        for event in new {
            heap.prefetch_index(event.address);
        }
        for event in new.iter().filter(|event| event.is_release()) {
            heap.prefetch_block(event.address);
        }
    }

    /// The process.
    pub fn process(&self) -> ProcessIndex {
        self.process
    }

    /// The blocks that are live now.
    pub fn live(&self) -> &LiveBlocks {
        self.ledger.live()
    }

    /// The blocks that are live now, of a replay that is not gone on with.
    pub fn into_live(self) -> LiveBlocks {
        self.ledger.into_live()
    }

    /// Adds what threads that sample did after their last records, of a replay of the whole of `recording`.
    pub(crate) fn finish_totals(&mut self, recording: &Recording) {
        let own = recording.totals.iter().filter(|(process, _)| *process == self.process);
        self.ledger.finish_totals(&own.map(|(_, line)| *line).collect::<Vec<_>>());
    }

    /// The sums so far.
    pub fn totals(&self) -> &Totals {
        &self.ledger.totals
    }

    /// The blocks that were live at the latest peak of a kind of memory, in no order.
    pub fn peak_blocks(&self, memory_kind: MemoryKind) -> impl Iterator<Item = Block> + '_ {
        self.ledger.peak_blocks(memory_kind)
    }

    /// What is missing so far.
    pub fn damage(&self) -> Damage {
        self.damage_until(Stamp(u64::MAX))
    }

    /// The same without what was decoded ahead, and follows later events than `until`.
    fn damage_until(&self, until: Stamp) -> Damage {
        let Totals { unknown_frees, missed_frees, .. } = self.ledger.totals;
        let unknown_beginnings = u64::from(self.is_unknown);
        let found = self.window.merge.damage_until(until);
        let mut damage = Damage { unknown_frees, missed_frees, unknown_beginnings, ..found };
        if let Some(folded) = &self.folded {
            damage.add(&folded.damage());
        }
        damage
    }

    /// Replays the present event. Its fields are read where it stands: a copy would have to wait until it is written.
    #[inline(always)]
    fn step(&mut self, observer: &mut impl Observer) {
        let Replayer { window, ledger, commands, .. } = self;
        let Some(event) = window.present() else { return };
        let is_usual = event.state == State::Pending && commands.is_tracing && !event.is_tracking();
        if is_usual && ledger.apply(event, observer) {
            ledger.count(event);
            observer.on_event(event);
            window.advance(State::Applied);
        } else {
            self.step_otherwise(is_usual, observer);
        }
    }

    /// Does the same with what is of no address, or counts no more; or has `not_fitted`.
    #[inline(never)]
    fn step_otherwise(&mut self, not_fitted: bool, observer: &mut impl Observer) {
        let Some(event) = self.window.present().copied() else { return };
        if not_fitted {
            return self.conflict(&event, observer);
        }
        if event.state == State::Pending && self.commands.is_tracing {
            self.untied(&event, observer);
        }
        self.window.advance(State::Applied);
    }

    /// Does what is no matter of an address's order.
    fn untied(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.is_total() {
            observer.on_total(event);
            self.ledger.total(event, observer);
        } else {
            self.ledger.track(event, observer);
            self.commands.has_forgotten |= event.ends_all();
        }
    }
}
