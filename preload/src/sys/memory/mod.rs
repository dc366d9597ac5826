//! Mapped memory: what the kernel says is mapped where, pages from the kernel, and which of it is this library's own.

pub mod maps;
pub mod own_memory;
pub mod pages;
