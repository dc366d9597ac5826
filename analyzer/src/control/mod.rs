//! Speaking to a running process through its recording: which file that is, and what it is asked to do. No signal, no
//! socket: the process looks at a word of its mapping before every event.
//!
//! ```text
//! /proc/PID -> target (who) -> maps (which files) -> find (the recording, the process's record) -> mailbox (requests)
//! ```

mod target;

mod maps;

mod find;

mod addressee;
mod lock;
mod mailbox;
mod mapping;

#[cfg(test)]
mod fixtures;

pub use find::{Found, find};
pub use mailbox::{Mailbox, Order, Posted, State};
pub use maps::is_mapped;
pub use target::{Stat, Target};
