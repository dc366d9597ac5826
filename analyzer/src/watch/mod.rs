//! A live view of a process that is being recorded. It reads the recording and nothing else: it can do the process no harm.
//!
//! ```text
//! recording -> source (follow, sums, names) -> sample -> view (what the user chose) -> screen, or plain text
//!              on a thread of its own          data      keys change it               pure
//! ```

pub mod history;
pub mod sums;

#[allow(missing_docs)]
pub mod names {
    #[derive(Clone, Debug)]
    pub struct Named {
        pub whole: crate::model::Traceback,
        pub blamed: crate::model::Traceback,
    }
}
pub mod sample;
pub mod sites;

pub mod column;
pub mod keys;
pub mod list;
pub mod view;

pub mod plain;
pub mod screen;
mod words;

#[cfg(test)]
mod fixtures;
