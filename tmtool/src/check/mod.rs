//! `tmtool check`, the gate for CI: what a run is allowed (`budget`), which leaks are known (`suppressions`), what it did
//! (`tally`), and whether that is within (`judge`); written for machines by `junit`, `sarif` and `github`. What is shown is
//! [`crate::report::check::Verdict`].

pub mod amount;
pub mod bless;
pub mod budget;
pub mod figure;
pub mod github;
pub mod judge;
pub mod junit;
pub mod places;
pub mod sarif;
pub mod suppressions;
pub mod tally;
