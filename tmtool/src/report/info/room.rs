//! What room a recording takes.

use std::fmt::Write;

use super::{Info, SegmentInfo};
use crate::report::parts::human::{counted, duration, percent, size};

/// Writes the lines.
pub(super) fn write(info: &Info, out: &mut String) -> std::fmt::Result {
    let SegmentInfo { events, stacks, metadata, extents } = info.segments;
    writeln!(
        out,
        "recording      {} in {} (events {events}, stacks {stacks}, metadata {metadata}, extents {extents})",
        size(info.recording_bytes),
        counted(events + stacks + metadata + extents, "segment")
    )?;
    if let Some(packed) = info.packed_bytes {
        let part = percent(packed, info.recording_bytes);
        writeln!(out, "packed         {} ({part})", size(packed))?;
    }
    if let Some(limit) = info.limit_bytes {
        let folded = info.folded_ns.map(|ns| format!("; before {} only sums are left", duration(ns)));
        writeln!(out, "limit          {}{}", size(limit), folded.unwrap_or_default())?;
    }
    Ok(())
}
