//! heaptrack's data file, for heaptrack_gui and heaptrack_print: every event of one process, in the order of time.

mod data_file;
mod events;

pub use data_file::DataFile;
pub use events::Events;
