//! Layer 1: the machine and the kernel. Nothing here knows what a recording is.
//!
//! System calls are made directly: libc's wrappers set `errno`, are cancellation points, and may be interposed.

pub mod coarse;
pub mod complaints;
pub mod elf;
pub mod files;
pub mod folder;
pub mod image;
pub mod link_map;
pub mod loader;
pub mod maps;
pub mod message;
pub mod own_memory;
pub mod pages;
pub mod process;
pub mod program_file;
pub mod restrictions;
pub mod signals;
pub mod slots;
pub mod syscall;
pub mod text;
pub mod tls;

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
pub mod arch;
