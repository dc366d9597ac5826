//! `tmtool diff`: what grew and shrank from one snapshot to another.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::args::group::GroupArgs;
use crate::cli::selection::SelectionArgs;
use crate::cli::source::Source;
use crate::errors::Result;
use crate::report::diff::Diff;
use crate::report::parts::header::Summary;

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
    #[arg(value_name = "OLD")]
    old: OsString,
    /// The new side, likewise.
    #[arg(value_name = "NEW")]
    new: OsString,
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Runs the command.
///
/// # Errors
/// If a file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (key_type, cumulative) = (args.group.key_type(), args.group.cumulative()?);
    let (old, new) = (Source::parse(&args.old)?, Source::parse(&args.new)?);
    let profile = |source: &Source| source.profile(&args.selection).map(|it| args.group.blame.apply(it));
    let (old, new) = (profile(&old)?, profile(&new)?);
    let old = old.relocated(&new);
    let statistics = &new.compare_to(&old, key_type, cumulative)?;
    let (old, new, limit) = (Summary::of(&old), Summary::of(&new), args.group.limit());
    args.group.form.show(&Diff { old, new, key_type, cumulative, statistics, limit })
}
