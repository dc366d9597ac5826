//! `tmtool run`: runs a program with `libtm.so` preloaded, ends as the program ends, and says what was recorded.
//!
//! ```text
//! inspect -> output: a folder -> environment: LD_PRELOAD, TM_OUT, TM_RUN -> child: signals passed on -> output settled ->
//! summary of the programs
//! ```
//!
//! The recording is `libtm.so`'s work; nothing here is in its way, and nothing is changed in the files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::errors::{Error, Result};
use tm_common::settings;

use tm_analyzer::inspect;

mod child;
mod environment;
mod output;
mod recordings;
mod summary;
mod template;

use environment::Environment;
use output::Output;

/// Record a program: every allocation, with its call stack.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tmtool run [OPTIONS] [--] PROG [ARGS]...", after_long_help = settings_help())]
pub struct Args {
    /// The recording; of several programs, a folder with one each [default: TM_OUT, or tm.PROG.PID.bin and tm.PROG.PID]
    ///
    /// All commands take the folder as they take a recording: they show the program with the highest peak, or --program
    /// NAME|PID. With %p, %e, %h or %t, as in TM_OUT, the recordings stand where that says instead. What an earlier run
    /// left there is replaced, anything else is not.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Record each block that Python's own allocators hand out, as tracemalloc does: TM_PYTHON_OBJECTS=1
    #[arg(long)]
    pub python_objects: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// The program and its arguments, which may look like options
    #[arg(required = true, trailing_var_arg = true, value_name = "PROG")]
    pub command: Vec<OsString>,
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
    let here = std::env::current_dir()
        .map_err(|error| Error::io("find", Path::new("the working directory"), error))?;
    let set_by_user =
        std::env::var_os(settings::OUT.name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut output = Output::plan(args.output.as_deref().or(set_by_user.as_deref()), name, &here)?;
    let environment = Environment::build(output.template.clone(), args.python_objects)?;
    if !args.quiet {
        summary::print_lines(&program.notes);
    }
    output.make()?;
    let ending = child::run(&program, name, arguments, &environment).inspect_err(|_| output.give_up())?;
    let settled = output.settle(environment.run);
    if !args.quiet {
        summary::print_lines(&summary::lines(&settled, &environment, ending));
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
