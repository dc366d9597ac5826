//! `tmtool snapshot`: what lives in a running process now, as a `.snap` file. Nothing is asked of the process.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::args::search::SearchArgs;
use crate::cli::output_file::{check_is_another, check_is_snapshot};
use crate::cli::{print, progress};
use crate::control::{Mailbox, State, find};
use crate::errors::{Error, Result};
use crate::report::parts::human;
use tm_analyzer::model::Moment;
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Processes, Selection};
use tm_analyzer::request::reading;
use tm_analyzer::snapshot::Namer;

const EXAMPLES: &str = "\
Examples:
  tmtool snapshot 1234
  tmtool snapshot 1234 -o now.snap
  tmtool stats now.snap --key traceback --limit 3

The process is not stopped, and does not notice: its recording is read.";

/// The arguments of `tmtool snapshot`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A process that was started under libtm.so.
    pid: u32,
    /// The .snap file to write, by default tm.PROGRAM.PID.TIME.snap (TIME in seconds since 1970).
    #[arg(short, long, value_name = "OUT.snap")]
    output: Option<PathBuf>,
    /// Overwrite OUT.snap even if it is no snapshot.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    search: SearchArgs,
}

/// Runs the command.
///
/// # Errors
/// The process is not recorded, or the output cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    let found = find(args.pid)?;
    let pid = found.target.pid;
    if Mailbox::of(&found)?.state() == State::Idle {
        let what = format!("process {pid} is not traced, so nothing is known to live");
        return Err(Error::Message(format!("{what}; begin with 'tmtool start {pid}'")));
    }
    let recording = Recording::open(&found.path_to_open())?;
    found.check(&recording.file)?;
    let now = Moment::TimeNs(recording.duration_ns());
    let processes = Processes::One(found.process);
    let all = Selection::default();
    let namer = Namer::looking_in(&args.search.search_of(pid)?);
    let take = || namer.take_snapshot(&recording, processes, &now, &all);
    let mut snapshot = reading(progress::during, &recording, take)?;
    let program = recording.process(found.process).and_then(|process| process.executable.as_deref());
    let output = args.output.clone().unwrap_or_else(|| default_name(program, pid));
    check_is_another(&found.path_to_open(), &output)?;
    if !args.force {
        check_is_snapshot(&output)?;
    }
    if let Some(origin) = &mut snapshot.origin {
        // What it was opened by means nothing to others.
        origin.recording.clone_from(&found.path);
    }
    snapshot.dump(&output)?;
    let live = format!("{} live in", human::size(snapshot.total_size()));
    let blocks = human::counted(snapshot.traces.len() as u64, "block");
    let moment = human::duration(recording.duration_ns());
    print(&format!("{}: {live} {blocks}, {moment} after the start\n", output.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn default_name(program: Option<&str>, pid: u32) -> PathBuf {
    let program = program.and_then(|path| Path::new(path).file_name()?.to_str()).unwrap_or("unknown");
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    PathBuf::from(format!("tm.{program}.{pid}.{now_s}.snap"))
}
