//! Where a snapshot comes from, so that every report can say it. It has no part in equality or statistics.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Sampling, SourceText};

/// The recording and the moment that a snapshot shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The recording's path as it was given.
    pub recording: String,
    /// The program that was recorded.
    pub program: String,
    /// Its command line; empty if not known.
    pub command_line: Vec<String>,
    /// The machine it ran on.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The moment as a text: `peak`, `end`, `12.5 s`.
    pub moment: String,
    /// The moment in ns since the start.
    pub moment_ns: u64,
    /// For blocks that were freed since an earlier moment: that moment in ns since the start.
    #[serde(default)]
    pub churn_from_ns: Option<u64>,
    /// When the recording began, in ns since 1970; 0 if that is not known.
    #[serde(default)]
    pub recorded_ns: u64,
    /// How long the recording lasts, in ns.
    pub duration_ns: u64,
    /// Whether the process still ran, or one of several: then the recording was read as of `duration_ns`, and was to go on.
    #[serde(default)]
    pub still_running: bool,
    /// Bytes that were live at the moment, before any filter.
    pub live_bytes: u64,
    /// Blocks that were live at the moment, before any filter.
    pub live_blocks: u64,
    /// Events of the whole recording that could not be recorded.
    pub lost_events: u64,
    /// Frees of addresses whose allocation is not known.
    pub unknown_frees: u64,
    /// Frees that are not known, of blocks whose address was allocated again.
    #[serde(default)]
    pub missed_frees: u64,
    /// How samples were drawn, if samples alone were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// The lines of source that the recording carries, if it does; snapshots do not.
    #[serde(skip)]
    pub source: Arc<SourceText>,
    /// Sentences on what the reader should know: a cut file, a damaged segment, filters that were applied.
    pub notes: Vec<String>,
}
