//! The command line: `commands`, one file each with its `Args` and `run`, and `args`, the options that several share.
//! Reading and answering are the library's.
//!
//! Exit codes: 0 done, 1 could not be done (a sentence on stderr), 2 a wrong command line; `check` answers as grep does. A closed pipe is success.

mod command_line;

pub mod args;
pub mod commands;
pub mod fetching;
pub mod given;
pub mod output_file;
pub mod print;
pub mod programs;
pub mod progress;
pub mod search_settings;
pub mod settings_file;
pub mod terminal;

use crate::errors::Result;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use commands::{
    attach, bundle, check, completions, control, diff, export, filter, info, keep, leaks, man, pack, peak,
    report, run, snapshot, stats, symbols, temporary, timeline, top, watch,
};
pub use print::note_standard_output;
use print::print;

/// Finds out where a program's memory goes, from recordings of all its allocations.
#[derive(Parser)]
#[command(name = "tmtool", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The command line as clap knows it, with all commands.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

const EXAMPLES: &str = "\
Examples:
  tmtool run ./prog ARGS          record ./prog
  tmtool stats tm.prog.1234.bin   what was live at the peak, by line; tmtool FILE is short for it
  tmtool diff a.bin@10s a.bin@end what grew from one moment to another

Recordings and .snap files are told apart by their content. Try 'tmtool COMMAND --help'.";

/// What tmtool can do.
#[derive(Subcommand)]
pub enum Command {
    /// Run a program and record it.
    Run(run::Args),
    /// Begin to record a process that runs already.
    Attach(attach::AttachArgs),
    /// Record a process no more that was attached to.
    Detach(attach::DetachArgs),
    /// Say what a recording is and whether it is complete.
    Info(info::Args),
    /// Show what was live at a moment, by file, line or stack.
    Stats(stats::Args),
    /// Show what grew and shrank from one moment or recording to another.
    Diff(diff::Args),
    /// Show what made up the peak, and when and how it was reached.
    Peak(peak::Args),
    /// Show what was never freed, the youngest blocks apart.
    Leaks(leaks::Args),
    /// Show what was freed at once, and how long blocks live.
    Temporary(temporary::Args),
    /// Show the live bytes over time as a chart.
    Timeline(timeline::Args),
    /// Show who allocated most over the whole run, freed or not.
    Top(top::Args),
    /// Write a page to look at in a browser: time line, flame graph, tables.
    Report(report::Args),
    /// Show live what a running process allocates.
    Watch(watch::Args),
    /// Write what was allocated and live in another tool's format.
    Export(export::Args),
    /// Say whether a run is within its budget: leaks, peak, allocations, growth.
    Check(check::Args),
    /// Say where the names of a recording come from, and what is missing.
    Symbols(symbols::Args),
    /// Write a recording compressed, which every command reads so.
    Pack(pack::Args),
    /// Write a recording with all names that it needs, to be read without the program's files.
    Bundle(bundle::Args),
    /// Write a part of what was live to a .snap file.
    Filter(filter::Args),
    /// Keep the recording of a running process within its limit, without loss.
    Keep(keep::Args),
    /// Tell a running process to record.
    Start(control::StartArgs),
    /// Tell a running process to record no more, and to forget what lives.
    Stop(control::StopArgs),
    /// Tell a running process to forget what lives.
    Clear(control::ClearArgs),
    /// Give this moment of a running process a name.
    Mark(control::MarkArgs),
    /// Write what lives in a running process to a .snap file.
    Snapshot(snapshot::Args),
    /// Write a script that completes command lines in a shell.
    Completions(completions::Args),
    /// Write the manual pages.
    Man(man::Args),
}

/// The program.
pub fn main() -> ExitCode {
    let outcome = match Cli::try_parse_from(command_line::complete(std::env::args_os(), &definition())) {
        Ok(cli) => dispatch(&cli.command),
        Err(message) => command_line::answer(&message),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(io::stderr(), "tmtool: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Attach(args) => attach::attach(args),
        Command::Detach(args) => attach::detach(args),
        Command::Info(args) => info::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Peak(args) => peak::run(args),
        Command::Leaks(args) => leaks::run(args),
        Command::Temporary(args) => temporary::run(args),
        Command::Timeline(args) => timeline::run(args),
        Command::Top(args) => top::run(args),
        Command::Report(args) => report::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Export(args) => export::run(args),
        Command::Check(args) => check::run(args),
        Command::Symbols(args) => symbols::run(args),
        Command::Bundle(args) => bundle::run(args),
        Command::Pack(args) => pack::run(args),
        Command::Filter(args) => filter::run(args),
        Command::Keep(args) => keep::run(args),
        Command::Start(args) => control::start(args),
        Command::Stop(args) => control::stop(args),
        Command::Clear(args) => control::clear(args),
        Command::Mark(args) => control::mark(args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::Completions(args) => completions::run(args, definition()),
        Command::Man(args) => man::run(args, definition()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        definition().debug_assert();
    }

    #[test]
    fn commands_parse_as_documented() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        assert!(parse("tmtool stats a.bin"));
        assert!(parse("tmtool stats a.bin --key traceback --at 12.5s --limit 5 --json"));
        assert!(parse("tmtool stats --cumulative a.bin"));
        assert!(parse("tmtool stats --cumulative=tracemalloc a.bin"));
        assert!(parse("tmtool diff a.bin@10s a.bin@50% --key filename"));
        assert!(parse("tmtool filter a.bin --include */a.c:5 --include b --exclude c -o out.snap"));
        assert!(parse("tmtool stats a.bin --key function --plumbing pool_* --plumbing !std::* --full --csv"));
        assert!(parse("tmtool diff a.snap b.snap --key module --raw"));
        assert!(parse("tmtool start 12 --nframe 30"));
        assert!(parse("tmtool stop 12"));
        assert!(parse("tmtool clear 12"));
        assert!(parse("tmtool mark loaded 12"));
        assert!(parse("tmtool snapshot 12 -o now.snap"));
        assert!(!parse("tmtool start 12 --nframe 0"));
        assert!(!parse("tmtool start prog"));
        assert!(!parse("tmtool mark 12"));
        assert!(parse("tmtool completions zsh"));
        assert!(!parse("tmtool stats a.bin --raw --plumbing x"));
        assert!(!parse("tmtool stats a.bin --json --csv"));
        assert!(parse("tmtool stats a.bin@50% --process all --thread main --min-age 1s --size 1K..64K"));
        assert!(parse("tmtool diff a.bin b.bin --between 10s..end --churn"));
        assert!(parse("tmtool leaks a.bin --min-age 2s --key traceback --limit 3 --json"));
        assert!(parse("tmtool timeline a.bin --svg out.svg --between 10%..20%"));
        assert!(parse("tmtool top a.bin --sort count --key tag --tag request"));
        assert!(parse("tmtool stats a.bin@mark:loaded --between mark:a..mark:b"));
        assert!(parse("tmtool stats a.bin --at mark:loaded"));
        assert!(parse("tmtool peak a.bin --domain mmap") && parse("tmtool stats a.bin --domain 77"));
        assert!(parse("tmtool watch 1234 --interval 0.5 --sort bytes-rate --key function"));
        assert!(parse("tmtool watch a.bin --once --limit 3 --process 7 --raw"));
        assert!(!parse("tmtool watch a.bin --interval 0"));
        assert!(
            parse("tmtool stats -@50%") && parse("tmtool diff -@10% a.bin") && parse("tmtool top - --json")
        );
        assert!(!parse("tmtool stats --jsn a.bin") && !parse("tmtool stats -x"));
        assert!(!parse("tmtool stats a.bin --churn"));
        assert!(!parse("tmtool filter a.bin"));
        assert!(!parse("tmtool stats a.bin --at never"));
        assert!(!parse("tmtool stats a.bin --key nothing"));
    }
}
