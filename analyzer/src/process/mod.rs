//! What the kernel tells of running processes: who they are here, what they have mapped, and whether they still write a
//! recording. Nothing is asked of them.

mod target;

mod maps;

mod liveness;
mod writers;

pub use liveness::Liveness;
pub use maps::{MappedFile, is_mapped, of_process as mapped_files};
pub use target::{Stat, Target};
pub(crate) use writers::Writers;
