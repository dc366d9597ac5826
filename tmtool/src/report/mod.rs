//! What users read: data in, text or JSON out. Nothing here reads files, terminals or clocks.

pub mod commands;
pub mod csv;
pub mod diff;
pub mod header;
pub mod human;
pub mod info;
pub mod json;
pub mod label;
pub mod leaks;
mod lists;
pub mod notice;
pub mod peak;
pub mod programs;
pub mod stacks;
pub mod stats;
pub mod style;
pub mod svg;
pub mod table;
pub mod temporary;
pub mod timeline;
pub mod top;

#[cfg(test)]
mod fixtures;
