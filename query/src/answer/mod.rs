//! The answers, a file each: from what is known of the process to what C is given.

pub mod dump;
pub mod format;
pub mod memory;
pub mod python_traces;
pub mod total_size;
pub mod traceback;
mod visits;

pub use visits::follow;
