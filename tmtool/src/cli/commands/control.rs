//! `tmtool start`, `stop`, `clear` and `mark`: commands to a running process about its traces.

use std::process::ExitCode;
use std::time::Duration;

use crate::errors::{Error, Result};
use clap::builder::NonEmptyStringValueParser;
use tm_common::header::abilities;
use tm_common::metadata::{CommandKind, start_argument};
use tm_common::settings::N_FRAMES_MAX;

use crate::cli::args::sample_rate::Sample;
use crate::cli::print;
use crate::control::{Found, Mailbox, Order, State, find};
use crate::report::parts::human::printable;

const START_EXAMPLES: &str = "\
Examples:
  tmtool start 1234
  tmtool start 1234 --nframe 30
  tmtool start 1234 --sample 512K

A program under libtm.so that is started with TM_START=0, or was stopped, records nothing until it is told to. Blocks \
from before are unknown: their frees are ignored, and a realloc of one begins to track it.";

const STOP_EXAMPLES: &str = "\
Examples:
  tmtool stop 1234

What lives is forgotten, as by tracemalloc.stop: reports on moments after it show nothing until the next start. The \
recording keeps what came before.";

const CLEAR_EXAMPLES: &str = "\
Examples:
  tmtool clear 1234

What lives is forgotten and recording goes on: reports on later moments show what was allocated since.";

const MARK_EXAMPLES: &str = "\
Examples:
  tmtool mark loaded 1234
  tmtool stats tm.prog.1234.bin --at mark:loaded
  tmtool diff tm.prog.1234.bin@mark:loaded tm.prog.1234.bin@end";

/// How long a process is waited for. One that does not allocate in this time sees a request later.
const PATIENCE: Duration = Duration::from_secs(1);

/// The arguments of `tmtool stop`.
#[derive(clap::Args)]
#[command(after_help = STOP_EXAMPLES)]
pub struct StopArgs {
    /// A process that was started under libtm.so.
    pid: u32,
}

/// The arguments of `tmtool clear`.
#[derive(clap::Args)]
#[command(after_help = CLEAR_EXAMPLES)]
pub struct ClearArgs {
    /// A process that was started under libtm.so.
    pid: u32,
}

/// The arguments of `tmtool start`.
#[derive(clap::Args)]
#[command(after_help = START_EXAMPLES)]
pub struct StartArgs {
    /// A process that was started under libtm.so.
    pid: u32,
    /// Keep at most this many frames of each stack, from the innermost; by default as many as TM_NFRAME said.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(N_FRAMES_MAX)))]
    nframe: Option<u32>,
    /// Record samples, one in this many bytes on average, such as 512K; 0 for every event; by default as TM_SAMPLE said.
    ///
    /// What is traced already begins anew at this rate: what lives is forgotten.
    #[arg(long, value_name = "BYTES")]
    sample: Option<Sample>,
}

/// The arguments of `tmtool mark`.
#[derive(clap::Args)]
#[command(after_help = MARK_EXAMPLES)]
pub struct MarkArgs {
    /// Name of the mark, at most 103 bytes.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// A process that was started under libtm.so.
    pid: u32,
}

/// Begins to record.
///
/// # Errors
/// The process cannot be spoken to.
pub fn start(args: &StartArgs) -> Result<ExitCode> {
    let process = Process::of(args.pid)?;
    let rate = args.sample.map(|sample| sample.0);
    if rate.is_some() && process.found.header.abilities & abilities::SAMPLES == 0 {
        let what = "is recorded by an older libtm.so, which takes no rate of samples";
        return Err(Error::Message(format!("process {} {what}; start it anew under this one", args.pid)));
    }
    let is_traced = process.mailbox.state() == State::Tracing;
    if is_traced && rate.is_none_or(|rate| process.mailbox.sample_rate() == Some(rate)) {
        return process.say("is traced already, so nothing was changed");
    }
    let argument = start_argument(args.nframe.unwrap_or(process.found.header.n_frames_max), rate);
    let done = if is_traced { "is traced anew, at another rate" } else { "is traced from now on" };
    process.ask(Order { kind: CommandKind::Start, argument, name: "" }, done)
}

/// Ends recording.
///
/// # Errors
/// The process cannot be spoken to.
pub fn stop(args: &StopArgs) -> Result<ExitCode> {
    let process = Process::of(args.pid)?;
    match process.mailbox.state() {
        State::Idle => process.say("is not traced, so there is nothing to stop"),
        State::Tracing => process.ask(plain(CommandKind::Stop), "is not traced any more"),
    }
}

/// Forgets what lives.
///
/// # Errors
/// The process cannot be spoken to.
pub fn clear(args: &ClearArgs) -> Result<ExitCode> {
    let process = Process::of(args.pid)?;
    match process.mailbox.state() {
        State::Idle => process.say("is not traced, so there is nothing to clear"),
        State::Tracing => process.ask(plain(CommandKind::Clear), "is traced anew"),
    }
}

/// Gives this moment a name.
///
/// # Errors
/// The process cannot be spoken to, is not traced, or the name is too long.
pub fn mark(args: &MarkArgs) -> Result<ExitCode> {
    let process = Process::of(args.pid)?;
    if process.mailbox.state() == State::Idle {
        let pid = process.found.target.pid;
        let what = format!("process {pid} is not traced, so there is nothing to mark");
        return Err(Error::Message(format!("{what}; begin with 'tmtool start {pid}'")));
    }
    let order = Order { kind: CommandKind::Mark, argument: 0, name: &args.name };
    process.ask(order, &format!("has the mark '{}'", printable(&args.name)))
}

fn plain(kind: CommandKind) -> Order<'static> {
    Order { kind, argument: 0, name: "" }
}

/// A process that can be spoken to.
struct Process {
    found: Found,
    mailbox: Mailbox,
}

impl Process {
    fn of(pid: u32) -> Result<Process> {
        let found = find(pid)?;
        let mailbox = Mailbox::of(&found)?;
        Ok(Process { found, mailbox })
    }

    /// Asks it for something, and says so.
    fn ask(&self, order: Order<'_>, done: &str) -> Result<ExitCode> {
        let posted = self.mailbox.post(order)?;
        if self.mailbox.wait(posted, PATIENCE) {
            return self.say(done);
        }
        self.say(&format!(
            "{done}; it has not allocated since, and will see it when it does (reports count it already)"
        ))
    }

    fn say(&self, what: &str) -> Result<ExitCode> {
        let Found { target, path, .. } = &self.found;
        print(&format!("process {} {what}: {}\n", target.pid, printable(path)))?;
        Ok(ExitCode::SUCCESS)
    }
}
