//! Speaking to a running process through its recording: which file that is, and what it is asked to do. No signal, no
//! socket: the process looks at a word of its mapping before every event.
//!
//! ```text
//! process (who, which files it has mapped) -> find (the recording, the process's record) -> mailbox (requests)
//! ```

mod find;

mod addressee;
mod lock;
mod mailbox;
mod mapping;
mod root;

#[cfg(test)]
mod fixtures;

pub use find::{Found, find};
pub use mailbox::{Mailbox, Order, Posted, State};
pub use root::{has_same_root, other_root};
