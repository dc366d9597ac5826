//! What users read: data in, text or JSON out. Nothing here reads files, terminals or clocks.

pub mod csv;
pub mod diff;
pub mod header;
pub mod human;
pub mod info;
pub mod json;
pub mod label;
pub mod stacks;
pub mod stats;
pub mod style;
pub mod table;

#[cfg(test)]
mod fixtures;
