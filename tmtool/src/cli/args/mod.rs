//! Options that several commands share. What they ask for is a [`tm_analyzer::request::Request`], which is all that is
//! left of them after this room.

pub mod blame;
pub mod file;
pub mod form;
pub mod group;
pub mod limit;
pub mod report;
pub mod sample_rate;
pub mod search;
pub mod selection;
pub mod size_range;
pub mod stacks;
