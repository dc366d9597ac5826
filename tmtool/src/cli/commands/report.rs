//! `tmtool report`: a page to look at in a browser.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use crate::cli::args::blame::BlameArgs;
use crate::cli::args::file;
use crate::cli::args::selection::SelectionArgs;
use crate::cli::output_file::{check_is_another, check_is_no_terminal, check_is_page, usual_name};
use crate::cli::print::print;
use crate::errors::{Error, Result};
use crate::page::embed::Template;
use crate::page::render::{self, Bounds};
use crate::page::whole::Whole;
use crate::page::{of_profiles, of_recording};
use crate::report::parts::human;
use tm_analyzer::files::whole;
use tm_analyzer::model::{Cumulative, KeyType, Moment, Origin, Profile, is_snap_file};
use tm_analyzer::request::{Request, Time};

const EXAMPLES: &str = "\
Examples:
  tmtool report tm.prog.1234.bin --open
  tmtool report tm.prog.1234.bin --process all --between 10s..60s -o start.html
  tmtool report tm.prog.1234.bin@peak -o peak.html
  tmtool report tm.prog.1234.bin@10s tm.prog.1234.bin@end -o growth.html
  tmtool report old.snap new.snap

The page is one file that needs nothing else: no network, and not the recording. It is at most 5 MiB; what was folded \
together to get there is said at its top. Source lines around the places that allocate are in it, unless --no-source.";

/// The arguments of `tmtool report`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording, shown over time; a .snap file or FILE@MOMENT, shown as of that moment.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// What to compare FILE with: shows what is different in NEW. A recording without a moment is taken at its peak.
    #[arg(value_name = "NEW", allow_hyphen_values = true, value_parser = file::name())]
    new: Option<OsString>,
    /// The moment, as behind FILE@: peak, end, a time since the start (12.5s, 300ms), a part of the run (50%), or a mark of
    /// the program (mark:NAME).
    #[arg(long, value_name = "MOMENT", conflicts_with = "new")]
    at: Option<Moment>,
    /// The file to write; - for standard output. The default is called as FILE, or NEW, with the moment and .html, in the
    /// present folder.
    #[arg(short, long, value_name = "OUT.html")]
    output: Option<PathBuf>,
    /// Open it in a browser: by $BROWSER, or else xdg-open.
    #[arg(long)]
    open: bool,
    /// Leave source lines out.
    #[arg(long)]
    no_source: bool,
    #[command(flatten)]
    blame: BlameArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Runs the command.
///
/// # Errors
/// If a file cannot be read or written, or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    args.selection.without_churn("report")?;
    let request = request(args, &args.file, args.at.as_ref())?;
    let new = args.new.as_ref().map(|new| self::request(args, new, None)).transpose()?;
    let output = args.output.clone().unwrap_or_else(|| {
        let shown = new.as_ref().unwrap_or(&request);
        usual_name(shown, new.is_some(), ".html")
    });
    let is_to_stdout = output == Path::new("-");
    check_output(args, &output, [Some(&request), new.as_ref()])?;
    let mut report = match &new {
        Some(new) => difference(&request, new)?,
        None => of_one(args, &request)?,
    };
    report.search = Arc::clone(&request.search);
    let html = render::html(&mut report, &Template::built(), Bounds::default(), !args.no_source);
    if is_to_stdout {
        print(&html)?;
        return Ok(ExitCode::SUCCESS);
    }
    whole::write(&output, &[html.as_bytes()]).map_err(|error| Error::io("write", &output, error))?;
    print(&format!("{}: {}, {}\n", output.display(), human::size(html.len() as u64), report.kept()))?;
    if args.open {
        open(&output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn request(args: &Args, file: &OsStr, at: Option<&Moment>) -> Result<Request> {
    args.selection.request(file, at, args.blame.grouping(KeyType::Lineno, Cumulative::Off))
}

/// # Errors
/// Something would be destroyed by writing to `output`, or it can show nothing.
fn check_output(args: &Args, output: &Path, read: [Option<&Request>; 2]) -> Result<()> {
    if output == Path::new("-") {
        if args.open {
            return Err(Error::Usage("what is written to standard output cannot be opened".to_owned()));
        }
        return check_is_no_terminal("a page");
    }
    read.into_iter().flatten().try_for_each(|request| check_is_another(&request.path, output))?;
    check_is_page(output)
}

/// Makes the report of a recording over time, or of one moment.
fn of_one(args: &Args, request: &Request) -> Result<Whole> {
    let is_moment = matches!(request.time, Time::At(_)) || is_snap_file(&request.path)?;
    if is_moment {
        return Ok(of_profiles::moment(&profile(request)?, &request.grouping));
    }
    args.selection.without_ages("a report over time")?;
    of_recording::whole(&request.open()?, &request.grouping)
}

fn difference(old: &Request, new: &Request) -> Result<Whole> {
    let (old, new_profile) = (profile(old)?, profile(new)?);
    Ok(of_profiles::difference(&old.relocated(&new_profile), &new_profile, &new.grouping))
}

/// What lives at the moment; of a snapshot of unknown origin, that of the file.
fn profile(request: &Request) -> Result<Profile> {
    let mut profile = request.sized_profile()?;
    let of_file = || Origin { recording: request.path.display().to_string(), ..Origin::default() };
    profile.origin.get_or_insert_with(of_file);
    Ok(profile)
}

/// # Errors
/// No browser could be started, or it failed.
fn open(page: &Path) -> Result<()> {
    // A list of commands, of which the first is the one that is wanted.
    let browser = env::var("BROWSER").ok().and_then(|list| Some(list.split(':').next()?.to_owned()));
    let program = browser.filter(|program| !program.is_empty()).unwrap_or_else(|| "xdg-open".to_owned());
    let failed = |why: String| {
        let page = page.display();
        Err(Error::Message(format!("{page} is written, but {program} {why}; open it in a browser yourself")))
    };
    match Command::new(&program).arg(page).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => failed(format!("failed with {status}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => failed("is not there".to_owned()),
        Err(error) => failed(format!("does not start: {error}")),
    }
}
