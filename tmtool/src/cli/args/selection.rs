//! The blocks to report: the options, and what they ask for.

use std::ffi::OsStr;
use std::sync::Arc;

use super::search::SearchArgs;
use super::size_range::SizeRange;
use super::stacks::{self, StackArgs};
use crate::cli::{programs, progress};
use crate::errors::{Error, Result};
use crate::report::parts::human::duration;
use tm_analyzer::model::Moment;
use tm_analyzer::request::{Between, Blocks, Grouping, ProcessChoice, Request, Time};
use tm_analyzer::symbolize::Search;

/// The blocks to report, of which program, and in which time.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which blocks")]
pub struct SelectionArgs {
    /// The program of a run (a folder of recordings) to report, by its process id or name; by default the one with
    /// the highest peak. 'tmtool info FOLDER' lists them. all: what all of them allocated, for 'tmtool top'.
    #[arg(long, value_name = "NAME|PID|all")]
    pub program: Option<String>,
    /// Blocks of this process, by default of the first; all: of all processes together.
    ///
    /// A forked process starts with its parent's live blocks. They are shown as its own if it is asked for alone; of
    /// all processes, each block counts once, for the process that allocated it, since child and parent share it until
    /// one of them writes to it. peak and end are then each process's own; at any other moment, those that had ended
    /// count no more. 'tmtool info' lists the processes.
    #[arg(long, value_name = "PID|all", value_parser = process)]
    process: Option<ProcessChoice>,
    /// Blocks that this thread allocated, or all threads whose names match a pattern with * and ?.
    #[arg(long, value_name = "TID|NAME|PATTERN")]
    thread: Option<String>,
    /// Blocks that were allocated under this tag (tm_tag); '(no tag)': under none.
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    #[command(flatten)]
    stacks: StackArgs,
    /// Blocks in this domain: heap (malloc and its relatives), mmap (memory mappings, also brk), or one that the program
    /// tracks, by name or number.
    ///
    /// All but mmap by default: the heap itself lies in mappings.
    #[arg(long, value_name = "NAME|N")]
    domain: Option<String>,
    /// Blocks that were allocated at least this long before the moment (1s, 250ms). A reallocation starts anew.
    #[arg(long, value_name = "TIME", value_parser = time)]
    min_age: Option<u64>,
    /// Blocks that were allocated at most this long before the moment.
    #[arg(long, value_name = "TIME", value_parser = time)]
    max_age: Option<u64>,
    /// Blocks of MIN to MAX bytes: 4096, 1K..64K, 1M.. (units of 1024).
    #[arg(long, value_name = "MIN..MAX")]
    size: Option<SizeRange>,
    /// Blocks that were allocated after moment T1 and are live at moment T2: what grew. Without T1, since the start;
    /// without T2, until the end: 50%.. and ..10s.
    #[arg(long, value_name = "T1..T2")]
    pub between: Option<Between>,
    /// Blocks that were allocated after moment T1 and freed up to moment T2, instead; ages are lifetimes.
    #[arg(long, requires = "between")]
    pub churn: bool,
    #[command(flatten)]
    search: SearchArgs,
}

impl SelectionArgs {
    /// `request` of the blocks that are asked for, and at their time; `at` is the moment of an option.
    ///
    /// # Errors
    /// The options contradict each other.
    pub fn select(&self, mut request: Request, at: Option<&Moment>) -> Result<Request> {
        request.time = self.time(&request.time, at)?;
        request.blocks = self.blocks()?;
        request.is_churn = self.churn;
        request.search = self.search()?;
        request.notes.extend(self.note());
        Ok(request)
    }

    /// What is asked of `file`, a name or `FILE@MOMENT`; of a folder's programs, of the one that is meant. `at` is the
    /// moment of an option.
    ///
    /// # Errors
    /// The options contradict each other, or there is no such program.
    pub fn request(&self, file: &OsStr, at: Option<&Moment>, grouping: Grouping) -> Result<Request> {
        let request = self.select(Request::parse(file)?, at)?;
        let chosen = programs::choose(&request.path, self.program.as_deref())?;
        let notes = chosen.note().into_iter().chain(stacks::hidden(&grouping.hide));
        let notes: Vec<String> = notes.collect();
        let mut request = Request { path: chosen.path, grouping, during: progress::during, ..request };
        request.notes.extend(notes);
        Ok(request)
    }

    /// Where files are looked for.
    ///
    /// # Errors
    /// Some of these places are none.
    pub fn search(&self) -> Result<Arc<Search>> {
        self.search.search()
    }

    fn blocks(&self) -> Result<Blocks> {
        if self.min_age.zip(self.max_age).is_some_and(|(least, most)| least > most) {
            return Err(Error::Usage("--min-age is above --max-age, so no block can have both".to_owned()));
        }
        Ok(Blocks {
            process: self.process.unwrap_or_default(),
            thread: self.thread.clone(),
            tag: self.tag.clone(),
            stacks: self.stacks.patterns(),
            domain: self.domain.clone(),
            ages_ns: self.min_age.unwrap_or(0)..=self.max_age.unwrap_or(u64::MAX),
            sizes: self.size.as_ref().map_or(0..=u64::MAX, |size| size.0.clone()),
        })
    }

    /// The one time of those that are given: behind the file's name, by `at`, by `--between`.
    fn time(&self, of_file: &Time, at: Option<&Moment>) -> Result<Time> {
        match (of_file.moment(), at, &self.between) {
            (Some(one), Some(other), _) => {
                Err(Error::Usage(format!("two moments: @{one} and --at {other}; leave one out")))
            }
            (Some(moment), None, Some(_)) | (None, Some(moment), Some(_)) => {
                Err(Error::Usage(format!("--between has its own end, so leave the moment '{moment}' out")))
            }
            (Some(moment), None, None) | (None, Some(moment), None) => Ok(Time::At(moment.clone())),
            (None, None, Some(between)) => Ok(Time::Between(between.clone())),
            (None, None, None) => Ok(Time::Usual),
        }
    }

    /// The same of all processes, unless one is asked for.
    pub fn of_all_processes(mut self) -> SelectionArgs {
        self.process.get_or_insert(ProcessChoice::All);
        self
    }

    /// What was selected, as a sentence.
    fn note(&self) -> Option<String> {
        let time = |ns: u64| duration(ns);
        let options = [
            self.thread.as_ref().map(|thread| format!("--thread {thread}")),
            self.tag.as_ref().map(|tag| format!("--tag {tag}")),
            self.stacks.words(),
            self.domain.as_ref().map(|domain| format!("--domain {domain}")),
            self.min_age.map(|ns| format!("--min-age {}", time(ns))),
            self.max_age.map(|ns| format!("--max-age {}", time(ns))),
            self.size.as_ref().map(|size| format!("--size {size}")),
            self.between.as_ref().map(|between| format!("--between {between}")),
        ];
        let options: Vec<String> = options.into_iter().flatten().collect();
        (!options.is_empty()).then(|| format!("Selected with {}.", options.join(" ")))
    }

    /// # Errors
    /// If ages are asked for, which `report` does not know.
    pub fn without_ages(&self, report: &str) -> Result<()> {
        if self.min_age.is_some() || self.max_age.is_some() {
            let message = format!("{report} counts blocks of any age; leave --min-age and --max-age out");
            return Err(Error::Usage(message));
        }
        Ok(())
    }

    /// # Errors
    /// If churn is asked for, which `report` does not know.
    pub fn without_churn(&self, report: &str) -> Result<()> {
        if self.churn {
            return Err(Error::Usage(format!("{report} does not know --churn; stats and diff do")));
        }
        Ok(())
    }
}

/// The value of `--process`.
fn process(text: &str) -> Result<ProcessChoice> {
    match text {
        "all" => Ok(ProcessChoice::All),
        _ => text
            .parse()
            .map(ProcessChoice::Pid)
            .map_err(|_| Error::Usage(format!("'{text}' is neither a process id nor 'all'"))),
    }
}

/// A length of time in ns.
fn time(text: &str) -> Result<u64> {
    match text.parse() {
        Ok(Moment::TimeNs(ns)) => Ok(ns),
        _ => {
            Err(Error::Usage(format!("'{text}' is no length of time; write 12.5s (or 12.5), 300ms or 2min")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_times_parse() {
        assert_eq!(process("all").unwrap(), ProcessChoice::All);
        assert_eq!(process("12").unwrap(), ProcessChoice::Pid(12));
        assert!(process("none").is_err());
        assert_eq!((time("2ms").unwrap(), time("2").unwrap()), (2_000_000, 2_000_000_000));
        assert!(time("50%").is_err() && time("end").is_err());
    }
}
