//! `tmtool top`: who allocated most over the whole run.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::cli::args::file;
use crate::cli::args::report::ReportArgs;
use crate::cli::programs;
use crate::errors::{Cause, Error, Result};
use crate::report::parts::human::counted;
use crate::report::top::Top;
use tm_analyzer::model::{Origin, Profile};
use tm_analyzer::replay::Allocations;
use tm_analyzer::request::{Grouping, Request};
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
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// What the first groups have most of.
    #[arg(long, value_enum, default_value_t = Sort::Size)]
    sort: Sort,
    #[command(flatten)]
    report: ReportArgs,
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
    args.report.selection.without_ages("top")?;
    args.report.selection.without_churn("top")?;
    let whole = Request::parse(&args.file)?;
    let is_of_all = args.report.selection.program.as_deref() == Some(programs::ALL) && whole.path.is_dir();
    let (profile, grouping, from_ns) = if is_of_all {
        let request = args.report.request_of_all(whole)?;
        (of_all(&request)?, request.grouping, 0)
    } else {
        let request = args.report.request(&args.file)?;
        let (profile, span) = of_one(&request)?;
        (profile, request.grouping, span.from_ns)
    };
    let profile = Grouping::noted(profile);
    let mut statistics = grouping.statistics(&profile)?;
    if args.sort == Sort::Count {
        statistics.sort_by_key(|stat| std::cmp::Reverse(stat.count));
    }
    let stats = args.report.stats(&grouping, &profile, &statistics);
    args.report.show(&Top { stats, from_ns })
}

/// The time that the figures are of.
struct Span {
    /// Its start, since that of the recording.
    from_ns: u64,
    /// The start of the recording, since 1970.
    started_ns: u64,
}

/// What the recording's processes allocated, by what is blamed for it, and when.
fn of_one(request: &Request) -> Result<(Profile, Span)> {
    let recorded = request.open()?;
    let selection = &recorded.selection;
    let profile = recorded.blamed_profile(
        |process| Allocations::new(selection, process),
        |allocations| allocations.sums,
        &mut request.grouping.blame(),
    )?;
    let started_ns = recorded.recording.header.start_realtime_ns;
    Ok((profile, Span { from_ns: recorded.from.ns, started_ns }))
}

/// What all programs of a folder allocated. Those that do not have what is asked for (a thread, a tag) have none of it,
/// unless no program has it; what cannot be read is said.
fn of_all(request: &Request) -> Result<Profile> {
    let mut all = Profile { rows: Vec::new(), traceback_limit: 0, origin: None };
    let (mut origins, mut unread, mut refused) = (Vec::new(), Vec::new(), None);
    for path in programs::recordings(&request.path)? {
        let (profile, span) = match of_one(&Request { path, ..request.clone() }) {
            Ok(answer) => answer,
            Err(error @ Error::Cause(Cause::Refused { .. })) => {
                refused.get_or_insert(error);
                continue;
            }
            Err(error) => {
                unread.push(error.to_string());
                continue;
            }
        };
        // Shares of one program's bytes are none of the sum.
        let shares = doubt_notes(&profile);
        all.rows.extend(profile.rows);
        all.traceback_limit = all.traceback_limit.max(profile.traceback_limit);
        origins.extend(profile.origin.map(|mut origin| {
            origin.notes.retain(|note| !shares.contains(note));
            (span.started_ns, origin)
        }));
    }
    if let (true, Some(refused)) = (origins.is_empty(), refused) {
        return Err(refused);
    }
    let mut origin = origin_of_all(&request.path, origins, unread)?;
    origin.notes.extend(doubt_notes(&all));
    all.origin = Some(origin);
    Ok(all)
}

/// The origin of the program that started first, which mostly started the others, with what is true of all.
fn origin_of_all(folder: &Path, mut origins: Vec<(u64, Origin)>, unread: Vec<String>) -> Result<Origin> {
    origins.sort_by_key(|(start_ns, _)| *start_ns);
    let n = counted(origins.len() as u64, "program");
    let end_ns = origins.iter().map(|(start_ns, origin)| start_ns.saturating_add(origin.duration_ns)).max();
    let Some((start_ns, mut first)) = origins.first().cloned() else {
        return Err(Error::Message(match unread.into_iter().next() {
            Some(problem) => problem,
            None => format!("{} is a directory without recordings", folder.display()),
        }));
    };
    first.recording = folder.display().to_string();
    first.command_line.insert(0, format!("{n}, the first is"));
    first.duration_ns = end_ns.unwrap_or(start_ns).saturating_sub(start_ns);
    first.moment_ns = first.duration_ns;
    first.notes = unread;
    first.lost_events = origins.iter().map(|(_, origin)| origin.lost_events).fold(0, u64::saturating_add);
    first.unknown_frees = origins.iter().map(|(_, origin)| origin.unknown_frees).fold(0, u64::saturating_add);
    first.missed_frees = origins.iter().map(|(_, origin)| origin.missed_frees).fold(0, u64::saturating_add);
    first.sampling = origins.iter().filter_map(|(_, origin)| origin.sampling).reduce(|mut sum, more| {
        sum += more;
        sum
    });
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
