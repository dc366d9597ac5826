//! A live view of a process that is being recorded. It reads the recording and nothing else: it can do the process no harm.
//!
//! ```text
//! recording -> source (follow, sums, names) -> sample -> view (what the user chose) -> screen, or plain text
//!              on a thread of its own          data      keys change it               pure
//! ```

mod place;

pub mod history;
pub mod sums;

pub mod names;
pub mod sites;

pub mod sample;
pub mod source;

pub mod column;
pub mod keys;
pub mod list;
pub mod view;

pub mod plain;
pub mod screen;
mod words;

mod signals;
mod terminal;
mod worker;

mod session;

#[cfg(test)]
mod fixtures;

pub use session::run;
