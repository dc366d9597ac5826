//! A live view of a process that is being recorded. It reads the recording and nothing else: it can do the process no harm.
//!
//! ```text
//! recording -> data: source (follow, sums, names) -> sample -> ui: view (what the user chose) -> screen, or plain text
//!              on a thread of its own                data          keys change it                pure
//! ```

pub mod data;

pub mod ui;

#[cfg(test)]
mod fixtures;
