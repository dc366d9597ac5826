//! The command line tool `tmtool`: asks [`tm_analyzer`] and shows what it answers.
//!
//! A library only so that its reports can be tested on made-up data; nothing else depends on it.

#[cfg(target_arch = "x86_64")]
mod attach;
pub mod check;
pub mod cli;
pub mod control;
pub mod errors;
pub mod export;
pub mod keep;
mod library;
mod packed;
mod page;
pub mod report;
mod signals;
mod toml_file;
mod tree;
pub mod watch;
