//! Why a command cannot do what was asked: one sentence that names the file, what was found and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tm_common::error::DecodeError;

use crate::request::Refusal;

/// What can go wrong outside of the analysis itself.
#[derive(Debug)]
pub enum Error {
    /// A file could not be opened, read or written.
    Io {
        /// What was being done, an infinitive: "read", "create".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not a recording or snapshot that this version reads.
    Format {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        source: DecodeError,
    },
    /// A file cannot answer a request.
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Refusal,
    },
    /// A text is no window of time.
    NotAWindow {
        /// The text.
        text: String,
    },
    /// What was asked for makes no sense, as a whole sentence: the exit code is that of a wrong command line.
    Usage(String),
    /// Anything else, as a whole sentence.
    Message(String),
}

/// The result of everything that touches files.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failed system call on `path`.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { action, path: path.to_owned(), source }
    }

    /// A file with the wrong content.
    pub fn format(path: &Path, source: DecodeError) -> Error {
        Error::Format { path: path.to_owned(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {}", path.display(), plain(source))
            }
            Error::Format { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Error::Refused { path, why } => write!(f, "{} {why}", path.display()),
            Error::NotAWindow { text } => {
                write!(f, "'{text}' is no time; write two moments as 10s..20s, or one as 50%.. or ..10s")
            }
            Error::Usage(message) | Error::Message(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

/// The system's words without the "(os error 2)" that Rust adds.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
