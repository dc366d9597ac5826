//! An error as a sentence.

use std::fmt;
use std::io;
use std::path::Path;

use super::{Error, FileKind};

/// How many marks a sentence names.
const N_MARKS_LISTED_MAX: usize = 10;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {}", path.display(), plain(source))
            }
            Error::Format { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Error::NotAFile { path, kind } => write!(f, "{} {kind}", path.display()),
            Error::Compressed { path, program } => write!(f, "{} is compressed by {program}", name(path)),
            Error::Empty { path } => write!(f, "{} is empty", path.display()),
            Error::Replaced { path } => {
                write!(
                    f,
                    "{} is another file now: the recording was moved, deleted or replaced",
                    path.display()
                )
            }
            Error::NotASnapshot { path } => {
                write!(f, "cannot read {}: it is no snapshot file", path.display())
            }
            Error::OtherSnapshotVersion { path, found, known } => {
                let what = format!("the snapshot is of version {found}, and version {known} can be read");
                write!(f, "cannot read {}: {what}", path.display())
            }
            Error::DamagedSnapshot { path, what } => write!(f, "cannot read {}: {what}", path.display()),
            Error::TooManyStacks => f.write_str("a snapshot file holds at most 2^32 different stacks"),
            Error::NoSuchProcess { path, process, known: 0 } => {
                write!(f, "{} has no process {}: none can be read", path.display(), process.0)
            }
            Error::NoSuchProcess { path, process, known } => {
                write!(f, "{} has no process {}: it has {known} of them", path.display(), process.0)
            }
            Error::BeganLater { path, pid, began_ns, until_ns } => {
                let (began, until) = (Seconds(*began_ns), Seconds(*until_ns));
                write!(f, "{}: process {pid} began at {began}, after {until}", path.display())
            }
            Error::NewerCheckpoint { path } => {
                let what = "its checkpoint, which stands in place of the first events, is of another version or damaged";
                write!(f, "cannot read {}: {what}", path.display())
            }
            Error::Closed { path, pid, folded_ns } => {
                let (path, folded) = (path.display(), Seconds(*folded_ns));
                let what = format!("has only sums of process {pid}, which had ended before {folded}");
                write!(f, "{path} {what}; 'tmtool info' shows them, and --process all counts its blocks")
            }
            Error::Folded { path } => {
                write!(f, "events of {} were folded while it was followed; begin again", path.display())
            }
            Error::BeforeTheEvents { path, ns, folded_ns } => {
                let (path, ns, folded) = (path.display(), Seconds(*ns), Seconds(*folded_ns));
                let why = "to stay within its limit";
                write!(
                    f,
                    "{path} has only sums of what came before {folded}, {why}: there is no {ns}; ask from {folded} on"
                )
            }
            Error::NoSuchMark { path, name, known } => {
                write!(f, "{} has no mark '{name}'; {}", path.display(), listed(known))
            }
            Error::AfterTheEnd { path, ns, duration_ns, is_unfinished: true } => {
                let (path, ns, length) = (path.display(), Seconds(*ns), Seconds(*duration_ns));
                write!(f, "{path} is still being written and lasts {length} so far; {ns} is to come")
            }
            Error::AfterTheEnd { path, ns, duration_ns, is_unfinished: false } => {
                let (path, ns, length) = (path.display(), Seconds(*ns), Seconds(*duration_ns));
                write!(f, "{path} lasts {length}; {ns} is after its end")
            }
            Error::Refused { path, why } => write!(f, "{} {why}", path.display()),
            Error::NotAWindow { text } => {
                write!(f, "'{text}' is no time; write two moments as 10s..20s, or one as 50%.. or ..10s")
            }
            Error::NoSuchPid { pid } => write!(f, "there is no process {pid}"),
            Error::HasEnded { pid } => write!(f, "process {pid} has ended"),
            Error::MayNotBeLookedAt { pid } => write!(f, "process {pid} may not be looked at"),
            Error::CannotBeLookedAt { pid, source } => {
                write!(f, "process {pid} cannot be looked at: {source}")
            }
            Error::UnknownClock { path } => {
                write!(f, "{} counts time by a clock that cannot be read here", path.display())
            }
            Error::NotAMoment { text } => write!(f, "'{text}' is no moment of a recording; {MOMENTS}"),
            Error::UnknownKey { text } => write!(f, "unknown key_type: '{text}'"),
            Error::NotAnExpression { text, reason } => {
                write!(f, "'{text}' is no regular expression: {reason}")
            }
            Error::NotCumulative { key } => write!(f, "cumulative mode cannot by used with key type '{key}'"),
        }
    }
}

const MOMENTS: &str = "write peak, end, a time since the start as 12.5s (or 12.5) or 300ms, \
    a part of the run as 50%, or a mark of the program as mark:NAME";

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Directory => "is a directory",
            FileKind::Pipe => "is a pipe",
            FileKind::Socket => "is a socket, and not a recording",
            FileKind::Device => "is a device, and not a recording",
        })
    }
}

/// A file's name, in words if it is standard input.
fn name(path: &Path) -> std::path::Display<'_> {
    let is_input = path == Path::new(super::STANDARD_INPUT);
    if is_input { Path::new("standard input") } else { path }.display()
}

/// The marks that a recording has.
fn listed(marks: &[(String, u64)]) -> String {
    let first = marks.iter().take(N_MARKS_LISTED_MAX).map(|(name, ns)| format!("{name} ({})", Seconds(*ns)));
    let rest = (marks.len() > N_MARKS_LISTED_MAX).then(|| "...".to_owned());
    let list = first.chain(rest).collect::<Vec<_>>().join(", ");
    match marks.len() {
        0 => "it has none".to_owned(),
        1 => format!("the one it has is {list}"),
        n => format!("its {n} marks are {list}"),
    }
}

/// Nanoseconds, shown as seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0 as f64 / 1e9)
    }
}

/// The system's words without the "(os error 2)" that Rust adds.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
