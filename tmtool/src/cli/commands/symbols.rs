//! `tmtool symbols`: where the names of a recording come from, and where was looked for those that are missing.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::args::search::{SearchArgs, Settled};
use crate::cli::print::show;
use crate::cli::{programs, terminal};
use crate::errors::{EXIT_FAILED, Result};
use crate::report::Format;
use crate::report::parts::style::Style;
use crate::report::symbols::SymbolsReport;
use tm_analyzer::reader::Recording;
use tm_analyzer::snapshot::Namer;

const EXAMPLES: &str = "\
Examples:
  tmtool symbols tm.prog.1234.bin
  tmtool symbols tm.prog.1234.bin --check || echo 'keep the binaries'
  tmtool symbols tm.prog.1234.bin --sysroot /srv/container --debug-dir ./debug

The functions and lines are those of all addresses in all stacks of the recording. A place where was looked is used, missing, \
unreadable, stripped (it has no debug information) or other (it is of another build).";

/// The arguments of `tmtool symbols`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording, or the folder of a run: then that of its program with the highest peak.
    file: PathBuf,
    /// This program of a folder, by its process id or name.
    #[arg(long, value_name = "NAME|PID")]
    program: Option<String>,
    /// Exit with 1 if a function is missing that a stack needs.
    #[arg(long)]
    check: bool,
    /// Show all places, those too that had nothing where nothing is missing.
    #[arg(long)]
    full: bool,
    /// Write JSON, as docs/json.md describes it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    search: SearchArgs,
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read or is no recording.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Settled { search, settings } = args.search.settled()?;
    let path = programs::choose(&args.file, args.program.as_deref())?.path;
    let recording = Recording::open(&path)?;
    let symbols = Namer::looking_in(search).symbols(&recording);
    let name = path.display().to_string();
    let report = SymbolsReport { recording: &name, symbols: &symbols, settings };
    let format = if args.json { Format::Json } else { Format::Text };
    show(&report, format, search, &Style { is_full: args.full, ..terminal::style() })?;
    match report.missing().filter(|_| args.check) {
        Some(missing) => {
            // Nobody is left to be told if standard error is gone.
            let _ = writeln!(io::stderr(), "tmtool: {missing}");
            Ok(ExitCode::from(EXIT_FAILED))
        }
        None => Ok(ExitCode::SUCCESS),
    }
}
