//! Layer 7: the exported symbols, one for each function of [`tm_common::functions`], and nothing else.
//!
//! Every hook has the same shape: call the real function, tell the recorder, return; `free` the other way round, and
//! `realloc` and `munmap` on both sides, because another thread may get the address the moment the real function gives it up.
//! Hooks that need the caller's stack are entered through a stub that notes the caller's state and jumps on: so no
//! frame of ours is ever on the stack that is walked.

#![allow(non_snake_case, reason = "the names are the symbols")]
#![allow(
    clippy::missing_safety_doc,
    reason = "whoever calls these keeps the contract of the C function of the name"
)]

pub mod allocation;
pub mod door;
pub mod objects;
pub mod process;
pub mod python;

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[macro_use]
mod stub;

/// What every stub passes behind the function's own arguments.
macro_rules! caller {
    ($pc:ident, $sp:ident, $fp:ident) => {
        $crate::unwind::Caller { pc: $pc, sp: $sp, fp: $fp }
    };
}
pub(crate) use caller;
pub(crate) use stub::stub;
