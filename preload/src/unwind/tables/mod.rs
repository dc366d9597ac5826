//! From unwind tables to rules: finds the entry of an address, in loaded objects or as the program registered it, and
//! evaluates it once.

pub mod bytes;
pub mod cfi;
pub mod dwarf;
pub mod eh_frame;
pub mod expression;
pub mod linker_stubs;
pub mod modules;
pub mod musl;
pub mod registered;
pub mod rule;
pub mod rule_table;
