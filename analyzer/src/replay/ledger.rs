//! The books of one process: what lives, what it adds up to, and what it was at the peak. Knows no order of events; whoever
//! does enters them one by one.
//!
//! What the event path calls is inlined whatever it costs: left to itself the compiler makes calls of it, since there are
//! callers off the path too, and a replay takes 8 % longer.

use tm_common::ids::{Space, Stamp};

use super::observer::Observer;
use super::peak::Peak;
use super::ranges::{Change, Ranges};
use super::tables::{Account, Tables};
use super::totals::{Amount, Totals};
use crate::events::{Action, Block, MergedEvent};

/// What a process has, and what it did.
#[derive(Debug)]
pub(super) struct Ledger {
    live: Tables,
    /// The sums so far.
    pub totals: Totals,
    peak: Peak,
    /// The mappings at their latest peak, if they have changed since.
    mapped_at_peak: Option<Ranges>,
}

impl Ledger {
    /// At the start of a process at the moment `start`, with the blocks that it has inherited.
    pub fn new(mut live: Tables, start: Stamp) -> Ledger {
        live.reset_generations();
        let sum = |account| live.iter(account).fold(0u64, |sum, block| sum.wrapping_add(block.size));
        let (live_bytes, live_blocks) = (sum(Account::Traced), live.n_traced() as u64);
        let mapped = Amount { bytes: sum(Account::Mappings), blocks: live.mappings.len() as u64 };
        let totals = Totals {
            live_bytes,
            live_blocks,
            peak_bytes: live_bytes,
            peak_blocks: live_blocks,
            peak_stamp: start,
            mapped,
            mapped_peak: mapped,
            mapped_peak_stamp: start,
            ..Totals::default()
        };
        Ledger { live, totals, peak: Peak::default(), mapped_at_peak: None }
    }

    /// The blocks that are live now.
    #[inline]
    pub fn live(&self) -> &Tables {
        &self.live
    }

    /// The blocks that are live now, of a ledger that is not gone on with.
    pub fn into_live(self) -> Tables {
        self.live
    }

    /// The blocks that were live at the latest peak of an account, in no order.
    pub fn peak_blocks(&self, account: Account) -> impl Iterator<Item = Block> + '_ {
        let traced = (account == Account::Traced).then(|| self.peak.blocks(&self.live));
        let mapped = self.mapped_at_peak.as_ref().unwrap_or(&self.live.mappings);
        let mapped = (account == Account::Mappings).then(|| mapped.iter());
        traced.into_iter().flatten().chain(mapped.into_iter().flatten())
    }

    /// Changes the table; `false`, and nothing is changed, if the event does not fit.
    #[inline(always)]
    pub fn apply(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        if event.is_release() {
            return self.take_out(event, observer);
        }
        self.put(&event.block(), observer)
    }

    /// As [`Ledger::apply`], off the event path.
    #[inline(never)]
    pub fn apply_seldom(&mut self, event: &MergedEvent, observer: &mut impl Observer) -> bool {
        self.apply(event, observer)
    }

    /// Puts a block into the table of its space; `false`, and nothing is changed, if there is one at its address.
    #[inline(always)]
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
    pub fn track(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
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
        let Ledger { live, totals, mapped_at_peak, .. } = self;
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
    #[inline(always)]
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
    pub fn count(&mut self, event: &MergedEvent) {
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

    /// Makes the table say what `event` left of its address.
    #[cold]
    pub fn settle(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        self.take_out(event, observer);
        if !event.is_release() {
            self.apply_seldom(event, observer);
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

    /// Forgets what lives and is not younger than `stamp`. The peak's blocks are still known.
    pub fn forget(&mut self, stamp: Stamp, observer: &mut impl Observer) {
        self.live.take_out_until(stamp, &mut self.peak, &mut |block| {
            self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
            self.totals.live_blocks -= 1;
            observer.forgot(&block, stamp);
        });
        if self.mapped_at_peak.is_none() {
            self.mapped_at_peak = Some(self.live.mappings.clone());
        }
        for block in self.live.mappings.take_out_all(|block| block.birth <= stamp) {
            self.totals.mapped.bytes = self.totals.mapped.bytes.wrapping_sub(block.size);
            self.totals.mapped.blocks -= 1;
            observer.forgot(&block, stamp);
        }
    }
}
