//! The blocks that a command is about: the options, and what they mean for a recording or a `.snap` file.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use crate::errors::{Error, Result};
use tm_common::ids::{ProcessIndex, Stamp, ThreadIndex};

use super::args::size_range::SizeRange;
use super::domain;
use super::tags;
use tm_analyzer::model::{DomainFilter, Moment, Origin, Snapshot};
use tm_analyzer::reader::{Recording, Thread};
use tm_analyzer::replay::{self, MemoryKind, Processes, ResolvedMoment, Selection};
use tm_analyzer::text::Pattern;

/// The options.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which blocks")]
pub struct SelectionArgs {
    /// This program of a run (a folder of recordings): by its process id or name; by default the one with
    /// the highest peak. 'tmtool info FOLDER' lists them. all: what all of them allocated, for 'tmtool top'.
    #[arg(long, value_name = "NAME|PID|all")]
    pub program: Option<String>,
    /// Blocks of this process, by default of the first; all: of all processes together.
    ///
    /// A forked process starts with its parent's live blocks. They are shown as its own if it is asked for alone; of
    /// all processes, each block counts once, for the process that allocated it, since child and parent share it until
    /// one of them writes to it. peak and end are then each process's own; at any other moment, those that had ended
    /// count no more. 'tmtool info' lists the processes.
    #[arg(long, value_name = "PID|all")]
    process: Option<ProcessChoice>,
    /// Blocks that this thread allocated, or all threads whose names match a pattern with * and ?.
    #[arg(long, value_name = "TID|NAME|PATTERN")]
    thread: Option<String>,
    /// Blocks that were allocated under this label (tm_tag); '(no tag)': under none.
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// Blocks in this domain: heap (malloc and its relatives), mmap (memory mappings, also brk), or one that the program
    /// tracks, by name or number.
    ///
    /// The default is all but mmap: the heap itself lies in mappings.
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
}

/// `--process`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProcessChoice {
    All,
    Pid(u32),
}

impl SelectionArgs {
    /// The same of all processes, unless one is asked for.
    pub fn of_all_processes(mut self) -> SelectionArgs {
        self.process.get_or_insert(ProcessChoice::All);
        self
    }
}

impl FromStr for ProcessChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<ProcessChoice> {
        match text {
            "all" => Ok(ProcessChoice::All),
            _ => text
                .parse()
                .map(ProcessChoice::Pid)
                .map_err(|_| Error::Usage(format!("'{text}' is neither a process id nor 'all'"))),
        }
    }
}

/// `--between`.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// T1.
    pub from: Moment,
    /// T2.
    pub until: Moment,
}

impl FromStr for Between {
    type Err = Error;

    fn from_str(text: &str) -> Result<Between> {
        let between = |(from, until): (&str, &str)| {
            if from.is_empty() && until.is_empty() {
                return Err(no_time(text));
            }
            let from = if from.is_empty() { Moment::TimeNs(0) } else { from.parse()? };
            let until = if until.is_empty() { Moment::End } else { until.parse()? };
            Ok(Between { from, until })
        };
        // The names of marks may have dots in them.
        let splits =
            || text.match_indices("..").filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 2..)?)));
        let Some(first) = splits().next() else {
            return Err(no_time(text));
        };
        splits().find_map(|split| between(split).ok()).map_or_else(|| between(first), Ok)
    }
}

fn no_time(text: &str) -> Error {
    Error::Usage(format!("'{text}' is no time; write two moments as 10s..20s, or one as 50%.. or ..10s"))
}

/// What the options mean for a recording.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The processes.
    pub processes: Processes,
    /// The blocks; with a window, those that were born in it.
    pub selection: Selection,
    /// The window, if one was asked for.
    pub window: Option<(ResolvedMoment, ResolvedMoment)>,
}

impl SelectionArgs {
    /// What the options mean for `recording`.
    ///
    /// # Errors
    /// It has no such process, thread or moment, or a window ends before it starts.
    pub fn resolve(&self, recording: &Recording) -> Result<Resolved> {
        if self.min_age.zip(self.max_age).is_some_and(|(least, most)| least > most) {
            return Err(Error::Usage("--min-age is above --max-age, so no block can have both".to_owned()));
        }
        let processes = match self.process {
            None => Processes::One(recording.first_process().map_or(ProcessIndex(0), |first| first.index)),
            Some(ProcessChoice::All) => Processes::All,
            Some(ProcessChoice::Pid(pid)) => Processes::One(process(recording, pid)?),
        };
        let stamps = |age: Option<u64>| age.map(|ns| replay::stamps_in(recording, ns));
        let mut selection = Selection {
            threads: self
                .thread
                .as_deref()
                .map(|thread| threads(recording, processes, thread))
                .transpose()?,
            sizes: self.sizes(),
            ages: stamps(self.min_age).unwrap_or(0)..=stamps(self.max_age).unwrap_or(u64::MAX),
            tags: self.tag.as_deref().map(|tag| tags::of_recording(recording, tag)).transpose()?,
            spaces: self.domain.as_deref().map(|domain| domain::spaces(recording, domain)).transpose()?,
            thread_tags: Arc::clone(&recording.thread_tags),
            born_after: None,
        };
        let window = match &self.between {
            Some(between) => Some(between.resolve(recording, processes, selection.memory_kind())?),
            None => None,
        };
        // Without a window nothing is excluded: inherited blocks may be older than any stamp.
        selection.born_after = window.map(|(from, _)| from.stamp);
        Ok(Resolved { processes, selection, window })
    }

    /// The part of a `.snap` file's blocks that is asked for.
    ///
    /// # Errors
    /// If anything is asked for that such a file does not know.
    pub fn of_snapshot(&self, mut snapshot: Snapshot, name: &str) -> Result<Snapshot> {
        for (given, option) in [
            (self.process.is_some(), "--process"),
            (self.thread.is_some(), "--thread"),
            (self.min_age.is_some(), "--min-age"),
            (self.max_age.is_some(), "--max-age"),
            (self.between.is_some(), "--between"),
        ] {
            if given {
                let what = format!("{name} is a snapshot, which does not know what {option} asks for");
                return Err(Error::Usage(format!("{what}; give the recording")));
            }
        }
        if let Some(tag) = &self.tag {
            tags::keep(&mut snapshot, name, tag)?;
        }
        snapshot.traces.retain(|trace| self.sizes().contains(&trace.size));
        if let Some(domain) = &self.domain {
            let domain = domain::number(&snapshot, name, domain)?;
            snapshot = snapshot.filter_traces(&[&DomainFilter::new(true, domain)]);
        }
        Ok(snapshot)
    }

    /// `origin` with a note on what was selected, if anything was.
    pub fn noted(&self, mut origin: Option<Origin>) -> Option<Origin> {
        if let (Some(origin), Some(note)) = (&mut origin, self.note()) {
            origin.notes.push(note);
        }
        origin
    }

    /// What was selected, as a sentence.
    pub fn note(&self) -> Option<String> {
        let time = |ns: u64| crate::report::parts::human::duration(ns);
        let options = [
            self.thread.as_ref().map(|thread| format!("--thread {thread}")),
            self.tag.as_ref().map(|tag| format!("--tag {tag}")),
            self.domain.as_ref().map(|domain| format!("--domain {domain}")),
            self.min_age.map(|ns| format!("--min-age {}", time(ns))),
            self.max_age.map(|ns| format!("--max-age {}", time(ns))),
            self.size.as_ref().map(|size| format!("--size {size}")),
            self.between.as_ref().map(|Between { from, until }| format!("--between {from}..{until}")),
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

    fn sizes(&self) -> RangeInclusive<u64> {
        self.size.as_ref().map_or(0..=u64::MAX, |size| size.0.clone())
    }
}

impl Between {
    fn resolve(
        &self,
        recording: &Recording,
        processes: Processes,
        memory_kind: MemoryKind,
    ) -> Result<(ResolvedMoment, ResolvedMoment)> {
        let fixed = |moment| fixed(recording, processes, memory_kind, moment);
        let (from, until) = (fixed(&self.from)?, fixed(&self.until)?);
        if from.stamp >= until.stamp {
            let message =
                format!("--between {}..{}: the first is not before the second", self.from, self.until);
            return Err(Error::Usage(message));
        }
        Ok((from, until))
    }
}

/// When `moment` is; the peak, which is that of one kind of memory, takes a pass over the recording.
///
/// # Errors
/// There is no such moment, or each of several processes has its own.
pub fn fixed(
    recording: &Recording,
    processes: Processes,
    memory_kind: MemoryKind,
    moment: &Moment,
) -> Result<ResolvedMoment> {
    if let Some(moment) = replay::resolve(recording, processes, moment)? {
        return Ok(moment);
    }
    if processes == Processes::All {
        return Err(Error::Usage("each process has a peak of its own; give a time instead".to_owned()));
    }
    let mut stamp = Stamp(0);
    let until = Stamp(u64::MAX);
    replay::run(
        recording,
        processes,
        until,
        |_| (),
        |engine, ()| (_, stamp) = engine.totals().peak(memory_kind),
    )?;
    Ok(ResolvedMoment { stamp, ns: recording.ns(stamp) })
}

/// The process with this pid.
///
/// # Errors
/// There is none.
pub fn process(recording: &Recording, pid: u32) -> Result<ProcessIndex> {
    let found = recording.processes.iter().find(|process| process.pid == pid);
    found.map(|process| process.index).ok_or_else(|| {
        let pids = recording.processes.iter().map(|process| process.pid.to_string()).collect();
        Error::Message(format!("{} has no process {pid}; {}", name(recording), listed("processes", pids)))
    })
}

/// Whether `process` is `owner` or descends from it: then it has inherited that one's blocks.
fn is_of(recording: &Recording, process: ProcessIndex, owner: ProcessIndex) -> bool {
    std::iter::successors(Some(process), |&index| recording.process(index)?.parent)
        .any(|index| index == owner)
}

fn threads(recording: &Recording, processes: Processes, text: &str) -> Result<Vec<ThreadIndex>> {
    let tid = text.parse().ok();
    let named = |is: &dyn Fn(&str) -> bool| {
        recording.threads.iter().filter(|thread| is(&thread.name) || Some(thread.tid) == tid).collect()
    };
    let mut matches: Vec<&Thread> = named(&|name| name == text);
    if matches.is_empty() {
        // A name may have any character in it, so a pattern comes second.
        let pattern = Pattern::new(text);
        matches = named(&|name| pattern.matches(name));
    }
    let is_shown = |thread: &&Thread| match processes {
        Processes::All => true,
        Processes::One(process) => is_of(recording, process, thread.process),
    };
    let found: Vec<ThreadIndex> =
        matches.iter().filter(|thread| is_shown(thread)).map(|thread| thread.index).collect();
    if let (true, Some(elsewhere)) = (found.is_empty(), matches.first()) {
        let pid = recording.process(elsewhere.process).map_or(0, |process| process.pid);
        let (name, what) = (name(recording), format!("thread '{text}' is of process {pid}"));
        return Err(Error::Message(format!("{name}: {what}, which is not shown; add --process {pid}")));
    }
    if found.is_empty() {
        let threads =
            recording.threads.iter().map(|thread| format!("{} {}", thread.tid, thread.name)).collect();
        let name = name(recording);
        return Err(Error::Message(format!("{name} has no thread '{text}'; {}", listed("threads", threads))));
    }
    Ok(found)
}

fn name(recording: &Recording) -> String {
    recording.file.path().display().to_string()
}

/// Up to ten of the things that could have been asked for, as half a sentence.
pub(super) fn listed(noun: &str, items: Vec<String>) -> String {
    const N_LISTED_MAX: usize = 10;
    let shown = items.iter().take(N_LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let rest = if items.len() > N_LISTED_MAX { ", ..." } else { "" };
    format!("its {} {noun} are {shown}{rest}", items.len())
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
    fn a_window_is_two_moments() {
        let between = Between { from: Moment::TimeNs(1_500_000_000), until: Moment::End };
        assert_eq!("1.5s..end".parse::<Between>().unwrap(), between);
        let between = Between { from: Moment::Percent(12.5), until: Moment::Mark("b".to_owned()) };
        assert_eq!("12.5%..mark:b".parse::<Between>().unwrap(), between);
        let between =
            Between { from: Moment::Mark("a..b".to_owned()), until: Moment::Mark("c.d".to_owned()) };
        assert_eq!("mark:a..b..mark:c.d".parse::<Between>().unwrap(), between);
        let between = Between { from: Moment::Percent(50.0), until: Moment::End };
        assert_eq!("50%..".parse::<Between>().unwrap(), between);
        let between = Between { from: Moment::TimeNs(0), until: Moment::TimeNs(10_000_000_000) };
        assert_eq!("..10".parse::<Between>().unwrap(), between);
        for text in ["", "..", "1s", "1s..x", "...end", "mark:a..b"] {
            assert!(text.parse::<Between>().is_err(), "{text}");
        }
    }

    #[test]
    fn processes_and_times_parse() {
        assert_eq!("all".parse::<ProcessChoice>().unwrap(), ProcessChoice::All);
        assert_eq!("12".parse::<ProcessChoice>().unwrap(), ProcessChoice::Pid(12));
        assert!("none".parse::<ProcessChoice>().is_err());
        assert_eq!((time("2ms").unwrap(), time("2").unwrap()), (2_000_000, 2_000_000_000));
        assert!(time("50%").is_err() && time("end").is_err());
    }
}
