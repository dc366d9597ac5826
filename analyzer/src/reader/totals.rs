//! What threads that sample did, exactly: the lines that stand beside their samples.

use tm_common::ids::ProcessIndex;
use tm_common::sampling::{LINE_BYTES, ThreadTotals};

/// The lines of all processes, in the order of the file; a thread has one for each space in which it did anything.
pub type AllLines = Vec<(ProcessIndex, ThreadTotals)>;

/// Reads the lines of a segment, of which `bytes` are in use, into `lines`; returns how many make no sense.
pub(crate) fn add_segment(process: ProcessIndex, bytes: &[u8], lines: &mut AllLines) -> u64 {
    let mut n_damaged = 0;
    for line in bytes.chunks_exact(LINE_BYTES) {
        match ThreadTotals::parse(line) {
            Ok(Some(totals)) => lines.push((process, totals)),
            // Taken, and its thread died before it was written.
            Ok(None) => {}
            Err(_) => n_damaged += 1,
        }
    }
    n_damaged
}
