//! A running process gets commands from outside, and what it does with its traces shows in its recording.
//!
//! The oracle is the program, which allocates on demand and nothing else.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::programs::{compile, copy, installed};
use tm_tests::run::{Outcome, Run, Running, may_administer};
use tm_tests::wait;

/// The blocks that are counted; nothing else in the program has this size.
const SIZE: u64 = 1_000;

/// A program that allocates on demand.
struct OnDemand {
    running: Running,
    n_answers: usize,
}

impl OnDemand {
    fn start(run: Run) -> OnDemand {
        let mut program = OnDemand { running: run.with_input().start_recorded(), n_answers: 0 };
        program.answer();
        program
    }

    fn program() -> PathBuf {
        compile("on_demand.c", &["-O0", "-pthread"])
    }

    /// The pid that it says it has, once it has done what it was told last.
    fn answer(&mut self) -> u32 {
        self.n_answers += 1;
        wait::for_some("the program's answer", || {
            let said = self.running.stdout_so_far();
            let line = said.lines().nth(self.n_answers - 1).filter(|_| said.ends_with('\n'));
            line.map(|line| line.parse().expect("it is a pid"))
        })
    }

    fn tell(&mut self, line: &str) -> u32 {
        let input = self.running.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").expect("it reads");
        self.answer()
    }

    /// Keeps `count` blocks more.
    fn keep(&mut self, count: u64) {
        self.tell(&format!("{count} {SIZE}"));
    }

    fn pid(&self) -> u32 {
        self.running.child.id()
    }

    fn recording(&self) -> PathBuf {
        let recordings = self.running.recordings_so_far();
        recordings.into_iter().find(|path| path.to_string_lossy().contains("on_demand")).expect("it is there")
    }

    fn finish(mut self) -> Outcome {
        drop(self.running.child.stdin.take());
        let outcome = self.running.finish();
        assert!(outcome.status.success(), "{outcome:?}");
        outcome
    }
}

fn tmtool(arguments: &[&str]) -> Output {
    Command::new(&products().tmtool).args(arguments).output().expect("it was built")
}

/// What tmtool says, which succeeds.
fn said(arguments: &[&str]) -> String {
    let output = tmtool(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The one sentence that tmtool fails with.
fn refusal(arguments: &[&str]) -> String {
    let output = tmtool(arguments);
    let text = String::from_utf8(output.stderr).expect("it is text");
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    text
}

/// How many of the counted blocks are live at a moment of a recording or snapshot.
fn n_live(file: &str) -> u64 {
    n_live_of(file, &[])
}

/// The same with more options.
fn n_live_of(file: &str, options: &[&str]) -> u64 {
    let size = SIZE.to_string();
    let arguments = [&["stats", file, "--size", &size, "--json"], options].concat();
    let report: Value = serde_json::from_str(&said(&arguments)).expect("it is JSON");
    report["snapshot"]["count"].as_u64().expect("it is a number")
}

fn at(recording: &Path, moment: &str) -> String {
    format!("{}@{moment}", recording.display())
}

#[test]
fn what_is_asked_counts_at_once_and_is_obeyed_at_the_next_allocation() {
    let mut program = OnDemand::start(Run::new(OnDemand::program()));
    let (pid, recording) = (program.pid().to_string(), program.recording());
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let snap = folder.path().join("now.snap");
    let snap = snap.to_str().expect("it is text");
    let live_now = || {
        said(&["snapshot", &pid, "-o", snap]);
        n_live(snap)
    };
    program.keep(100);
    let text = said(&["mark", "first", &pid]);
    assert!(
        text.starts_with(&format!("process {pid} has the mark 'first'; it has not allocated since")),
        "{text}"
    );
    assert_eq!((n_live(&at(&recording, "mark:first")), live_now()), (100, 100));
    program.keep(50);
    assert!(said(&["start", &pid]).contains("is traced already"));
    assert_eq!((n_live(&at(&recording, "mark:first")), live_now()), (100, 150));
    said(&["clear", &pid]);
    assert_eq!(live_now(), 0);
    program.keep(20);
    assert_eq!(live_now(), 20);

    said(&["stop", &pid]);
    assert!(said(&["stop", &pid]).contains("is not traced, so there is nothing to stop"));
    program.keep(70);
    assert!(said(&["clear", &pid]).contains("there is nothing to clear"));
    assert!(refusal(&["mark", "idle", &pid]).contains("is not traced"));
    assert!(refusal(&["snapshot", &pid]).contains("is not traced"));
    said(&["start", &pid, "--nframe", "3"]);
    program.keep(30);
    assert_eq!(live_now(), 30);
    said(&["mark", "last", &pid]);

    let outcome = program.finish();
    let recording = outcome.recording();
    let live = ["mark:first", "mark:last", "end"].map(|moment| n_live(&at(recording, moment)));
    assert_eq!(live, [100, 30, 30]);
    let info = info(recording);
    let kinds: Vec<&str> = info["command_list"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(|it| it["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["clear", "stop", "start"]);
    assert_eq!(
        (&info["command_list"][2]["n_frames"], &info["mark_list"][1]["name"]),
        (&3.into(), &"last".into())
    );
    assert_eq!((number(&info, "lost_events"), number(&info, "unknown_frees")), (0, 0));
}

#[test]
fn a_process_that_allocates_is_waited_for() {
    let mut program = OnDemand::start(Run::new(OnDemand::program()).args(["busy"]).env("TM_START", "0"));
    let pid = program.pid().to_string();
    program.keep(10);
    // Where the machine gives it no processor for a second, tmtool says so: then once more.
    let asked = |arguments: &[&str], done: &str| {
        let text = said(arguments);
        assert!(text.starts_with(&format!("process {pid} {done}")), "{text}");
        text.contains(&format!("{done}: "))
    };
    let (mut n_rounds, mut n_waited_for) = (0, 0);
    wait::until("ten rounds in which it was waited for", || {
        let name = n_rounds.to_string();
        let is_started = asked(&["start", &pid], "is traced from now on");
        program.keep(1);
        let is_marked = asked(&["mark", &name, &pid], &format!("has the mark '{name}'"));
        let is_stopped = asked(&["stop", &pid], "is not traced any more");
        program.keep(1);
        n_rounds += 1;
        n_waited_for += u32::from(is_started && is_marked && is_stopped);
        n_waited_for == 10
    });
    let outcome = program.finish();
    for round in 0..n_rounds {
        assert_eq!(n_live(&at(outcome.recording(), &format!("mark:{round}"))), 1);
    }
    assert_eq!(n_live(&at(outcome.recording(), "end")), 0);
    assert_eq!(number(&info(outcome.recording()), "lost_events"), 0);
}

#[test]
fn a_forked_child_is_spoken_to_by_its_own_pid_once_it_has_allocated() {
    let mut program = OnDemand::start(Run::new(OnDemand::program()));
    program.keep(5);
    let child = program.tell("fork").to_string();
    assert!(refusal(&["mark", "early", &child]).contains("has not allocated since it was forked"));
    program.keep(3);
    said(&["mark", "child", &child]);
    program.keep(4);
    let outcome = program.finish();
    let n_live = |moment| n_live_of(&at(outcome.recording(), moment), &["--process", &child]);
    assert_eq!((n_live("mark:child"), n_live("end")), (8, 12));
}

#[test]
fn requests_to_one_that_was_killed_give_way_to_those_to_others() {
    let mut program = OnDemand::start(Run::new(OnDemand::program()));
    let parent = program.pid().to_string();
    let child = program.tell("fork").to_string();
    program.keep(3);
    // All at once: each is waited for, and the parent waits for the child.
    let ask = |number: u32| {
        let mut mark = Command::new(&products().tmtool);
        mark.args(["mark", &number.to_string(), &parent]).stdout(Stdio::null()).spawn().expect("it was built")
    };
    let marks: Vec<_> = (0..24).map(ask).collect();
    for mut mark in marks {
        assert!(mark.wait().expect("it is our child").success());
    }
    assert!(refusal(&["mark", "child", &child]).contains("24 requests wait already"));
    program.running.child.kill().expect("it is our child");
    // To wait closes it, and what is forked reads it too.
    let stdin = program.running.child.stdin.take();
    program.running.child.wait().expect("it is our child");
    program.running.child.stdin = stdin;
    let names = || {
        let info = info(&program.recording());
        let marks = info["mark_list"].as_array().expect("it is a list");
        marks.iter().filter_map(|mark| Some(mark["name"].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    let before = names();
    assert_eq!(before.len(), 24, "what was asked for counts still");
    said(&["mark", "child", &child]);
    assert_eq!(names()[..], [&before[1..], &["child".to_owned()]].concat(), "the oldest has given way");
    let at_mark = at(&program.recording(), "mark:child");
    assert_eq!(n_live_of(&at_mark, &["--process", &child]), 3);
    program.keep(4);
    assert_eq!(n_live_of(&at_mark, &["--process", &child]), 3);
}

#[test]
fn who_cannot_be_spoken_to_is_said_in_one_sentence() {
    assert!(refusal(&["stop", "8388608"]).contains("there is no process 8388608"));
    let mut another = Command::new(installed("cat")).stdin(Stdio::piped()).spawn().expect("it starts");
    let pid = another.id().to_string();
    for command in [&["start", &pid][..], &["mark", "a", &pid], &["snapshot", &pid]] {
        let text = refusal(command);
        assert!(text.contains("was not started under libtm.so; start it anew with 'tmtool run"), "{text}");
    }
    another.kill().expect("it is our child");
    another.wait().expect("it is our child");
    let program = OnDemand::start(Run::new(OnDemand::program()));
    let pid = program.pid().to_string();
    let long = "x".repeat(104);
    let output = tmtool(&["mark", &long, &pid]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    if may_administer() {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let tool = folder.path().join("tmtool");
        copy(&products().tmtool, &tool);
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("it is ours");
        let output =
            Command::new(&tool).args(["stop", &pid]).uid(65_534).gid(65_534).output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("may not be looked at; run tmtool as its user, or as root"), "{text}");
    }
    program.finish();
}

#[test]
fn a_process_in_a_pid_namespace_is_found_by_its_pid_here() {
    if !may_administer() {
        return;
    }
    let unshare = installed("unshare");
    let arguments = ["--pid".as_ref(), "--fork".as_ref()];
    let mut program = OnDemand::start(Run::new(OnDemand::program()).through(&unshare, &arguments));
    let children = format!("/proc/{0}/task/{0}/children", program.pid());
    let inside = std::fs::read_to_string(children).expect("it runs").trim().to_owned();
    program.keep(6);
    assert_eq!(program.tell("1 1"), 1, "it is the first of its namespace");
    said(&["mark", "inside", &inside]);
    program.keep(2);
    let recording = program.recording();
    assert_eq!(n_live(&at(&recording, "mark:inside")), 6);
    program.finish();
}
