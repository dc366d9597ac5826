//! A thread as the recording has it, or several that came one after the other.

use tm_common::ids::{ProcessIndex, Stamp, ThreadIndex};

use crate::text::words::count;

/// A thread of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Whose it is.
    pub process: ProcessIndex,
    /// Its number.
    pub index: ThreadIndex,
    /// The kernel's number.
    pub tid: u32,
    /// How many more threads, each of which came when the one before had ended, have the same number: where there is a limit.
    pub n_more: u32,
    /// When its first event was.
    pub start: Stamp,
    /// Its latest name.
    pub name: String,
}

impl Thread {
    /// Returns what it is called beside its number: `worker`, or `worker +120` with how many more it stands for.
    #[must_use]
    pub fn label(&self) -> String {
        if self.n_more == 0 {
            self.name.clone()
        } else {
            format!("{} +{}", self.name, count(self.n_more.into()))
        }
    }
}
