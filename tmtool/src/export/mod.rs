//! What tmtool writes for other tools. A format is a file or a folder here and a row of [`FORMATS`]: help, checks and the
//! command come from the table. Writers are pure: what a recording says goes in, bytes come out.

pub mod callgrind;
pub mod dhat;
pub mod firefox;
pub mod folded;
pub mod frames;
pub mod heaptrack;
mod lived;
mod mappings;
pub mod massif;
pub mod measure;
pub mod parquet;
mod paths;
pub mod perfetto;
mod points;
pub mod pprof;
mod protobuf;
mod shown;
pub mod speedscope;
pub mod svg;
#[cfg(test)]
mod testing;
mod valgrind_frame;

use std::io::{self, Write};
use std::path::Path;

use crate::errors::StreamError;
use measure::Measure;
use tm_analyzer::model::{ActivityProfile, Counted};
use tm_analyzer::request::{Grouping, Recorded};

/// All formats, those that most tools read first.
pub const FORMATS: &[Format] = &[
    pprof::FORMAT,
    speedscope::FORMAT,
    svg::FORMAT,
    firefox::FORMAT,
    folded::FORMAT,
    callgrind::FORMAT,
    perfetto::FORMAT,
    heaptrack::FORMAT,
    dhat::FORMAT,
    massif::FORMAT,
    parquet::FORMAT,
];

/// A format.
#[derive(Debug)]
pub struct Format {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What its files' names end with.
    pub suffix: &'static str,
    /// What it is for, a clause without a verb: "Flame graphs, by flamegraph.pl ...".
    pub purpose: &'static str,
    /// What of a recording it has no place for.
    pub loses: &'static str,
    /// How a file of it is looked at; `{}` is the file.
    pub next: &'static str,
    /// What it is made of.
    pub needs: Needs,
    /// Whether it shows one figure, so that another one may be asked for.
    pub takes_measure: bool,
    /// Whether blocks are counted one by one, so that a sample is one call whatever it stands for.
    pub counts_samples: bool,
    /// Whether it may be written to a terminal.
    pub is_text: bool,
    /// Whether a file that begins so, unpacked, may be an older one of it, which a new one replaces; of a folder, any of its files.
    pub is_like: fn(&[u8]) -> bool,
    /// Writes it.
    pub write: Writer,
}

/// What a format is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The live blocks of a moment, so that a `.snap` file is enough.
    Moment,
    /// The sums of a moment, and those of all events where these are known: what is allocated, and what of that which goes.
    MomentOrSums(Counted),
    /// All events: a recording.
    Events,
}

/// What writes a format.
#[derive(Clone, Copy, Debug)]
pub enum Writer {
    /// From what each site did.
    Sites(fn(&Sites<'_>, &mut dyn Write) -> io::Result<()>),
    /// From what each site did, of one file or of two.
    Difference(fn(&Sites<'_>, &mut dyn Write) -> io::Result<()>),
    /// From all events, in replays of its own.
    Events(fn(&Events<'_>, &mut dyn Write) -> Result<(), StreamError>),
    /// The same, into a folder that it makes, or in which older files of the format are.
    Folder(fn(&Events<'_>, &Path) -> Result<(), StreamError>),
}

/// What each site did, with what is asked of it.
#[derive(Debug)]
pub struct Sites<'a> {
    /// The sums; stacks are cut as they are to be shown.
    pub activity: &'a ActivityProfile,
    /// Those of another file or moment, for a difference from them.
    pub before: Option<&'a ActivityProfile>,
    /// The figure that is shown, or shown first.
    pub measure: Measure,
}

/// A recording with what is asked of it.
#[derive(Debug)]
pub struct Events<'a> {
    /// The recording, the time and the blocks.
    pub recorded: &'a Recorded,
    /// How stacks are cut ([`Grouping::cut`]).
    pub grouping: &'a Grouping,
    /// The name of what is written, `-` for standard output: its ending may say how.
    pub output: &'a Path,
}

impl Format {
    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Format> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// Whether its output is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self.write, Writer::Folder(_))
    }

    /// Whether it takes a second file.
    #[must_use]
    pub fn takes_two(&self) -> bool {
        matches!(self.write, Writer::Difference(_))
    }
}

impl Needs {
    /// What it is made from, for lists.
    fn words(self) -> &'static str {
        match self {
            Needs::Moment => "a recording or a .snap file",
            Needs::MomentOrSums(_) => "a recording; of a .snap file, what was live",
            Needs::Events => "a recording",
        }
    }
}

/// The list of formats for a help text.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Formats:\n");
    for Format { name, suffix, purpose, loses, needs, .. } in FORMATS {
        let from = needs.words();
        text += &format!(
            "  {name:<11} {purpose}\n{:14}from {from}; to NAME{suffix}\n{:14}loses {loses}\n",
            "", ""
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        for (place, format) in FORMATS.iter().enumerate() {
            let same = |other: &Format| other.name == format.name || other.suffix == format.suffix;
            assert!(FORMATS.iter().skip(place + 1).all(|other| !same(other)), "{}", format.name);
            assert!(format.is_folder() || format.suffix.starts_with('.'), "{}", format.name);
            assert!(!format.purpose.ends_with('.') && !format.loses.ends_with('.'), "{}", format.name);
            assert!(help().contains(format.purpose));
        }
    }

    #[test]
    fn the_guide_has_each_format_as_the_table_has_it() {
        let guide = include_str!("../../../docs/guide.md");
        for Format { name, purpose, needs, loses, .. } in FORMATS {
            let row = format!("| `{name}` | {purpose} | {} | {loses} |", needs.words());
            assert!(guide.contains(&row), "docs/guide.md lacks this row:\n{row}");
        }
    }
}
