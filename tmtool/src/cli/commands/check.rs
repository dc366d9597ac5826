//! `tmtool check`: is a run within its budget? The gate for CI.
//!
//! Its exit codes are those of grep and diff: 0 yes, 1 no, 2 it could not be found out, for whatever reason. So a gate that is
//! broken is never taken for one that has found something, nor for one that has not.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::check::budget::{self, Budget, Limit, Scope};
use crate::check::figure::Figure;
use crate::check::suppressions::{self, Suppression};
use crate::check::tally::Tally;
use crate::check::{amount, bless, github, judge, junit, sarif};
use crate::cli::args::blame::BlameArgs;
use crate::cli::args::file;
use crate::cli::args::selection::SelectionArgs;
use crate::cli::output_file::{check_is_another, check_is_export};
use crate::cli::print::{print, show};
use crate::cli::terminal;
use crate::errors::{Error, Result};
use crate::report::Format;
use crate::report::check::Verdict;
use crate::report::parts::human::counted;
use tm_analyzer::error::Refusal;
use tm_analyzer::files::whole;
use tm_analyzer::model::{Cumulative, KeyType, Origin, is_snap_file};
use tm_analyzer::request::{Request, Time};

const EXAMPLES: &str = "\
Exit codes: 0 within all limits, 1 beyond one of them, 2 it could not be checked (a bad file, a bad budget, lost events, a \
wrong command line).

Examples:
  tmtool check tm.tests.1234.bin --bless              write tm-budget.toml from a run that is as it should be
  tmtool check tm.tests.1234.bin                      is this run within it?
  tmtool check new.bin --baseline old.snap --growth 5%
  tmtool check tm.tests.1234.bin --suppressions lsan.supp --junit check.xml --github
  tmtool check tm.tests.1234.bin --inject-leak; test $? = 1      does the gate notice a leak?

Limits in tm-budget.toml are exact: peak, peak-blocks, end, end-blocks, leaked, leaked-blocks, allocations and allocated; \
of the whole run under [total], of a part under [[part]] with function, file, module or label and a pattern with * and ?, \
and of growth under [growth].";

/// The arguments of `tmtool check`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording of the whole run.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// What is allowed [default: tm-budget.toml, if it is there]
    #[arg(long, value_name = "BUDGET.toml")]
    budget: Option<PathBuf>,
    /// A recording or a .snap file of the same program as it was, from which growth is counted.
    #[arg(long, value_name = "OLD", value_parser = file::name())]
    baseline: Option<OsString>,
    /// The growth of each figure that the baseline has, where the budget does not say: a size, a number, or a part (5%).
    #[arg(long, value_name = "GROWTH", default_value = "0", requires = "baseline")]
    growth: String,
    /// Leaks that are known: a list as for LeakSanitizer (leak:PATTERN), for valgrind ({ ... }), or of tm's own
    /// ([[suppress]]). May be given several times.
    #[arg(long, value_name = "FILE")]
    suppressions: Vec<PathBuf>,
    /// Write what this run did to the budget: its limits become what was found. Comments stay.
    #[arg(long, conflicts_with_all = ["baseline", "inject_leak", "junit", "sarif", "github", "json"])]
    bless: bool,
    /// Allow so much more than was found, of all figures but leaks.
    #[arg(long, value_name = "PERCENT", requires = "bless", value_parser = percent)]
    headroom: Option<f64>,
    /// Pretend that one block of N bytes has leaked, to see that the gate notices: then 1 is right, and 2 if it does not.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    inject_leak: Option<u64>,
    /// Write JUnit XML too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write SARIF 2.1.0 too.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Print annotations for GitHub Actions too.
    #[arg(long)]
    github: bool,
    /// Write JSON, as docs/json.md describes it.
    #[arg(long, conflicts_with = "github")]
    json: bool,
    /// Show names and paths whole, however long.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    blame: BlameArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

fn percent(text: &str) -> std::result::Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| "write per cent, as 10 or 10%".to_owned())
}

/// Runs the command.
///
/// # Errors
/// If it could not be checked; the exit code is then that of a wrong command line, whatever the reason.
pub fn run(args: &Args) -> Result<ExitCode> {
    let done = if args.bless { write_budget(args) } else { check(args) };
    done.map_err(|error| Error::Usage(error.to_string()))
}

/// The verdict on what `tmtool run` has recorded at `path`, by the usual budget.
///
/// # Errors
/// It could not be checked.
pub fn verdict_of_run(path: &Path) -> Result<Verdict> {
    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        args: Args,
    }
    let words = [OsStr::new("check"), path.as_os_str()];
    let words = Words::try_parse_from(words).map_err(|error| Error::Message(error.to_string()))?;
    verdict(&words.args)
}

fn check(args: &Args) -> Result<ExitCode> {
    let outputs = [(&args.junit, is_xml as fn(&[u8]) -> bool), (&args.sarif, is_json)];
    for (output, is_like) in outputs.iter().filter_map(|(output, is_like)| Some((output.as_ref()?, is_like)))
    {
        check_is_another(Path::new(&args.file), output)?;
        check_is_export(output, *is_like, false)?;
    }
    let verdict = verdict(args)?;
    let here = std::env::current_dir().unwrap_or_default();
    let write = |path: &PathBuf, text: std::io::Result<String>| -> Result<()> {
        let written = text.and_then(|text| whole::write(path, &[text.as_bytes()]));
        written.map_err(|error| Error::io("write", path, error))
    };
    if let Some(path) = &args.junit {
        write(path, junit::text(&verdict))?;
    }
    if let Some(path) = &args.sarif {
        write(path, sarif::text(&verdict, &here))?;
    }
    let style = crate::report::parts::style::Style { is_full: args.full, ..terminal::style() };
    show(&verdict, if args.json { Format::Json } else { Format::Text }, &args.selection.search()?, &style)?;
    if args.github {
        print(&github::lines(&verdict, &here))?;
    }
    Ok(if verdict.is_within() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn is_xml(start: &[u8]) -> bool {
    start.starts_with(b"<?xml")
}

fn is_json(start: &[u8]) -> bool {
    start.starts_with(b"{")
}

fn verdict(args: &Args) -> Result<Verdict> {
    let (mut budget, name) = budget_of(args)?;
    let mut known = suppressions_of(args, &budget)?;
    let new = tally(args, &args.file, &mut known)?;
    let mut of_old = known.clone();
    let old =
        args.baseline.as_ref().map(|old| tally_of_baseline(args, old, &new, &mut of_old)).transpose()?;
    if let (Some(old), false) = (&old, budget.has_growth()) {
        grow_by(&mut budget, &args.growth, old)?;
    }
    judge::can_fail(&budget, name.as_deref().unwrap_or("the command line"))?;
    let verdict = judge::judge(&budget, &new, old.as_ref())?;
    let mut verdict = match args.inject_leak {
        Some(bytes) => with_leak(bytes, &budget, new, old.as_ref(), &verdict)?,
        None => verdict,
    };
    verdict.budget = name;
    verdict.baseline = args.baseline.as_ref().map(|old| old.to_string_lossy().into_owned());
    verdict.unused = judge::unused(&known);
    Ok(verdict)
}

/// The budget and its name; without a file, nothing is limited but growth.
fn budget_of(args: &Args) -> Result<(Budget, Option<String>)> {
    let usual = Path::new(budget::USUAL);
    let path = args.budget.as_deref().or_else(|| usual.exists().then_some(usual));
    match path {
        Some(path) => Ok((Budget::load(path)?, Some(path.display().to_string()))),
        None if args.baseline.is_some() => {
            Ok((Budget { scopes: vec![Scope::whole()], ..Budget::default() }, None))
        }
        None => {
            let what = format!("there is no {} here, and no other budget is named", usual.display());
            let next = "tmtool check FILE --bless writes one, and --baseline OLD needs none";
            Err(Error::Message(format!("{what}; {next}")))
        }
    }
}

fn suppressions_of(args: &Args, budget: &Budget) -> Result<Vec<Suppression>> {
    let mut known = budget.suppressions.clone();
    for path in budget.suppression_files.iter().chain(&args.suppressions) {
        known.extend(suppressions::load(path)?);
    }
    Ok(known)
}

/// What the run of `file` did.
fn tally(args: &Args, file: &OsStr, known: &mut [Suppression]) -> Result<Tally> {
    let request = request(args, file)?;
    if is_snap_file(&request.path)? {
        return Err(Refusal::NeedsEvents.of(&request.path).into());
    }
    let tally = Tally::of(&request, known)?;
    is_whole(&tally.origin)?;
    Ok(tally)
}

fn request(args: &Args, file: &OsStr) -> Result<Request> {
    args.selection.without_ages("check")?;
    args.selection.without_churn("check")?;
    let grouping = args.blame.grouping(KeyType::Lineno, Cumulative::Off);
    let request = args.selection.request(file, None, grouping)?;
    if request.time != Time::Usual {
        let message = "check is of a whole run; leave the moment and --between out";
        return Err(Error::Usage(message.to_owned()));
    }
    Ok(request)
}

/// Asks whether the figures of a recording can be relied upon.
///
/// # Errors
/// They cannot.
fn is_whole(origin: &Origin) -> Result<()> {
    let recording = &origin.recording;
    if origin.lost_events > 0 {
        let lost = counted(origin.lost_events, "event");
        let what = format!("{recording} has lost {lost}, so what it says of leaks and sums may be wrong");
        return Err(Error::Message(format!("{what}; tmtool info says why")));
    }
    if origin.still_running {
        let what = format!("the program of {recording} still runs, so nothing has leaked yet");
        return Err(Error::Message(format!("{what}; check it when it has ended")));
    }
    Ok(())
}

fn tally_of_baseline(args: &Args, old: &OsStr, new: &Tally, known: &mut [Suppression]) -> Result<Tally> {
    let tally = Tally::of(&request(args, old)?, known)?;
    let name = |origin: &Origin| origin.program.rsplit('/').next().unwrap_or_default().to_owned();
    let (of_old, of_new) = (name(&tally.origin), name(&new.origin));
    if !of_old.is_empty() && of_old != of_new {
        let what = format!(
            "the baseline {} is of {of_old}, and {} is of {of_new}",
            old.display(),
            new.origin.recording
        );
        return Err(Error::Message(format!("{what}; growth is that of one program")));
    }
    is_whole(&tally.origin)?;
    Ok(tally)
}

/// Limits each figure that `old` has.
fn grow_by(budget: &mut Budget, growth: &str, old: &Tally) -> Result<()> {
    let allowed = |figure: Figure| amount::growth(growth, figure);
    // A size is a limit of what counts bytes, a number of both.
    if let Err(what) = allowed(Figure::Peak) {
        return Err(Error::Usage(format!("--growth: {what}")));
    }
    let known = old.known.iter().filter_map(|&figure| Some((figure, allowed(figure).ok()?)));
    let limits = known.map(|(figure, allowed)| Limit { figure, allowed, line: None });
    budget.scopes.first_mut().into_iter().for_each(|whole| whole.limits.extend(limits.clone()));
    Ok(())
}

/// The verdict with one more leaked block.
///
/// # Errors
/// It makes no difference: the gate would let a leak pass.
fn with_leak(
    bytes: u64,
    budget: &Budget,
    mut new: Tally,
    old: Option<&Tally>,
    without: &Verdict,
) -> Result<Verdict> {
    new.inject_leak(bytes);
    let mut verdict = judge::judge(budget, &new, old)?;
    let before = without.limits.iter();
    let noticed = verdict.limits.iter().zip(before).filter(|(with, without)| {
        // One that was exceeded before is by more now.
        with.exceeded && with.found > without.found
    });
    let noticed: Vec<String> = noticed.map(|(with, _)| with.name()).collect();
    if noticed.is_empty() {
        let what = format!("the gate does not notice a leaked block of {bytes} bytes");
        return Err(Error::Message(format!(
            "{what}; write leaked-blocks = 0, or what is live now, under [total]"
        )));
    }
    let noticed = noticed.join(", ");
    verdict
        .remarks
        .push(format!("Pretended: one more leaked block, of {bytes} bytes. It is noticed by {noticed}."));
    Ok(verdict)
}

/// Writes the budget of the run.
fn write_budget(args: &Args) -> Result<ExitCode> {
    let path = args.budget.clone().unwrap_or_else(|| PathBuf::from(budget::USUAL));
    check_is_another(Path::new(&args.file), &path)?;
    let old = if path.exists() { Some(budget::read(&path)?) } else { None };
    let known = old.as_deref().map(|old| Budget::parse(&path, old)).transpose()?.unwrap_or_default();
    let mut known = suppressions_of(args, &known)?;
    let tally = tally(args, &args.file, &mut known)?;
    let text = bless::bless(&path, old.as_deref(), &tally, args.headroom.unwrap_or(0.0))?;
    let n_limits = Budget::parse(&path, &text)?.limits().count() as u64;
    whole::write(&path, &[text.as_bytes()]).map_err(|error| Error::io("write", &path, error))?;
    let what = if old.is_some() { "brought up to" } else { "made of" };
    print(&format!(
        "{}: {what} what {} did, {}\n",
        path.display(),
        tally.origin.recording,
        counted(n_limits, "limit")
    ))?;
    Ok(ExitCode::SUCCESS)
}
