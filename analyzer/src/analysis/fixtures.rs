//! Snapshots for tests: those of CPython's `test_tracemalloc.py`, and random ones.

use tm_common::stack::FrameKind;

use crate::model::{Frame, ModuleFile, Snapshot, Trace, Traceback};

/// A traceback of frames, most recent first.
pub(super) fn traceback(frames: &[(&str, u32)]) -> Traceback {
    Traceback::new(frames.iter().map(|&(file, line)| Frame::new(file, line)).collect(), None)
}

/// `create_snapshots()` of CPython's tests: (old, new).
pub(super) fn create_snapshots() -> (Snapshot, Snapshot) {
    let trace = |domain, size, frames: &[(&str, u32)]| Trace {
        domain,
        size,
        traceback: traceback(frames),
        tag: None,
        sample: None,
    };
    let common = || vec![trace(0, 10, &[("a.py", 2), ("b.py", 4)]); 3];
    let mut old = common();
    old.push(trace(1, 2, &[("a.py", 5), ("b.py", 4)]));
    old.push(trace(2, 66, &[("b.py", 1)]));
    old.push(trace(3, 7, &[("<unknown>", 0)]));
    let mut new = common();
    new.push(trace(2, 2, &[("a.py", 5), ("b.py", 4)]));
    new.push(trace(2, 5000, &[("a.py", 5), ("b.py", 4)]));
    new.push(trace(4, 400, &[("c.py", 578)]));
    (Snapshot::new(old, 2), Snapshot::new(new, 2))
}

/// Up to 40 traces in up to 10 shared stacks with much recursion.
pub(super) fn random_snapshot(seed: u64) -> Snapshot {
    let mut random = tm_testing::Random::new(seed);
    let mut below = |limit| random.below(limit);
    let stacks: Vec<Traceback> = (0..=below(9))
        .map(|_| {
            let frames = (0..=below(6)).map(|_| {
                let file = ["a.c", "b.c", "c.c"][below(3) as usize];
                Frame::new(file, below(3) as u32)
            });
            Traceback::new(frames.collect(), None)
        })
        .collect();
    let traces = (0..below(40)).map(|_| {
        let traceback = stacks[below(stacks.len() as u64) as usize].clone();
        Trace { domain: below(3) as u32, size: below(5), traceback, tag: None, sample: None }
    });
    Snapshot::new(traces.collect(), 7)
}

/// A stack of a Python program: an extension called back into Python, and its code called the extension again, which made an
/// object. 9 frames are kept of 109.
pub(super) fn python_stack() -> Traceback {
    let interpreter = ModuleFile { is_interpreter: true, ..(*ModuleFile::at("/usr/bin/python3")).clone() };
    let native = |file: &str, function: &str, module: ModuleFile| Frame {
        function: Some(function.into()),
        module: Some(module.into()),
        ..Frame::new(file, 1)
    };
    let of_python = |function: &str| native("python", function, interpreter.clone());
    let of_ext = |function: &str| native("ext.c", function, (*ModuleFile::at("/lib/ext.so")).clone());
    let python = |file: &str, function: &str, lineno| Frame {
        function: Some(function.into()),
        kind: FrameKind::Python,
        ..Frame::new(file, lineno)
    };
    let frames = vec![
        of_python("PyObject_Malloc"),
        of_ext("make"),
        python("lib.py", "helper.<locals>.f", 7),
        of_python("_PyEval_EvalFrameDefault"),
        of_ext("call_back"),
        python("main.py", "<module>", 3),
        of_python("_PyEval_EvalFrameDefault"),
        of_python("main"),
        native("libc", "__libc_start_main", (*ModuleFile::at("/lib/libc.so.6")).clone()),
    ];
    Traceback::new(frames, Some(109))
}
