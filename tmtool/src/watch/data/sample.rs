//! What there is to show at a moment: data alone, made in one place and drawn in another.

use std::sync::Arc;

use super::history::History;
use super::sums::Figures;
use crate::report::parts::human::printable;
use crate::report::parts::label;
use tm_analyzer::model::{Amount, KeyType, Traceback, Uncertainty};
use tm_analyzer::replay::MemoryKind;

/// A moment of a process.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What stands above the table.
    pub facts: Facts,
    /// The traced bytes that lived lately.
    pub history: History,
    /// What the sites are grouped by.
    pub key_type: KeyType,
    /// The memory that the rows are of.
    pub memory_kind: MemoryKind,
    /// The most frames of a stack that were kept.
    pub traceback_limit: u32,
    /// Groups of sites, in no particular order.
    pub sites: Vec<Row>,
    /// Threads, in no particular order.
    pub threads: Vec<Row>,
}

/// What is to be said of the process as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The recording, as the user knows it.
    pub recording: String,
    /// Its size in bytes.
    pub recording_bytes: u64,
    /// The command line, or the program.
    pub program: String,
    /// The process.
    pub pid: u32,
    /// Whether it goes on.
    pub state: State,
    /// From its start until now, or until it ended.
    pub elapsed_ns: u64,
    /// What lives.
    pub live: Amount,
    /// The most that lived.
    pub peak: Amount,
    /// When that was, in nanoseconds since the recording's start.
    pub peak_ns: u64,
    /// Memory mappings.
    pub mapped: Amount,
    /// When they were the most.
    pub mapped_peak: Amount,
    /// Events that could not be recorded.
    pub n_lost: u64,
    /// Threads that ever allocated.
    pub n_threads: u64,
    /// Whether figures are estimated from samples.
    pub is_estimated: bool,
    /// What happened lately.
    pub lately: Interval,
    /// What else the user must know, a sentence each.
    pub notes: Vec<String>,
}

/// Whether a process goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It runs and is recorded.
    #[default]
    Running,
    /// It runs, and was told not to record.
    Idle,
    /// It has ended, or executed another program.
    Ended,
}

/// What happened between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Its length; of the first one, that of the whole time until then.
    pub ns: u64,
    /// Allocations, reallocations and frees.
    pub n_events: u64,
    /// Bytes that were allocated.
    pub n_bytes: u64,
    /// Whether it is the first.
    pub is_first: bool,
}

impl Interval {
    /// Converts `n` in the interval to a rate by the second.
    pub fn a_second(&self, n: u64) -> u64 {
        if self.ns == 0 { 0 } else { (n as f64 * 1e9 / self.ns as f64).round() as u64 }
    }
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The same from sample to sample, and another one for each other row.
    pub id: u64,
    /// What it is about.
    pub name: Name,
    /// Its figures.
    pub figures: Figures,
    /// How far what lives is from certain.
    pub uncertainty: Uncertainty,
    /// The stack that holds most of it, if its names are known; of a thread none.
    pub largest: Option<LargestStack>,
}

/// The stack of a row that holds most.
#[derive(Clone, Debug, PartialEq)]
pub struct LargestStack {
    /// The whole stack.
    pub traceback: Traceback,
    /// Its own part of the row.
    pub figures: Figures,
    /// How many stacks the row has.
    pub n_stacks: u64,
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Name {
    /// A place in the program: the one frame that is to blame.
    Place(Traceback),
    /// A tag of the program's; `None` for what has none.
    Tag(Option<Arc<str>>),
    /// A thread.
    Thread {
        /// The kernel's number.
        tid: u32,
        /// Its latest name.
        name: String,
    },
    /// Stacks that are still being looked up.
    Unnamed,
}

impl Name {
    /// As text, in at most `width` characters if there is a limit.
    pub fn text(&self, key_type: KeyType, width: Option<usize>) -> String {
        match self {
            Name::Place(traceback) => label::group(traceback, None, key_type, width, false),
            Name::Tag(tag) => label::group(&nothing(), tag.as_deref(), KeyType::Tag, width, false),
            Name::Thread { tid, name } => printable(&format!("{tid} {name}")),
            Name::Unnamed => "(names are being looked up)".to_owned(),
        }
    }
}

fn nothing() -> Traceback {
    Traceback::new(Vec::new(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_by_the_second() {
        let interval = Interval { ns: 500_000_000, ..Interval::default() };
        assert_eq!(interval.a_second(7), 14);
        assert_eq!(Interval::default().a_second(7), 0);
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        let thread = Name::Thread { tid: 7, name: "a\x1b[2J".to_owned() };
        assert_eq!(thread.text(KeyType::Lineno, None), "7 a\\u{1b}[2J");
        assert_eq!(Name::Tag(None).text(KeyType::Lineno, None), "(no tag)");
    }
}
