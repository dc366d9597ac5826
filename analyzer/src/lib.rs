//! Reads recordings and answers from them.
//!
//! ```text
//! recording -> reader -> replay -> snapshot (model) -> analysis -> report
//!                                     ^
//!                              symbolize
//! ```

pub mod allocator;
pub mod analysis;
pub mod blame;
pub mod control;
pub mod error;
pub mod follow;
pub mod input;
pub mod inspect;
pub mod model;
pub mod process;
pub mod reader;
pub mod replay;
pub mod report;
pub mod snapshot;
pub mod symbolize;
pub mod watch;

pub mod cli;
