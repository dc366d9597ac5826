//! What to know about a report's figures: events that were lost, frees that were not seen, names that are missing.
//!
//! The one list of such lines. Text has them below the header, JSON as `notices`; of CSV the warnings go to standard
//! error. What the recorder or the reader counts is a number of [`Origin`] and a sentence in [`of`]; what is a sentence
//! already is one of [`Origin::notes`].

use serde::Serialize;

use super::estimate;
use super::human::{counted, printable, verb};
use super::style::Style;
use tm_analyzer::model::Origin;
use tm_analyzer::reader::Problem;

/// A header with more lines hides the figures below it; JSON has all.
const N_SHOWN_MAX: usize = 12;

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What it is about.
    pub kind: Kind,
    /// A sentence.
    pub text: String,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Events that could not be recorded.
    LostEvents,
    /// Frees of memory whose allocation was not seen.
    UnknownFrees,
    /// Frees that were not seen.
    MissedFrees,
    /// Estimates that do not fit what is exact.
    Estimates,
    /// Everything that does not make figures wrong by itself: one of [`Origin::notes`].
    Note,
}

impl Notice {
    /// Whether the report's figures are wrong because of it.
    pub fn is_warning(&self) -> bool {
        self.kind != Kind::Note
    }

    /// The line that says it.
    fn line(&self) -> String {
        let word = if self.is_warning() { "Warning" } else { "Note" };
        format!("{word}: {}", printable(&self.text))
    }
}

/// All that is to be known of what comes from `origin`, the warnings first.
pub fn of(origin: &Origin) -> Vec<Notice> {
    let counters = [
        (Kind::LostEvents, origin.lost_events, lost_events as fn(u64) -> String),
        (Kind::UnknownFrees, origin.unknown_frees, |count| Problem::UnknownFrees { count }.to_string()),
        (Kind::MissedFrees, origin.missed_frees, |count| Problem::MissedFrees { count }.to_string()),
    ];
    let counted = counters.into_iter().filter(|&(_, n, _)| n > 0);
    let counted = counted.map(|(kind, n, sentence)| Notice { kind, text: sentence(n) });
    let off = origin.sampling.as_ref().and_then(estimate::notice);
    let off = off.map(|text| Notice { kind: Kind::Estimates, text });
    let peak = origin.sampling.as_ref().and_then(estimate::peak_notice);
    let notes = peak.into_iter().chain(origin.notes.iter().cloned());
    counted.chain(off).chain(notes.map(|text| Notice { kind: Kind::Note, text })).collect()
}

/// The lines below a report's header.
pub fn text(origin: &Origin, style: &Style) -> String {
    lines(&of(origin), style)
}

/// A line for each of the first of `notices`, and one for the others.
pub fn lines(notices: &[Notice], style: &Style) -> String {
    let shown = notices.iter().take(N_SHOWN_MAX).map(Notice::line);
    let n_more = notices.len().saturating_sub(N_SHOWN_MAX);
    let more = (n_more > 0)
        .then(|| format!("Note: {} not shown; --json has all.", counted(n_more as u64, "more note")));
    shown.chain(more).map(|line| style.warning(&line) + "\n").collect()
}

/// The warnings alone, a line each, for forms that have no place for them.
pub fn warnings(origin: &Origin) -> Vec<String> {
    of(origin).iter().filter(|notice| notice.is_warning()).map(Notice::line).collect()
}

fn lost_events(n: u64) -> String {
    let were = verb(n, "was", "were");
    let its = verb(n, "its size", "their sizes");
    format!("{} {were} lost; totals may be off by {its}.", counted(n, "event"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::origin;

    #[test]
    fn warnings_come_first_and_the_list_is_bounded() {
        assert!(of(&origin()).is_empty());
        let notes = (0..30).map(|n| format!("Note number {n}\x1b.")).collect();
        let origin = Origin { lost_events: 1, unknown_frees: 2, missed_frees: 1_999, notes, ..origin() };
        let text = text(&origin, &Style::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "Warning: 1 event was lost; totals may be off by its size.",
                "Warning: 2 frees of memory whose allocation was not seen; that memory is not in the figures.",
                "Warning: 1,999 frees were not seen: their addresses were allocated again while still in use. \
                 Other memory that was freed unseen counts as live.",
                "Note: Note number 0\\u{1b}.",
            ]
        );
        assert_eq!((lines.len(), lines[N_SHOWN_MAX]), (13, "Note: 21 more notes not shown; --json has all."));
        assert_eq!(warnings(&origin), lines[..3]);
        assert_eq!(of(&origin).len(), 33);
    }

    #[test]
    fn one_free_is_a_free() {
        let origin = Origin { missed_frees: 1, ..origin() };
        let text = "1 free was not seen: its address was allocated again while still in use. \
                    Other memory that was freed unseen counts as live.";
        assert_eq!(of(&origin), [Notice { kind: Kind::MissedFrees, text: text.to_owned() }]);
    }
}
