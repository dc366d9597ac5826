//! Keeps a running program's recording within its limit: folds what is old into a checkpoint, and gives the room back, as
//! `docs/format.md` says in "A recording within a limit". The program knows nothing of it, and waits for nothing.
//!
//! ```text
//! look (how much room is free?) -> fold (the analyzer's) -> parts written -> the header names them -> room given back
//! ```
//!
//! It may be killed at any step: the next one goes on with what it finds.

mod alive;
mod file;
mod recover;
mod room;

pub mod keeper;
pub mod of_run;

#[cfg(test)]
mod tests;
