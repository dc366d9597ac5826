//! Tables of a recording as Parquet files, for DuckDB, Spark and the like: many recordings stand in one folder and are asked
//! together, `docs/fleet.md`.
//!
//! ```text
//! FOLDER/meta/NAME.parquet     a row for each process      by run, pid
//!        blocks/               each block's life           by run, pid; stack_id
//!        stacks/               each frame of each stack    by run, stack_id; frame_id
//!        frames/               each frame                  by run, frame_id
//! ```

mod batch;
mod blocks;
mod encoder;
mod export;
mod folder;
mod names;
mod run;
mod table;

use std::path::Path;

use super::{Events, Format, Needs, Writer};
use crate::errors::StreamError;

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "parquet",
    suffix: ".tables",
    purpose: "Tables of blocks, stacks and frames in a folder, of many recordings: for DuckDB, Spark, pandas",
    loses: "nothing of blocks; marks, and what is certain of stacks",
    next: "duckdb -c \"select sum(size) from '{}/blocks/*.parquet' where free_ns is null\"",
    needs: Needs::Events,
    takes_measure: false,
    counts_samples: false,
    is_text: false,
    is_like: |start| start.starts_with(b"PAR1"),
    write: Writer::Folder(write),
};

/// Writes the tables into the folder `path`.
///
/// # Errors
/// The recording cannot be read, the folder cannot be written, or has what is not ours.
pub fn write(events: &Events<'_>, path: &Path) -> Result<(), StreamError> {
    Ok(export::export(events.recorded, events.grouping, path)?)
}
