//! `tmtool peak`: what made up the peak, and how it was reached.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::errors::{Error, Result};
use tm_common::ids::Stamp;

use crate::cli::args::file;
use crate::cli::args::report::ReportArgs;
use crate::report::peak::{Ascent, Peak};
use tm_analyzer::events::Block;
use tm_analyzer::model::{EstimatesBy, Moment, Origin, Profile, Traceback};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{self, BlockSink, Selection, Site, Step, Timeline, Totals};
use tm_analyzer::request::{Grouping, Recorded};

const EXAMPLES: &str = "\
Examples:
  tmtool peak tm.prog.1234.bin
  tmtool peak tm.prog.1234.bin --key traceback --limit 3
  tmtool peak tm.prog.1234.bin@60s --thread worker

FILE@MOMENT looks for the peak up to the moment. Selections choose among the blocks of the process's peak.";

/// How finely the way to the peak is looked at.
const N_STEPS: u32 = 1_000;

/// The arguments of `tmtool peak`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    #[command(flatten)]
    report: ReportArgs,
}

/// Runs the command.
///
/// # Errors
/// If the file cannot be read or the options contradict each other.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.report.selection.between.is_some() {
        let message =
            "peak looks at the whole run; 'tmtool timeline --between' finds the highest point of a part";
        return Err(Error::Usage(message.to_owned()));
    }
    let request = args.report.request(&args.file)?;
    let (recorded, grouping) = (request.open()?, &request.grouping);
    recorded.one_process("a peak")?;
    let (profile, ascent) = reached(&recorded, grouping)?;
    let statistics = grouping.statistics(&profile)?;
    let report = Peak { stats: args.report.stats(grouping, &profile, &statistics), ascent };
    args.report.show(&report)
}

/// What the peak was made of and the way to it, in one pass.
fn reached(recorded: &Recorded, grouping: &Grouping) -> Result<(Profile, Ascent)> {
    let (recording, selection) = (&recorded.recording, &recorded.selection);
    let memory_kind = selection.memory_kind();
    let all = Selection::of_account(memory_kind).in_recording(recording);
    let begin = recorded.begin().stamp.max(replay::stamp_at(recording, 0));
    let ends = (begin, replay::stamp_at(recording, recorded.until.ns));
    let (mut sums, mut newest, mut steps) = (EstimatesBy::<Site>::default(), None, Vec::new());
    let mut totals = Totals::default();
    let findings = recorded.run(
        |engine| Timeline::new(&all, ends, N_STEPS, engine.live().iter(memory_kind)),
        |engine, timeline| {
            let (_, peak_stamp) = engine.totals().peak(memory_kind);
            let selected = engine
                .peak_blocks(memory_kind)
                .inspect(|block| newest = newer(newest, *block))
                .filter(|block| selection.admits(block, peak_stamp));
            sums.add_process(engine.process(), selected, &recording.thread_tags);
            steps = timeline.finish();
            totals = *engine.totals();
        },
    )?;
    let (peak, peak_stamp) = totals.peak(memory_kind);
    let mut namer = recorded.namer_at(peak_stamp);
    let newest = newest.filter(|block| block.birth > Stamp(0)).map(|block| {
        let traceback = grouping.traceback(&namer.traceback(recording, block.stack));
        (block.size, thread(recording, &block), traceback)
    });
    let ascent = ascent(recorded, newest, &steps, &totals);
    let mut profile = namer.profile(recording, &sums);
    profile.origin = Some(Origin {
        moment: Moment::Peak.to_string(),
        moment_ns: recording.ns(peak_stamp),
        live_bytes: peak.bytes,
        live_blocks: peak.count,
        ..recorded.origin(&namer, &findings)
    });
    Ok((grouping.blamed(profile), ascent))
}

/// The one of two blocks that came later.
fn newer(newest: Option<Block>, block: Block) -> Option<Block> {
    let key = |block: &Block| (block.birth, block.size);
    newest.filter(|newest| key(newest) > key(&block)).or(Some(block))
}

/// The number and the name of the thread that allocated a block.
fn thread(recording: &Recording, block: &Block) -> String {
    let index = recording.thread_tags.thread(block.thread_tag);
    let thread = recording.threads.iter().find(|thread| thread.index == index);
    thread.map_or("unknown".to_owned(), |thread| format!("{} {}", thread.tid, thread.label()))
}

fn ascent(
    recorded: &Recorded,
    last: Option<(u64, String, Traceback)>,
    steps: &[Step],
    totals: &Totals,
) -> Ascent {
    let (recording, memory_kind) = (&recorded.recording, recorded.selection.memory_kind());
    let (peak, peak_stamp) = totals.peak(memory_kind);
    let before_peak = || steps.iter().filter(|step| step.at <= peak_stamp);
    // Since the last step that did not have as much.
    let since = |bytes: u64| {
        let first = before_peak().rev().take_while(|step| step.most.bytes >= bytes).last();
        recording.ns(first.map_or(peak_stamp, |step| step.at))
    };
    // The steps of a recording of samples are what the allocator holds, exactly.
    let most = match totals.samples.sample_bytes {
        0 => peak.bytes,
        _ => before_peak().map(|step| step.most.bytes).max().unwrap_or(peak.bytes),
    };
    Ascent {
        half_ns: since(most / 2),
        nine_tenths_ns: since(most - most / 10),
        last,
        end_bytes: totals.live(memory_kind).bytes,
    }
}
