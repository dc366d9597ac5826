//! Options that several commands share.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::cli::print::show;
use crate::cli::terminal;
use crate::errors::{Error, Result};
use crate::report::parts::header::Summary;
use crate::report::parts::notice;
use crate::report::parts::style::Style;
use crate::report::stats::Stats;
use crate::report::{Format, Report};
use tm_analyzer::analysis::Plumbing;
use tm_analyzer::model::{Cumulative, KeyType, Origin, Profile, Statistic};

/// `--key`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Key {
    /// The source file that allocated; without line information, the program or library.
    Filename,
    /// The source line that allocated.
    Lineno,
    /// The function that allocated.
    Function,
    /// The program or library that allocated.
    Module,
    /// The whole stack.
    Traceback,
    /// The label that the program had put on what it did (tm_tag).
    Tag,
}

impl From<Key> for KeyType {
    fn from(key: Key) -> KeyType {
        match key {
            Key::Filename => KeyType::Filename,
            Key::Lineno => KeyType::Lineno,
            Key::Function => KeyType::Function,
            Key::Module => KeyType::Module,
            Key::Traceback => KeyType::Traceback,
            Key::Tag => KeyType::Tag,
        }
    }
}

/// The value of `--cumulative`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Counting {
    /// A block counts once for each file, line or function in its stack.
    Once,
    /// As CPython counts: again for each repetition of a recursion.
    Tracemalloc,
}

/// The frame to blame for a block: `--plumbing` and `--raw`.
#[derive(clap::Args, Debug)]
pub struct BlameArgs {
    /// Pass over this function too when the one to blame is looked for, as over malloc, operator new, std::vector and
    /// Vec: FUNCTION, FUNCTION@FILE or @FILE, with * and ?; !PATTERN blames it after all. May be given several times.
    #[arg(long, value_name = "PATTERN", conflicts_with = "raw", value_parser = plumbing_pattern)]
    plumbing: Vec<String>,
    /// Blame the function that called the allocator, whatever it is, and show whole stacks.
    #[arg(long)]
    raw: bool,
}

/// A pattern that can match something.
fn plumbing_pattern(text: &str) -> std::result::Result<String, String> {
    match text.trim_start_matches('!') {
        "" | "@" => {
            Err("it names no function and no file; write FUNCTION, FUNCTION@FILE or @FILE".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

impl BlameArgs {
    /// What is not to be blamed.
    pub fn plumbing(&self) -> Plumbing {
        if self.raw {
            return Plumbing::none();
        }
        self.plumbing.iter().map(String::as_str).fold(Plumbing::known(), Plumbing::with)
    }

    /// `profile` as it is to be looked at.
    pub fn apply(&self, profile: Profile) -> Profile {
        let mut blamed = if self.raw { profile } else { profile.without_plumbing(&self.plumbing()) };
        let note = blamed.without_lines();
        blamed.origin.iter_mut().for_each(|origin| origin.notes.extend(note.clone()));
        blamed
    }
}

/// How a report is written: `--full`, `--json` and `--csv`.
#[derive(clap::Args, Debug)]
pub struct FormArgs {
    /// Show names and paths whole, however long.
    #[arg(long)]
    full: bool,
    /// Write JSON, as docs/json.md describes it.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Write CSV: one line of headings, one line for each group.
    #[arg(long)]
    csv: bool,
}

impl FormArgs {
    /// Prints `report` in the form that is asked for. Source lines are those of files as they were when the youngest of
    /// what it reports on was recorded.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn show(&self, report: &dyn Report) -> Result<ExitCode> {
        if self.format() == Format::Csv {
            warn_of(&report.origins());
        }
        show(report, self.format(), &self.style())
    }

    fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Text,
        }
    }

    fn style(&self) -> Style {
        Style { is_full: self.full, ..terminal::style() }
    }
}

/// Says on standard error what a CSV reader must not miss: a table has no line for it.
fn warn_of(origins: &[&Origin]) {
    for warning in origins.iter().flat_map(|origin| notice::warnings(origin)) {
        // Nobody is left to be told if standard error is gone.
        let _ = writeln!(io::stderr(), "tmtool: {warning}");
    }
}

/// What to group by and how much to show.
#[derive(clap::Args, Debug)]
pub struct GroupArgs {
    /// Group by this.
    #[arg(long, value_enum, default_value_t = Key::Lineno)]
    key: Key,
    /// Show at most this many groups; 0 for all.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Count a block for its callers too, not only for the line that allocated it.
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "once", value_name = "HOW")]
    cumulative: Option<Counting>,
    /// The frame to blame.
    #[command(flatten)]
    pub blame: BlameArgs,
    /// What to write.
    #[command(flatten)]
    pub form: FormArgs,
}

impl GroupArgs {
    /// What to group by.
    pub fn key_type(&self) -> KeyType {
        self.key.into()
    }

    /// Whether to count for callers.
    ///
    /// # Errors
    /// If the key is the whole stack, which has no callers left out, or a label, which has none.
    pub fn cumulative(&self) -> Result<Cumulative> {
        match (self.cumulative, self.key) {
            (None, _) => Ok(Cumulative::Off),
            (Some(_), Key::Traceback) => {
                let message =
                    "a whole stack has no callers to count for: use --cumulative with another --key";
                Err(Error::Usage(message.to_owned()))
            }
            (Some(_), Key::Tag) => {
                let message =
                    "a tag has no callers to count for: use --cumulative with another --key, and --tag NAME";
                Err(Error::Usage(message.to_owned()))
            }
            (Some(Counting::Once), _) => Ok(Cumulative::Once),
            (Some(Counting::Tracemalloc), _) => Ok(Cumulative::Tracemalloc),
        }
    }

    /// A report of the groups `statistics` of `snapshot`.
    ///
    /// # Errors
    /// As [`GroupArgs::cumulative`].
    pub fn stats<'a>(&self, snapshot: Summary<'a>, statistics: &'a [Statistic]) -> Result<Stats<'a>> {
        let (key_type, cumulative) = (self.key_type(), self.cumulative()?);
        Ok(Stats { snapshot, key_type, cumulative, statistics, limit: self.limit() })
    }

    /// How many groups to show; `None` for all.
    pub fn limit(&self) -> Option<usize> {
        (self.limit > 0).then_some(self.limit)
    }
}
