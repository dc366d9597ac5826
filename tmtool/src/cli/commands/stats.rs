//! `tmtool stats`: what was live at a moment.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::args::group::GroupArgs;
use crate::cli::selection::SelectionArgs;
use crate::cli::source::Source;
use crate::errors::Result;
use crate::report::parts::header::Summary;
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
    file: OsString,
    /// The moment: peak (the default), end, a time since the start (12.5s, 300ms), a part of the run (50%), or a
    /// mark of the program (mark:NAME).
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
    let profile = args.group.blame.apply(source.profile(&args.selection)?);
    let statistics = profile.statistics(key_type, cumulative)?;
    args.group.form.show(&args.group.stats(Summary::of(&profile), &statistics)?)
}
