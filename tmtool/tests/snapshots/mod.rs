//! Two small snapshots, and `tmtool` run beside them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tm_analyzer::model::{Frame, Snapshot, Trace, Traceback};

/// A folder with `old.snap` and `new.snap`.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let trace = |size, file: &str, line| {
        let frames = vec![Frame::new(file, line), Frame::new("main.c", 4)];
        Trace { domain: 0, size, traceback: Traceback::new(frames, Some(2)), tag: None, sample: None }
    };
    let old = vec![trace(100, "src/a.c", 1), trace(50, "src/b.c", 2)];
    let new = vec![trace(100, "src/a.c", 1), trace(900, "src/a.c", 1), trace(7, "src/a.c", 3)];
    Snapshot::new(old, 16).dump(&folder.path().join("old.snap")).unwrap();
    Snapshot::new(new, 16).dump(&folder.path().join("new.snap")).unwrap();
    folder
}

/// `tmtool` with `arguments` in `folder`.
pub fn tmtool(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tmtool"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What a command that succeeds prints.
pub fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = tmtool(folder, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// (exit code, stderr) of a command that fails without a word on stdout.
pub fn failure(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = tmtool(folder, arguments);
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}
