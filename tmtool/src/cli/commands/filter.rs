//! `tmtool filter`: a part of a snapshot, or all of it, as a `.snap` file.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use crate::cli::args::blame::BlameArgs;
use crate::cli::args::file;
use crate::cli::args::selection::SelectionArgs;
use crate::cli::output_file::{check_is_another, check_is_snapshot};
use crate::cli::print::print;
use crate::cli::{programs, progress};
use crate::errors::{Error, Result};
use crate::report::parts::human;
use tm_analyzer::model::{BaseFilter, Cumulative, Filter, KeyType, Moment, Snapshot};
use tm_analyzer::request::Request;

const EXAMPLES: &str = "\
Examples:
  tmtool filter tm.prog.1234.bin -o peak.snap
  tmtool filter all.snap --include '*/parser.c' --exclude '*/parser.c:120' -o out.snap
  tmtool filter all.snap --all-frames --exclude '*/libcrypto*' -o out.snap

A PATTERN must match the whole name, as in Python's fnmatch: * (also across /), ?, [seq], [!seq].
A block stays if it matches any --include (where there are some) and no --exclude. What is matched is the place that \
tmtool stats blames for the block; with --raw, the innermost one of all. OUT.snap has whole stacks in any case.";

/// The arguments of `tmtool filter`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording or a .snap file. FILE@MOMENT takes a moment, as --at does.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// The moment: peak (the default), end, a time since the start (12.5s, 300ms), a part of the run (50%), or a
    /// mark of the program (mark:NAME).
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
    /// Keep what was allocated in files of this name (at this line); may be given several times.
    #[arg(long, value_name = "PATTERN[:LINE]")]
    include: Vec<Place>,
    /// Drop what was allocated in files of this name (at this line); may be given several times.
    #[arg(long, value_name = "PATTERN[:LINE]")]
    exclude: Vec<Place>,
    /// Let any frame of the stack match, not only the one that allocated.
    #[arg(long)]
    all_frames: bool,
    #[command(flatten)]
    blame: BlameArgs,
    /// The .snap file to write; - for standard output.
    #[arg(short, long, value_name = "OUT.snap")]
    output: PathBuf,
    /// Overwrite OUT.snap even if it is no snapshot.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// A file name's pattern and perhaps a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    pattern: String,
    lineno: Option<u32>,
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Place, Infallible> {
        let with_line = text.rsplit_once(':').and_then(|(pattern, line)| {
            let is_number = line.bytes().all(|byte| byte.is_ascii_digit());
            Some((pattern, line.parse().ok().filter(|_| is_number)?))
        });
        Ok(match with_line {
            Some((pattern, line)) => Place { pattern: pattern.to_owned(), lineno: Some(line) },
            None => Place { pattern: text.to_owned(), lineno: None },
        })
    }
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the output cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.selection.churn {
        let message =
            "a .snap file holds live blocks; what was freed is shown by stats and diff with --churn";
        return Err(Error::Usage(message.to_owned()));
    }
    let request = args.selection.select(Request::parse(&args.file)?, args.at.as_ref())?;
    let chosen = programs::choose(&request.path, args.selection.program.as_deref())?;
    let which = chosen.which();
    let grouping = args.blame.grouping(KeyType::Lineno, Cumulative::Off);
    let mut request = Request { path: chosen.path, during: progress::during, grouping, ..request };
    request.notes.extend(which);
    let is_to_stdout = args.output == Path::new("-");
    if is_to_stdout && io::stdout().is_terminal() {
        let message =
            "a .snap file is nothing for a terminal; name a file, or send standard output somewhere";
        return Err(Error::Usage(message.to_owned()));
    }
    check_is_another(&request.path, &args.output)?;
    if !args.force && !is_to_stdout {
        check_is_snapshot(&args.output)?;
    }
    let snapshot = request.snapshot()?;
    let filters = filters(args);
    let bases: Vec<&dyn BaseFilter> = filters.iter().map(|filter| filter as &dyn BaseFilter).collect();
    // The filters see stacks as the reports show them; what is written are the whole ones.
    let mut blame = request.grouping.blame();
    let mut filtered = snapshot.filter_traces_as(&bases, |traceback| blame.cut(traceback));
    if let (Some(origin), false) = (&mut filtered.origin, filters.is_empty()) {
        origin.notes.push(note(args));
    }
    if is_to_stdout {
        // What is written is all that the reader of a pipe wants.
        filtered.dump(Path::new("/dev/stdout"))?;
    } else {
        filtered.dump(&args.output)?;
        print(&summary(args, &snapshot, &filtered))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn filters(args: &Args) -> Vec<Filter> {
    let filter = |inclusive: bool, place: &Place| {
        let mut filter = Filter::new(inclusive, &place.pattern);
        filter.lineno = place.lineno;
        filter.all_frames = args.all_frames;
        filter
    };
    let include = args.include.iter().map(|place| filter(true, place));
    include.chain(args.exclude.iter().map(|place| filter(false, place))).collect()
}

/// What was done, for the reports on the result.
fn note(args: &Args) -> String {
    let mut words = vec!["Filtered with".to_owned()];
    for (option, places) in [("--include", &args.include), ("--exclude", &args.exclude)] {
        for Place { pattern, lineno } in places {
            let line = lineno.map(|line| format!(":{line}")).unwrap_or_default();
            words.push(format!("{option} {pattern}{line}"));
        }
    }
    if args.all_frames {
        words.push("--all-frames".to_owned());
    }
    words.join(" ") + "."
}

fn summary(args: &Args, whole: &Snapshot, kept: &Snapshot) -> String {
    let (whole_size, kept_size) = (whole.total_size(), kept.total_size());
    format!(
        "{}: {} of {}, {} of {} ({})\n",
        args.output.display(),
        human::count(kept.traces.len() as u64),
        human::counted(whole.traces.len() as u64, "block"),
        human::size(kept_size),
        human::size(whole_size),
        human::percent(kept_size, whole_size)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_number_behind_the_last_colon() {
        for (text, pattern, lineno) in [
            ("a.c", "a.c", None),
            ("a.c:12", "a.c", Some(12)),
            ("a.c:0", "a.c", Some(0)),
            ("*::f", "*::f", None),
            ("a.c:", "a.c:", None),
            ("a.c:+1", "a.c:+1", None),
            ("C:/a:7", "C:/a", Some(7)),
        ] {
            let expected = Place { pattern: pattern.to_owned(), lineno };
            assert_eq!(text.parse::<Place>().unwrap(), expected);
        }
    }
}
