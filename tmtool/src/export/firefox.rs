//! The Firefox Profiler's processed profiles: native allocations and a track of live bytes, a process each.
//!
//! A row an event would be too much for a page, so blocks of one stack that came and went in the same slices of time are one: a row
//! where they came, and one with the same made-up address where they went. What is live at the end of a slice is exact.

use std::io::Write;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::frames::{UNKNOWN, clean, function, source_file};
use super::lived::end_stamp;
use super::outer::Outer;
use super::{Events, Format, Needs, Writer};
use crate::errors::StreamError;
use tm_analyzer::ids::{ProcessIndex, Stamp};
use tm_analyzer::model::{Amount, Frame, SumsBy, Traceback};
use tm_analyzer::replay::{Life, Lives, Site, Step, Steps, Timeline, stamp_at};
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
    let Events { recorded, grouping, .. } = *events;
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
            let (index, lives, steps) = (engine.process(), lives.sorted(), timeline.finish());
            processes.push(Process { index, lives, n_slices, steps });
        },
    )?;
    let mut namer = recorded.namer();
    let mut sums: SumsBy<Site> = SumsBy::default();
    for (life, amount) in processes.iter().flat_map(|process| &process.lives) {
        sums.add(life.site, *amount);
    }
    let sites: Vec<Site> = sums.sorted().into_iter().map(|(site, _)| site).collect();
    let profile = grouping.cut(namer.profile(recording, &sums));
    let stacks: FxHashMap<Site, &Traceback> =
        sites.into_iter().zip(profile.rows.iter().map(|row| &row.traceback)).collect();
    let origin = recorded.origin(&namer, &findings);
    write!(out, "{START},{}", fields(&meta(recorded, &clean(&origin.command_line.join(" ")))))?;
    write!(out, "}},\"libs\":[],\"pages\":[],\"profilerOverhead\":[],\"threads\":[")?;
    for (place, process) in processes.iter().enumerate() {
        out.write_all(if place > 0 { b"," } else { b"" })?;
        serde_json::to_writer(&mut *out, &thread(recorded, process, ends, &stacks))
            .map_err(std::io::Error::from)?;
    }
    write!(out, "],\"counters\":[")?;
    for (place, process) in processes.iter().enumerate() {
        out.write_all(if place > 0 { b"," } else { b"" })?;
        serde_json::to_writer(&mut *out, &counter(recorded, process, place)).map_err(std::io::Error::from)?;
    }
    writeln!(out, "]}}")?;
    Ok(())
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

/// Time in ms, whether blocks come, their address, bytes, and stack.
type Row = (f64, bool, usize, i64, Option<usize>);

/// A process's one thread, which has all its allocations.
fn thread(
    recorded: &Recorded,
    process: &Process,
    (from, until): (Stamp, Stamp),
    stacks: &FxHashMap<Site, &Traceback>,
) -> Value {
    let mut tables = Tables::default();
    let slices = Steps { from, until, n: process.n_slices };
    let start_of = |slice: u32| ms(recorded, slices.start_of(slice));
    // At one time, what goes comes first.
    let mut rows: Vec<Row> = Vec::new();
    for (address, (life, amount)) in process.lives.iter().enumerate() {
        let stack = stacks.get(&life.site).and_then(|traceback| tables.stack(traceback));
        let bytes = amount.bytes.min(i64::MAX as u64) as i64;
        rows.push((start_of(life.born), true, address + 1, bytes, stack));
        if let Some(gone) = life.gone {
            rows.push((start_of(gone + 1), false, address + 1, -bytes, stack));
        }
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (name, pid) = name(recorded, process.index);
    let mut thread = tables.json();
    let column = |value: &dyn Fn(&Row) -> Value| -> Value { rows.iter().map(value).collect() };
    thread["nativeAllocations"] = json!({
        "time": column(&|row| json!(row.0)), "weight": column(&|row| json!(row.3)), "weightType": "bytes",
        "stack": column(&|row| json!(row.4)), "memoryAddress": column(&|row| json!(row.2)),
        "threadId": vec![0; rows.len()], "length": rows.len(),
    });
    for (key, value) in [
        ("name", json!("GeckoMain")),
        ("processName", json!(name)),
        ("isMainThread", json!(true)),
        ("pid", json!(pid.to_string())),
        ("tid", json!(pid.to_string())),
        ("processType", json!("default")),
        ("pausedRanges", json!([])),
        ("processStartupTime", json!(ms(recorded, from))),
        ("processShutdownTime", json!(ms(recorded, until))),
        ("registerTime", json!(ms(recorded, from))),
        ("unregisterTime", json!(ms(recorded, until))),
        ("showMarkersInTimeline", json!(false)),
        (
            "samples",
            json!({"length": 0, "weightType": "samples", "stack": [], "timeDeltas": [], "weight": [], "threadCPUDelta": []}),
        ),
        (
            "markers",
            json!({"length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [], "startTime": []}),
        ),
        (
            "nativeSymbols",
            json!({"length": 0, "address": [], "functionSize": [], "libIndex": [], "name": []}),
        ),
        ("resourceTable", json!({"length": 0, "lib": [], "name": [], "host": [], "type": []})),
    ] {
        thread[key] = value;
    }
    thread
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

/// Stacks, frames, functions and texts of a thread, by number.
#[derive(Default)]
struct Tables {
    texts: Vec<String>,
    of_text: FxHashMap<String, usize>,
    /// Names and files.
    functions: Vec<[usize; 2]>,
    of_function: FxHashMap<[usize; 2], usize>,
    /// Functions and lines.
    frames: Vec<(usize, u32)>,
    of_frame: FxHashMap<(usize, u32), usize>,
    of_shared: FxHashMap<usize, usize>,
    /// Callers' stacks and frames.
    stacks: Vec<(Option<usize>, usize)>,
    of_stack: FxHashMap<(Option<usize>, usize), usize>,
    /// The stacks that end at the frames of the last one.
    outer: Outer<usize>,
}

/// The number of `key` in `list`, where it is put if it is new.
fn number<K: Clone + Eq + std::hash::Hash>(
    list: &mut Vec<K>,
    known: &mut FxHashMap<K, usize>,
    key: K,
) -> usize {
    *known.entry(key).or_insert_with_key(|key| {
        list.push(key.clone());
        list.len() - 1
    })
}

impl Tables {
    /// The stack of `frame`, which `caller` has called.
    fn called(&mut self, caller: Option<usize>, frame: &Arc<Frame>) -> usize {
        let frame = self.frame(frame);
        number(&mut self.stacks, &mut self.of_stack, (caller, frame))
    }

    fn stack(&mut self, traceback: &Traceback) -> Option<usize> {
        let mut outer = std::mem::take(&mut self.outer);
        let innermost = outer.of_frames(traceback, |caller, frame| self.called(caller, frame)).next_back();
        self.outer = outer;
        innermost.or_else(|| Some(self.called(None, &Arc::new(Frame::unknown()))))
    }

    fn frame(&mut self, frame: &Arc<Frame>) -> usize {
        let key = Arc::as_ptr(frame).addr();
        if let Some(&known) = self.of_shared.get(&key) {
            return known;
        }
        let is_unknown = **frame == Frame::unknown();
        let name = if is_unknown { UNKNOWN.to_owned() } else { function(frame) };
        let names = [name, source_file(frame)].map(|text| number(&mut self.texts, &mut self.of_text, text));
        let function = number(&mut self.functions, &mut self.of_function, names);
        let place = number(&mut self.frames, &mut self.of_frame, (function, frame.lineno));
        if !is_unknown {
            self.of_shared.insert(key, place);
        }
        place
    }

    fn json(self) -> Value {
        let Tables { texts, functions, frames, stacks, .. } = self;
        let nulls = |n: usize| vec![Value::Null; n];
        let lines: Vec<Option<u32>> = frames.iter().map(|&(_, line)| (line > 0).then_some(line)).collect();
        json!({
            "frameTable": {
                "length": frames.len(), "address": vec![-1; frames.len()], "inlineDepth": vec![0; frames.len()],
                "category": vec![0; frames.len()], "subcategory": vec![0; frames.len()],
                "func": frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), "nativeSymbol": nulls(frames.len()),
                "innerWindowID": vec![0; frames.len()], "line": lines, "column": nulls(frames.len()),
            },
            "funcTable": {
                "length": functions.len(), "name": functions.iter().map(|names| names[0]).collect::<Vec<_>>(),
                "isJS": vec![false; functions.len()], "relevantForJS": vec![false; functions.len()],
                "resource": vec![-1; functions.len()],
                "fileName": functions.iter().map(|names| names[1]).collect::<Vec<_>>(),
                "lineNumber": nulls(functions.len()), "columnNumber": nulls(functions.len()),
            },
            "stackTable": {
                "length": stacks.len(), "prefix": stacks.iter().map(|stack| stack.0).collect::<Vec<_>>(),
                "frame": stacks.iter().map(|stack| stack.1).collect::<Vec<_>>(),
            },
            "stringArray": texts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::frame;

    #[test]
    fn stacks_share_their_callers_and_lines_are_the_frames() {
        let mut tables = Tables::default();
        let stack = |line| Traceback::new(vec![frame("f\n", "a.c", line), frame("main", "a.c", 1)], None);
        assert_eq!(
            [tables.stack(&stack(2)), tables.stack(&stack(3)), tables.stack(&stack(2))],
            [Some(1), Some(2), Some(1)]
        );
        let json = tables.json();
        assert_eq!(json["stackTable"], json!({"length": 3, "prefix": [null, 0, 0], "frame": [0, 1, 2]}));
        assert_eq!(json["frameTable"]["line"], json!([1, 2, 3]));
        assert_eq!(json["frameTable"]["func"], json!([0, 1, 1]));
        assert_eq!(json["stringArray"], json!(["main", "a.c", "f\\n"]));
    }
}
