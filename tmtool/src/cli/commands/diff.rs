//! `tmtool diff`: what grew and shrank from one snapshot to another.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::args::file;
use crate::cli::args::report::ReportArgs;
use crate::errors::Result;
use crate::report::diff::Diff;
use crate::report::parts::header::Summary;
use tm_analyzer::request::Grouping;

const EXAMPLES: &str = "\
Examples:
  tmtool diff tm.prog.1234.bin@10s tm.prog.1234.bin@20s
  tmtool diff before.snap after.snap --key traceback --limit 3
  tmtool diff old.bin@end new.bin@end --key filename --json
  tmtool diff old.bin new.bin --key function        # two builds, whose lines are not the same

One program that was built in two folders is compared by the places of its files in them.";

/// The arguments of `tmtool diff`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The old side: a recording or a .snap file. FILE@MOMENT takes a moment of a recording, by default its peak.
    #[arg(value_name = "OLD", allow_hyphen_values = true, value_parser = file::name())]
    old: OsString,
    /// The new side, likewise.
    #[arg(value_name = "NEW", allow_hyphen_values = true, value_parser = file::name())]
    new: OsString,
    #[command(flatten)]
    report: ReportArgs,
}

/// Runs the command.
///
/// # Errors
/// If a file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (old, new) = (args.report.request(&args.old)?, args.report.request(&args.new)?);
    let grouping = new.grouping.clone();
    let (old, new) = (old.profile()?, new.profile()?);
    let old = old.relocated(&new);
    let statistics = &grouping.differences(&new, &old)?;
    let Grouping { key_type, cumulative, .. } = grouping;
    let (old, new, limit) = (Summary::of(&old), Summary::of(&new), args.report.group.limit());
    args.report.show(&Diff { old, new, key_type, cumulative, statistics, limit })
}
