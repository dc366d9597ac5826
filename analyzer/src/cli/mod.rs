//! The command line: one file per command, each with its `Args` and `run`. Reading and answering are the library's.
//!
//! Exit codes: 0 done, 1 could not be done (a sentence on stderr), 2 a wrong command line. A closed pipe is success.

pub mod completions;
pub mod diff;
pub mod filter;
pub mod info;
pub mod man;
pub mod options;
pub mod run;
pub mod source;
pub mod stats;
pub mod terminal;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;

/// Finds out where a program's memory goes, from recordings of all its allocations.
#[derive(Parser)]
#[command(name = "tmtool", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tmtool run ./prog ARGS          record ./prog
  tmtool stats tm.prog.1234.bin   what was live at the peak, by line
  tmtool diff a.bin@10s a.bin@end what grew from one moment to another

Recordings and .snap files are told apart by their content. Try 'tmtool COMMAND --help'.";

/// What tmtool can do.
#[derive(Subcommand)]
pub enum Command {
    /// Run a program and record it.
    Run(run::Args),
    /// Say what a recording is and whether it is complete.
    Info(info::Args),
    /// Show what was live at a moment, by file, line or stack.
    Stats(stats::Args),
    /// Show what grew and shrank from one moment or recording to another.
    Diff(diff::Args),
    /// Write a part of what was live to a .snap file.
    Filter(filter::Args),
    /// Write a script that completes command lines in a shell.
    Completions(completions::Args),
    /// Write the manual pages.
    Man(man::Args),
}

/// The program.
pub fn main() -> ExitCode {
    // A wrong command line ends here, with exit code 2.
    let cli = Cli::parse();
    match dispatch(&cli.command) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(io::stderr(), "tmtool: {error}");
            ExitCode::from(if matches!(error, Error::Usage(_)) { EXIT_USAGE } else { EXIT_FAILED })
        }
    }
}

fn dispatch(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Info(args) => info::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Filter(args) => filter::run(args),
        Command::Completions(args) => completions::run(args, Cli::command()),
        Command::Man(args) => man::run(args, Cli::command()),
    }
}

/// Writes a report to stdout. A reader that has gone away (`| head`) is no error.
///
/// # Errors
/// If stdout cannot be written to for another reason, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", Path::new("standard output"), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
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
        assert!(parse("tmtool completions zsh"));
        assert!(!parse("tmtool stats a.bin --raw --plumbing x"));
        assert!(!parse("tmtool stats a.bin --json --csv"));
        assert!(!parse("tmtool filter a.bin"));
        assert!(!parse("tmtool stats a.bin --at never"));
        assert!(!parse("tmtool stats a.bin --key nothing"));
    }
}
