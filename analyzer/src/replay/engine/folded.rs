//! A replay that begins after events that are folded, and one that is folded itself.

use tm_common::ids::Stamp;

use super::Replayer;
use crate::events::EventStream;
use crate::replay::checkpoint::{FoldedPart, FoldedProcess, State};
use crate::replay::live::{LiveBlocks, MemoryKind, Totals};
use crate::replay::observer::{Held, Observer};
use crate::replay::observers::Folding;

/// What a process has before the first event.
pub(crate) enum From {
    /// The blocks that it inherited.
    Start(Box<LiveBlocks>),
    /// What it inherited is not known.
    Unknown,
    /// All that a checkpoint has of it.
    Checkpoint(Box<FoldedProcess>),
}

/// The most moments that a replay goes on with because later events were decided on.
const SETTLING_MAX: u32 = 1 << 16;

impl<S: EventStream> Replayer<S> {
    /// Tells `observer` of what a checkpoint has, if the process begins with one; of the parent's blocks if `with_inherited`. Returns
    /// whether nothing is left out.
    pub(crate) fn tell_folded(&self, with_inherited: bool, observer: &mut impl Observer) -> bool {
        let Some(process) = &self.folded else { return true };
        let owners = process.owners(self.ledger.thread_tags());
        let is_taken_in = observer.on_folded(&FoldedPart { process, owners: &owners, with_inherited });
        if let Some(bytes) = self.ledger.held() {
            // What threads that sample have told holds until they tell more.
            let held = Held { bytes, highest: bytes, is_peak: false };
            observer.on_held(Some(&held), process.until());
        }
        is_taken_in
    }

    /// Tells `observer`, and notes whether it makes nothing of it.
    pub(in crate::replay) fn begin_told(&mut self, with_inherited: bool, observer: &mut impl Observer) {
        let is_taken_in = self.tell_folded(with_inherited, observer);
        self.left_out_until = self.folded.as_ref().filter(|_| !is_taken_in).map(FoldedProcess::until);
    }

    /// Up to where events are folded that the observer makes nothing of.
    pub(in crate::replay) fn left_out_until(&self) -> Option<Stamp> {
        self.left_out_until
    }

    /// Whether there is nothing more to replay.
    pub(in crate::replay) fn is_at_end(&mut self) -> bool {
        self.next_stamp().is_none()
    }

    /// Folds what was replayed, as `folding` has added it up; `closed_since` is when a process was forked that has ended and was
    /// replayed to its end.
    pub(in crate::replay) fn fold(
        &self,
        folding: Folding<'_>,
        until: Stamp,
        closed_since: Option<Stamp>,
    ) -> FoldedProcess {
        let Replayer { ledger, commands, .. } = self;
        let folded_earlier = self.folded.as_ref();
        let before = folded_earlier.map_or(Stamp(0), FoldedProcess::latest);
        let has_more = folded_earlier.is_none_or(|folded| self.replayed_until > folded.until());
        let replayed = if has_more { self.replayed_until } else { before };
        let latest = replayed.max(before).max(commands.forgotten_until.unwrap_or_default());
        let closed_since = closed_since.or(folded_earlier.and_then(FoldedProcess::closed_since));
        // All of one that is closed is folded, what follows no event too.
        let damage = if closed_since.is_some() { self.damage() } else { self.damage_until(until) };
        let has_forgotten = commands.has_forgotten;
        let state = State { until, latest, ledger, has_forgotten, damage, closed_since };
        FoldedProcess::new(self.process.0, &state, folding, ledger.thread_tags())
    }

    /// Goes on with single moments until no later event was decided on before its turn, because it was found to belong before
    /// an earlier one. Returns the latest moment.
    pub(in crate::replay) fn settle(&mut self, until: Stamp, observer: &mut impl Observer) -> Stamp {
        let mut until = until;
        for _ in 0..SETTLING_MAX {
            let Some(next) = self.next_stamp().filter(|_| !self.window.is_settled()) else { break };
            until = next.max(until);
            self.run(until, observer);
        }
        until
    }

    /// Takes the peak that another replay has of the same moment, which knows of moments at which it was made 0.
    pub(crate) fn take_peak_of(&mut self, totals: &Totals) {
        self.ledger.take_peaks([MemoryKind::Traced, MemoryKind::Mappings].map(|kind| totals.peak(kind)));
    }
}
