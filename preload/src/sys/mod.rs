//! Layer 1: the machine and the kernel. Nothing here knows what a recording is.
//!
//! System calls are made directly: libc's wrappers set `errno`, are cancellation points, and may be interposed.

pub mod c_library;
pub mod coarse;
pub mod complaints;
pub mod files;
pub mod message;
pub mod process;
pub mod syscall;
pub mod text;
pub mod tls;

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
pub mod arch;
pub mod memory;
pub mod objects;
