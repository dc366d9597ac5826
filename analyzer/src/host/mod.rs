//! What the kernel tells of this machine: its clock, and the processes that run on it, with what they have mapped and
//! whether they may write to a recording. Nothing is asked of the processes. Knows nothing of what is in recordings.

pub mod clock;

mod maps;
mod process;

mod liveness;
mod lock;
mod writers;

pub use liveness::Liveness;
pub use lock::Lock;
use maps::has_mapped;
pub use maps::{MappedFile, code_of_process, is_mapped, of_process as mapped_files};
pub use process::{Stat, Target};
pub(crate) use writers::Writers;
