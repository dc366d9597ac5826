//! `tmtool top`: who allocated most over the whole run.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::cli::args::group::GroupArgs;
use crate::cli::programs;
use crate::cli::selection::SelectionArgs;
use crate::cli::source::Source;
use crate::errors::{Error, Result};
use crate::report::parts::header::Summary;
use crate::report::parts::human::counted;
use crate::report::top::Top;
use tm_analyzer::model::{Origin, Profile};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::Allocations;
use tm_analyzer::snapshot::doubt_notes;

const EXAMPLES: &str = "\
Examples:
  tmtool top tm.prog.1234.bin
  tmtool top tm.prog.1234.bin --sort count --key traceback --limit 3
  tmtool top tm.prog.1234.bin --between 10s..20s --thread worker
  tmtool top tm.make.1234 --program all

Every allocation counts, freed or not; a reallocation counts as one of its new size. What was freed within a time \
alone is shown by 'tmtool stats --between T1..T2 --churn'.";

/// The arguments of `tmtool top`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording; FILE@MOMENT counts up to the moment.
    file: OsString,
    /// What the first groups have most of.
    #[arg(long, value_enum, default_value_t = Sort::Size)]
    sort: Sort,
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Bytes.
    Size,
    /// Allocations.
    Count,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (key_type, cumulative) = (args.group.key_type(), args.group.cumulative()?);
    args.selection.without_ages("top")?;
    args.selection.without_churn("top")?;
    let source = Source::parse(&args.file)?;
    let is_of_all = args.selection.program.as_deref() == Some(programs::ALL) && source.path.is_dir();
    let (profile, from_ns) = if is_of_all {
        (of_all(&source, &args.selection)?, 0)
    } else {
        let (profile, span) = of_one(&source, &args.selection)?;
        (profile, span.from_ns)
    };
    let profile = args.group.blame.apply(profile);
    let mut statistics = profile.statistics(key_type, cumulative)?;
    if args.sort == Sort::Count {
        statistics.sort_by_key(|stat| std::cmp::Reverse(stat.count));
    }
    let stats = args.group.stats(Summary::of(&profile), &statistics)?;
    let report = Top { stats, from_ns };
    args.group.form.show(&report)
}

/// The time that the figures are of.
struct Span {
    /// Its start, since that of the recording.
    from_ns: u64,
    /// The start of the recording, since 1970.
    started_ns: u64,
}

/// What the recording's processes allocated, and when.
fn of_one(source: &Source, args: &SelectionArgs) -> Result<(Profile, Span)> {
    let recorded = source.recording(args)?;
    let selection = &recorded.selection;
    let profile =
        recorded.profile(|process| Allocations::new(selection, process), |allocations| allocations.sums)?;
    let started_ns = recorded.recording.header.start_realtime_ns;
    Ok((profile, Span { from_ns: recorded.from.ns, started_ns }))
}

/// What all programs of a folder allocated.
fn of_all(source: &Source, args: &SelectionArgs) -> Result<Profile> {
    if source.moment.is_some() || args.between.is_some() {
        let message = "a moment counts from the start of each program, so those of all have none in common";
        return Err(Error::Usage(format!("{message}; leave it out, or name one with --program")));
    }
    let mut args = args.clone().of_all_processes();
    args.program = None;
    let mut all = Profile { rows: Vec::new(), traceback_limit: 0, origin: None };
    let paths = programs::recordings(&source.path)?;
    let (mut origins, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        // What is no recording after all is left out, and said; what was asked for in vain is an error.
        if let Err(error) = Recording::open(&path) {
            unread.push(error.to_string());
            continue;
        }
        let (profile, span) = of_one(&Source { path, moment: None }, &args)?;
        // Shares of one program's bytes are none of the sum.
        let shares = doubt_notes(&profile);
        all.rows.extend(profile.rows);
        all.traceback_limit = all.traceback_limit.max(profile.traceback_limit);
        origins.extend(profile.origin.map(|mut origin| {
            origin.notes.retain(|note| !shares.contains(note));
            (span.started_ns, origin)
        }));
    }
    let mut origin = origin_of_all(source, origins, unread)?;
    origin.notes.extend(doubt_notes(&all));
    all.origin = Some(origin);
    Ok(all)
}

/// The origin of the program that started first, which mostly started the others, with what is true of all.
fn origin_of_all(source: &Source, mut origins: Vec<(u64, Origin)>, unread: Vec<String>) -> Result<Origin> {
    origins.sort_by_key(|(start_ns, _)| *start_ns);
    let n = counted(origins.len() as u64, "program");
    let end_ns = origins.iter().map(|(start_ns, origin)| start_ns.saturating_add(origin.duration_ns)).max();
    let Some((start_ns, mut first)) = origins.first().cloned() else {
        return Err(Error::Message(match unread.into_iter().next() {
            Some(problem) => problem,
            None => format!("{} is a directory without recordings", source.path.display()),
        }));
    };
    first.recording = source.path.display().to_string();
    first.command_line.insert(0, format!("{n}, the first is"));
    first.duration_ns = end_ns.unwrap_or(start_ns).saturating_sub(start_ns);
    first.moment_ns = first.duration_ns;
    first.notes = unread;
    first.lost_events = origins.iter().map(|(_, origin)| origin.lost_events).fold(0, u64::saturating_add);
    first.unknown_frees = origins.iter().map(|(_, origin)| origin.unknown_frees).fold(0, u64::saturating_add);
    first.missed_frees = origins.iter().map(|(_, origin)| origin.missed_frees).fold(0, u64::saturating_add);
    first.still_running = origins.iter().any(|(_, origin)| origin.still_running);
    for (_, origin) in &origins {
        for note in &origin.notes {
            if !first.notes.contains(note) {
                first.notes.push(note.clone());
            }
        }
    }
    Ok(first)
}
