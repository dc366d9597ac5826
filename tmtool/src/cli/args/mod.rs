//! Options that several commands share: what is written, and nothing of what it means for a recording.

pub mod group;
pub mod size_range;
