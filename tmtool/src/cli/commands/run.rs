//! `tmtool run`: runs a program with `libtm.so` preloaded, ends as the program ends, and says what was recorded.
//!
//! ```text
//! inspect -> output: a folder -> environment: LD_PRELOAD, TM_OUT, TM_RUN -> child: signals passed on -> output settled ->
//! summary of the programs
//! ```
//!
//! The recording is `libtm.so`'s work; nothing here is in its way, and nothing is changed in the files.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::args::limit::Limit;
use crate::cli::args::sample_rate::Sample;
use crate::cli::args::search::SearchArgs;
use crate::errors::{EXIT_USAGE, Error, Result};
use crate::keep::of_run::KeeperOfRun;
use crate::report::Report;
use crate::report::parts::style::Style;
use tm_common::settings;

use tm_analyzer::inspect;
use tm_analyzer::symbolize::Search;
use tm_analyzer::text::NoLines;

mod child;
mod environment;
mod loaded;
mod output;
mod recordings;
mod summary;
mod template;

use child::Ending;
use environment::Environment;
use loaded::Loading;
use output::{Output, Settled};
use recordings::Recording;

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
    /// Record samples, one in this many bytes on average, such as 512K, and exact totals beside them: TM_SAMPLE
    #[arg(long, value_name = "BYTES")]
    pub sample: Option<Sample>,
    /// Let no recording get larger than this, such as 256M, whatever time the program runs: TM_LIMIT
    ///
    /// What is old is folded meanwhile, as tmtool keep does. What has no room all the same is lost, counted and said.
    #[arg(long, value_name = "BYTES")]
    pub limit: Option<Limit>,
    /// Then check it by tm-budget.toml, as tmtool check does, on standard error
    ///
    /// A program that fails ends tmtool as it ended, and is not checked. Else the exit code is that of tmtool check: 0 within all
    /// limits, 1 beyond one of them, 2 it could not be checked.
    #[arg(long)]
    pub check: bool,
    /// Then put the names of all stacks into the recording, as tmtool bundle does: it is read without the program's files, and
    /// compressed
    #[arg(long)]
    pub bundle: bool,
    /// Put lines of source into the bundle too, as tmtool bundle --sources does
    #[arg(long, requires = "bundle")]
    pub sources: bool,
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
    let environment = Environment::build(
        output.template.clone(),
        args.python_objects,
        args.sample.map(|sample| sample.0),
        args.limit.map(|limit| limit.0),
    )?;
    if !args.quiet {
        summary::print_lines(&program.notes);
    }
    // What is wrong with the places for names is said before the program runs, not after.
    let search = args.bundle.then(|| SearchArgs::default().search()).transpose()?;
    output.make()?;
    let loading = search.is_some().then(|| Loading::start(output.template.clone(), environment.run));
    let keeper = keeper(&output, &environment)?;
    let ending = child::run(&program, name, arguments, &environment).inspect_err(|_| output.give_up())?;
    if let Some(keeper) = keeper {
        keeper.stop();
    }
    let mut settled = output.settle(environment.run);
    if let Some(search) = search {
        // Without the thread the files are read that are left.
        let loaded = loading.and_then(io::Result::ok).map(Loading::stop).unwrap_or_default();
        let search = Arc::new(Search { held: loaded.held(), ..(*search).clone() });
        settled.recordings.iter_mut().for_each(|recording| bundle(recording, &search, args.sources));
    }
    if !args.quiet {
        summary::print_lines(&summary::lines(&settled, &environment, ending));
    }
    if args.check {
        return Ok(check(&settled, ending, args.quiet));
    }
    Ok(ending.end_alike())
}

/// Keeps the recordings within their limit, if they are to have one.
fn keeper(output: &Output, environment: &Environment) -> Result<Option<KeeperOfRun>> {
    if !environment.is_limited() {
        return Ok(None);
    }
    let (template, run) = (output.template.clone(), environment.run);
    let list = move || recordings::of_run(&template, run).into_iter().map(|it| it.path).collect();
    let keeper = KeeperOfRun::start(list);
    keeper.map(Some).map_err(|error| Error::Message(format!("no thread can be started: {error}")))
}

/// Puts a bundle in the place of a recording; where that cannot be done it stays as it is. Says what it lacks.
fn bundle(recording: &mut Recording, search: &Arc<Search>, has_sources: bool) {
    match super::bundle::in_place(&recording.path, search, has_sources) {
        Ok((file_bytes, said)) => {
            recording.file_bytes = file_bytes;
            summary::print_lines(&said);
        }
        Err(error) => summary::print_lines(&[format!("not bundled: {error}")]),
    }
}

/// Checks what was recorded of a program that did not fail.
fn check(settled: &Settled, ending: Ending, is_quiet: bool) -> ExitCode {
    let say = |text: &str| summary::print_lines(&text.lines().map(str::to_owned).collect::<Vec<_>>());
    if !matches!(ending, Ending::Exited(0)) {
        say("not checked: the program failed");
        return ending.end_alike();
    }
    let first = settled.recordings.first().map(|recording| &*recording.path);
    let verdict = match settled.folder.as_deref().or(first) {
        Some(path) => super::check::verdict_of_run(path),
        None => Err(Error::Message("nothing was recorded".to_owned())),
    };
    match verdict {
        Ok(verdict) => {
            if !is_quiet || !verdict.is_within() {
                say(&verdict.text(&Style::default(), &mut NoLines));
            }
            ExitCode::from(u8::from(!verdict.is_within()))
        }
        Err(error) => {
            say(&format!("could not be checked: {error}"));
            ExitCode::from(EXIT_USAGE)
        }
    }
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
