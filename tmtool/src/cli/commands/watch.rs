//! `tmtool watch`: a live view of a process that is being recorded.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::errors::{Error, Result};
use tm_common::ids::ProcessIndex;

use crate::cli::args::blame::BlameArgs;
use crate::cli::args::group::Key;
use crate::cli::args::search::SearchArgs;
use crate::cli::args::stacks::StackArgs;
use crate::cli::fetching;
use crate::cli::{print, progress, terminal};
use crate::control;
use crate::watch;
use crate::watch::data::source::{Asked, Choice, Source};
use crate::watch::ui::column::Column;
use crate::watch::ui::list::Order;
use crate::watch::ui::view::View;
use tm_analyzer::model::{Cumulative, is_snap_file};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::MemoryKind;
use tm_analyzer::request::{self, Grouping};
use tm_analyzer::symbolize::Search;

const EXAMPLES: &str = "\
Examples:
  tmtool watch tm.prog.1234.bin
  tmtool watch 1234
  tmtool watch 1234 --interval 0.5 --sort bytes-rate --key function
  tmtool watch tm.prog.1234.bin --once

Press ? for the keys. The recording is read, and the process is not touched: what it does costs it the same, watched or \
not. Without a terminal one look is printed as text, as with --once.";

/// The arguments of `tmtool watch`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording, or the pid of a process that was started under libtm.so. A file of that name comes first.
    #[arg(value_name = "FILE|PID")]
    what: OsString,
    /// How long it is from one look to the next.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
    /// Order by this column, the largest first.
    #[arg(long, value_enum, value_name = "COLUMN", default_value_t)]
    sort: Column,
    /// Group by this.
    #[arg(long, value_enum, default_value_t = Key::Lineno)]
    key: Key,
    /// This process of the recording, by default the first.
    #[arg(long, value_name = "PID")]
    process: Option<u32>,
    #[command(flatten)]
    stacks: StackArgs,
    #[command(flatten)]
    blame: BlameArgs,
    /// Print one look as text.
    #[arg(long)]
    once: bool,
    /// As text, show at most this many groups; 0 for all.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    search: SearchArgs,
}

/// The shortest and the longest interval in seconds.
const INTERVALS_S: std::ops::RangeInclusive<f64> = 0.05..=3600.0;

fn interval(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| INTERVALS_S.contains(seconds));
    let (least, most) = INTERVALS_S.into_inner();
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("write seconds, from {least} to {most}"))
}

/// Runs the command.
///
/// # Errors
/// The recording or the terminal cannot be used.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut source = open(args)?;
    progress::in_steps(source.ahead(), |until| source.read_until(until))?;
    source.advance()?;
    let choice = Choice { key_type: args.key.into(), memory_kind: MemoryKind::Traced };
    if args.once || !io::stdout().is_terminal() {
        let sample = source.sample(choice, true);
        let order = Order { column: args.sort, ..Order::default() };
        let limit = (args.limit > 0).then_some(args.limit);
        print(&watch::ui::plain::text(&sample, &order, limit, &terminal::style()))?;
    } else {
        let sample = source.sample(choice, false);
        watch::ui::run(source, sample, View::new(choice.key_type, args.sort, args.interval))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(args: &Args) -> Result<Source> {
    let path = Path::new(&args.what);
    let pid = args.what.to_str().and_then(|text| text.parse::<u32>().ok()).filter(|_| !path.exists());
    if pid.is_none() && path.is_dir() {
        let what = format!("{} is a directory, and one recording is watched at a time", path.display());
        let next = format!("name one of those that tmtool info {} --json lists, or a PID", path.display());
        return Err(Error::Message(format!("{what}; {next}")));
    }
    if pid.is_none() && is_snap_file(path)? {
        let what = format!("{} is a snapshot of one moment, so there is nothing to watch", path.display());
        return Err(Error::Usage(format!("{what}; give the recording")));
    }
    match (pid, args.process) {
        (None, None) => open_file(path, ProcessIndex(0), args),
        (None, Some(pid)) => open_file(path, request::process(&Recording::open(path)?, pid)?, args),
        (Some(pid), None) => open_process(pid, args),
        (Some(pid), Some(_)) => {
            let what = format!("{pid} is a process, and --process chooses one of a recording");
            Err(Error::Usage(format!("{what}; leave it out, or give the recording")))
        }
    }
}

fn open_file(path: &Path, process: ProcessIndex, args: &Args) -> Result<Source> {
    Source::open(
        path,
        &path.display().to_string(),
        process,
        None,
        &grouping(args),
        asked(args, args.search.search()?),
    )
}

fn open_process(pid: u32, args: &Args) -> Result<Source> {
    let found = control::find(pid)?;
    let (path, identity) = (found.path_to_open(), Some(found.identity));
    let asked = asked(args, args.search.search_of(pid)?);
    let mut source = Source::open(&path, &found.path, found.process, identity, &grouping(args), asked)?;
    source.set_target(found.target);
    Ok(source)
}

fn asked(args: &Args, mut search: Arc<Search>) -> Asked {
    // The screen is drawn meanwhile.
    if search.debuginfod.is_some() {
        Arc::make_mut(&mut search).debuginfod = Some(fetching::silent_servers());
    }
    Asked { patterns: args.stacks.patterns(), words: args.stacks.words(), search }
}

fn grouping(args: &Args) -> Grouping {
    args.blame.grouping(args.key.into(), Cumulative::Off)
}
