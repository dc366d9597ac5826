//! `tmtool stats`: what was live at a moment.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::args::file;
use crate::cli::args::report::ReportArgs;
use crate::errors::Result;
use tm_analyzer::model::Moment;

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
    /// A recording or a .snap file. FILE@MOMENT takes a moment, as --at does.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// The moment: peak (the default), end, a time since the start (12.5s, 300ms), a part of the run (50%), or a
    /// mark of the program (mark:NAME).
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    let request = args.report.request_at(&args.file, args.at.as_ref())?;
    let profile = request.profile()?;
    let statistics = request.grouping.statistics(&profile)?;
    args.report.show(&args.report.stats(&request.grouping, &profile, &statistics))
}
