//! Why a command cannot do what was asked: one sentence that names what was found and, beyond what the library knows, what
//! to do about it with tmtool; and the exit code that goes with it.

use std::fmt;
use std::io;
use std::path::Path;

pub use tm_analyzer::error::Error as Cause;
use tm_analyzer::error::{FileKind, Refusal, STANDARD_INPUT};
use tm_common::error::DecodeError;

/// The exit code of what could not be done.
pub const EXIT_FAILED: u8 = 1;
/// The exit code of a wrong command line.
pub const EXIT_USAGE: u8 = 2;

/// Why a command fails.
#[derive(Debug)]
pub enum Error {
    /// The library's reason.
    Cause(Cause),
    /// What was asked for makes no sense, as a whole sentence.
    Usage(String),
    /// Anything else, as a whole sentence.
    Message(String),
}

/// The result of everything that a command does.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failed system call on `path`; `action` is an infinitive: "read", "create".
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Cause(Cause::io(action, path, source))
    }

    /// A file with the wrong content.
    pub fn format(path: &Path, source: DecodeError) -> Error {
        Error::Cause(Cause::format(path, source))
    }

    /// The exit code of a tmtool that fails so: 2 for a command line that makes no sense, 1 for all else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Cause(Cause::Refused { why, .. }) if why.is_of_request() => EXIT_USAGE,
            Error::Cause(
                Cause::NotAMoment { .. }
                | Cause::NotAWindow { .. }
                | Cause::NotAnExpression { .. }
                | Cause::NotCumulative { .. },
            )
            | Error::Usage(_) => EXIT_USAGE,
            Error::Cause(_) | Error::Message(_) => EXIT_FAILED,
        }
    }
}

/// Why something is not written: that failed, or what it was to be made of.
#[derive(Debug)]
pub enum StreamError {
    /// It cannot be written to.
    Writing(io::Error),
    /// Anything else.
    Making(Error),
}

impl StreamError {
    /// The error of writing to `path`.
    #[must_use]
    pub fn to(self, path: &Path) -> Error {
        match self {
            StreamError::Writing(error) => Error::io("write to", path, error),
            StreamError::Making(error) => error,
        }
    }
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> StreamError {
        StreamError::Writing(error)
    }
}

impl From<Error> for StreamError {
    fn from(error: Error) -> StreamError {
        StreamError::Making(error)
    }
}

impl From<Cause> for StreamError {
    fn from(cause: Cause) -> StreamError {
        StreamError::Making(cause.into())
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Error {
        Error::Cause(cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(message) | Error::Message(message) => f.write_str(message),
            Error::Cause(cause) => match own_sentence(cause) {
                Some(sentence) => f.write_str(&sentence),
                None => write!(f, "{cause}{}", advice(cause)),
            },
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Cause(cause) => std::error::Error::source(cause),
            Error::Usage(_) | Error::Message(_) => None,
        }
    }
}

/// What tmtool says instead of the library where its own version, or the command line alone, is what is at fault.
fn own_sentence(cause: &Cause) -> Option<String> {
    match cause {
        Cause::Format { path, source: DecodeError::NewerVersion { found, readable } } => Some(format!(
            "cannot read {}: it has format version {found}, this tmtool reads up to {readable}; use a newer tmtool",
            path.display(),
        )),
        Cause::OtherSnapshotVersion { path, found, known } => {
            let what = format!("the snapshot is of version {found} and this tmtool reads version {known}");
            Some(format!("cannot read {}: {what}; use the tmtool that wrote it", path.display()))
        }
        Cause::UnknownClock { path } => {
            let what = "counts time by a clock that this tmtool cannot read";
            let next = "use the tmtool that came with the libtm.so of its process";
            Some(format!("{} {what}; {next}", path.display()))
        }
        Cause::Refused { why: Refusal::EmptyWindow { window }, .. } => {
            Some(format!("--between {window}: the first is not before the second"))
        }
        _ => None,
    }
}

/// What to do, or how it came, to be put behind the library's sentence; empty if there is nothing to say.
fn advice(cause: &Cause) -> String {
    let advice = match cause {
        Cause::NotAFile { kind: FileKind::Directory, .. } => "name a recording in it",
        Cause::NotAFile { kind: FileKind::Pipe, .. } => {
            "give '-' to read standard input, or copy the recording to a file"
        }
        Cause::NotAFile { .. } => "name a file",
        Cause::Compressed { path, program } if path == Path::new(STANDARD_INPUT) => {
            return format!("; unpack it on the way, with '{program} -dc'");
        }
        Cause::Compressed { path, program } => {
            return format!("; unpack it first, with '{program} -d {}'", path.display());
        }
        Cause::Empty { .. } => "the program ended before it recorded anything, or the copy failed",
        Cause::Replaced { .. } => "it has to stay there while it is followed",
        Cause::DamagedSnapshot { .. } => "make it anew",
        Cause::TooManyStacks => "filter it first",
        Cause::NoSuchProcess { .. } => "tmtool info says what the file holds and what is missing",
        Cause::BeganLater { .. } => "choose a later moment",
        Cause::NoSuchMark { known, .. } if known.is_empty() => {
            return " (tm_take_snapshot and 'tmtool mark' set them)".to_owned();
        }
        Cause::Refused { why: Refusal::OtherProcess { pid, .. }, .. } => {
            return format!("; add --process {pid}");
        }
        Cause::Refused { why: Refusal::OneProcess { .. }, .. } => {
            return " with --process (tmtool info lists them)".to_owned();
        }
        Cause::Refused { why: Refusal::NoDomain { has_names: false, .. }, .. } => "give its number",
        Cause::NoSuchPid { .. } => "give the pid of one that runs",
        Cause::HasEnded { .. } => "what it recorded is in its recording, which 'tmtool stats' reads",
        Cause::MayNotBeLookedAt { .. } => "run tmtool as its user, or as root",
        Cause::CannotBeLookedAt { .. } => "try again",
        _ => return String::new(),
    };
    format!("; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_says_what_is_wrong_and_tmtool_what_to_do() {
        let path = || Path::new("a.bin").to_owned();
        let mark = |known| Cause::NoSuchMark { path: path(), name: "x".to_owned(), known };
        for (cause, code, sentence) in [
            (
                Cause::NotAFile { path: path(), kind: FileKind::Directory },
                1,
                "a.bin is a directory; name a recording in it",
            ),
            (
                Cause::Compressed { path: Path::new("-").to_owned(), program: "xz" },
                1,
                "standard input is compressed by xz; unpack it on the way, with 'xz -dc'",
            ),
            (
                mark(vec![]),
                1,
                "a.bin has no mark 'x'; it has none (tm_take_snapshot and 'tmtool mark' set them)",
            ),
            (
                mark(vec![("y".to_owned(), 5_000_000)]),
                1,
                "a.bin has no mark 'x'; the one it has is y (0.005 s)",
            ),
            (
                Cause::format(&path(), DecodeError::NewerVersion { found: 9_000, readable: 3 }),
                1,
                "cannot read a.bin: it has format version 9000, this tmtool reads up to 3; use a newer tmtool",
            ),
            (
                Cause::Refused { path: path(), why: Refusal::EmptyWindow { window: "2 s..1 s".to_owned() } },
                2,
                "--between 2 s..1 s: the first is not before the second",
            ),
            (
                Cause::Refused { path: path(), why: Refusal::OneProcess { what: "a timeline" } },
                2,
                "a.bin has a timeline for each process; choose one with --process (tmtool info lists them)",
            ),
            (Cause::NoSuchPid { pid: 7 }, 1, "there is no process 7; give the pid of one that runs"),
            (Cause::NotCumulative { key: "tag" }, 2, "cumulative mode cannot by used with key type 'tag'"),
        ] {
            let error = Error::from(cause);
            assert_eq!((error.to_string().as_str(), error.exit_code()), (sentence, code));
        }
    }
}
