//! ELF objects: those that the loader has loaded, with what their headers, symbols and slots say, and program files.

pub mod elf;
pub mod image;
pub mod link_map;
pub mod loader;
pub mod program_file;
pub mod slots;
