//! `libtm_query.so`: answers a recorded program's questions about its own memory.
//!
//! `libtm.so` loads it at the first question and calls it through [`tm_common::query::QueryApi`], with the calling thread's
//! events muted. It follows the recording of its own process, as any reader of the file would, so nothing of it is on the
//! event path.
//!
//! ```text
//! abi -> answer -> state (of this process) -> follower, books (sums, index), names
//!                  \ walk -> memory
//! ```
//!
//! It has no thread and holds no descriptor between questions. It must not panic: a panic would end the program.

mod allocator;
mod index;
mod memory;
mod walk;

#[cfg(test)]
mod testing;
