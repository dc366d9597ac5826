//! `tmtool run`: runs a program with `libtm.so` preloaded, ends as the program ends, and says what was recorded.
//!
//! ```text
//! inspect -> environment: LD_PRELOAD, TM_OUT, TM_RUN -> child: signals passed on -> recordings of this run -> summary
//! ```
//!
//! The recording is `libtm.so`'s work; nothing here is in its way, and nothing is changed in the files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tm_common::settings;

use crate::error::{Error, Result};
use crate::inspect;
use crate::reader::Recording;
use crate::replay::{self, all_totals};

mod child;
mod environment;
mod recordings;
mod summary;
mod template;

use environment::Environment;

/// Record a program: every allocation, with its call stack.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tmtool run [OPTIONS] [--] PROG [ARGS]...", after_long_help = settings_help())]
pub struct Args {
    /// The recording's file name; %p, %e, %h, %t as in TM_OUT [default: TM_OUT, or tm.%e.%p.bin]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// The program and its arguments, which may look like options
    #[arg(required = true, trailing_var_arg = true, value_name = "PROG")]
    pub command: Vec<OsString>,
}

/// What a recording holds in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Successful calls of malloc, calloc, memalign and so on.
    pub allocations: u64,
    /// Successful reallocations.
    pub reallocations: u64,
    /// Blocks freed.
    pub frees: u64,
    /// The most bytes that were live at one moment.
    pub peak_bytes: u64,
    /// Bytes never freed.
    pub live_bytes_at_end: u64,
    /// Blocks never freed.
    pub live_blocks_at_end: u64,
    /// Events that are not in the recording.
    pub lost_events: u64,
    /// What else is not in it and could not be: programs that were executed, libraries, one sentence each.
    pub notes: Vec<String>,
}

/// Records the program. Does not return if a signal ended it: tmtool ends of the same one.
///
/// # Errors
/// If there is no `libtm.so`, or the program cannot be recorded or started.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Some((name, arguments)) = args.command.split_first() else {
        return Err(Error::Message("no program is given; name it after run".to_owned()));
    };
    let program = inspect::inspect(name, std::env::var_os("PATH").as_deref())
        .map_err(|refusal| Error::Message(refusal.to_string()))?;
    let environment = Environment::build(args.output.as_deref())?;
    if !args.quiet {
        summary::print_lines(&program.notes);
    }
    let ending = child::run(&program, name, arguments, &environment)?;
    if !args.quiet {
        let found = recordings::of_run(&environment.output, environment.run);
        summary::print_lines(&summary::lines(&found, &environment, ending, totals));
    }
    Ok(ending.end_alike())
}

/// The environment variables that libtm.so reads, from the one table of them.
fn settings_help() -> String {
    let mut text = String::from(
        "Examples:\n  tmtool run ./prog ARGS\n  tmtool run -o prog.bin -- ./prog --verbose\n  tmtool run -o '%e.%p.bin' make -j4\n\n",
    );
    text += "Environment variables, read by libtm.so when the program starts:\n";
    for setting in settings::ALL {
        let settings::Setting { name, default, values, meaning } = setting;
        text += &format!("  {name}={default}\n          {meaning} ({values})\n");
    }
    text
}

/// The totals of the recording at `path`: calls are counted over all its processes, bytes are the first process's.
fn totals(path: &Path) -> Result<Totals> {
    let recording = Recording::open(path)?;
    let all = all_totals(&recording);
    let sum = |count: fn(&replay::Totals) -> u64| all.processes.iter().map(|(_, totals)| count(totals)).sum();
    let first = all.processes.first().map(|(_, totals)| *totals).unwrap_or_default();
    Ok(Totals {
        allocations: sum(|totals| totals.allocations),
        reallocations: sum(|totals| totals.reallocations),
        frees: sum(|totals| totals.frees),
        peak_bytes: first.peak_bytes,
        live_bytes_at_end: first.live_bytes,
        live_blocks_at_end: first.live_blocks,
        lost_events: recording.header.lost_events(),
        notes: recording.note_sentences().chain(inspect::own_allocator::sentence(&recording)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        run: Args,
    }

    #[test]
    fn what_follows_the_program_is_its_own() {
        let parse = |line: &str| Command::try_parse_from(line.split(' ')).map(|command| command.run);
        for line in ["run -o x gcc -o y -q -- --help", "run -o x -- gcc -o y -q -- --help"] {
            let args = parse(line).unwrap();
            assert_eq!(args.command, ["gcc", "-o", "y", "-q", "--", "--help"], "{line}");
            assert!(args.output.as_deref() == Some(Path::new("x")) && !args.quiet);
        }
        assert!(parse("run").is_err());
        assert!(parse("run --unknown gcc").is_err());
    }
}
