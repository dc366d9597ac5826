//! What several reports are put together of: figures and names as people read them, tables, first lines, stacks, and the
//! lines and objects of CSV and JSON.

pub mod csv;
pub mod estimate;
pub mod header;
pub mod human;
pub mod json;
pub mod label;
pub mod notice;
pub mod stacks;
pub mod style;
pub mod table;
