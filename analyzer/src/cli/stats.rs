//! `tmtool stats`: what was live at a moment.

use std::path::PathBuf;
use std::process::ExitCode;

use super::options::{Form, GroupArgs};
use super::{print, source};
use crate::error::Result;
use crate::model::{Moment, SourceFiles};
use crate::report::header::Summary;
use crate::report::stats::{self, Stats};
use crate::report::{csv, json};

const EXAMPLES: &str = "\
Examples:
  tmtool stats tm.prog.1234.bin
  tmtool stats tm.prog.1234.bin --at end --key traceback --limit 3
  tmtool stats tm.prog.1234.bin --at 50% --key function --cumulative
  tmtool stats tm.prog.1234.bin --plumbing 'pool_*' --plumbing '@*/pool.c'
  tmtool stats tm.prog.1234.bin --limit 0 --csv > by-line.csv

Sizes are those that the program asked for. A block is blamed on the innermost function that is not there to allocate \
for others (malloc, operator new, std::vector, Rust's Vec, xmalloc, g_malloc, PyMem_Malloc); --raw shows them all.";

/// The arguments of `tmtool stats`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording or a .snap file.
    file: PathBuf,
    /// The moment: peak (the default), end, a time since the start (12.5s, 300ms), or a part of the run (50%).
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
    #[command(flatten)]
    group: GroupArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (key_type, cumulative) = (args.group.key_type(), args.group.cumulative()?);
    let snapshot = args.group.blame.apply(source::load(&args.file, args.at.as_ref())?);
    let statistics = snapshot.statistics(key_type, cumulative)?;
    let report = Stats {
        snapshot: Summary::of(&snapshot),
        key_type,
        cumulative,
        statistics: &statistics,
        limit: args.group.limit(),
    };
    print(&match args.group.form.form() {
        Form::Json => json::stats(&report),
        Form::Csv => csv::stats(&report),
        Form::Text => stats::text(&report, &args.group.form.style(), &mut SourceFiles::default()),
    })?;
    Ok(ExitCode::SUCCESS)
}
