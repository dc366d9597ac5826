//! `tmtool diff`: what grew and shrank from one snapshot to another.

use std::ffi::OsString;
use std::process::ExitCode;

use super::options::{Form, GroupArgs};
use super::print;
use super::source::Source;
use crate::error::Result;
use crate::model::SourceFiles;
use crate::report::diff::{self, Diff};
use crate::report::header::Summary;
use crate::report::{csv, json};

const EXAMPLES: &str = "\
Examples:
  tmtool diff tm.prog.1234.bin@10s tm.prog.1234.bin@20s
  tmtool diff before.snap after.snap --key traceback --limit 3
  tmtool diff old.bin@end new.bin@end --key filename --json";

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
}

/// Runs the command.
///
/// # Errors
/// If a file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (key_type, cumulative) = (args.group.key_type(), args.group.cumulative()?);
    let (old, new) = (Source::parse(&args.old)?, Source::parse(&args.new)?);
    let blame = |snapshot| args.group.blame.apply(snapshot);
    let (old, new) = (blame(old.load()?), blame(new.load()?));
    let statistics = new.compare_to(&old, key_type, cumulative)?;
    let report = Diff {
        old: Summary::of(&old),
        new: Summary::of(&new),
        key_type,
        cumulative,
        statistics: &statistics,
        limit: args.group.limit(),
    };
    print(&match args.group.form.form() {
        Form::Json => json::diff(&report),
        Form::Csv => csv::diff(&report),
        Form::Text => diff::text(&report, &args.group.form.style(), &mut SourceFiles::default()),
    })?;
    Ok(ExitCode::SUCCESS)
}
