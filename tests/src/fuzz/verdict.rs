//! What must hold of everything that is read of a damaged recording: its figures agree with one another, its times lie
//! within the run, its texts are printable, and what cannot be read at all is refused in one sentence.
//!
//! Figures that damage has changed into others that are possible cannot be told from true ones; see [`super::damage`].

use std::io;
use std::path::Path;

use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::model::{Cumulative, KeyType, Moment, Snapshot};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{self, Allocations, Lifetimes, Observer, Processes, Selection, Timeline};
use tm_analyzer::snapshot::{Namer, take_snapshot};
use tm_analyzer::text::NoLines;
use tm_common::ids::{ProcessIndex, Stamp};
use tmtool::cli::commands::info::gather;
use tmtool::report::Report;
use tmtool::report::info::{Info, ProcessInfo};
use tmtool::report::parts::header::Summary;
use tmtool::report::parts::style::Style;
use tmtool::report::stats::Stats;

use super::random::Random;

/// The figures that are compared with those of the undamaged recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// For each process: allocations, reallocations, frees, bytes allocated, peak and live bytes.
    pub processes: Vec<[u64; 6]>,
    /// All frames of the blocks that are live at the end, of the first process.
    pub frames: usize,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it says.
    pub figures: Figures,
    /// Whether it says that something is wrong.
    pub is_doubtful: bool,
}

/// What blocks are grouped by.
pub const KEYS: [KeyType; 5] =
    [KeyType::Filename, KeyType::Lineno, KeyType::Traceback, KeyType::Function, KeyType::Module];

/// Reads the recording at `path`; `None` if it is refused. `random` chooses what is looked at besides the figures.
///
/// # Panics
/// A claim does not hold.
pub fn read(path: &Path, random: &mut Random) -> Option<Reading> {
    let info = match gather(path) {
        Ok(info) => info,
        Err(error) => {
            assert_one_sentence(&error, path);
            return None;
        }
    };
    assert_info(&info);
    let recording = Recording::open(path).expect("it was read a moment ago");
    let first = recording.processes.first();
    let end = first.and_then(|process| process_at_its_end(&recording, process.index, &info, random));
    let frames = end.map_or(0, |end| end.traces.iter().map(|trace| trace.traceback.frames().len()).sum());
    match (random.below(4), recording.processes.last()) {
        (0, Some(last)) => drop(process_at_its_end(&recording, last.index, &info, random)),
        (1, _) => {
            let moment = random.of(&[Moment::Peak, Moment::End, Moment::Percent(50.0)]);
            drop(moment_of(&recording, Processes::All, moment, info.duration_ns, random));
        }
        _ => {}
    }
    let processes = info.process_list.iter().map(|process| {
        let calls = [process.allocations, process.reallocations, process.frees];
        let bytes = [process.bytes_allocated, process.peak_bytes, process.live_bytes_at_end];
        [calls[0], calls[1], calls[2], bytes[0], bytes[1], bytes[2]]
    });
    let figures = Figures { processes: processes.collect(), frames };
    let is_doubtful = !info.problems.is_empty() || info.unknown_frees + info.missed_frees > 0;
    assert!(!info.complete || info.problems.is_empty(), "complete, with problems: {:?}", info.problems);
    Some(Reading { figures, is_doubtful })
}

/// Asserts that `error` is one sentence, without control characters, that names the file.
///
/// # Panics
/// It is not.
pub fn assert_one_sentence(error: &dyn std::error::Error, path: &Path) {
    let said = error.to_string();
    assert!(said.contains(&path.display().to_string()), "it does not name the file: {said}");
    assert!(said.len() < 1_000 && !said.chars().any(char::is_control), "not one sentence: {said}");
}

fn assert_info(info: &Info) {
    // Of which process what was tracked is, is not said.
    let mut live_possible = info.tracks;
    for process in &info.process_list {
        let is = format!("process {process:?}");
        live_possible += process.allocations + process.reallocations;
        assert!(process.live_bytes_at_end <= process.peak_bytes, "more at the end than at the peak: {is}");
        assert!(process.live_blocks_at_end <= live_possible, "more live than allocated: {is}");
        assert!(process.peak_blocks <= live_possible, "more live than allocated: {is}");
        // Where no order of an address's events fits, how many of its frees are unknown is an estimate.
        let is_exact = process.unknown_frees + process.missed_frees == 0;
        assert!(!is_exact || process.frees <= live_possible, "more freed than allocated: {is}");
        assert!(
            process.unknown_frees <= process.frees + process.reallocations,
            "more unknown than freed: {is}"
        );
        let times = [process.start_ns, process.peak_time_ns, process.end_ns.unwrap_or(0)];
        assert!(times.iter().all(|&time| time <= info.duration_ns), "after the end: {is}");
        assert!(process.live_blocks_at_end > 0 || process.live_bytes_at_end == 0, "bytes of no block: {is}");
    }
    let sum = |of: fn(&ProcessInfo) -> u64| info.process_list.iter().map(of).sum::<u64>();
    assert_eq!(info.allocations, sum(|process| process.allocations));
    assert_eq!(info.frees, sum(|process| process.frees));
    assert_printable(&info.text(&Style::default(), &mut NoLines));
    assert!(info.json(&mut io::sink()).is_ok());
}

/// A process's blocks at the end of the recording, compared with what `info` says of it.
fn process_at_its_end(
    recording: &Recording,
    index: ProcessIndex,
    info: &Info,
    random: &mut Random,
) -> Option<Snapshot> {
    let described = info.process_list.iter().find(|described| described.process == index.0);
    let described = described.expect("info lists every process");
    let (one, duration_ns) = (Processes::One(index), info.duration_ns);
    let end = moment_of(recording, one, &Moment::End, duration_ns, random)?;
    assert_eq!(end.total_size(), described.live_bytes_at_end, "live bytes");
    assert_eq!(end.traces.len() as u64, described.live_blocks_at_end, "live blocks");
    if random.once_in(2) {
        let peak = moment_of(recording, one, &Moment::Peak, duration_ns, random).expect("as for the end");
        assert_eq!(peak.total_size(), described.peak_bytes, "bytes at the peak");
        assert_eq!(peak.traces.len() as u64, described.peak_blocks, "blocks at the peak");
    } else {
        assert_tallies(recording, one, described);
    }
    Some(end)
}

fn moment_of(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
    duration_ns: u64,
    random: &mut Random,
) -> Option<Snapshot> {
    let snapshot = match take_snapshot(recording, processes, moment, &Selection::default()) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            assert_one_sentence(&error, recording.file.path());
            return None;
        }
    };
    let origin = snapshot.origin.as_ref().expect("it comes from a recording");
    assert!(origin.moment_ns <= duration_ns, "{moment}: {} is after the end", origin.moment_ns);
    assert_eq!(snapshot.total_size(), origin.live_bytes, "{moment}: bytes of the blocks");
    assert_eq!(snapshot.traces.len() as u64, origin.live_blocks, "{moment}: number of the blocks");
    assert_statistics(&snapshot, *random.of(&KEYS));
    Some(snapshot)
}

/// Asserts that the groups of a key add up to the whole, and that reports can be made of them.
///
/// # Panics
/// They do not.
pub fn assert_statistics(snapshot: &Snapshot, key_type: KeyType) {
    let profile = snapshot.profile();
    let groups = profile.statistics(key_type, Cumulative::Off).expect("every key groups");
    let size = groups.iter().fold(0u64, |sum, group| sum.saturating_add(group.size));
    assert_eq!(size, snapshot.total_size(), "bytes by {key_type}");
    assert_eq!(groups.iter().map(|group| group.count).sum::<u64>(), snapshot.traces.len() as u64);
    let (summary, cumulative, limit) = (Summary::of(&profile), Cumulative::Off, Some(20));
    let report = Stats { snapshot: summary, key_type, cumulative, statistics: &groups, limit };
    assert_printable(&report.text(&Style::default(), &mut NoLines));
    let mut json = Vec::new();
    report.json(&mut json).expect("memory can be written to");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    assert_eq!(json["snapshot"]["size"].as_u64(), Some(snapshot.total_size()));
}

/// What `top`, `temporary` and `timeline` count.
fn assert_tallies(recording: &Recording, process: Processes, info: &ProcessInfo) {
    let all = Selection::default().in_recording(recording);
    let until = (Stamp(0), replay::stamp_at(recording, recording.duration_ns()));
    let run = replay::run(
        recording,
        process,
        Stamp(u64::MAX),
        |engine| {
            let inherited = engine.live().iter(all.memory_kind());
            let timeline = Timeline::new(&all, until, 50, inherited);
            let of = engine.process();
            Tallies(Allocations::new(&all, of), Lifetimes::new(&all, of, vec![10, 1_000]), timeline)
        },
        |engine, Tallies(allocations, lifetimes, timeline)| {
            let total = allocations.sums.amounts.total();
            let expected = info.allocations + info.reallocations + engine.totals().tracks;
            assert_eq!(total.count, expected, "allocations by stack");
            let gone: u64 = lifetimes.decades.iter().map(|sums| sums.amounts.total().count).sum();
            assert!(lifetimes.temporary.amounts.total().count <= gone, "more temporary than gone");
            let most = timeline.finish().iter().map(|step| step.most.bytes).max().unwrap_or(0);
            assert!(most <= info.peak_bytes, "{most} in the timeline, {} at the peak", info.peak_bytes);
            assert_eq!(Namer::new().profile(recording, &allocations.sums).total(), total);
        },
    );
    assert!(run.is_ok(), "{run:?}");
}

struct Tallies<'a>(Allocations<'a>, Lifetimes<'a>, Timeline<'a>);

impl Observer for Tallies<'_> {
    fn on_alloc(&mut self, block: &Block) {
        self.1.on_alloc(block);
        self.2.on_alloc(block);
    }

    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        self.1.on_free(block, event);
        self.2.on_free(block, event);
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        self.2.on_forget(block, stamp);
    }

    fn on_event(&mut self, event: &MergedEvent) {
        self.0.on_event(event);
    }
}

fn assert_printable(text: &str) {
    let control = text.chars().find(|character| character.is_control() && *character != '\n');
    assert_eq!(control, None, "a control character in a report: {text:?}");
}
