//! `tmtool keep`: keeps a running program's recording within its limit, until the program ends.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use crate::cli::print;
use crate::control;
use crate::errors::Result;
use crate::keep::keeper::{Gate, Keeper, Next};
use crate::keep::of_run::said;
use crate::report::parts::human::printable;

const EXAMPLES: &str = "\
Examples:
  tmtool keep 1234
  tmtool keep tm.server.1234.bin

The program was started with TM_LIMIT, such as 256M. What is old is folded: blocks that live and lived at the peak, sums over the whole run and its time line stay exact, and \
the room of the events is used again, so nothing has to be lost at the limit. 'tmtool run --limit' does the same by itself. \
It may be ended at any moment, and begun again.";

/// The arguments of `tmtool keep`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A process that is recorded within a limit (TM_LIMIT), or its recording.
    #[arg(value_name = "PID|FILE")]
    pub what: PathBuf,
}

/// Keeps the recording until nobody writes to it any more.
///
/// # Errors
/// It cannot be kept.
pub fn run(args: &Args) -> Result<ExitCode> {
    let pid = args.what.to_str().and_then(|what| what.parse().ok()).filter(|_| !args.what.exists());
    let mut keeper = match pid {
        Some(pid) => {
            let found = control::find(pid)?;
            Keeper::of(&found.path_to_open(), found.path.as_ref())?
        }
        None => Keeper::of(&args.what, &args.what)?,
    };
    let name = printable(&keeper.name().to_string_lossy());
    print(&format!("{name} is kept within its limit until its processes end\n"))?;
    let gate = Gate::default();
    loop {
        match said(keeper.step(&gate), &gate) {
            Next::After(pause) => thread::sleep(pause),
            Next::Ended => return Ok(ExitCode::SUCCESS),
        }
    }
}
