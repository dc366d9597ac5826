//! Standard output: the one place that opens it and writes to it. A reader that has gone away (`| head`) is no error.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errors::{Error, Result, StreamError};
use crate::report::parts::style::Style;
use crate::report::{Format, Report};
use tm_analyzer::symbolize::{Search, SourceFiles};
use tm_analyzer::text::raw_text;

/// Whether standard output was closed when the program began. The run-time library of Rust opens `/dev/null` in its
/// place, so it is asked before that.
static IS_STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Notes whether standard output is closed; called by `main`'s file before the run-time library starts.
pub extern "C" fn note_standard_output() {
    // SAFETY: F_GETFD takes no pointer; of what is no descriptor it fails.
    let is_closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
    // Relaxed: no other thread is there yet.
    IS_STDOUT_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Prints `report`. Source lines are those of files as they were when the youngest of what it reports on was recorded, at the places
/// of `search`.
///
/// # Errors
/// If standard output cannot be written to.
pub fn show(report: &dyn Report, format: Format, search: &Arc<Search>, style: &Style) -> Result<ExitCode> {
    let recorded_ns = report.origins().iter().map(|origin| origin.recorded_ns).min();
    let mut files = SourceFiles::as_of(recorded_ns.unwrap_or(0)).looking_in(search);
    // Of two recordings of one program, the new one's lines come first.
    for origin in report.origins().into_iter().rev() {
        files = files.carrying(&origin.source);
    }
    to_standard_output(|out| {
        report.write(format, out, style, &mut files)?;
        match files.note().filter(|_| format == Format::Text) {
            Some(note) => {
                out.write_all(&style.bytes(&format!("\n{}\n", style.warning(&format!("Note: {note}")))))
            }
            None => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a text, with the bytes of names that are no UTF-8.
///
/// # Errors
/// If standard output cannot be written to.
pub fn print(text: &str) -> Result<()> {
    to_standard_output(|out| out.write_all(&raw_text::to_bytes(text)))
}

/// Does `write` on standard output.
///
/// # Errors
/// If it cannot be written to, as on a full disk.
fn to_standard_output(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    stream(|out| Ok(write(out)?))
}

/// Does `write`, which may do more than write, on standard output.
///
/// # Errors
/// If that cannot be written to, and those of `write`.
pub fn stream(write: impl FnOnce(&mut dyn Write) -> std::result::Result<(), StreamError>) -> Result<()> {
    let path = Path::new("standard output");
    // Relaxed: stored before the first thread was started.
    if IS_STDOUT_CLOSED.load(Ordering::Relaxed) {
        return Err(Error::io("write to", path, io::Error::from_raw_os_error(libc::EBADF)));
    }
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| Ok(stdout.flush()?)) {
        Err(StreamError::Writing(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| error.to(path)),
    }
}
