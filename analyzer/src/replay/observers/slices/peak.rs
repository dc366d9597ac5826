//! The latest peak.

use tm_common::ids::Stamp;

/// When the most bytes were live so far.
#[derive(Debug, Default)]
pub(super) struct Peak {
    /// The bytes.
    pub bytes: u64,
    /// Counts the peaks.
    pub number: u32,
    /// The stage that it is in; 0 for the first boundary itself.
    pub stage: u32,
    /// When.
    pub stamp: Stamp,
}
