//! Reads the recordings of libtm.so and answers from them: who held the memory of a program, at any moment of its run.
//!
//! ```
//! use tm_analyzer::{Cumulative, KeyType, Moment, Processes, Recording, Selection, take_profile};
//!
//! # fn main() -> tm_analyzer::Result<()> {
//! # let file = tm_testing::RecordingBuilder::with_process().file();
//! # let path = file.path();
//! let recording = Recording::open(path)?;
//! let profile = take_profile(&recording, Processes::All, &Moment::Peak, &Selection::default())?;
//! for group in profile.statistics(KeyType::Lineno, Cumulative::Off)? {
//!     println!("{} bytes in {} blocks: {}", group.size, group.count, group.traceback);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **What it reads**: recordings of all versions up to its own, whole, cut, damaged, or still being written, then as of the
//! moment of [`Recording::open`]; and `.snap` files, by [`Snapshot::load`]. `docs/format.md` describes both.
//!
//! **What it promises.** Nothing in a file is trusted: damage is no error and no panic, what can be read is read, and what
//! is missing stands in [`Recording::problems`] and in the origin of what was taken. Numbers are exact, or a note of the
//! origin says by how much they are not. The same file gives the same answer, however many processors there are.
//!
//! **What it costs.** Events are decoded, and modules opened, by a few threads beside the caller's, which end before a call returns; nothing
//! is kept that runs on. [`follow`] starts none. Memory is that of the stack table, and of the blocks that live at one moment,
//! not of the events. Files are read, never mapped, except those with debug information.
//!
//! **What fails** does so with an [`Error`], a variant a reason; its text is one sentence that names the file. Nothing is
//! printed.
//!
//! ```text
//! recording -> reader -> events -> replay -> snapshot (model) -> analysis
//!                                               ^
//!                                          symbolize
//! ```
//!
//! The modules, from the file upward: [`reader`] opens it, [`events`] decodes, [`replay`] finds what lived when, [`follow`]
//! does so while the program runs, [`symbolize`] and [`snapshot`] give it names, [`model`] and [`analysis`] group, compare
//! and filter it with tracemalloc's semantics.

pub mod analysis;
pub mod error;
pub mod events;
pub mod fold;
pub mod follow;
pub mod model;
pub mod pack;
pub mod reader;
pub mod replay;
pub mod request;
pub mod snapshot;
pub mod symbolize;

// For tmtool and libtm_query.so alone.
#[doc(hidden)]
pub mod allocator;
#[doc(hidden)]
pub mod bundle;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod host;
#[doc(hidden)]
pub mod inspect;
mod packed;
#[doc(hidden)]
pub mod python;
#[doc(hidden)]
pub mod text;

pub use tm_common::ids;

pub use analysis::Plumbing;
pub use error::{Error, Result};
pub use model::{Cumulative, KeyType, Moment, Profile, Snapshot, Statistic};
pub use reader::Recording;
pub use replay::{Processes, Selection};
pub use snapshot::{take_profile, take_snapshot};
