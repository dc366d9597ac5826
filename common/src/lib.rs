//! What a recording is, and the names that its writer (`preload`) and its reader (`analyzer`) share.
//!
//! The specification is [`format`](mod@format), compiled from `docs/format.md`; every structure in it has one module
//! here in which writing stands beside reading. Nothing here does input or output, allocates, or knows which side
//! it is on.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod api;
pub mod attach;
pub mod error;
pub mod event;
pub mod free_list;
pub mod functions;
pub mod header;
pub mod ids;
pub mod metadata;
pub mod python;
pub mod query;
pub mod sampling;
pub mod segment;
pub mod settings;
pub mod stack;
pub mod varint;

pub mod bytes;

#[doc = include_str!("../../docs/format.md")]
pub mod format {}
