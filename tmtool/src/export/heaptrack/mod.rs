//! heaptrack's data file, for heaptrack_gui and heaptrack_print: every event of one process, in the order of time.

mod data_file;
mod events;
mod lines;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::Write;

use super::lived::{Watched, command_line, ns_per_stamp};
use super::shown::ShownStacks;
use super::{Events, Format, Needs, Writer};
use crate::errors::StreamError;
use crate::packed::{Codec, packed};
use data_file::DataFile;
use events::EventLines;

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "heaptrack",
    suffix: ".heaptrack.zst",
    purpose: "heaptrack's data, for heaptrack_gui and heaptrack_print",
    loses: "threads, tags and addresses of blocks",
    next: "heaptrack_gui {}",
    needs: Needs::Events,
    takes_measure: false,
    counts_samples: true,
    is_text: false,
    is_like: |start| start.starts_with(b"v "),
    write: Writer::Events(write),
};

/// Writes the data file, compressed if its name ends so: heaptrack goes by the name.
///
/// # Errors
/// All processes are asked for, the recording cannot be read, or `out` cannot be written to.
pub fn write(events: &Events<'_>, out: &mut dyn Write) -> Result<(), StreamError> {
    let codec = match events.output.extension().and_then(OsStr::to_str) {
        Some("gz") => Codec::Gzip,
        Some("zst") => Codec::Zstd,
        _ => return lines(events, out),
    };
    packed(codec, out, |out| lines(events, out))
}

fn lines(events: &Events<'_>, out: &mut dyn Write) -> Result<(), StreamError> {
    let recorded = events.recorded;
    recorded.one_process("a history")?;
    let stacks = RefCell::new(ShownStacks::at_end(events));
    let file = RefCell::new(DataFile::new(out, command_line(recorded)));
    let (recording, selection) = (&recorded.recording, &recorded.selection);
    let kind = selection.memory_kind();
    recorded.run(
        |engine| {
            let lines =
                EventLines { recording, ns_per_stamp: ns_per_stamp(recording), file: &file, stacks: &stacks };
            Watched::new(selection, lines, engine.live().iter(kind))
        },
        |_, _| (),
    )?;
    file.into_inner().finish(recorded.end().ns)?;
    Ok(())
}
