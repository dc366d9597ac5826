//! Python programs that are hard on one who reads frames: they say the same and end the same under libtm.so, and nothing is lost.
//! Where they note what they allocate, the frames are those of the interpreter.

use std::path::{Path, PathBuf};
use std::process::Command;

use tm_tests::info::{all, number};
use tm_tests::python::{DEBIAN, Python, built, environment};
use tm_tests::python_notes::compare;
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::{is_long, times};

/// Debian's interpreter; in the long form also those that a version manager has built.
fn interpreters() -> Vec<PathBuf> {
    let mut programs = vec![PathBuf::from(DEBIAN)];
    if is_long() {
        programs.extend(["3.9", "3.10", "3.11", "3.12", "3.13"].into_iter().flat_map(built));
    }
    programs
}

/// Asserts that a run is the same bare and recorded, with Python's objects and without, and that nothing is lost.
fn assert_unharmed(run: &Run) -> Outcome {
    let bare = run.bare();
    let [with_objects, outcome] = ["1", "0"].map(|objects| {
        let outcome = run.clone().env("TM_PYTHON_OBJECTS", objects).recorded();
        let infos = all(&outcome.recordings);
        assert!(!infos.is_empty(), "nothing was recorded");
        for info in infos {
            assert_eq!(number(&info, "lost_events"), 0, "{}: {}", info["recording"], info["lost_by_reason"]);
            assert_eq!(info["problems"].as_array().map(Vec::len), Some(0), "{}", info["problems"]);
        }
        outcome
    });
    bare.assert_like(&with_objects.without_messages());
    let outcome = outcome.without_messages();
    bare.assert_like(&outcome);
    outcome
}

/// Runs a program in each interpreter.
fn assert_all_unharmed(program: &str, arguments: &[&str], code: Option<i32>) {
    for interpreter in interpreters() {
        let outcome = assert_unharmed(&Python::at(&interpreter).run(program, arguments));
        assert_eq!(outcome.status.code(), code, "{}: {}", interpreter.display(), outcome.stderr);
    }
}

/// The same of one that writes notes, as often as `count` makes of its output.
fn assert_noted(program: &str, arguments: &[&str], count: impl Fn(&str) -> usize) {
    for interpreter in interpreters() {
        let python = Python::at(&interpreter);
        let outcome = assert_unharmed(&python.run(program, arguments));
        assert!(outcome.status.success(), "{}: {}", interpreter.display(), outcome.stderr);
        let agreement = compare(outcome.recording(), &python.folder().join("notes"), false);
        eprintln!("{}", interpreter.display());
        agreement.assert_whole(count(&outcome.stdout));
    }
}

#[test]
fn code_objects_that_come_and_go() {
    let count = times(5_000, 50_000) as usize;
    assert_noted("code_objects.py", &[&count.to_string(), "notes"], |_| count);
}

#[test]
fn ten_thousand_frames() {
    assert_noted("recursion.py", &["notes"], |_| 3);
}

#[test]
fn thread_states_that_come_and_go() {
    let told = |said: &str| said.split(' ').next().and_then(|count| count.parse().ok());
    assert_noted("thread_states.py", &["200", "notes"], |said| told(said).expect("a count"));
}

#[test]
fn ends_while_threads_allocate() {
    let ends = [
        ("return", Some(0)),
        ("exit", Some(3)),
        ("raise", Some(1)),
        ("_exit", Some(4)),
        ("signal", None),
        ("thread", Some(5)),
    ];
    for _ in 0..times(1, 20) {
        for (how, code) in ends {
            assert_all_unharmed("shutdown.py", &[how], code);
        }
    }
}

#[test]
fn forks_in_threads() {
    assert_all_unharmed("forks.py", &[], Some(0));
}

#[test]
fn signals_that_python_handles() {
    assert_all_unharmed("signals.py", &[], Some(0));
}

#[test]
fn traced_and_watched() {
    // It ends by a signal.
    assert_all_unharmed("traced.py", &[], None);
}

#[test]
fn processes_by_all_methods() {
    assert_all_unharmed("processes.py", &[], Some(0));
}

#[test]
fn servers_with_workers_and_coverage() {
    if !is_long() {
        return;
    }
    let python = Python::at(&environment());
    for arguments in [&["serves.py", "gunicorn"][..], &["serves.py", "uvicorn"], &["traced.py"]] {
        let outcome = assert_unharmed(&python.run(arguments[0], &arguments[1..]));
        assert_eq!(outcome.status.code(), (arguments.len() > 1).then_some(0), "{}", outcome.stderr);
    }
}

/// Compiles `embeds.c`, with what `python3-config` says if it is to be linked with Python.
fn embeds(python: &Python, config: Option<&str>) -> PathBuf {
    let flags = config.map(|config| format!("-DLINKED $({config} --embed --ldflags)")).unwrap_or_default();
    let script = format!("gcc -O1 -g embeds.c -o embeds {flags} -ldl -pthread");
    let status = Command::new("sh").args(["-ec", &script]).current_dir(python.folder()).status();
    assert!(status.expect("sh is everywhere").success(), "scripts/setup installs python3-dev");
    python.folder().join("embeds")
}

#[test]
fn embedded_three_times_over() {
    let python = Python::at(Path::new(DEBIAN));
    let program = embeds(&python, Some("/usr/bin/python3-config"));
    let outcome = assert_unharmed(&Run::new(program));
    assert_eq!(outcome.status.code(), Some(6), "{}", outcome.stderr);
}

#[test]
fn loaded_late_and_closed_again() {
    // Since 3.12 a library keeps what runs in a thread-local variable, which the loader makes at the first look.
    let newer = built("3.13").into_iter().filter(|_| !is_long());
    for interpreter in interpreters().into_iter().chain(newer) {
        let python = Python::at(&interpreter);
        let program = embeds(&python, None);
        // Debian 11 has it in another folder than its Python says, where the loader finds it by its name.
        let script = "import os, sysconfig as s
name = s.get_config_var('INSTSONAME')
path = os.path.join(s.get_config_var('LIBDIR'), name)
print(path if os.path.exists(path) else name)";
        let output = Command::new(&interpreter).args(["-c", script]).output().expect("it starts");
        let library = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let outcome = assert_unharmed(&Run::new(&program).args([&library]));
        assert_eq!(outcome.status.code(), Some(6), "{library}: {}", outcome.stderr);
    }
}
