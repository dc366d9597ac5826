//! Files for other tools.

pub mod dhat;
pub mod heaptrack;
pub mod lived;
pub mod massif;
pub mod parquet;
pub mod perfetto;
pub mod points;
pub mod protobuf;
mod valgrind_frame;
