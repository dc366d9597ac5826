//! What the interpreter says of allocations (`programs/python/taker.c`), compared with the Python frames of a recording.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use tm_analyzer::events::Action;
use tm_analyzer::model::{Frame, Traceback};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::events;
use tm_analyzer::snapshot::Namer;
use tm_common::functions::Function;
use tm_common::ids::{ProcessIndex, StackId};
use tm_common::stack::FrameKind;

/// The first size, and how far the sizes are apart: those of `programs/python`.
const SIZE_FIRST: u64 = 200_003;
const SIZE_STEP: u64 = 80;
/// What objects add: none, `bytearray`, `bytes`, and `str` since 3.12 and before. Other sizes are those of other allocations.
const HEADERS: [u64; 5] = [0, 1, 33, 41, 49];

/// A frame as Python shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct PythonLine {
    file: String,
    function: String,
    line: u32,
}

impl fmt::Debug for PythonLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{} {}", self.file, self.line, self.function)
    }
}

/// What was written down of each allocation, by its number, innermost frame first.
///
/// # Panics
/// The notes are missing or are something else.
pub fn read(path: &Path) -> HashMap<u64, Vec<PythonLine>> {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("no notes in {}: {error}", path.display()));
    let note = |line: &str| {
        let mut words = line.split('\t');
        let size: u64 = words.next()?.parse().ok()?;
        let frames = words.map(|frame| {
            let mut parts = frame.split('\x1f');
            let file = parts.next()?.to_owned();
            let function = parts.next()?.to_owned();
            Some(PythonLine { file, function, line: parts.next()?.parse().ok()? })
        });
        Some(((size - SIZE_FIRST) / SIZE_STEP, frames.collect::<Option<Vec<PythonLine>>>()?))
    };
    let lines = text.lines().map(|line| note(line).unwrap_or_else(|| panic!("'{line}' is no note")));
    lines.collect()
}

/// A comparison of notes with a recording.
#[derive(Debug, Default)]
pub struct Agreement {
    /// Allocations that were compared.
    pub compared: usize,
    /// Those among them that are marked: native and Python frames do not match.
    pub doubted: usize,
    /// What differs, a text each.
    pub differences: Vec<String>,
}

impl Agreement {
    /// Asserts that all of `count` allocations were compared and agree.
    ///
    /// # Panics
    /// They do not.
    pub fn assert_whole(&self, count: usize) {
        let first = self.differences.iter().take(3).map(String::as_str).collect::<Vec<_>>();
        assert!(
            first.is_empty(),
            "{} of {} differ:\n{}",
            self.differences.len(),
            self.compared,
            first.join("\n")
        );
        assert_eq!(self.compared, count, "allocations");
    }
}

/// Compares each note with the stack of the allocation of its size. Stacks may be marked for the reasons of `contexts.py` alone. With
/// `native`, where the recorded files are at hand, also what stands between the Python frames: the functions of `taker.c` that
/// called them.
///
/// # Panics
/// The recording cannot be read.
pub fn compare(recording: &Path, notes: &Path, native: bool) -> Agreement {
    let notes = read(notes);
    let recording = Recording::open(recording).unwrap_or_else(|error| panic!("{error}"));
    assert!(recording.problems.is_empty(), "{:?}", recording.problems);
    let stacks = stacks_by_number(&recording, notes.len() as u64);
    let mut namer = Namer::new();
    let mut agreement = Agreement::default();
    for (number, said) in &notes {
        let Some([stack]) = stacks.get(number).map(Vec::as_slice) else {
            let found = stacks.get(number).map_or(0, Vec::len);
            agreement.differences.push(format!("{found} allocations are number {number}, of {said:?}"));
            continue;
        };
        let traceback = namer.traceback(&recording, *stack);
        agreement.compared += 1;
        let doubts = traceback.doubts();
        let difference = difference(&traceback, said);
        let difference = difference.or_else(|| {
            if doubts.is_empty() {
                return native.then(|| misplaced(&traceback)).flatten();
            }
            agreement.doubted += 1;
            let for_no_reason = !is_marked_for_a_reason(&traceback);
            for_no_reason.then(|| format!("marked for no reason: {traceback:?}"))
        });
        if let Some(text) = difference {
            agreement.differences.push(format!("number {number}, doubts {doubts:?}: {text}"));
        }
    }
    agreement
}

/// The stacks of all allocations whose size can be that of a number below `count`.
fn stacks_by_number(recording: &Recording, count: u64) -> HashMap<u64, Vec<StackId>> {
    let mut stacks: HashMap<u64, Vec<StackId>> = HashMap::new();
    let of_malloc = [Function::Malloc, Function::Calloc, Function::Realloc];
    let replayed = events(recording, ProcessIndex(0), |event| {
        let is_allocation = matches!(event.action, Action::Allocate | Action::ReallocateEnd);
        if is_allocation && of_malloc.contains(&event.function) && event.size >= SIZE_FIRST {
            let number = (event.size - SIZE_FIRST) / SIZE_STEP;
            let header = (event.size - SIZE_FIRST) % SIZE_STEP;
            if number < count && HEADERS.contains(&header) {
                stacks.entry(number).or_default().push(event.stack);
            }
        }
    });
    replayed.unwrap_or_else(|error| panic!("{error}"));
    stacks
}

/// How the Python frames differ from what the interpreter said.
fn difference(traceback: &Traceback, said: &[PythonLine]) -> Option<String> {
    let of_frame = |frame: &Frame| PythonLine {
        file: frame.filename.to_string(),
        function: frame.function.as_deref().unwrap_or_default().to_owned(),
        line: frame.lineno,
    };
    let python = traceback.frames().iter().rev().filter(|frame| frame.kind == FrameKind::Python);
    let found: Vec<PythonLine> = python.map(|frame| of_frame(frame)).collect();
    if found == said {
        return None;
    }
    let first = found.iter().zip(said).take_while(|(one, other)| one == other).count();
    let part = |frames: &[PythonLine]| frames.iter().skip(first).take(3).cloned().collect::<Vec<_>>();
    Some(format!(
        "{} frames, said {}; from {first} on\n  found {:?}\n  said  {:?}",
        found.len(),
        said.len(),
        part(&found),
        part(said)
    ))
}

/// Whether its native and its Python frames cannot match. The native frames of a greenlet go on to those of the one that started it, and
/// its Python frames do not; and before 3.12 an exception that is thrown into a generator goes past those that wait for it, which
/// are callers then without being run.
fn is_marked_for_a_reason(traceback: &Traceback) -> bool {
    let frames = traceback.frames().iter();
    let is_thrown = |name: &str| name.ends_with("thrown_into");
    let mut names = frames.map(|frame| (&*frame.filename, frame.function.as_deref().unwrap_or_default()));
    names.any(|(file, function)| file.contains("greenlet") || is_thrown(function))
}

/// What `contexts.py` calls the functions that C functions of `taker.c` call, with these and how often.
const CALLED_BY: [(&str, &str, usize); 4] = [
    ("called_through_c", "call_through_c", 1),
    ("called_deep_in_c", "call_deep_in_c", 21),
    ("compared_by_qsort", "compare_in_c", 1),
    ("on_foreign_thread", "foreign_thread", 1),
];

/// A native frame of `taker.c` that does not stand where it should: directly outside of the Python function that it called.
fn misplaced(traceback: &Traceback) -> Option<String> {
    let function = |frame: &Frame| {
        let name = frame.function.as_deref().unwrap_or_default();
        name.rsplit('.').next().unwrap_or_default().to_owned()
    };
    let innermost_first: Vec<&Frame> = traceback.frames().iter().rev().map(|frame| &**frame).collect();
    for (called, caller, times) in CALLED_BY {
        let mut found = 0;
        for (place, frame) in innermost_first.iter().enumerate() {
            if frame.kind != FrameKind::Python || function(frame) != called {
                continue;
            }
            let outward = &innermost_first[place + 1..];
            let run = outward.iter().take_while(|frame| frame.kind != FrameKind::Python);
            let between = run.filter(|frame| function(frame) == caller).count();
            if between != times {
                return Some(format!("{between} times {caller} outside of {called}: {traceback:?}"));
            }
            found += times;
        }
        let all = innermost_first.iter();
        let all = all.filter(|frame| frame.kind != FrameKind::Python && function(frame) == caller).count();
        if all != found {
            return Some(format!("{all} times {caller}, but {found} outside of {called}: {traceback:?}"));
        }
    }
    None
}
