//! What is known of one block: its trace, the stack that allocated it, and each frame of that.

mod doubt;
mod frame;
mod module_file;
mod refill;
mod stack_list;
mod stack_view;
mod trace;
mod traceback;

pub(super) use doubt::StoredDoubt;
pub use doubt::{Doubt, DoubtKind};
pub use frame::Frame;
pub use module_file::ModuleFile;
pub(crate) use refill::Refill;
pub use stack_list::{StackList, StackWalk, n_common};
pub use stack_view::{StackView, by_address};
pub use trace::{Sample, Trace};
pub use traceback::Traceback;
