//! What is said at the top of the page: the sentences of every report's header.

use super::data::{self, Notice};
use crate::report::parts::estimate;
use crate::report::parts::notice::{self, Kind};
use tm_analyzer::model::{Amount, Origin};
use tm_analyzer::text::printable;

/// All that is to be known of what comes from `origin`.
pub fn of(origin: &Origin) -> Vec<Notice> {
    let estimate = origin.sampling.as_ref().map(estimate::sentence);
    let estimate = estimate.map(|text| Notice { kind: "note", text });
    let notices = notice::of(origin)
        .into_iter()
        .map(|notice| Notice { kind: kind(&notice), text: printable(&notice.text) });
    estimate.into_iter().chain(notices).collect()
}

fn kind(notice: &notice::Notice) -> &'static str {
    match notice.kind {
        Kind::LostEvents | Kind::Estimates => "lost",
        Kind::UnknownFrees | Kind::MissedFrees => "unknown",
        Kind::Note if notice.text.contains("have stacks that") => "guessed",
        Kind::Note => "note",
    }
}

/// A sentence on how much is of code without lines.
pub fn of_lines(text: String) -> Notice {
    Notice { kind: "note", text }
}

/// Where figures come from, as the page shows it; `live` is what of it is in the report.
pub fn origin(origin: &Origin, live: Amount) -> data::Origin {
    let command =
        if origin.command_line.is_empty() { origin.program.clone() } else { origin.command_line.join(" ") };
    data::Origin {
        path: printable(&origin.recording),
        command: printable(&command),
        host: printable(&origin.host),
        started_ms: origin.recorded_ns / 1_000_000,
        duration_ns: origin.duration_ns,
        moment: origin.moment.clone(),
        moment_ns: origin.moment_ns,
        sample_bytes: origin.sampling.as_ref().map_or(0, |sampling| sampling.sample_bytes),
        live_bytes: live.bytes,
        live_blocks: live.count,
    }
}
