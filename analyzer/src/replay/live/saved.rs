//! The books of a process as they stand in a checkpoint.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tm_common::ids::{Space, Stamp};

use super::block_table::{BlockTable, Owners};
use super::exact::SavedExact;
use super::ledger::Ledger;
use super::live_blocks::{LiveBlocks, MemoryKind};
use super::peak::Peak;
use super::ranges::Ranges;
use super::totals::Totals;
use crate::events::Block;
use crate::reader::{ThreadTag, ThreadTags};

/// A ledger that can be gone on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::replay) struct SavedLedger {
    /// Blocks that were live at the peak and went since, ...
    gone: BlockTable,
    /// ... that still are, ...
    old: BlockTable,
    /// ... and that came since.
    new: BlockTable,
    /// Blocks of the heap that are counted in another space, and which.
    labelled: BlockTable,
    label_spaces: Vec<u8>,
    mappings: BlockTable,
    mapped_at_peak: Option<BlockTable>,
    exact: SavedExact,
    /// The sums so far.
    pub totals: Totals,
}

impl SavedLedger {
    /// Saves `ledger`, the makers of whose blocks get places among `owners`; of one that is not gone on with, only what was born
    /// after `closed_since`.
    pub fn new(
        ledger: &Ledger,
        owners: &mut Owners,
        thread_tags: &ThreadTags,
        closed_since: Option<Stamp>,
    ) -> SavedLedger {
        let Ledger { live, peak, mapped_at_peak, totals, .. } = ledger;
        let is_kept = |block: &Block| closed_since.is_none_or(|since| block.birth > since);
        let mut table = |blocks: &mut dyn Iterator<Item = Block>| {
            BlockTable::new(blocks.filter(is_kept), owners, thread_tags)
        };
        let [old, new] = peak.split(live).map(|blocks| table(&mut blocks.into_iter()));
        // In the order in which the table sorts them.
        let mut labels: Vec<_> = live.labels.iter().filter(|(block, _)| is_kept(block)).collect();
        labels.sort_unstable_by_key(|(block, _)| (block.space, block.address));
        SavedLedger {
            gone: table(&mut peak.gone(live).into_iter()),
            old,
            new,
            labelled: table(&mut labels.iter().map(|(block, _)| *block)),
            label_spaces: labels.iter().map(|(_, space)| space.0).collect(),
            mappings: table(&mut live.mappings.iter()),
            mapped_at_peak: mapped_at_peak.as_ref().map(|ranges| table(&mut ranges.iter())),
            exact: SavedExact::new(&live.exact, closed_since.is_some()),
            totals: *totals,
        }
    }

    /// Whether it is one, whose makers are among `n_owners`.
    pub fn is_sound(&self, n_owners: usize) -> bool {
        let mut traced = [&self.gone, &self.old, &self.new, &self.labelled].into_iter();
        let mut mapped = [&self.mappings].into_iter().chain(&self.mapped_at_peak);
        traced.all(|table| table.is_sound(n_owners, MemoryKind::Traced))
            && mapped.all(|table| table.is_sound(n_owners, MemoryKind::Mappings))
            && self.label_spaces.len() == self.labelled.len()
            && self.label_spaces.iter().all(|&space| Space(space) >= Space::FIRST_OWN)
    }

    /// The ledger as it was; `owners` are those that its makers' places lead to.
    pub fn restored(&self, owners: &[ThreadTag], thread_tags: Arc<ThreadTags>) -> Ledger {
        let mut live = LiveBlocks::default();
        let tables = [&self.gone, &self.old, &self.new];
        let peak = Peak::restore(&mut live, tables.map(|table| table.iter(owners)));
        for (block, &space) in self.labelled.iter(owners).zip(&self.label_spaces) {
            live.labels.put(block, Space(space));
        }
        live.mappings = Ranges::of(self.mappings.iter(owners));
        live.exact = self.exact.restored();
        let mapped_at_peak = self.mapped_at_peak.as_ref().map(|table| Ranges::of(table.iter(owners)));
        Ledger { live, totals: self.totals, peak, mapped_at_peak, thread_tags }
    }
}
