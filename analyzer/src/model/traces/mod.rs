//! What is known of one block: its trace, the stack that allocated it, and each frame of that.

mod doubt;
mod frame;
mod module_file;
mod trace;
mod traceback;

pub(super) use doubt::StoredDoubt;
pub use doubt::{Doubt, DoubtKind};
pub use frame::Frame;
pub use module_file::ModuleFile;
pub use trace::{Sample, Trace};
pub use traceback::Traceback;
