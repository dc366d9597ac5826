//! `libtm.so`: preloaded into a program, it records every allocation with its call stack.
//!
//! The layers, each of which uses only those above it:
//!
//! | module | what | when it runs |
//! |---|---|---|
//! | [`sys`] | the kernel, the processor, loaded objects | |
//! | [`lockfree`] | what threads and processes share without waiting | |
//! | [`config`], [`real`] | the settings; the functions that the hooks stand in front of | at start |
//! | [`recording`] | the mapped file: extents, streams, stack table, metadata | events; growth is cold |
//! | [`python`] | interpreters of Python, and their frames | events; code objects are met once |
//! | [`unwind`] | where the caller came from | events; rules are found once |
//! | [`session`] | start, threads, fork, end | cold |
//! | [`recorder`] | what hooks tell | every event |
//! | [`hooks`] | the exported symbols | every call |
//! | [`api`] | what programs call, `api/include/tm.h` | when they do |
//!
//! Nothing here allocates, locks, panics or sets `errno`; there is no thread, no signal handler, and no descriptor
//! stays open. `docs/ARCHITECTURE.md` follows one `malloc` through it.
// Else it is a test, or is only looked at: see the profiles in Cargo.toml.
#![cfg_attr(panic = "abort", no_std)]
#![allow(clippy::new_without_default, reason = "statics are made by const functions, which Default has not")]

pub mod lockfree;
pub mod sys;

#[cfg(not(loom))]
pub mod api;
#[cfg(not(loom))]
pub mod config;
#[cfg(not(loom))]
pub mod hooks;
#[cfg(not(loom))]
pub mod python;
#[cfg(not(loom))]
pub mod real;
#[cfg(not(loom))]
pub mod recorder;
#[cfg(not(loom))]
pub mod recording;
#[cfg(not(loom))]
pub mod session;
#[cfg(not(loom))]
pub mod unwind;

// Named here because the libc crate links the C library or leaves that to std, depending on what else is built.
#[link(name = "c")]
unsafe extern "C" {}

/// Stops at once: a panic cannot be reported from inside the target's `malloc`, and code that could panic is a bug.
#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::arch::abort()
}
