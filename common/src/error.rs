//! Why bytes are not what the format says they are.

use core::fmt;

/// A structure that could not be read, with what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside the structure.
    Truncated,
    /// The file does not start with [`MAGIC`](crate::header::MAGIC).
    NotARecording,
    /// The file was written by a later version of tm, which changed the format.
    NewerVersion {
        /// The version that the file gives.
        found: u32,
        /// The latest that is read here.
        readable: u32,
    },
    /// A number has a value that the writer never writes.
    Invalid {
        /// The name of the field, as in `docs/format.md`.
        field: &'static str,
        /// The value that stood there.
        found: u64,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated => write!(f, "it ends in the middle of a structure"),
            DecodeError::NotARecording => write!(f, "it is not a tm recording"),
            DecodeError::NewerVersion { found, readable } => {
                write!(f, "it has format version {found}, and only those up to {readable} can be read",)
            }
            DecodeError::Invalid { field, found } => {
                write!(f, "{field} is {found:#x}, which is never written")
            }
        }
    }
}

impl core::error::Error for DecodeError {}
