//! Processes that run already, and are attached to: `programs/attached.cc`, and others that run until their input ends.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::products::products;
use crate::programs::compile;
use crate::run::{Outcome, Run, Running};
use crate::wait;

/// The program that works all the time in its own ways.
pub fn program() -> PathBuf {
    compile("attached.cc", &["-O1", "-g", "-pthread", "-std=c++17"])
}

/// What became of a command of tmtool's.
pub fn tmtool(arguments: &[&str]) -> Output {
    Command::new(&products().tmtool).args(arguments).stdin(Stdio::null()).output().expect("it was built")
}

/// What tmtool says, which succeeds.
pub fn said(arguments: &[&str]) -> String {
    let output = tmtool(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

/// The sentence with which tmtool refuses.
pub fn refused(arguments: &[&str]) -> String {
    let output = tmtool(arguments);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
    assert_eq!(err.lines().count(), 1, "one sentence: {err}");
    err
}

/// A process that runs until its input ends.
#[derive(Debug)]
pub struct Target {
    /// The process.
    pub running: Running,
    n_answers: usize,
    /// Where it is recorded.
    pub recording: PathBuf,
}

impl Target {
    /// Starts it, and waits until it says so.
    pub fn start(run: &Run) -> Target {
        let running = run.clone().with_input().start_bare();
        let recording = std::env::temp_dir().join(format!("tm-attach-{}.bin", running.child.id()));
        let mut target = Target { running, n_answers: 0, recording };
        target.answer();
        target
    }

    /// Its pid.
    pub fn pid(&self) -> String {
        self.running.child.id().to_string()
    }

    fn answer(&mut self) -> String {
        self.n_answers += 1;
        wait::for_some("the program's answer", || {
            let said = self.running.stdout_so_far();
            let line = said.lines().nth(self.n_answers - 1).filter(|_| said.ends_with('\n'));
            line.map(str::to_owned)
        })
    }

    /// Gives it a line; its answer.
    pub fn tell(&mut self, line: &str) -> String {
        let input = self.running.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").expect("it reads");
        self.answer()
    }

    /// Attaches to it; the first time says where its recording goes.
    pub fn attach(&self, is_first: bool) -> String {
        let (pid, path) = (self.pid(), self.recording.display().to_string());
        if is_first { said(&["attach", &pid, "-o", &path]) } else { said(&["attach", &pid]) }
    }

    /// Detaches from it.
    pub fn detach(&self) -> String {
        said(&["detach", &self.pid()])
    }

    /// Ends its input, and waits for its end.
    pub fn finish(mut self) -> (Outcome, PathBuf) {
        drop(self.running.child.stdin.take());
        (self.running.finish(), self.recording)
    }
}
