//! The commands, one file each: its arguments, its examples, and what it does with them.

#[cfg_attr(not(target_arch = "x86_64"), path = "attach_elsewhere.rs")]
pub mod attach;
pub mod bundle;
pub mod check;
pub mod completions;
pub mod control;
pub mod diff;
pub mod export;
pub mod filter;
pub mod info;
pub mod keep;
pub mod leaks;
pub mod man;
pub mod pack;
pub mod peak;
pub mod report;
pub mod run;
pub mod snapshot;
pub mod stats;
pub mod symbols;
pub mod temporary;
pub mod timeline;
pub mod top;
pub mod watch;
