//! Runs of many programs: what `tmtool run` leaves, says and ends with, and what commands make of it.
//!
//! The oracles are the bare run, the names and counts that the scripts decide, and sums over the single recordings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::info::{all, info, number, sum};
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run, files};

/// `tmtool ARGUMENTS` in `folder`.
fn tmtool(folder: &Path, arguments: &[&str]) -> Outcome {
    Run::new(&products().tmtool).args(arguments).folder(folder).unset("TM_OUT").bare()
}

/// The same, which must succeed, as JSON.
fn json(folder: &Path, arguments: &[&str]) -> Value {
    let outcome = tmtool(folder, &[arguments, &["--json"]].concat());
    assert!(outcome.status.success(), "{arguments:?}: {}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).expect("it is JSON")
}

fn programs(folder: &Path, run: &str) -> Vec<Value> {
    json(folder, &["info", run])["program_list"].as_array().expect("a list").clone()
}

fn scratch() -> TempDir {
    TempDir::new().expect("the temporary folder can be written")
}

fn write_script(path: &Path, text: &str) {
    fs::write(path, text).expect("the scratch folder can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("as above");
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    files(folder).iter().map(name).collect()
}

/// What a version manager puts before `python3`: scripts that execute each other in place, of one name, and then the
/// program.
#[test]
fn the_program_behind_a_chain_of_scripts_is_the_one_that_is_shown() {
    let folder = scratch();
    for (name, next) in [("shim", "./second"), ("second", "./third"), ("third", "/usr/bin/python3 -S")] {
        write_script(&folder.path().join(name), &format!("#!/bin/bash\nexec {next} \"$@\"\n"));
    }
    let program = "x = [bytearray(100_000) for _ in range(50)]; raise SystemExit(7)";
    let outcome = tmtool(folder.path(), &["run", "-o", "x.bin", "./shim", "-c", program]);
    assert_eq!((outcome.status.code(), &*outcome.stdout), (Some(7), ""));
    let found = names(&folder.path().join("x.bin"));
    let pid = number(&programs(folder.path(), "x.bin")[0], "pid");
    assert!(
        found.contains(&format!("bash.{pid}.bin")) && found.contains(&format!("bash.{pid}.bin.3")),
        "{found:?}"
    );
    assert_eq!(found.len(), 4, "three scripts and python: {found:?}");
    let twice = format!(".{pid}.{pid}");
    assert!(found.iter().all(|name| !name.contains(&twice) && !name.contains(&format!("{pid}.bin.{pid}"))));
    // The report is of python without being told, says so, and shows another one when told.
    let stats = json(folder.path(), &["stats", "x.bin"]);
    let origin = &stats["snapshot"]["origin"];
    assert!(origin["program"].as_str().is_some_and(|program| program.contains("python3")), "{origin}");
    assert!(origin["live_bytes"].as_u64() > Some(5_000_000), "{origin}");
    let note = origin["notes"].to_string();
    assert!(
        note.contains("Of 4 programs of the run in x.bin this is ") && note.contains("--program"),
        "{note}"
    );
    let other = json(folder.path(), &["stats", "x.bin", "--program", "bash"]);
    assert!(other["snapshot"]["origin"]["program"].as_str().is_some_and(|program| program.ends_with("bash")));
    for command in ["peak", "leaks", "top", "temporary", "timeline"] {
        let report = json(folder.path(), &[command, "x.bin"]);
        assert_eq!(report["snapshot"]["origin"]["program"], origin["program"], "{command}");
    }
    let last = outcome.messages().last().copied();
    assert_eq!(last, Some("tm: next: tmtool stats x.bin"));
}

#[test]
fn make_is_one_folder_and_ten_lines() {
    let folder = scratch();
    let mut makefile = "all: f0.o f1.o f2.o f3.o f4.o f5.o f6.o\n\tgcc -shared -o lib.so $^\n".to_owned();
    makefile += "%.o: %.c\n\t@true; gcc -O1 -fPIC -c $< -o $@\n";
    fs::write(folder.path().join("Makefile"), makefile).expect("the scratch folder can be written");
    for n in 0..7 {
        let text = format!("#include <stdio.h>\nint f{n}(void) {{ return puts(\"x\"); }}\n");
        fs::write(folder.path().join(format!("f{n}.c")), text).expect("as above");
    }
    let make = installed("make");
    let outcome = tmtool(folder.path(), &["run", make.to_str().expect("UTF-8"), "-s", "-j2"]);
    assert!(outcome.status.success() && folder.path().join("lib.so").is_file(), "{}", outcome.stderr);
    assert!(outcome.stderr.lines().count() <= 12, "{}", outcome.stderr);
    let run = names(folder.path()).into_iter().find(|name| name.starts_with("tm.make.")).expect("a folder");
    let list = programs(folder.path(), &run);
    let called = |name: &str| {
        // Debian's gcc 16 calls `x86_64-linux-gnu-as`.
        let is_it = |program: &&Value| {
            program["command_line"][0]
                .as_str()
                .is_some_and(|called| called.rsplit(['/', '-']).next() == Some(name))
        };
        list.iter().filter(is_it).count()
    };
    assert_eq!([called("cc1"), called("as"), called("gcc"), called("ld"), called("make")], [7, 7, 8, 1, 1]);
    let peaks: Vec<u64> = list.iter().map(|program| number(program, "peak_bytes")).collect();
    assert!(peaks.is_sorted_by(|a, b| a >= b), "{peaks:?}");
    // Sums of all are those of the single recordings.
    let infos = all(&files(&folder.path().join(&run)));
    assert_eq!(sum(&list, "allocations"), sum(&infos, "allocations"));
    let top = json(folder.path(), &["top", &run, "--program", "all", "--limit", "0"]);
    let total: u64 =
        top["statistics"].as_array().expect("a list").iter().map(|group| number(group, "size")).sum();
    let allocated: u64 = files(&folder.path().join(&run))
        .iter()
        .map(|file| {
            // Of all processes: an emulator makes forks of vforks.
            let file = file.to_str().expect("UTF-8");
            let top = json(folder.path(), &["top", file, "--process", "all", "--limit", "0"]);
            top["statistics"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|group| number(group, "size"))
                .sum::<u64>()
        })
        .sum();
    assert_eq!(total, allocated);
    let text = tmtool(folder.path(), &["top", &run, "--program", "all"]).stdout;
    assert!(text.contains(&format!("{} programs, the first is", list.len())), "{text}");
    for (arguments, code) in
        [(["stats", &run, "--program", "all"], 2), (["stats", &run, "--program", "none"], 1)]
    {
        let outcome = tmtool(folder.path(), &arguments);
        assert_eq!(
            (outcome.status.code(), outcome.stderr.lines().count()),
            (Some(code), 1),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn short_programs_fold_into_a_line_and_the_status_is_the_program_s() {
    let folder = scratch();
    let script = "for i in $(seq 200); do /bin/true; done; exit 3";
    let outcome = tmtool(folder.path(), &["run", "-o", "x.bin", "sh", "-c", script]);
    assert_eq!(outcome.status.code(), Some(3));
    assert_eq!(programs(folder.path(), "x.bin").len(), 202, "sh, seq and 200 of true");
    assert!(outcome.stderr.contains("and 200 others with peaks up to 0 B"), "{}", outcome.stderr);
    assert!(outcome.stderr.lines().count() <= 8, "{}", outcome.stderr);
    let killed = tmtool(folder.path(), &["run", "-o", "x.bin", "sh", "-c", "/bin/true; kill -TERM $$; true"]);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&killed.status), Some(15));
    assert_eq!(programs(folder.path(), "x.bin").len(), 2, "the earlier run is replaced");
}

#[test]
fn one_program_leaves_one_file_whatever_stood_there_before() {
    let folder = scratch();
    let path = folder.path().join("x.bin");
    let one = || tmtool(folder.path(), &["run", "-o", "x.bin", "sh", "-c", "exit 0"]);
    for before in ["nothing", "a file", "a folder"] {
        if before == "a folder" {
            assert!(
                tmtool(folder.path(), &["run", "-q", "-o", "x.bin", "sh", "-c", "/bin/true; exit 0"])
                    .status
                    .success()
            );
            assert!(path.is_dir());
        }
        let outcome = one();
        assert!(outcome.status.success() && path.is_file(), "{before}: {}", outcome.stderr);
        assert_eq!(names(folder.path()), ["x.bin"], "{before}");
    }
    // Forks that execute nothing are part of the one recording.
    let forks = compile("processes.c", &["-O1", "-pthread"]);
    let outcome = tmtool(folder.path(), &["run", "-o", "x.bin", forks.to_str().expect("UTF-8"), "fork"]);
    assert!(outcome.status.success() && path.is_file(), "{}", outcome.stderr);
    assert_eq!(number(&info(&path), "processes"), 2);
    // A file of somebody's is no name for a recording, and the program does not run.
    fs::write(&path, "mine").expect("the scratch folder can be written");
    let outcome = tmtool(folder.path(), &["run", "-o", "x.bin", "touch", "ran"]);
    assert_eq!((outcome.status.code(), outcome.stderr.lines().count()), (Some(1), 1), "{}", outcome.stderr);
    assert_eq!(
        (names(folder.path()), fs::read(&path).expect("it is there")),
        (vec!["x.bin".to_owned()], b"mine".to_vec())
    );
}

/// A program that goes on after its run has ended, in a session of its own, keeps its recording where it is; what it
/// allocates then is in it.
#[test]
fn a_daemon_is_recorded_after_the_end_of_the_run() {
    let folder = scratch();
    let fifo = folder.path().join("go");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo starts");
    assert!(made.success());
    let daemon = "import os\nif os.fork(): os._exit(0)\nos.setsid()\nopen('go').read()\n\
                  x = [bytearray(200_000) for _ in range(40)]\nopen('done', 'w').write('x')\nopen('go').read()\n";
    let outcome = tmtool(folder.path(), &["run", "-o", "x.bin", "/usr/bin/python3", "-S", "-c", daemon]);
    assert!(outcome.stderr.contains("(still running)"), "{}", outcome.stderr);
    let path = folder.path().join("x.bin");
    assert!(path.is_dir(), "its file is where it was begun");
    fs::write(&fifo, "").expect("it is read");
    while !folder.path().join("done").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::write(&fifo, "").expect("it is read");
    let list = programs(folder.path(), "x.bin");
    let [program] = &list[..] else { panic!("one program: {list:?}") };
    let infos = all(&files(&path));
    let processes = infos[0]["process_list"].as_array().expect("a list");
    assert_eq!((number(program, "processes"), processes.len()), (2, 2));
    assert!(number(&processes[1], "peak_bytes") > 8_000_000, "{}", processes[1]);
}

#[test]
fn pipelines_and_parallel_programs_are_one_folder() {
    let folder = scratch();
    for (script, n) in
        [("seq 40 | sort -r | head -1 >out; exit 0", 4), ("seq 8 | xargs -P4 -n1 sh -c : ; exit 0", 11)]
    {
        let outcome = tmtool(folder.path(), &["run", "-o", "x.bin", "sh", "-c", script]);
        assert!(outcome.status.success(), "{}", outcome.stderr);
        assert_eq!(programs(folder.path(), "x.bin").len(), n, "{script}: {}", outcome.stderr);
    }
}

/// What is wrong with the settings is said once, not by each program of a run.
#[test]
fn what_is_wrong_with_the_settings_is_said_once() {
    let script = "for i in 1 2 3 4 5; do /bin/true; sh -c '/bin/true; exec /bin/true'; done; exit 0";
    let run = Run::new(installed("sh")).args(["-c", script]);
    let outcome = run.clone().env("TM_OUT", "/nonexistent/x.bin").recorded();
    let [line] = outcome.messages()[..] else { panic!("one line: {}", outcome.stderr) };
    assert!(line.starts_with("tm: cannot create /nonexistent/x.bin"), "{line}");
    let outcome = run.clone().env("TM_NFRAME", "many").recorded();
    assert_eq!(outcome.messages().len(), 1, "{}", outcome.stderr);
    assert_eq!(outcome.recordings.len(), 21, "they are recorded all the same");
    // A separator that a script leaves at the end is no mark of ours.
    let preload = format!("{}:", products().library.display());
    let outcome = run.env("LD_PRELOAD", preload).env("TM_OUT", "/nonexistent/x.bin").bare();
    assert_eq!(outcome.messages().len(), 1, "{}", outcome.stderr);
}

/// Without `tmtool run`, a process that becomes programs of one name takes the pid once and then numbers.
#[test]
fn a_fixed_name_gets_the_pid_once_and_then_a_number() {
    let script = "n=$1; [ $n = 0 ] || exec sh $0 $((n - 1))";
    let folder = scratch();
    write_script(&folder.path().join("again"), script);
    let run = Run::new(installed("sh")).args(["again", "40"]).folder(folder.path()).env("TM_OUT", "x.bin");
    let outcome = run.recorded();
    assert_eq!(outcome.stderr, "");
    let pid = number(&info(&folder.path().join("x.bin")), "pid");
    let mut expected = vec!["again".to_owned(), "x.bin".to_owned(), format!("x.bin.{pid}")];
    expected.extend((2..=40).map(|n| format!("x.bin.{pid}.{n}")));
    expected.sort();
    let mut found = names(folder.path());
    found.sort();
    assert_eq!(found, expected);
}
