//! Texts: names as they are written and shown, patterns they are matched by, words of sentences, and lines of source files. Knows nothing of
//! recordings or snapshots.

mod fnmatch;
pub mod function_name;
mod hex;
mod printable;
pub mod raw_text;
mod source_lines;
pub mod words;

pub use fnmatch::Pattern;
pub use hex::hex;
pub use printable::{is_plain, printable};
pub use source_lines::{LineSource, NoLines, SourceFiles};
