//! How far the reading of a long recording is, on a terminal's stderr. The readers only count; a thread looks.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::reader::Recording;

/// What takes less shows nothing.
const QUIET: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
const TEMPLATE: &str = "{wide_bar} {bytes} of {total_bytes}, {eta} to go";

/// Does `work`, which reads `recording`.
pub fn during<T>(recording: &Recording, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || show(recording, &is_done));
        let result = work();
        // The thread ends when this end of the channel is gone, in a panic too.
        drop(done);
        result
    })
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
