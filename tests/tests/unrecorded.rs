//! What cannot be recorded is said and never fails because of us: programs that a recorded one executes, libraries in a
//! namespace of their own, allocators inside of a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use tm_tests::info::info;
use tm_tests::products::products;
use tm_tests::programs::{compile, compile_by, installed};
use tm_tests::run::Run;

const WAYS: [&str; 13] = [
    "execve",
    "execv",
    "execvp",
    "execvpe",
    "execl",
    "execlp",
    "execle",
    "fexecve",
    "vfork execve",
    "vfork execl",
    "vfork execvp",
    "posix_spawn",
    "posix_spawnp",
];

fn notes(recording: &Path) -> Vec<String> {
    let notes = info(recording)["notes"].as_array().cloned().expect("a list");
    notes.iter().map(|note| note.as_str().expect("a sentence").to_owned()).collect()
}

/// Executes `program` in each way, as without us; what the recordings say of it.
fn executed(program: &Path) -> Vec<Vec<String>> {
    let executes = compile("executes.c", &["-O1"]);
    let ways = WAYS.iter().map(|way| {
        let run = Run::new(&executes).args([Path::new(way), program]);
        let (outcome, bare) = (run.recorded(), run.bare());
        assert_eq!(bare.stdout, "status 8, bare here\n", "{way}");
        // In a child of vfork nothing of its parent's may have changed.
        assert_eq!(outcome.stdout, "status 8, preloaded here\n", "{way}: {}", outcome.stderr);
        assert_eq!(outcome.messages(), Vec::<&str>::new());
        outcome.recordings.iter().flat_map(|recording| notes(recording)).collect()
    });
    ways.collect()
}

#[test]
fn a_child_of_another_c_library_runs_and_is_named() {
    installed("musl-gcc");
    let musl = compile_by("musl-gcc", "counts_arguments.c", &["-O1"]);
    for (way, notes) in WAYS.iter().zip(executed(&musl)) {
        let [note] = &notes[..] else { panic!("{way}: one note of {notes:?}") };
        let path = if *way == "fexecve" { "/proc/self/fd/".into() } else { musl.display().to_string() };
        assert!(note.contains("another C library") && note.contains(&path), "{way}: {note}");
    }
}

#[test]
fn a_static_child_is_named() {
    let program = compile("counts_arguments.c", &["-O1", "-static"]);
    for (way, notes) in WAYS.iter().zip(executed(&program)) {
        let [note] = &notes[..] else { panic!("{way}: one note of {notes:?}") };
        assert!(note.contains("static"), "{way}: {note}");
    }
}

#[test]
fn a_child_that_is_recorded_is_not_named() {
    let program = compile("counts_arguments.c", &["-O1"]);
    assert!(executed(&program).iter().all(Vec::is_empty));
}

fn tmtool_run(arguments: &[&Path]) -> (String, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("r.bin");
    let mut command = Command::new(&products().tmtool);
    let output = command.args(["run", "-o"]).arg(&recording).args(arguments).output().expect("it starts");
    (String::from_utf8_lossy(&output.stderr).into_owned(), recording, folder)
}

#[test]
fn tmtool_run_names_children_that_could_not_be_recorded() {
    let program = compile("counts_arguments.c", &["-O1", "-static"]);
    let executes = compile("executes.c", &["-O1"]);
    let (said, _, _folder) = tmtool_run(&[&executes, Path::new("posix_spawn"), &program]);
    let line = said.lines().find(|line| line.contains("static cannot be recorded"));
    assert!(line.is_some_and(|line| line.contains(&*program.to_string_lossy())), "{said}");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_program_that_the_loader_starts_is_recorded() {
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    let program = compile("c_only.c", &["-O1"]);
    let (said, recording, _folder) = tmtool_run(&[loader, &program]);
    assert!(
        said.contains("50 allocations") || info(&recording)["allocations"].as_u64() >= Some(50),
        "{said}"
    );
}

#[test]
fn a_library_in_a_namespace_of_its_own_is_named() {
    let library = compile("deepbind.c", &["-O0", "-shared", "-fPIC", "-DLIBRARY"]);
    let run = Run::new(compile("own_namespace.c", &["-O1"])).args([&library]);
    let (outcome, bare) = (run.recorded(), run.bare());
    outcome.assert_like(&bare);
    assert_eq!(outcome.stdout, "another C library: 1\n");
    let [note] = &notes(outcome.recording())[..] else { panic!("one note") };
    assert!(note.contains("dlmopen") && note.contains(&*library.to_string_lossy()), "{note}");
}

/// As with jemalloc or mimalloc linked into a library under a prefix; the text is what is left of one that is stripped.
#[test]
fn an_allocator_inside_of_a_file_is_named_in_every_report() {
    for flags in [&["-O1", "-DPREFIXED"][..], &["-O1", "-s", "-DTEXT"]] {
        let program = compile("inner_allocator.c", flags);
        let outcome = Run::new(&program).recorded();
        assert_eq!(outcome.status.code(), Some(0));
        let name = program.file_name().expect("a name").to_string_lossy().into_owned();
        let [note] = &notes(outcome.recording())[..] else { panic!("one note") };
        assert!(note.contains(&format!("{name} (jemalloc)")), "{note}");
        for report in ["stats", "peak", "leaks", "top", "timeline", "temporary"] {
            let mut command = Command::new(&products().tmtool);
            let output = command.arg(report).arg(outcome.recording()).output().expect("it starts");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(said.matches(note.as_str()).count(), 1, "{report}: {said}");
        }
    }
}
