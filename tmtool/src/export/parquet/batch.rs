//! Rows of the table of blocks that have most in common: they are put into its columns together, a column at a time.

use super::table::{Cell, Values, integer};
use tm_analyzer::events::Block;
use tm_analyzer::reader::Recording;
use tm_common::ids::{Space, Stamp, TagIndex};

/// How many there are at most: few enough that their columns stay in the processor's nearest cache.
const BATCH_ROWS_MAX: usize = 512;

/// What the rows of a batch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common {
    /// The process.
    pub pid: u32,
    /// The tag of its blocks, ...
    pub tag: TagIndex,
    /// ... and the space that they are in.
    pub space: Space,
    /// Whether they went.
    pub is_gone: bool,
}

/// The rows, by column.
#[derive(Default)]
pub struct Batch {
    /// What they have in common, if there are any.
    pub common: Option<Common>,
    addresses: Vec<i64>,
    sizes: Vec<i64>,
    stacks: Vec<i64>,
    tids: Vec<i64>,
    /// When they came and went, as stamps.
    born: Vec<i64>,
    gone: Vec<i64>,
    temporary: Vec<i64>,
}

impl Batch {
    /// Whether a row with `common` may be added.
    #[inline]
    pub fn takes(&self, common: Common) -> bool {
        self.common == Some(common) && self.addresses.len() < BATCH_ROWS_MAX
    }

    /// Adds a row: that of `block`, which the thread `tid` has allocated, and which went at `gone`.
    #[inline]
    pub fn push(&mut self, block: &Block, tid: i64, gone: Option<Stamp>, is_temporary: bool) {
        self.addresses.push(integer(block.address.0));
        self.sizes.push(integer(block.size));
        self.stacks.push(block.stack.0.into());
        self.tids.push(tid);
        self.born.push(block.birth.0 as i64);
        self.gone.push(gone.unwrap_or_default().0 as i64);
        self.temporary.push(is_temporary.into());
    }

    /// Hands `put` the number of rows and their columns ([`super::blocks::COLUMNS`]), of which the tag and the domain are the same, and
    /// begins anew.
    pub fn take<T>(
        &mut self,
        recording: &Recording,
        [tag, domain]: [Cell; 2],
        put: impl FnOnce(usize, &[Values<'_>]) -> T,
    ) -> T {
        let Batch { common, addresses, sizes, stacks, tids, born, gone, temporary } = self;
        // Only what went has a time.
        let is_gone = common.take().is_some_and(|common| common.is_gone);
        let ns = |stamp: &mut i64| *stamp = integer(recording.ns(Stamp(*stamp as u64)));
        born.iter_mut().for_each(ns);
        if is_gone {
            gone.iter_mut().for_each(ns);
        }
        let values = [
            Values::Each(addresses),
            Values::Each(sizes),
            Values::Each(stacks),
            Values::Each(tids),
            Values::Same(tag),
            Values::Same(domain),
            Values::Each(born),
            if is_gone { Values::Each(gone) } else { Values::Same(Cell::Null) },
            Values::Each(temporary),
        ];
        let done = put(addresses.len(), &values);
        [addresses, sizes, stacks, tids, born, gone, temporary].into_iter().for_each(Vec::clear);
        done
    }
}
