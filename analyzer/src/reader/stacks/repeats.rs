//! Stacks that a recording has more than once: threads join stacks with Python frames without looking whether that was done
//! before. What decodes events has all of them under one id.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use rustc_hash::FxHashMap;
use tm_common::ids::StackId;

type Firsts = FxHashMap<StackId, StackId>;

/// The ids of such stacks, and for each the first one of the same stack. Filled as nodes are read, which is before events that
/// name them are decoded.
#[derive(Debug, Default)]
pub(crate) struct Repeats(RwLock<Firsts>);

/// A look at [`Repeats`], for many stacks.
#[derive(Debug)]
pub(crate) struct FirstIds<'a>(RwLockReadGuard<'a, Firsts>);

impl Repeats {
    /// Notes that `id` is `first` again.
    pub(super) fn add(&self, id: StackId, first: StackId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, first);
    }

    pub(super) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn look(&self) -> FirstIds<'_> {
        FirstIds(self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FirstIds<'_> {
    /// How many ids are not the first ones of their stacks.
    #[cfg(test)]
    pub fn n_repeats(&self) -> usize {
        self.0.len()
    }

    /// The first id of the stack `id`.
    #[inline]
    pub fn of(&self, id: StackId) -> StackId {
        if self.0.is_empty() { id } else { self.0.get(&id).copied().unwrap_or(id) }
    }
}
