//! Claims on which stacks are asked for; the oracle names each stack as a whole and looks at what is left of it.

use tm_common::ids::CodeIndex;
use tm_common::metadata::{InterpreterState, LineTableKind};

use super::*;
use crate::model::FramePatterns;
use tm_testing::{Random, RecordingBuilder};

const PYTHON: u64 = 0x10_0000;
const EVALUATION: (u64, u64) = (0x11_0000, 0x11_8000);
const LIBC: u64 = 0x20_0000;
const EXTENSION: u64 = 0x30_0000;
const PROGRAM: u64 = 0x40_0000;

/// A process that is Python, with a C library, an extension, and a program that embeds it.
fn builder() -> RecordingBuilder {
    let mut builder = RecordingBuilder::with_process();
    for (start, path) in [
        (PYTHON, "/nowhere/python3.12"),
        (LIBC, "/nowhere/libc.so.6"),
        (EXTENSION, "/nowhere/ext.so"),
        (PROGRAM, "/nowhere/app"),
    ] {
        builder.module(0, 0, (start, start + 0x1_0000 * if start == PYTHON { 16 } else { 1 }), path);
    }
    let state = (0x030c_01f0, InterpreterState::Read as u32);
    builder.interpreter((0, 0), PYTHON, state, &[EVALUATION]);
    for (code, file, name) in
        [(1, "/app/main.py", "<module>"), (2, "/app/lib.py", "Table.read"), (3, "/app/x.py", "g")]
    {
        builder.code(code, (file, name), 1, (LineTableKind::Locations as u32, &[0x80]));
    }
    builder
}

/// Chains of native and of Python frames, some cut, some incomplete, and stacks that join two of them.
fn stacks(builder: &mut RecordingBuilder, random: &mut Random) -> Vec<StackId> {
    let mut pick = |ids: &[StackId]| ids[random.below(ids.len() as u64) as usize];
    let mut native = vec![StackId::NONE];
    let mut python = vec![StackId::NONE];
    let mut numbers = Random::new(17);
    for _ in 0..150 {
        let outer = pick(&native);
        let id = match numbers.below(20) {
            0 => builder.node_of(FrameKind::Cut, StackId::NONE, 7),
            1 => builder.node_of(FrameKind::Incomplete, StackId::NONE, 1),
            _ => {
                let bases =
                    [PYTHON + 0x1_8000, PYTHON + 0x2_0000, LIBC + 0x10, EXTENSION + 0x10, PROGRAM + 0x10];
                builder.node(outer, bases[numbers.below(5) as usize] + numbers.below(2))
            }
        };
        native.push(id);
        let frame = PythonFrame {
            code: CodeIndex(1 + numbers.below(3) as u32),
            instruction: Some(0),
            is_incomplete: numbers.below(4) == 0,
            is_entry: numbers.below(3) == 0,
        };
        let outer = pick(&python);
        python.push(builder.node_of(FrameKind::Python, outer, frame.encode()));
    }
    let mut all = native.clone();
    for _ in 0..300 {
        all.push(builder.node_of(FrameKind::Joined, pick(&native), pick(&python).0.into()));
    }
    all.push(StackId::new(9, 9));
    all
}

#[test]
fn the_bits_equal_patterns_on_whole_stacks_as_they_are_shown() {
    let mut random = Random::new(23);
    let mut builder = builder();
    let ids = stacks(&mut builder, &mut random);
    let file = builder.file();
    let recording = Recording::open(file.path()).unwrap();
    let texts = ["", "python3", "libc", "ext", "app$", "lib\\.py|x\\.py", "^Table", "unknown", "nothing"];
    let (mut n_exact, mut n_admitted, mut n) = (0, 0, 0);
    let both = [("app$", "libc"), ("libc", "python3"), ("lib\\.py|x\\.py", "ext"), ("ext", "^Table")];
    let single = texts.iter().flat_map(|&text| [(text, ""), ("", text)]);
    let choices: Vec<(&str, &str)> = single.chain(both).collect();
    let mut namer = Namer::new();
    for seen in [Frames::All, Frames::Python, Frames::Native] {
        for &(focus, ignore) in &choices {
            let of = |text: &str| -> FramePatterns { text.parse().unwrap_or_default() };
            let patterns = StackPatterns { focus: of(focus), ignore: of(ignore) };
            let mut admitted = AdmittedStacks::new(patterns.clone(), seen, Namer::new());
            let set = admitted.update(&recording);
            for &id in &ids {
                let whole = namer.traceback(&recording, id);
                let expected = patterns.admit(seen.of(&whole).frames());
                assert_eq!(set.has(id), expected, "{seen:?} {focus} {ignore} {:?}", whole.frames());
                n_admitted += u64::from(expected);
                n += 1;
            }
            n_exact += u64::from(focus == "libc" && seen == Frames::All);
            assert_eq!(
                admitted.notes().iter().any(|note| note.contains("--focus nothing.")),
                focus == "nothing"
            );
            assert_eq!(admitted.update(&recording), set, "nothing is decided twice");
        }
    }
    assert!(n_exact > 0 && n_admitted > n / 10 && n_admitted < n * 9 / 10, "{n_admitted} of {n}");
}

/// C's main is in every stack of the interpreter's, and is none that a user of Python means.
#[test]
fn frames_that_started_the_interpreter_are_not_looked_at() {
    let mut builder = builder();
    let start = builder.node(StackId::NONE, LIBC + 0x10);
    let main = builder.node(start, PYTHON + 0x2_0000);
    let evaluates = builder.node(main, PYTHON + 0x1_8000);
    let calls_libc = builder.node(evaluates, LIBC + 0x20);
    let frame =
        PythonFrame { code: CodeIndex(1), instruction: Some(0), is_incomplete: false, is_entry: true };
    let python = builder.node_of(FrameKind::Python, StackId::NONE, frame.encode());
    let [without, with] =
        [evaluates, calls_libc].map(|native| builder.node_of(FrameKind::Joined, native, python.0.into()));
    let file = builder.file();
    let recording = Recording::open(file.path()).unwrap();
    let focus = |text: &str, seen| {
        let patterns = StackPatterns { focus: text.parse().unwrap(), ..StackPatterns::default() };
        let set = AdmittedStacks::new(patterns, seen, Namer::new()).update(&recording);
        [set.has(without), set.has(with), set.has(main)]
    };
    assert_eq!(focus("libc", Frames::All), [false, true, true]);
    assert_eq!(focus("libc", Frames::Native), [true, true, true]);
    assert_eq!(focus("python3", Frames::All), [false, false, true]);
    assert_eq!(focus("main.py", Frames::Native), [false, false, false]);
}
