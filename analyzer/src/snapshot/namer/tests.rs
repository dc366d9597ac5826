//! Claims on the names of stacks, most of them of Python programs, in recordings by hand.

use tm_common::ids::{CodeIndex, ProcessIndex, Space};
use tm_common::metadata::{InterpreterState, LineTableKind};
use tm_common::python::PythonFrame;
use tm_common::stack::{EndReason, FrameKind};

use super::*;
use crate::analysis::{Blame, Plumbing};
use crate::model::{Amount, DoubtKind};
use crate::snapshot::Places;
use tm_testing::{Random, RecordingBuilder};

const INTERPRETER: (u64, u64) = (0x10_0000, 0x20_0000);
const EVALUATES: (u64, u64) = (0x11_0000, 0x11_8000);
/// Within the evaluation function: the call before is.
const IN_EVALUATION: u64 = 0x11_8000;
const IN_INTERPRETER: u64 = 0x12_0000;
const IN_EXTENSION: u64 = 0x30_0100;

/// A recording of a process that is Python 3.12 with an extension.
fn builder() -> RecordingBuilder {
    let mut builder = RecordingBuilder::with_process();
    builder.module(0, 0, INTERPRETER, "/nowhere/python3.12");
    builder.module(0, 0, (0x30_0000, 0x31_0000), "/nowhere/ext.so");
    let state = (0x030c_01f0, InterpreterState::Read as u32);
    builder.interpreter((0, 0), INTERPRETER.0, state, &[EVALUATES]);
    // Two units of the first line, two of no line, then the second line.
    let table = [line_entry(0, 2), 0, line_entry(15, 2), line_entry(13, 1), 2];
    builder.code(1, ("/app/main.py", "<module>"), 1, (LineTableKind::Locations as u32, &table));
    builder.code(
        2,
        ("/app/lib.py", "Table.read.<locals>.parse"),
        70,
        (LineTableKind::Locations as u32, &table),
    );
    builder
}

/// The first byte of an entry of a line table: its kind, and how many units it covers.
const fn line_entry(kind: u8, n_units: u8) -> u8 {
    0x80 | kind << 3 | (n_units - 1)
}

fn frame(code: u32, instruction: u32) -> PythonFrame {
    let code = CodeIndex(code);
    PythonFrame { code, instruction: Some(instruction), is_incomplete: false, is_entry: false }
}

fn entry(code: u32, instruction: u32) -> PythonFrame {
    PythonFrame { is_entry: true, ..frame(code, instruction) }
}

/// The stack of `native` and `python`, both from the innermost on.
fn stack(builder: &mut RecordingBuilder, native: &[u64], python: &[PythonFrame]) -> StackId {
    let native = native.iter().rev().fold(StackId::NONE, |outer, &pc| builder.node(outer, pc));
    let python = python
        .iter()
        .rev()
        .fold(StackId::NONE, |outer, frame| builder.node_of(FrameKind::Python, outer, frame.encode()));
    builder.node_of(FrameKind::Joined, native, python.0.into())
}

fn named(builder: &RecordingBuilder, stack: StackId) -> Traceback {
    let recording = Recording::open(builder.file().path()).expect("it is valid");
    Namer::new().traceback(&recording, stack)
}

/// `file:line function` of each frame from the innermost on.
fn texts(traceback: &Traceback) -> Vec<String> {
    let text = |frame: &Arc<Frame>| format!("{frame} {}", frame.function.as_deref().unwrap_or("-"));
    traceback.frames().iter().rev().map(text).collect()
}

#[test]
fn python_frames_have_lines_and_stand_where_they_ran() {
    let mut builder = builder();
    let native =
        [IN_INTERPRETER, IN_EXTENSION, IN_EVALUATION, IN_EXTENSION + 1, IN_EVALUATION, IN_INTERPRETER + 1];
    let incomplete = PythonFrame { is_incomplete: true, ..frame(2, 0) };
    let id = stack(&mut builder, &native, &[incomplete, frame(2, 4), entry(2, 2), entry(1, 0)]);
    let recording = Recording::open(builder.file().path()).expect("it is valid");
    let mut namer = Namer::new();
    let traceback = namer.traceback(&recording, id);
    let expected = [
        "python3.12+0x20000:0 -",
        "ext.so+0x100:0 -",
        "/app/lib.py:71 Table.read.<locals>.parse",
        "/app/lib.py:0 Table.read.<locals>.parse",
        "python3.12+0x18000:0 -",
        "ext.so+0x101:0 -",
        "/app/main.py:1 <module>",
        "python3.12+0x18000:0 -",
        "python3.12+0x20001:0 -",
    ];
    let found = texts(&traceback);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        // A return address is shown as the call before it.
        let is_equal = found == expected || found.split('+').next() == expected.split('+').next();
        assert!(is_equal, "{found} {expected}");
    }
    assert_eq!(traceback.total_nframe(), Some(9));
    assert!(traceback.doubts().is_empty() && traceback.has_python());
    let (pythons, interpreters): (Vec<bool>, Vec<bool>) =
        traceback.frames().iter().map(|frame| (frame.is_python(), frame.is_interpreter())).unzip();
    assert_eq!(pythons, [false, false, true, false, false, true, true, false, false]);
    assert_eq!(interpreters, [true, true, false, false, true, false, false, false, true]);
    let addresses = namer.addresses(&recording, id);
    assert_eq!(addresses.len(), 9);
    let of_python = addresses.iter().zip(&pythons).all(|(&address, &is_python)| (address == 0) == is_python);
    assert!(of_python, "{addresses:x?}");
    let outward: Vec<Arc<Frame>> = namer.frames_outward(&recording, id).collect();
    assert!(outward.iter().rev().eq(traceback.frames().iter()));
    assert!(namer.problems().iter().all(|problem| !problem.contains("Python")), "{:?}", namer.problems());
}

#[test]
fn each_kind_of_frames_has_the_limit_and_what_is_cut_counts() {
    let mut builder = builder();
    let cut = builder.node_of(FrameKind::Cut, StackId::NONE, 40);
    let evaluation = builder.node(cut, IN_EVALUATION);
    let native = builder.node(evaluation, IN_EXTENSION);
    let cut = builder.node_of(FrameKind::Cut, StackId::NONE, 100);
    let outer = builder.node_of(FrameKind::Python, cut, entry(1, 0).encode());
    let inner = builder.node_of(FrameKind::Python, outer, entry(2, 0).encode());
    let id = builder.node_of(FrameKind::Joined, native, inner.0.into());
    let recording = Recording::open(builder.file().path()).expect("it is valid");
    let mut namer = Namer::new();
    let mut of = |limit| {
        namer.limit_frames(limit);
        let traceback = namer.traceback(&recording, id);
        let files = traceback.frames().iter().rev().map(|frame| frame.file().to_owned());
        (files.collect::<Vec<_>>().join(" "), traceback.total_nframe(), traceback.doubts().len())
    };
    assert_eq!(of(9), ("ext.so /app/lib.py python3.12 /app/main.py".to_owned(), Some(42 + 102), 0));
    assert_eq!(of(1), ("ext.so /app/lib.py".to_owned(), None, 0));
}

#[test]
fn what_does_not_match_and_what_could_not_be_read_is_said() {
    let mut builder = builder();
    let left = stack(&mut builder, &[IN_EXTENSION], &[entry(2, 0)]);
    let end = builder.node_of(FrameKind::Incomplete, StackId::NONE, EndReason::PythonFrame as u64);
    let native = builder.node(StackId::NONE, IN_EVALUATION);
    let unread = builder.node_of(FrameKind::Joined, native, end.0.into());
    let outer = builder.node_of(FrameKind::Python, end, entry(2, 0).encode());
    let partly = builder.node_of(FrameKind::Joined, native, outer.0.into());
    let native_end = builder.node_of(FrameKind::Incomplete, StackId::NONE, EndReason::NoTable as u64);
    let native = builder.node(native_end, IN_EXTENSION);
    let python = builder.node_of(FrameKind::Python, StackId::NONE, entry(2, 0).encode());
    let ended = builder.node_of(FrameKind::Joined, native, python.0.into());
    let kinds = |id| named(&builder, id).doubts().iter().map(|doubt| doubt.kind).collect::<Vec<_>>();
    assert_eq!(kinds(left), [DoubtKind::PythonPlace]);
    assert_eq!(kinds(unread), [DoubtKind::Ended(EndReason::PythonFrame)]);
    assert_eq!(kinds(partly), [DoubtKind::Ended(EndReason::PythonFrame)]);
    assert_eq!(kinds(ended), [DoubtKind::Ended(EndReason::NoTable)]);
}

#[test]
fn a_stack_whose_python_frames_are_all_incomplete_is_a_native_one() {
    let mut builder = builder();
    let incomplete = PythonFrame { is_incomplete: true, ..entry(2, 0) };
    let id = stack(&mut builder, &[IN_EXTENSION, IN_EVALUATION], &[incomplete]);
    let traceback = named(&builder, id);
    assert_eq!((traceback.has_python(), traceback.total_nframe()), (false, Some(2)));
    assert!(traceback.doubts().is_empty());
}

#[test]
fn code_objects_that_are_missing_are_said() {
    let mut builder = builder();
    let id = stack(&mut builder, &[IN_EVALUATION], &[frame(9, 0), entry(1, 0)]);
    let recording = Recording::open(builder.file().path()).expect("it is valid");
    let mut namer = Namer::new();
    let found = texts(&namer.traceback(&recording, id));
    assert_eq!(found[..2], ["[unknown Python code]:0 -".to_owned(), "/app/main.py:1 <module>".to_owned()]);
    let problem = "The names or lines of 1 Python function are not in the recording.".to_owned();
    assert!(namer.problems().contains(&problem), "{:?}", namer.problems());
}

/// What stands where the interpreter stood before, or will stand, is none.
#[test]
fn an_interpreter_is_one_while_it_is_loaded() {
    let mut builder = RecordingBuilder::with_process();
    builder.module(0, 0, INTERPRETER, "/nowhere/first.so");
    builder.module_gone(0, 1, INTERPRETER.0);
    builder.epoch(0, 1);
    builder.module(0, 1, INTERPRETER, "/nowhere/python.so");
    builder.interpreter((0, 1), INTERPRETER.0, (0, InterpreterState::UnknownVersion as u32), &[]);
    let id = builder.node(StackId::NONE, IN_INTERPRETER);
    let traceback = named(&builder, id);
    let frame = traceback.most_recent().expect("it has one");
    assert_eq!((frame.file(), frame.is_interpreter()), ("first.so", false));
}

/// Each stack is as a namer has it that has named no other, whatever the order and the limit.
#[test]
fn what_stacks_share_is_as_if_each_were_alone() {
    let (mut random, ids, recording) = recorded_stacks(11);
    let shown = |traceback: &Traceback| {
        let frame = |frame: &Arc<Frame>| (frame.to_string(), frame.address, frame.kind);
        let frames: Vec<_> = traceback.frames().iter().map(frame).collect();
        (frames, traceback.total_nframe(), traceback.doubts().to_vec())
    };
    for limit in [1, 4, 1000] {
        let with_limit = || {
            let mut namer = Namer::new();
            namer.limit_frames(limit);
            namer
        };
        let mut namer = with_limit();
        let (mut n_frames, mut n_doubts) = (0, 0);
        for _ in 0..600 {
            let id = ids[random.below(ids.len() as u64) as usize];
            let found = shown(&namer.made_anew(&recording, id));
            assert_eq!(found, shown(&with_limit().traceback(&recording, id)), "{id:?} of {limit}");
            (n_frames, n_doubts) = (n_frames.max(found.0.len()), n_doubts + found.2.len());
        }
        assert!(n_doubts > 50 && n_frames == if limit < 1000 { limit as usize } else { n_frames.max(20) });
    }
}

/// Random stacks, with what they were drawn from, in a recording.
fn recorded_stacks(seed: u64) -> (Random, Vec<StackId>, Recording) {
    let (mut random, mut builder) = (Random::new(seed), builder());
    let ids = random_stacks(&mut builder, &mut random);
    (random, ids, Recording::open(builder.file().path()).expect("it is valid"))
}

/// Native stacks that share outer parts, also those that are cut or not certain, and that of nothing.
fn random_stacks(builder: &mut RecordingBuilder, random: &mut Random) -> Vec<StackId> {
    let mut ids = vec![StackId::NONE];
    for _ in 0..400 {
        // Mostly near the last one, so that stacks are deep.
        let n_back = if random.below(4) == 0 { random.below(ids.len() as u64) } else { random.below(3) };
        let parent = ids[ids.len().saturating_sub(1 + n_back as usize)];
        let pc = 0x30_0000 + 16 * random.below(40) + 1;
        let node = match random.below(40) {
            0 => builder.node_of(FrameKind::Cut, StackId::NONE, 1 + random.below(5)),
            1 => builder.node_of(FrameKind::Incomplete, StackId::NONE, EndReason::NoTable as u64),
            2 => builder.node_of(FrameKind::Guessed, parent, pc),
            3 => builder.node_of(FrameKind::Other, parent, pc),
            _ => builder.node(parent, pc),
        };
        ids.push(node);
    }
    ids
}

/// A namer of at most `limit` frames of a stack that has looked `ids` up, with up to three functions at each address, many of
/// which allocate for others.
fn namer_of_plumbing(recording: &Recording, ids: &[StackId], limit: u32) -> Namer {
    let mut namer = Namer::new();
    namer.limit_frames(limit);
    namer.prepare(recording, ids.iter().copied());
    namer.addresses.rename(|number| {
        let functions = ["malloc", "std::f()", "xmalloc", "main", "app::g", "app::h"];
        let of = |place| functions[Random::new((number * 4 + place) as u64).below(6) as usize];
        let named = |place| Frame { function: Some(of(place).into()), ..Frame::new("a.c", number as u32) };
        (0..=number % 3).map(|place| named(place).into()).collect()
    });
    namer
}

/// `function:line` of frames.
fn functions(frames: &[Arc<Frame>]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| format!("{}:{}", frame.function.as_deref().unwrap_or("-"), frame.lineno))
        .collect()
}

/// The place of a stack is that of the frames that are left of it where it is cut as a whole.
#[test]
fn blamed_places_are_those_of_stacks_that_are_cut_as_a_whole() {
    let (mut random, ids, recording) = recorded_stacks(12);
    for limit in [6, 1000] {
        let [mut namer, mut naive] = [(); 2].map(|()| namer_of_plumbing(&recording, &ids, limit));
        let [mut blame, mut naive_blame] = [(); 2].map(|()| Blame::new(Plumbing::known()));
        let (mut places, mut whole, mut n_parts) = (Places::default(), FxHashMap::default(), 0);
        // Each stack of functions, the outermost first, is at one place.
        let mut stacks: Vec<Vec<String>> = vec![Vec::new()];
        let mut called = |caller: u32, number: Option<u32>, innermost_first: &[Arc<Frame>]| {
            let found = functions(innermost_first);
            match number {
                Some(number) => assert_eq!(whole.entry(number).or_insert_with(|| found.clone()), &found),
                None => n_parts += 1,
            }
            let stack = [stacks[caller as usize].clone(), found.into_iter().rev().collect()].concat();
            let place = stacks.iter().position(|known| *known == stack).unwrap_or_else(|| {
                stacks.push(stack);
                stacks.len() - 1
            });
            place as u32
        };
        let mut found = Vec::new();
        for _ in 0..600 {
            let id = ids[random.below(ids.len() as u64) as usize];
            let known = (0, &mut places);
            let place = namer.blamed_place(&recording, id, &mut blame, known, &mut called);
            found.extend(place.map(|place| (id, place)));
        }
        for &(id, place) in &found {
            let (stack, _) = naive.stack(&recording, id);
            assert_eq!(stacks[place as usize], functions(naive_blame.cut_stack(stack)), "{id:?} of {limit}");
        }
        assert!(found.len() > 100 && n_parts > 20, "{} places, {n_parts} parts", found.len());
    }
}

/// The rows are those of a profile that is cut afterwards, and so is what is not certain of them.
#[test]
fn blamed_profiles_are_profiles_that_are_cut() {
    let mut random = Random::new(13);
    let mut builder = builder();
    let mut ids = random_stacks(&mut builder, &mut random);
    for _ in 0..40 {
        let native = ids[random.below(ids.len() as u64) as usize];
        let python = (0..random.below(4)).fold(StackId::NONE, |outer, _| {
            let frame = frame(1 + random.below(2) as u32, 0);
            builder.node_of(FrameKind::Python, outer, frame.encode())
        });
        ids.push(builder.node_of(FrameKind::Joined, native, python.0.into()));
    }
    let recording = Recording::open(builder.file().path()).expect("it is valid");
    for limit in [6, 1000] {
        let sums = || {
            let (mut random, mut sums) = (Random::new(14), EstimatesBy::default());
            for _ in 0..900 {
                let stack = ids[random.below(ids.len() as u64) as usize];
                let (tag, space) = (TagIndex(random.below(3) as u32), Space(random.below(2) as u8));
                let site = Site { stack, tag, space, process: ProcessIndex(0) };
                let amount = Amount { bytes: random.below(99), ..Amount::default() };
                let n_samples = random.below(3);
                sums.add(site, (amount, Uncertainty { n_samples, ..Uncertainty::EXACT }));
            }
            sums
        };
        let [mut namer, mut naive] = [(); 2].map(|()| namer_of_plumbing(&recording, &ids, limit));
        let [mut blame, mut naive_blame] = [(); 2].map(|()| Blame::new(Plumbing::known()));
        let found = namer.blamed_profile(&recording, sums(), &mut blame);
        let whole = naive.profile(&recording, &sums());
        let expected = whole.clone().blamed(&mut naive_blame);
        let shown = |profile: &Profile| {
            let row = |row: &ProfileRow| {
                let ProfileRow { traceback, tag, domain, process, amount, uncertainty } = row;
                let stack = (functions(traceback.frames()), traceback.total_nframe(), traceback.has_python());
                format!(
                    "{stack:?} {:?} {tag:?} {domain} {process:?} {amount:?} {uncertainty:?}",
                    traceback.doubts()
                )
            };
            profile.rows.iter().map(row).collect::<Vec<_>>()
        };
        assert_eq!(shown(&found), shown(&expected), "of {limit}");
        assert_eq!(
            (found.traceback_limit, namer.doubts.notes()),
            (expected.traceback_limit, naive.doubts.notes())
        );
        let is_cut = |(row, whole): &(&ProfileRow, &ProfileRow)| {
            row.traceback.frames().len() < whole.traceback.frames().len()
        };
        let n_cut = expected.rows.iter().zip(&whole.rows).filter(is_cut).count();
        assert!(n_cut > 50 && !namer.doubts.notes().is_empty(), "{n_cut} of {limit}");
    }
}

impl Namer {
    /// The frames of a stack, whatever is kept of it.
    fn made_anew(&mut self, recording: &Recording, id: StackId) -> Traceback {
        self.generation(recording);
        self.made(recording, id)
    }
}
