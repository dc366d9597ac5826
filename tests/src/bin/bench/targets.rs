//! What tm wants to be, and whether it is.

use crate::exports::{BASE, Exported, TOP};
use crate::measure::Usage;
use crate::python::{Script, Under};
use crate::results::Results;
use crate::statistics::geometric_mean;
use crate::table::decimals;
use crate::variants::Variant;
use crate::workloads::READ;

/// One row: a figure that must be at most, or at least, something.
#[derive(Debug)]
pub struct Target {
    pub what: &'static str,
    pub target: String,
    pub measured: String,
    /// Not a thing where it was not measured.
    pub is_hit: Option<bool>,
}

const MIB: f64 = (1 << 20) as f64;

/// Phases of `scaling`.
const ONE_THREAD: usize = 0;
const TWO_THREADS: usize = 1;
const SIXTEEN_THREADS: usize = 2;

/// What 16 threads may lose to two before we call it a loss: the noise of a rate.
const NO_LOSS: f64 = 0.95;

fn at_most(what: &'static str, limit: f64, figure: f64, unit: &str, whose: &str) -> Target {
    row(what, format!("≤ {}{unit}", decimals(limit)), figure, unit, whose, figure <= limit)
}

fn at_least(what: &'static str, limit: f64, figure: f64, unit: &str) -> Target {
    row(what, format!("≥ {}{unit}", decimals(limit)), figure, unit, "", figure >= limit)
}

fn row(what: &'static str, target: String, figure: f64, unit: &str, whose: &str, is_hit: bool) -> Target {
    if figure.is_nan() {
        return Target { what, target, measured: "–".into(), is_hit: None };
    }
    let whose = if whose.is_empty() { String::new() } else { format!(" ({whose})") };
    Target { what, target, measured: format!("{}{unit}{whose}", decimals(figure)), is_hit: Some(is_hit) }
}

/// All of them.
pub fn targets(results: &Results) -> Vec<Target> {
    let mut targets = recording(results);
    targets.extend(threads(results));
    targets.extend(python(results));
    targets.extend(reading(results));
    targets.extend(exports(results));
    targets
}

fn recording(results: &Results) -> Vec<Target> {
    let (tm, first) = (Variant::Tm, Variant::FirstFrame);
    let (worst, whose) =
        Results::worst(results.measured.iter(), |measured| measured.ratio(tm, Variant::HeaptrackRaw));
    let json = results.measured.iter().find(|measured| measured.workload.name == READ);
    let (bytes, bytes_of) = Results::worst(results.real(), |measured| measured.bytes_per_event(tm));
    let over = |measured: &crate::rounds::Measured| measured.added_bytes(tm) / measured.granted_bytes();
    let (memory, memory_of) = Results::worst(results.measured.iter(), over);
    vec![
        at_most(
            "added CPU against `heaptrack --raw`, geometric mean",
            0.1,
            results.mean_ratio(false, tm, Variant::HeaptrackRaw),
            "",
            "",
        ),
        at_most(
            "the same of programs that nothing was tuned for",
            0.1,
            results.mean_ratio(true, tm, Variant::HeaptrackRaw),
            "",
            "",
        ),
        at_most("added CPU against `heaptrack --raw`, the worst workload", 1.0 / 6.0, worst, "", whose),
        at_most(
            "added CPU against the floor, geometric mean",
            3.0,
            results.mean_ratio(false, tm, Variant::Floor),
            "",
            "",
        ),
        at_most("the same with `TM_NFRAME=1`", 1.5, results.mean_ratio(false, first, Variant::Floor), "", ""),
        at_most(
            "added CPU with `TM_START=0` against the floor, geometric mean",
            1.3,
            results.mean_ratio(false, Variant::Idle, Variant::Floor),
            "",
            "",
        ),
        at_most(
            "wall time of python3-json, times bare",
            1.25,
            json.map_or(f64::NAN, |json| json.wall_factor(tm)),
            "",
            "",
        ),
        at_most("bytes per event, the worst real program", 6.0, bytes, "", bytes_of),
        at_most(
            "start-up added to `/bin/true`",
            1.0,
            results.added_to_start(tm, |start| start.wall_ns) / 1e6,
            " ms",
            "",
        ),
        at_most(
            "file of `/bin/true`",
            1.0,
            results.added_to_start(tm, |start| start.file_bytes) / MIB,
            " MiB",
            "",
        ),
        at_most("memory added, part of what is granted, worst", 1.0, memory, "", memory_of),
    ]
}

fn threads(results: &Results) -> Vec<Target> {
    let figure = |phase, earlier| {
        results.scaling.as_ref().map_or(f64::NAN, |scaling| scaling.speed_up(Variant::Tm, phase, earlier))
    };
    vec![
        at_least("event rate of two threads, times one's", 1.9, figure(TWO_THREADS, ONE_THREAD), ""),
        at_least("event rate of 16 threads, times two's", NO_LOSS, figure(SIXTEEN_THREADS, TWO_THREADS), ""),
    ]
}

/// What Python's frames and objects cost, over all scripts.
fn python(results: &Results) -> Vec<Target> {
    let scripts = &results.scripts;
    let mean = |figure: &dyn Fn(&Script) -> f64| geometric_mean(scripts.iter().map(figure));
    let added = |base: Under| mean(&|script| script.added_cpu_s(Under::Tm) / script.added_cpu_s(base));
    let bytes = |script: &Script| {
        script.bytes_per_event(Under::Tm) / script.bytes_per_event(Under::WithoutPythonFrames)
    };
    let rows = [
        ("Python: added CPU against memray `--native`, geometric mean", 0.25, added(Under::MemrayNative)),
        ("the same against memray without", 1.0, added(Under::Memray)),
        ("the same against `tracemalloc.start(25)`", 1.0 / 15.0, added(Under::Tracemalloc25)),
        ("the same against tm without Python frames", 1.35, added(Under::WithoutPythonFrames)),
        ("bytes per event against tm without Python frames", 1.25, mean(&bytes)),
    ];
    rows.into_iter().map(|(what, limit, figure)| at_most(what, limit, figure, "", "")).collect()
}

/// What each way of reading may take of processor time and memory, times `tmtool stats`.
fn exports(results: &Results) -> Vec<Target> {
    type Row = (&'static str, fn(&Usage) -> f64);
    let rows: [Row; 2] = [
        ("exports, reports and `check`, CPU times `tmtool stats`, worst", |usage| usage.cpu_ns),
        ("the same, memory", |usage| usage.resident_bytes),
    ];
    let row = |(what, figure): Row| {
        let of = |exported: &Exported| {
            let titles = exported.titles().filter(|title| *title != TOP);
            let times = titles.map(|title| exported.times(title, BASE, figure));
            (times.fold(f64::NAN, f64::max), exported.name)
        };
        let worst = results.exported.iter().map(of).max_by(|one, other| one.0.total_cmp(&other.0));
        let (times, whose) = worst.unwrap_or((f64::NAN, ""));
        at_most(what, 1.5, times, "", whose)
    };
    rows.map(row).into()
}

fn reading(results: &Results) -> Vec<Target> {
    let Some((ours, theirs)) = &results.reading else { return Vec::new() };
    let ratio = theirs.as_ref().map_or(f64::NAN, |theirs| ours.reader.wall_ns / theirs.wall_ns);
    let mut targets = vec![
        at_most("`tmtool stats` of python3-json, times `heaptrack_print`", 0.4, ratio, "", ""),
        at_least("the same, million events a second", 20.0, ours.events_per_second() / 1e6, ""),
        at_most(
            "its memory, part of what is granted",
            1.0,
            ours.reader.anonymous_bytes / ours.granted_bytes(),
            "",
            "",
        ),
    ];
    if let Some(large) = &results.large {
        let rate = large.events_per_second() / ours.events_per_second();
        let memory = large.reader.anonymous_bytes / large.granted_bytes();
        targets.push(at_least("rate on 200 million events, times python3-json's", 1.0, rate, ""));
        targets.push(at_most("its memory, part of what is granted", 1.0, memory, "", ""));
    }
    targets
}
