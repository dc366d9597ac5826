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
use tm_analyzer::ids::Stamp;
use tm_analyzer::model::{EstimatesBy, Profile};
use tm_analyzer::replay::{self, BlockSink, Engine, Findings, Site};
use tm_analyzer::request::Recorded;

const EXAMPLES: &str = "\
Examples:
  tmtool timeline tm.prog.1234.bin
  tmtool timeline tm.prog.1234.bin --svg heap.svg
  tmtool timeline tm.prog.1234.bin --between 10s..12s --thread worker

Each column shows the most that was live in its time, so that no peak is left out.";

/// How finely time is looked at: more than a screen or a picture shows.
const N_STEPS: u32 = 1_000;

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
    let Course { points, highest, findings } = course(&recorded)?;
    let profile = grouping.blamed(profile(&recorded, highest, &findings)?);
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

/// What one replay shows of the time.
#[derive(Default)]
struct Course {
    points: Vec<Point>,
    highest: Highest,
    findings: Findings,
}

/// The highest point.
#[derive(Default)]
struct Highest {
    at: Stamp,
    /// What was live there, where it is the process's own peak, whose blocks the replay has kept.
    sums: Option<EstimatesBy<Site>>,
}

fn course(recorded: &Recorded) -> Result<Course> {
    let Recorded { recording, selection, .. } = recorded;
    let mut course = Course::default();
    let ends = (
        recorded.begin().stamp.max(replay::stamp_at(recording, 0)),
        recorded.until.stamp.min(replay::stamp_at(recording, recorded.until.ns)),
    );
    course.findings = recorded.run(
        |engine| {
            let live = engine.live().iter(selection.memory_kind());
            replay::Timeline::new(selection, ends, N_STEPS, live)
        },
        |engine, timeline| {
            let steps = timeline.finish();
            course.highest = highest(recorded, engine, &steps);
            let point = |step: replay::Step| Point {
                at_ns: recording.ns(step.at),
                size: step.most.bytes,
                count: step.most.count,
            };
            course.points = steps.into_iter().map(point).collect();
        },
    )?;
    Ok(course)
}

fn highest(recorded: &Recorded, engine: &Engine<'_>, steps: &[replay::Step]) -> Highest {
    let Recorded { recording, selection, .. } = recorded;
    let highest = steps.iter().rev().max_by_key(|step| step.most.bytes).copied().unwrap_or_default();
    let (memory_kind, totals) = (selection.memory_kind(), engine.totals());
    let (peak, peak_at) = totals.peak(memory_kind);
    // Of samples the moment alone can be compared: the bytes of one are what they stand for, of the other what threads have told. They
    // tell it before the end of a sample and with its stamp, so a replay up to there would have that sample gone.
    let is_as_high = totals.is_peak_told(memory_kind) || peak.bytes == highest.most.bytes;
    let is_peak = selection.is_whole() && is_as_high && peak_at == highest.at;
    let sums = is_peak.then(|| {
        let mut sums = EstimatesBy::default();
        let blocks = engine.peak_blocks(memory_kind);
        sums.add_process(engine.process(), blocks, &recording.thread_tags);
        sums
    });
    Highest { at: highest.at, sums }
}

/// What was live at the highest point; replayed again up to there if it is not known yet.
fn profile(recorded: &Recorded, highest: Highest, findings: &Findings) -> Result<Profile> {
    let Recorded { recording, selection, .. } = recorded;
    let at = replay::stamp_at(recording, recording.ns(highest.at));
    let sums = match highest.sums {
        Some(sums) => sums,
        None => {
            let mut sums = EstimatesBy::<Site>::default();
            let mut add = |engine: &Engine<'_>, ()| {
                let live = engine.live().iter(selection.memory_kind());
                let selected = live.filter(|block| selection.admits_newborn(block));
                sums.add_process(engine.process(), selected, &recording.thread_tags);
            };
            replay::run(recording, recorded.processes, at, |_| (), &mut add)?;
            sums
        }
    };
    let mut namer = recorded.namer_at(at);
    let mut profile = namer.profile(recording, &sums);
    profile.origin = Some(recorded.origin(&namer, findings));
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use tm_analyzer::ids::{Address, ProcessIndex, Space, StackId};
    use tm_analyzer::request::Request;
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::sampling::{SampleRate, Totals};
    use tm_testing::RecordingBuilder;

    use super::*;

    /// A thread tells its peak before the end of one of its samples, with the same stamp, which is the highest step's.
    #[test]
    fn the_blocks_at_the_peak_of_samples_are_those_of_stats() {
        let mut builder = RecordingBuilder::with_process();
        builder.sample_rate = SampleRate::of_bytes(512 << 10).expect("it is a rate");
        let stacks = [0x1000, 0x2000].map(|pc| builder.node(StackId::NONE, pc));
        let allocate = |address, stack, stamp| {
            let (function, address) = (Function::Malloc, Address(address));
            Event::Allocate { function, address, size: 4_096, stack, stamp: Stamp(stamp) }
        };
        let held = |held_bytes, held_high, stamp| {
            let totals = Totals { held_bytes, held_high, ..Totals::default() };
            Event::Totals { space: Space::HEAP, totals, stamp: Stamp(stamp) }
        };
        let gone = Address(0x2_0000);
        for event in [
            allocate(0x1_0000, stacks[0], 2_000),
            held(500_000, 500_000, 2_001),
            allocate(gone.0, stacks[1], 5_000),
            held(1_000_000, 1_000_000, 5_001),
            held(996_000, 1_100_000, 6_000),
            Event::Free { function: Function::Free, address: gone, stamp: Stamp(6_000) },
        ] {
            builder.event(ProcessIndex(0), 0, &event);
        }
        let file = builder.file();
        let request = Request::of(file.path());
        let at_peak = request.profile().expect("it is valid");
        let recorded = request.open().expect("it is valid");
        let Course { highest, findings, .. } = course(&recorded).expect("it can be replayed");
        assert_eq!(highest.at, Stamp(6_000));
        let profile = profile(&recorded, highest, &findings).expect("it can be replayed");
        assert!(at_peak.rows.len() == 2 && at_peak.total().count > 2, "blocks stand for others");
        assert_eq!(profile.rows, at_peak.rows);
    }
}
