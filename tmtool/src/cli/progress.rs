//! How far the reading of a long recording is, on a terminal's stderr. The readers only count; a thread looks.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::errors::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tm_common::ids::Stamp;

use tm_analyzer::reader::Recording;

/// What takes less shows nothing.
const QUIET: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// In how many steps time is gone through.
const N_STEPS: u64 = 200;
const STEPS_TEMPLATE: &str = "{wide_bar} {percent} %, {eta} to go";
const TEMPLATE: &str = "{wide_bar} {bytes} of {total_bytes}, {eta} to go";

/// Does `work`, which reads `recording`.
pub fn during(recording: &Recording, work: &mut dyn FnMut()) {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || show(recording, &is_done));
        work();
        // The thread ends when this end of the channel is gone, in a panic too.
        drop(done);
    });
}

/// Does `read` up to one moment after the other, of all the time from the first stamp to the second; or nothing, if that
/// is not known or nobody looks. What is left is up to the caller.
///
/// # Errors
/// Those of `read`.
pub fn in_steps(
    (from, until): (Stamp, Option<Stamp>),
    mut read: impl FnMut(Stamp) -> Result<()>,
) -> Result<()> {
    let Some(until) = until.filter(|_| io::stderr().is_terminal()) else { return Ok(()) };
    let (began, length) = (Instant::now(), until.0.saturating_sub(from.0));
    let bar = ProgressBar::with_draw_target(Some(N_STEPS), ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template(STEPS_TEMPLATE) {
        bar.set_style(style);
    }
    for step in 1..=N_STEPS {
        let part = (u128::from(length) * u128::from(step) / u128::from(N_STEPS)) as u64;
        read(Stamp(from.0 + part))?;
        if bar.is_hidden() && began.elapsed() >= QUIET {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_position(step);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Draws until the other end of `is_done` is gone.
fn show(recording: &Recording, is_done: &mpsc::Receiver<()>) {
    if is_done.recv_timeout(QUIET) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let segments = recording.streams.iter().flat_map(|stream| &stream.segments);
    let total: u64 = segments.map(|segment| segment.len as u64).sum();
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    while is_done.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
        let n_read = recording.file.event_bytes_read();
        // Some questions take more than one pass.
        bar.set_length(total.max(n_read));
        bar.set_position(n_read);
    }
    bar.finish_and_clear();
}
