//! `tmtool export`: what was allocated and live, as other tools read it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::cli::args::blame::BlameArgs;
use crate::cli::args::file;
use crate::cli::args::selection::SelectionArgs;
use crate::cli::output_file::{check_is_another, check_is_export, check_is_no_terminal, usual_name};
use crate::cli::print;
use crate::errors::{Error, Result, StreamError};
use crate::export::measure::Measure;
use crate::export::{self, Events, FORMATS, Format, Needs, Sites, Writer};
use crate::report::parts::style::Style;
use crate::report::parts::{estimate, human, notice};
use tm_analyzer::error::Refusal;
use tm_analyzer::files::whole;
use tm_analyzer::model::{ActivityProfile, Cumulative, KeyType, Moment, Origin, is_snap_file};
use tm_analyzer::request::{Recorded, Request};
use tm_analyzer::snapshot::Namer;

const EXAMPLES: &str = "\
Examples:
  tmtool export pprof tm.prog.1234.bin && go tool pprof -http=: tm.prog.1234.pb.gz
  tmtool export folded tm.prog.1234.bin --measure allocations -o - | flamegraph.pl > flame.svg
  tmtool export svg before.bin@end after.bin@end -o grown.svg

The moment is that of tmtool stats: the peak, unless one is given. Live blocks are those of the moment; what was allocated, \
freed and temporary is that of the whole run, or with a moment that up to it, or that of a window. Stacks end at the \
function to blame, as in all reports; with --raw they are whole.";

/// The arguments of `tmtool export`.
#[derive(clap::Args)]
#[command(after_help = format!("{}\n{EXAMPLES}", export::help()))]
pub struct Args {
    /// The format to write; see the list below.
    #[arg(value_parser = format(), hide_possible_values = true)]
    format: &'static Format,
    /// A recording or a .snap file. FILE@MOMENT takes a moment, as --at does.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// Another one, or another moment, of which a flame graph is to show what is different in it.
    #[arg(value_name = "NEW", allow_hyphen_values = true, value_parser = file::name())]
    new: Option<OsString>,
    /// What to write; - for standard output. The default is called as FILE, or NEW, with the moment and the format's
    /// ending, in the present folder.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Overwrite OUT even if it is no export. Recordings and .snap files are not overwritten.
    #[arg(long)]
    force: bool,
    /// The moment: peak (the default), end, a time since the start (12.5s, 300ms), a part of the run (50%), or a
    /// mark of the program (mark:NAME).
    #[arg(long, value_name = "MOMENT", conflicts_with = "new")]
    at: Option<Moment>,
    /// The figure that is shown, where a format shows one; the first one, where it shows several.
    #[arg(long, value_enum, value_name = "FIGURE", default_value_t)]
    measure: Measure,
    #[command(flatten)]
    blame: BlameArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Takes the name of a format.
fn format() -> impl TypedValueParser<Value = &'static Format> {
    let names = FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.purpose));
    PossibleValuesParser::new(names).try_map(|name| Format::named(&name).ok_or("there is no such format"))
}

/// Runs the command.
///
/// # Errors
/// If a file cannot be read, does not have what the format needs, the output cannot be written, or would destroy something.
pub fn run(args: &Args) -> Result<ExitCode> {
    let format = args.format;
    if args.selection.churn {
        let message = "--churn is for stats and diff; what was freed is exported with --measure freed-bytes";
        return Err(Error::Usage(message.to_owned()));
    }
    if args.new.is_some() && !format.takes_two() {
        let message =
            format!("{} is of one file; tmtool export svg OLD NEW shows what is different", format.name);
        return Err(Error::Usage(message));
    }
    if args.measure != Measure::default() && !format.takes_measure {
        return Err(Error::Usage(format!("{} has all its figures; leave --measure out", format.name)));
    }
    let old = args.new.as_ref().map(|_| request(args, &args.file)).transpose()?;
    let request = request(args, args.new.as_deref().unwrap_or(&args.file))?;
    let output = Output::of(args, &request)?;
    for input in old.iter().chain([&request]) {
        output.check(&input.path, args)?;
    }
    match format.write {
        Writer::Sites(write) => sites(args, &output, None, &request, write),
        Writer::Difference(write) => sites(args, &output, old.as_ref(), &request, write),
        Writer::Events(write) => {
            let recorded = request.open()?;
            let events = Events { recorded: &recorded, grouping: &request.grouping, output: &output.path };
            output.write(|out| write(&events, out))?;
            say_notices_of_events(&recorded);
            let said = of_samples(&recorded, format).into_iter().chain(recorded.left_out());
            output.say(format, "", Some(said.collect::<Vec<_>>().join(" ")).filter(|said| !said.is_empty()))
        }
        Writer::Folder(write) => {
            let recorded = request.open()?;
            let events = Events { recorded: &recorded, grouping: &request.grouping, output: &output.path };
            write(&events, &output.path).map_err(|error| error.to(&output.path))?;
            say_notices_of_events(&recorded);
            output.say(format, "", recorded.left_out())
        }
    }
}

fn request(args: &Args, file: &OsStr) -> Result<Request> {
    let grouping = args.blame.grouping(KeyType::Traceback, Cumulative::Off);
    let request = args.selection.request(file, args.at.as_ref(), grouping)?;
    let needs_events = args.format.needs == Needs::Events || args.measure.needs_events();
    if needs_events && is_snap_file(&request.path)? {
        return Err(Refusal::NeedsEvents.of(&request.path).into());
    }
    if args.measure.needs_events() {
        args.selection.without_ages(args.measure.name())?;
    }
    if args.format.needs == Needs::Events {
        args.selection.without_ages(args.format.name)?;
    }
    Ok(request)
}

/// What is to be said of temporary samples.
const TEMPORARY: &str = "More may have been temporary than is shown.";

/// What is to be said of an export of samples.
fn of_samples(recorded: &Recorded, format: &Format) -> Option<String> {
    let sample_bytes = recorded.recording.sample_bytes();
    (sample_bytes > 0).then(|| {
        let rate = human::size(sample_bytes);
        let estimates = format!(
            "These are estimates: one sample per {rate} was recorded, and counts as what it stands for"
        );
        let calls = "bytes alone, for calls are counted by samples, of which each may stand for many";
        let estimates = if format.counts_samples { format!("{estimates}: {calls}") } else { estimates };
        format!("{estimates}. {TEMPORARY}")
    })
}

/// Says what reports say below their headers: what is missing in a recording, and what is not certain of its figures. A format has no
/// place for it.
fn say_notices(origin: &Origin) {
    for line in notice::text(origin, &Style::default()).lines() {
        // Nobody is left to be told if standard error is gone.
        let _ = writeln!(io::stderr(), "tmtool: {line}");
    }
}

/// Says the same of events that were replayed.
fn say_notices_of_events(recorded: &Recorded) {
    say_notices(&recorded.origin(&Namer::new(), &recorded.found()));
}

/// Writes what each site did.
fn sites(
    args: &Args,
    output: &Output,
    old: Option<&Request>,
    request: &Request,
    write: fn(&Sites<'_>, &mut dyn Write) -> io::Result<()>,
) -> Result<ExitCode> {
    // Sites that have nothing of what is shown need no names.
    let is_live = args.format.needs == Needs::Moment && !args.measure.needs_events();
    let counted = match args.format.needs {
        Needs::MomentOrSums(counted) => counted,
        Needs::Moment | Needs::Events => args.measure.counted(),
    };
    let of = |request: &Request| if is_live { request.live() } else { request.activity(counted) };
    let (before, activity) = (old.map(of).transpose()?, of(request)?);
    before.iter().chain([&activity]).filter_map(|it| it.origin.as_ref()).for_each(say_notices);
    let sites = Sites { activity: &activity, before: before.as_ref(), measure: args.measure };
    output.write(|out| Ok(write(&sites, out)?))?;
    let sampling = activity.origin.as_ref().and_then(|origin| origin.sampling);
    let sampling = sampling.as_ref().map(|it| format!("{} {TEMPORARY}", estimate::sentence(it)));
    output.say(args.format, &summary(&activity, args.measure), sampling)
}

/// What was written, after a comma.
fn summary(activity: &ActivityProfile, measure: Measure) -> String {
    let rows = &activity.rows;
    let sum = rows.iter().fold(0, |sum: u64, row| sum.saturating_add(measure.of(activity, &row.amount)));
    let sum = if measure.is_bytes() { human::size(sum) } else { human::count(sum) };
    format!("{sum} {}", measure.words(activity).trim_start_matches("bytes "))
}

/// Where an export goes.
struct Output {
    path: PathBuf,
    is_standard: bool,
}

impl Output {
    fn of(args: &Args, request: &Request) -> Result<Output> {
        let path = args.output.clone().unwrap_or_else(|| {
            let is_difference = args.new.is_some();
            usual_name(request, is_difference, args.format.suffix)
        });
        let is_standard = path == Path::new("-");
        if is_standard && args.format.is_folder() {
            let message = format!("{} is a folder of files; name one with -o", args.format.name);
            return Err(Error::Usage(message));
        }
        if is_standard && !args.format.is_text {
            check_is_no_terminal(args.format.name)?;
        }
        Ok(Output { path, is_standard })
    }

    /// Asks whether anything would be destroyed by it.
    fn check(&self, input: &Path, args: &Args) -> Result<()> {
        if self.is_standard {
            return Ok(());
        }
        check_is_another(input, &self.path)?;
        if args.format.is_folder() {
            return Ok(());
        }
        check_is_export(&self.path, args.format.is_like, args.force)
    }

    fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> std::result::Result<(), StreamError>,
    ) -> Result<()> {
        if self.is_standard {
            return print::stream(write);
        }
        whole::stream(&self.path, write).map_err(|error| error.to(&self.path))
    }

    /// Says what was written, and how it is looked at.
    fn say(&self, format: &Format, what: &str, estimate: Option<String>) -> Result<ExitCode> {
        if let Some(estimate) = estimate {
            eprintln!("tmtool: {estimate}");
        }
        if !self.is_standard {
            let name = self.path.display().to_string();
            let what = if what.is_empty() { String::new() } else { format!(": {what}") };
            print::print(&format!("{name}{what}\nNext: {}\n", format.next.replace("{}", &name)))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
