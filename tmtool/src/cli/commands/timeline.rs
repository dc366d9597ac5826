//! `tmtool timeline`: live bytes over time.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::args::file;
use crate::cli::args::report::ReportArgs;
use crate::cli::output_file::{check_is_another, check_is_picture};
use crate::errors::{Error, Result};
use crate::report::svg;
use crate::report::timeline::{Point, Timeline};
use tm_analyzer::model::{Profile, SumsBy};
use tm_analyzer::reader::Problem;
use tm_analyzer::replay::{self, BlockSink, Site};
use tm_analyzer::request::Recorded;

const EXAMPLES: &str = "\
Examples:
  tmtool timeline tm.prog.1234.bin
  tmtool timeline tm.prog.1234.bin --svg heap.svg
  tmtool timeline tm.prog.1234.bin --between 10s..12s --thread worker

Each column shows the most that was live in its time, so that no peak is left out.";

/// How finely time is looked at: more than a screen or a picture shows.
const N_STEPS: usize = 1_000;

/// The arguments of `tmtool timeline`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording; FILE@MOMENT shows it up to the moment.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// Write a picture as well.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    report: ReportArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read, the picture cannot be written, or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    args.report.selection.without_churn("timeline")?;
    args.report.selection.without_ages("timeline")?;
    let request = args.report.request(&args.file)?;
    let (mut recorded, grouping) = (request.open()?, &request.grouping);
    recorded.one_process("a timeline")?;
    // A window is what is looked at; blocks from before it are live in it as well.
    recorded.selection.born_after = None;
    let (points, problems) = points(&recorded)?;
    let profile = grouping.blamed(highest(&recorded, &points, &problems)?);
    let statistics = grouping.statistics(&profile)?;
    let report = Timeline {
        points: &points,
        from_ns: recorded.begin().ns,
        until_ns: recorded.until.ns,
        stats: args.report.stats(grouping, &profile, &statistics),
    };
    if let Some(path) = &args.svg {
        check_is_another(recorded.recording.file.path(), path)?;
        check_is_picture(path)?;
        let title = format!("{}: live bytes", recorded.recording.file.path().display());
        fs::write(path, svg::timeline(&report, &title)).map_err(|error| Error::io("write", path, error))?;
    }
    args.report.show(&report)
}

fn points(recorded: &Recorded) -> Result<(Vec<Point>, Vec<Problem>)> {
    let mut points = Vec::new();
    let recording = &recorded.recording;
    let ends = (
        recorded.begin().stamp.max(replay::stamp_at(recording, 0)),
        recorded.until.stamp.min(replay::stamp_at(recording, recorded.until.ns)),
    );
    let problems = recorded.run(
        |engine| {
            replay::Timeline::new(
                &recorded.selection,
                ends,
                N_STEPS,
                engine.live().iter(recorded.selection.memory_kind()),
            )
        },
        |_, timeline| {
            let point = |step: replay::Step| Point {
                at_ns: recording.ns(step.at),
                size: step.most.bytes,
                count: step.most.count,
            };
            points = timeline.finish().into_iter().map(point).collect();
        },
    )?;
    Ok((points, problems))
}

/// What was live at the highest point.
fn highest(recorded: &Recorded, points: &[Point], problems: &[Problem]) -> Result<Profile> {
    let highest = points.iter().rev().max_by_key(|point| point.size).copied().unwrap_or_default();
    let (at, mut sums) = (replay::stamp_at(&recorded.recording, highest.at_ns), SumsBy::<Site>::default());
    let Recorded { recording, selection, .. } = recorded;
    replay::run(
        recording,
        recorded.processes,
        at,
        |_| (),
        |engine, ()| {
            let live = engine.live().iter(selection.memory_kind());
            let selected = live.filter(|block| selection.admits_newborn(block));
            sums.add_process(engine.process(), selected, &recording.thread_tags);
        },
    )?;
    let mut namer = recorded.namer_at(at);
    let mut profile = namer.profile(recording, &sums);
    profile.origin = Some(recorded.origin(&namer, problems));
    Ok(profile)
}
