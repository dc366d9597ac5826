//! `tmtool stats`: what was live at a moment.

use std::ffi::OsString;
use std::process::ExitCode;

use super::options::GroupArgs;
use super::selection::SelectionArgs;
use super::source::Source;
use super::{print, terminal};
use crate::error::Result;
use crate::model::{Cumulative, Moment, SourceFiles, Statistic};
use crate::report::header::Summary;
use crate::report::json;
use crate::report::stats::{self, Stats};

const EXAMPLES: &str = "\
Examples:
  tmtool stats tm.prog.1234.bin
  tmtool stats tm.prog.1234.bin --at end --key traceback --limit 3
  tmtool stats tm.prog.1234.bin --at 50% --key filename --cumulative

Sizes are those that the program asked for.";

/// The arguments of `tmtool stats`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording or a .snap file. FILE@MOMENT takes a moment, as --at does.
    file: OsString,
    /// The moment: peak (the default), end, a time since the start (12.5s, 300ms), a part of the run (50%), or mark:NAME.
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (key_type, cumulative) = (args.group.key_type(), args.group.cumulative()?);
    let source = Source::parse(&args.file)?.at(args.at.as_ref())?;
    if args.selection.churn {
        let tally = source.churn(&args.selection)?;
        let statistics = tally.statistics(key_type, cumulative)?;
        return show(args, Summary::of_tally(&tally), cumulative, &statistics);
    }
    let snapshot = source.snapshot(&args.selection)?;
    let statistics = snapshot.statistics(key_type, cumulative)?;
    show(args, Summary::of(&snapshot), cumulative, &statistics)
}

fn show(
    args: &Args,
    snapshot: Summary<'_>,
    cumulative: Cumulative,
    statistics: &[Statistic],
) -> Result<ExitCode> {
    let (key_type, limit) = (args.group.key_type(), args.group.limit());
    let report = Stats { snapshot, key_type, cumulative, statistics, limit };
    print(&if args.group.json {
        json::stats(&report)
    } else {
        stats::text(&report, &terminal::style(), &mut SourceFiles::default())
    })?;
    Ok(ExitCode::SUCCESS)
}
