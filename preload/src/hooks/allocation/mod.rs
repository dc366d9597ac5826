//! Hooks of the functions that allocate and free: the C library's, C++'s, those that map, and those of other allocators.

pub mod aligned;
pub mod allocators;
mod arenas;
pub mod cxx;
pub mod malloc;
pub mod mappings;
mod shape;
