//! Texts: names as they are written and shown, patterns they are matched by, words of sentences, and what gives lines of source (`line_source`).
//! Knows nothing of recordings or snapshots.

mod fnmatch;
pub mod function_name;
mod hex;
mod line_source;
mod printable;
pub mod raw_text;
pub mod words;

pub use fnmatch::Pattern;
pub use hex::hex;
pub use line_source::{LineSource, NoLines};
pub use printable::{is_plain, printable};
