//! What cannot be recorded is said and never fails because of us: programs that a recorded one executes, libraries in a
//! namespace of their own, allocators inside of a file.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tm_tests::info::info;
use tm_tests::products::{products, target_folder};
use tm_tests::programs::{compile, compile_by, copy, installed};
use tm_tests::run::Run;

const WAYS: [&str; 16] = [
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
    "handler execl",
    "handler execve",
    "handler execvp",
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

/// A program whose loader is known to be another C library's than glibc's and musl's, by its name: the file is musl's.
fn foreign() -> PathBuf {
    let loader = target_folder().join("tm-tests/ld-uClibc.so.1");
    if !loader.exists() {
        let own =
            tempfile::NamedTempFile::new_in(loader.parent().expect("a folder")).expect("it can be written");
        copy(Path::new(&format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH)), own.path());
        set_mode(own.path(), 0o755);
        own.persist(&loader).expect("as above");
    }
    let flag = format!("-Wl,--dynamic-linker={}", loader.display());
    compile_by("musl-gcc", "counts_arguments.c", &["-O1", &flag])
}

#[test]
fn a_child_of_another_c_library_runs_and_is_named() {
    installed("musl-gcc");
    let foreign = foreign();
    for (way, notes) in WAYS.iter().zip(executed(&foreign)) {
        let [note] = &notes[..] else { panic!("{way}: one note of {notes:?}") };
        let path = if *way == "fexecve" { "/proc/self/fd/".into() } else { foreign.display().to_string() };
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

/// Two folders with a program of the same name in each, put there by `make`.
fn two_programs(make: [&dyn Fn(&Path); 2]) -> (tempfile::TempDir, [PathBuf; 2]) {
    let root = tempfile::tempdir().expect("a folder");
    let folders = ["one", "other"].map(|name| root.path().join(name));
    for (folder, make) in folders.iter().zip(make) {
        std::fs::create_dir(folder).expect("a fresh folder can be written");
        make(&folder.join("program"));
    }
    (root, folders)
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("it is ours");
}

/// Programs of either C library, each with the words that a note of it has.
fn of_either_library() -> [(PathBuf, Option<&'static str>); 2] {
    [(compile("counts_arguments.c", &["-O1"]), None), (foreign(), Some("another C library"))]
}

/// Runs it as without us; there is a note with these words, or none at all.
fn assert_executed(run: &Run, words: Option<&str>) {
    let (outcome, bare) = (run.recorded(), run.bare());
    assert_eq!(bare.stdout, "status 8, bare here\n", "{run:?}");
    assert_eq!(outcome.stdout, "status 8, preloaded here\n", "{run:?}: {}", outcome.stderr);
    let notes: Vec<String> = outcome.recordings.iter().flat_map(|recording| notes(recording)).collect();
    assert_eq!(notes.len(), usize::from(words.is_some()), "{run:?}: {notes:?}");
    assert!(notes.iter().all(|note| words.is_some_and(|words| note.contains(words))), "{run:?}: {notes:?}");
}

/// File actions of `posix_spawn` lead the child to another folder, where a program of the same name is another one.
#[test]
fn a_child_s_program_is_looked_at_where_the_child_will_be() {
    let [(one, _), (other, _)] = of_either_library();
    for swapped in [false, true] {
        let (from, to) = if swapped { (&other, &one) } else { (&one, &other) };
        let words = (!swapped).then_some("another C library");
        let (_root, folders) = two_programs([&|path| copy(from, path), &|path| copy(to, path)]);
        for way in ["posix_spawn chdir", "posix_spawn fchdir", "posix_spawnp chdir"] {
            let executes = compile("executes.c", &["-O1"]);
            let arguments = [Path::new(way), Path::new("./program"), &folders[1]];
            assert_executed(&Run::new(executes).folder(&folders[0]).args(arguments), words);
        }
    }
}

/// What `execvp` passes over is not looked at: files that may not be executed, folders, scripts without an interpreter.
#[test]
fn a_program_that_the_search_passes_over_is_none() {
    let not_executable = |path: &Path| {
        copy(&of_either_library()[1].0, path);
        set_mode(path, 0o644);
    };
    let folder = |path: &Path| std::fs::create_dir(path).expect("a fresh folder can be written");
    let script = |path: &Path| {
        std::fs::write(path, "#!/no/such/interpreter\n").expect("as above");
        set_mode(path, 0o755);
    };
    for (program, words) in of_either_library() {
        for passed_over in [&not_executable as &dyn Fn(&Path), &folder, &script] {
            let (_root, folders) = two_programs([passed_over, &|path| copy(&program, path)]);
            let path = std::env::join_paths(&folders).expect("no colon in it");
            for way in ["execvp", "execlp", "execvpe", "posix_spawnp", "vfork execvp"] {
                let run = Run::new(compile("executes.c", &["-O1"])).args([way, "program"]);
                assert_executed(&run.env("PATH", &path), words);
            }
        }
    }
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
