//! `tmtool symbols`: where names come from and which are missing, and reports with the files somewhere else.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::products::products;
use tm_tests::programs::{compile, copy_program};
use tm_tests::run::{Outcome, Run, may_administer};

fn tmtool(recording: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(&products().tmtool);
    let (first, rest) = arguments.split_first().expect("a command");
    command.arg(first).arg(recording).args(rest).output().expect("tmtool starts")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// What `tmtool symbols --json` says.
fn symbols(recording: &Path, arguments: &[&str]) -> Value {
    let output = tmtool(recording, &[&["symbols", "--json"], arguments].concat());
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// The module whose path ends so.
fn module<'a>(symbols: &'a Value, name: &str) -> &'a Value {
    let modules = symbols["module_list"].as_array().expect("a list");
    let found =
        modules.iter().find(|module| module["path"].as_str().is_some_and(|path| path.ends_with(name)));
    found.unwrap_or_else(|| panic!("no {name} in {symbols}"))
}

/// A program of C++ in a folder of its own, recorded.
struct Recorded {
    folder: TempDir,
    program: PathBuf,
    outcome: Outcome,
}

fn recorded(name: &std::ffi::OsStr) -> Recorded {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let program = folder.path().join(name);
    copy_program(&compile("leak.cc", &["-g", "-O1"]), &program);
    let outcome = Run::new(&program).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    Recorded { folder, program, outcome }
}

#[test]
fn each_module_has_where_its_names_come_from_and_what_is_missing() {
    let Recorded { folder, program, outcome } = recorded("leaks".as_ref());
    let recording = outcome.recording();
    let found = symbols(recording, &[]);
    let whole = module(&found, "/leaks");
    let number = |module: &Value, key: &str| module[key].as_u64().expect("a number");
    let needed = number(whole, "addresses");
    assert!(needed > 3 && number(whole, "functions") == needed, "{whole}");
    assert_eq!(whole["attempt_list"][0]["path"].as_str(), program.to_str());
    assert_eq!(whole["attempt_list"][0]["outcome"], "used");
    // The notes of the program's file, as binutils reads them.
    let notes = Command::new("readelf").arg("-n").arg(&program).output().expect("readelf starts");
    let notes = String::from_utf8_lossy(&notes.stdout).into_owned();
    assert!(notes.contains(&format!("Build ID: {}", whole["build_id"].as_str().expect("a text"))), "{notes}");

    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("the folder can be written");
    let before = text(&tmtool(recording, &["stats", "--limit", "0"]));
    fs::rename(&program, elsewhere.join("leaks")).expect("as above");
    let found = symbols(recording, &[]);
    let gone = module(&found, "/leaks");
    assert_eq!((number(gone, "addresses"), number(gone, "functions"), number(gone, "lines")), (needed, 0, 0));
    assert_eq!(
        (&gone["attempt_list"][0]["outcome"], &found["names_missing"]),
        (&"missing".into(), &true.into())
    );
    let output = tmtool(recording, &["symbols", "--check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("tmtool: the functions of ") && said.ends_with(" are missing\n"), "{said}");
    assert!(text(&tmtool(recording, &["symbols"])).contains("  missing     file        /"), "{said}");

    // The same report wherever the file is found.
    let map = format!("--map={}={}", folder.path().display(), elsewhere.display());
    let debug = format!("--debug-dir={}", elsewhere.display());
    for option in [&map, &debug] {
        assert_eq!(text(&tmtool(recording, &["stats", "--limit", "0", option])), before, "{option}");
        assert!(module(&symbols(recording, &[option]), "/leaks")["functions"] == needed, "{option}");
    }
    let mut command = Command::new(&products().tmtool);
    command.arg("stats").arg(recording).args(["--limit", "0"]).env("TMTOOL_DEBUG_DIR", &elsewhere);
    assert_eq!(text(&command.output().expect("tmtool starts")), before);
    // Another program under the name is no help, and said.
    fs::copy("/bin/true", &program).expect("as above");
    let found = symbols(recording, &[]);
    assert_eq!(module(&found, "/leaks")["attempt_list"][0]["outcome"], "other");
    assert!(
        found["problems"][0].as_str().is_some_and(|said| said.contains("has changed since the recording"))
    );
}

#[test]
fn a_name_that_is_no_utf_8_is_opened_by_its_bytes() {
    let name = [&b"le\xe9k\x1b[31m "[..], &[b'x'; 100]].concat();
    let Recorded { folder: _kept, outcome, .. } = recorded(std::ffi::OsStr::from_bytes(&name));
    let found = symbols(outcome.recording(), &[]);
    let module = module(&found, "x");
    assert!(module["addresses"].as_u64() > Some(3) && module["functions"] == module["addresses"], "{module}");
    let said = text(&Output {
        stdout: String::from_utf8_lossy(&tmtool(outcome.recording(), &["symbols"]).stdout)
            .into_owned()
            .into(),
        ..tmtool(outcome.recording(), &["symbols"])
    });
    assert!(!said.contains('\x1b'), "control characters reach the terminal: {said:?}");
}

/// A program and what it is linked with, in a root folder of its own.
fn root_with(program: &Path) -> TempDir {
    let root = TempDir::new().expect("the temporary folder can be written");
    let linked = Command::new("ldd").arg(program).output().expect("ldd starts");
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    for file in libraries {
        let place = root.path().join(file.strip_prefix("/").expect("it is absolute"));
        fs::create_dir_all(place.parent().expect("it has one")).expect("the folder can be written");
        copy_program(&file, &place);
    }
    copy_program(program, &root.path().join("prog"));
    fs::copy(&products().library, root.path().join("libtm.so")).expect("as above");
    root
}

#[test]
fn files_of_a_process_with_a_root_folder_of_its_own_are_looked_for_there() {
    if !may_administer() {
        // Nobody else may change the root folder.
        return;
    }
    let folder = TempDir::new().expect("the temporary folder can be written");
    let source = "#include <stdlib.h>\n#include <unistd.h>\nvoid *volatile kept;\n\
                  __attribute__((noinline)) void holds_it(void) { kept = malloc(4321); }\n\
                  int main(void) { holds_it(); if (write(1, \"ready\", 5) < 5) return 1; for (;;) pause(); }\n";
    fs::write(folder.path().join("p.c"), source).expect("as above");
    let compiled =
        Command::new("gcc").args(["-g", "-O1", "p.c", "-o", "p"]).current_dir(folder.path()).status();
    assert!(compiled.expect("gcc starts").success());
    let root = root_with(&folder.path().join("p"));
    let mut command = Command::new("chroot");
    command.arg(root.path()).args(["/prog"]).env("LD_PRELOAD", "/libtm.so").env("TM_OUT", "/tm.%p.bin");
    // The loader of chroot itself finds no such library, and says so.
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("chroot starts");
    let mut ready = [0; 5];
    let stdout = child.stdout.as_mut().expect("it is a pipe");
    stdout.read_exact(&mut ready).expect("the program begins");
    let snapshot = folder.path().join("now.snap");
    let taken = Command::new(&products().tmtool)
        .args(["snapshot", &child.id().to_string(), "-o"])
        .arg(&snapshot)
        .output()
        .expect("tmtool starts");
    child.kill().expect("it is our child");
    child.wait().expect("as above");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let said = text(&tmtool(&snapshot, &["stats", "--key", "function"]));
    assert!(said.contains("4321 B") && said.contains("holds_it"), "{said}");
}

#[test]
fn what_cannot_be_done_is_a_sentence() {
    let said = |arguments: &[&str]| {
        let output = Command::new(&products().tmtool).args(arguments).output().expect("tmtool starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = said(&["symbols", "/nowhere"]);
    assert!(code == Some(1) && stderr.starts_with("tmtool: "), "{stderr}");
    let (code, stderr) = said(&["symbols", "/dev/null", "--sysroot", "/nowhere"]);
    assert_eq!((code, &*stderr), (Some(2), "tmtool: /nowhere is no folder; name one with --sysroot\n"));
    let (code, stderr) = said(&["stats", "/dev/null", "--map", "x"]);
    assert!(code == Some(2) && stderr.contains("write /FROM=/TO"), "{stderr}");
}
