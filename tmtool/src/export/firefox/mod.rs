//! The Firefox Profiler's processed profiles: native allocations and a track of live bytes, a process each.
//!
//! A row an event would be too much for a page, so blocks of one stack that came and went in the same slices of time are one: a row
//! where they came, and one with the same made-up address where they went. What is live at the end of a slice is exact.

mod tables;

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::frames::clean;
use super::lived::end_stamp;
use super::shown::ShownStacks;
use super::{Events, Format, Needs, Writer};
use crate::errors::StreamError;
use tables::{Tables, TablesJson};
use tm_analyzer::ids::{ProcessIndex, StackId, Stamp};
use tm_analyzer::model::Amount;
use tm_analyzer::replay::{Life, Lives, Step, Steps, Timeline, stamp_at};
use tm_analyzer::request::Recorded;

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "firefox",
    suffix: ".firefox.json",
    purpose: "Firefox Profiler: what was retained, allocated and freed in any part of the time, with a track of live bytes",
    loses: "numbers of blocks, tags, threads, and times within a slice (256 of them, fewer where the file would be large)",
    next: "https://profiler.firefox.com, \"Load a profile from file\": {}",
    needs: Needs::Events,
    takes_measure: false,
    counts_samples: false,
    is_text: true,
    is_like: |start| start.starts_with(START.as_bytes()),
    write: Writer::Events(write),
};

const START: &str = r#"{"meta":{"product":"tmtool""#;
/// The version of the format; newer readers bring older files up to theirs.
const VERSION: u32 = 55;
/// A power of two, so that slices can be joined in pairs, and these again.
const N_SLICES: u32 = 256;
/// More rows a process are nothing that a page could show.
const N_LIVES_MAX: usize = 200_000;
const N_STEPS: u32 = 1_000;

/// What a process did.
struct Process {
    index: ProcessIndex,
    lives: Vec<(Life, Amount)>,
    n_slices: u32,
    steps: Vec<Step>,
}

/// Writes the file.
///
/// # Errors
/// Those of `out`, and if the recording cannot be replayed.
pub fn write(events: &Events<'_>, out: &mut dyn Write) -> Result<(), StreamError> {
    let recorded = events.recorded;
    let (recording, selection) = (&recorded.recording, &recorded.selection);
    let ends = (stamp_at(recording, recorded.begin().ns), end_stamp(recorded));
    let mut processes = Vec::new();
    let memory_kind = selection.memory_kind();
    let findings = recorded.run(
        |engine| {
            let lives = Lives::new(selection, engine.process(), ends, N_SLICES, N_LIVES_MAX);
            (lives, Timeline::new(selection, ends, N_STEPS, engine.live().iter(memory_kind)))
        },
        |engine, (lives, timeline)| {
            let (lives, n_slices) = lives.finish(engine.live().iter(memory_kind));
            let (index, lives, steps) = (engine.process(), lives.into_sorted(), timeline.finish());
            processes.push(Process { index, lives, n_slices, steps });
        },
    )?;
    let mut namer = recorded.namer();
    let lives = processes.iter().flat_map(|process| &process.lives);
    namer.prepare(recording, lives.map(|(life, _)| life.site.stack));
    let origin = recorded.origin(&namer, &findings);
    let mut stacks = ShownStacks::new(events, namer);
    // Of a known type, so that the many small writes are calls of nothing.
    let mut out = BufWriter::new(out);
    write!(out, "{START},{}", fields(&meta(recorded, &clean(&origin.command_line.join(" ")))))?;
    write!(out, "}},\"libs\":[],\"pages\":[],\"profilerOverhead\":[],\"threads\":[")?;
    for (place, process) in processes.iter().enumerate() {
        out.write_all(if place > 0 { b"," } else { b"" })?;
        let thread = Thread::of(recorded, process, ends, &mut stacks);
        serde_json::to_writer(&mut out, &thread).map_err(io::Error::from)?;
    }
    write!(out, "],\"counters\":[")?;
    for (place, process) in processes.iter().enumerate() {
        out.write_all(if place > 0 { b"," } else { b"" })?;
        serde_json::to_writer(&mut out, &counter(recorded, process, place)).map_err(io::Error::from)?;
    }
    writeln!(out, "]}}")?;
    Ok(out.flush()?)
}

/// The fields of an object without its braces.
fn fields(object: &Value) -> String {
    let text = object.to_string();
    text.get(1..text.len() - 1).unwrap_or_default().to_owned()
}

fn meta(recorded: &Recorded, command_line: &str) -> Value {
    let start_ms = recorded.recording.header.start_realtime_ns as f64 / 1e6;
    json!({
        "arguments": command_line,
        "categories": [{"name": "Other", "color": "grey", "subcategories": ["Other"]}],
        "debug": false,
        "extensions": {"length": 0, "baseURL": [], "id": [], "name": []},
        "interval": 1,
        "preprocessedProfileVersion": VERSION,
        "processType": 0,
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs"},
        "startTime": start_ms,
        "symbolicated": true,
        "pausedRanges": [],
        "version": 24,
        "usesOnlyOneStackType": true,
        "sourceCodeIsNotOnSearchfox": true,
        "markerSchema": [],
    })
}

/// Milliseconds since the start of the recording.
fn ms(recorded: &Recorded, stamp: Stamp) -> f64 {
    recorded.recording.ns(stamp) as f64 / 1e6
}

/// The name and the pid of a process.
fn name(recorded: &Recorded, index: ProcessIndex) -> (String, u32) {
    let process = recorded.recording.process(index);
    let program = process.and_then(|process| process.executable.as_deref()).unwrap_or("unknown");
    let name = clean(program.rsplit('/').next().unwrap_or(program));
    (name, process.map_or(0, |process| process.pid))
}

/// A process's one thread, which has all its allocations.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    native_allocations: NativeAllocations,
    #[serde(flatten)]
    tables: TablesJson,
    #[serde(flatten)]
    others: Value,
}

/// Rows of blocks that came and went, in the order of time: a column each.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct NativeAllocations {
    time: Vec<f64>,
    weight: Vec<i64>,
    weight_type: &'static str,
    stack: Vec<u32>,
    memory_address: Vec<u32>,
    thread_id: Vec<u32>,
    length: usize,
}

impl Thread {
    fn of(
        recorded: &Recorded,
        process: &Process,
        ends: (Stamp, Stamp),
        stacks: &mut ShownStacks<'_>,
    ) -> Thread {
        let mut tables = Tables::default();
        stacks.begin_tree();
        let native_allocations = rows(recorded, process, ends, |stack| {
            let node = stacks
                .place(stack, &mut |caller, address, functions| tables.called(caller, address, functions));
            tables.stack(node)
        });
        Thread { native_allocations, tables: tables.json(), others: others(recorded, process.index, ends) }
    }
}

/// The rows of what lived; `stack_of` gives stacks their numbers.
fn rows(
    recorded: &Recorded,
    process: &Process,
    (from, until): (Stamp, Stamp),
    mut stack_of: impl FnMut(StackId) -> u32,
) -> NativeAllocations {
    let slices = Steps { from, until, n: process.n_slices };
    // Times are not below zero, and the bits of such numbers are in the order of the numbers.
    let starts: Vec<u64> =
        (0..=process.n_slices).map(|slice| ms(recorded, slices.start_of(slice)).to_bits()).collect();
    let start_of = |slice: u32| starts.get(slice as usize).copied().unwrap_or_default();
    // At one time, what goes comes first. The time, whether blocks come, their address, bytes, and stack.
    let mut rows: Vec<(u64, bool, u32, i64, u32)> = Vec::with_capacity(2 * process.lives.len());
    let mut latest = None;
    for (address, (life, amount)) in (1..).zip(&process.lives) {
        let stack = match latest {
            Some((latest, known)) if latest == life.site.stack => known,
            _ => stack_of(life.site.stack),
        };
        latest = Some((life.site.stack, stack));
        let bytes = amount.bytes.min(i64::MAX as u64) as i64;
        rows.push((start_of(life.born), true, address, bytes, stack));
        rows.extend(life.gone.map(|gone| (start_of(gone + 1), false, address, -bytes, stack)));
    }
    rows.sort_unstable();
    NativeAllocations {
        time: rows.iter().map(|row| f64::from_bits(row.0)).collect(),
        weight: rows.iter().map(|row| row.3).collect(),
        weight_type: "bytes",
        stack: rows.iter().map(|row| row.4).collect(),
        memory_address: rows.iter().map(|row| row.2).collect(),
        thread_id: vec![0; rows.len()],
        length: rows.len(),
    }
}

/// What else there is of a thread: mostly that it has none of it.
fn others(recorded: &Recorded, process: ProcessIndex, (from, until): (Stamp, Stamp)) -> Value {
    let (name, pid) = name(recorded, process);
    json!({
        "name": "GeckoMain",
        "processName": name,
        "isMainThread": true,
        "pid": pid.to_string(),
        "tid": pid.to_string(),
        "processType": "default",
        "pausedRanges": [],
        "processStartupTime": ms(recorded, from),
        "processShutdownTime": ms(recorded, until),
        "registerTime": ms(recorded, from),
        "unregisterTime": ms(recorded, until),
        "showMarkersInTimeline": false,
        "samples": {"length": 0, "weightType": "samples", "stack": [], "timeDeltas": [], "weight": [], "threadCPUDelta": []},
        "markers": {"length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [], "startTime": []},
        "nativeSymbols": {"length": 0, "address": [], "functionSize": [], "libIndex": [], "name": []},
        "resourceTable": {"length": 0, "lib": [], "name": [], "host": [], "type": []},
    })
}

/// The track of live bytes: the most of each step, as changes.
fn counter(recorded: &Recorded, process: &Process, place: usize) -> Value {
    let (mut times, mut counts, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    let (mut latest_ms, mut latest) = (0.0, Amount::default());
    for step in &process.steps {
        let at_ms = ms(recorded, step.at);
        times.push(at_ms - latest_ms);
        counts.push(i128::from(step.most.bytes) - i128::from(latest.bytes));
        numbers.push(step.most.count.abs_diff(latest.count));
        (latest_ms, latest) = (at_ms, step.most);
    }
    let counts: Vec<i64> = counts.into_iter().map(|count| count as i64).collect();
    json!({
        "name": "malloc", "category": "Memory", "description": "Live bytes", "mainThreadIndex": place,
        "pid": name(recorded, process.index).1.to_string(), "color": "orange",
        "samples": {"length": times.len(), "timeDeltas": times, "count": counts, "number": numbers},
    })
}
