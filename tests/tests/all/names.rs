//! Names of functions, files and threads: of languages and tools that make their own, wherever the files are read from.
//!
//! The oracles are the programs' sources, which say what is allocated where.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::products::products;
use tm_tests::programs::{compile, compile_by, copy_program, installed};
use tm_tests::run::{Outcome, Run};

fn tmtool(arguments: &[&OsStr]) -> Output {
    let output = Command::new(&products().tmtool).args(arguments).output().expect("tmtool starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn report(recording: &Path, arguments: &[&str]) -> Value {
    let mut all = vec![OsStr::new("top"), recording.as_os_str(), OsStr::new("--json")];
    all.extend(arguments.iter().map(OsStr::new));
    serde_json::from_slice(&tmtool(&all).stdout).expect("--json prints JSON")
}

/// The functions and their bytes, of those that allocated one of `sizes`.
fn functions(recording: &Path, sizes: &[u64]) -> Vec<(String, u64)> {
    let report = report(recording, &["--key", "function", "--limit", "0"]);
    let groups = report["statistics"].as_array().expect("a list").iter();
    let mut found: Vec<(String, u64)> = groups
        .filter_map(|group| {
            let frame = group["traceback"].as_array()?.last()?;
            let size = group["size"].as_u64().filter(|size| sizes.contains(size))?;
            Some((frame["function"].as_str()?.to_owned(), size))
        })
        .collect();
    found.sort_by_key(|(_, size)| *size);
    found
}

fn record(program: &Path) -> Outcome {
    let outcome = Run::new(program).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

fn run_in(folder: &Path, command: &[&str]) {
    let output = Command::new(command[0]).args(&command[1..]).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot start {} ({error}): scripts/setup installs what the tests need", command[0])
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn named(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect()
}

#[test]
fn procedures_of_fortran_have_their_names() {
    let program = compile_by("gfortran", "names.f90", &["-g", "-O0"]);
    let outcome = record(&program);
    let expected = [("within", 2004), ("shapes::area", 4004), ("outside", 8004), ("demo", 12004)];
    assert_eq!(functions(outcome.recording(), &expected.map(|(_, size)| size)), named(&expected));
}

#[test]
fn functions_of_d_have_their_names() {
    installed("gdc");
    let program = compile_by("gdc", "names.d", &["-g", "-O0"]);
    let outcome = record(&program);
    let expected = [
        ("names.grab(immutable(char)[])", 1404),
        ("names.grab(int)", 3404),
        ("names.Shelf!(int).Shelf.put(int) const", 5404),
        ("names.Shelf!(int).Shelf.this(int, immutable(char)[])", 7404),
    ];
    assert_eq!(functions(outcome.recording(), &expected.map(|(_, size)| size)), named(&expected));
}

#[test]
fn lambdas_that_were_inlined_are_told_apart() {
    let outcome = record(&compile("lambdas.cc", &["-g", "-O2"]));
    let expected = [
        ("app::fill(int)::{lambda#1}::operator()", 1001),
        ("app::fill(int)::{lambda#2}::operator()", 2001),
        ("app::fill(int)::{lambda#3}::operator()", 3001),
        ("main::{lambda#1}::operator()", 4001),
    ];
    assert_eq!(functions(outcome.recording(), &expected.map(|(_, size)| size)), named(&expected));
}

/// Thirty substitutions that double: `c++filt` would write gigabytes. A second one differs from it behind the cut.
#[test]
fn a_symbol_that_stands_for_gigabytes_is_named_and_is_no_other_one() {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let symbol = |n: usize| {
        let parts = digits[..n].iter().map(|&k| format!("S_IS{0}_S{0}_E", char::from(k)));
        format!("_Z1f1PIiiE{}", parts.collect::<String>())
    };
    let folder = TempDir::new().expect("the temporary folder can be written");
    let source = format!(
        "#include <stdlib.h>\nvoid *volatile kept;\nvoid f(int n) __asm__(\"{}\"); void g(int n) __asm__(\"{}\");\n\
         __attribute__((noinline)) void f(int n) {{ kept = malloc(n); }}\n\
         __attribute__((noinline)) void g(int n) {{ kept = malloc(n); }}\n\
         int main() {{ f(1404); g(3404); return 0; }}\n",
        symbol(30),
        symbol(29)
    );
    fs::write(folder.path().join("n.c"), source).expect("as above");
    run_in(folder.path(), &["gcc", "-g", "-O1", "n.c", "-o", "n"]);
    let outcome = record(&folder.path().join("n"));
    let found = functions(outcome.recording(), &[1404, 3404]);
    let [(one, 1404), (other, 3404)] = &found[..] else { panic!("{found:?}") };
    assert!(one.starts_with("f(P<int, int>, P<P<int, int>") && one.len() < 20_000, "{}", one.len());
    assert!(one.contains('…') && other.contains('…') && one != other);
}

#[test]
fn threads_have_the_names_that_they_end_with() {
    let outcome = record(&compile("late_thread_names.cc", &["-O1", "-pthread"]));
    let bytes = |thread: &str| {
        let report = report(outcome.recording(), &["--thread", thread]);
        report["snapshot"]["size"].as_u64().expect("a number")
    };
    // What thread k allocates is 10 bytes before it has its name and 30 times 100 + k after it.
    for k in 0..20 {
        assert_eq!(bytes(&format!("worker-{k}")), 10 + 30 * (100 + k), "worker-{k}");
    }
    assert_eq!(bytes("worker-?"), (0..10).map(|k| 10 + 30 * (100 + k)).sum::<u64>());
    assert_eq!(bytes("worker-*"), (0..20).map(|k| 10 + 30 * (100 + k)).sum::<u64>());
    // Named by the thread that has made it, and named again at its very end.
    assert_eq!(bytes("named by main"), 777);
    assert_eq!(bytes("last of many"), 888);
}

#[test]
fn a_path_that_is_no_utf_8_is_printed_and_opened_as_it_is() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let odd = folder.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).expect("as above");
    let program = odd.join(OsStr::from_bytes(b"pro\xfcg"));
    copy_program(&compile("late_thread_names.cc", &["-O1", "-pthread"]), &program);
    let outcome = record(&program);
    let arguments = ["top", "--key", "module", "--full"].map(OsStr::new);
    let text = tmtool(&[&arguments[..], &[outcome.recording().as_os_str()]].concat()).stdout;
    let wanted = program.as_os_str().as_bytes();
    assert!(text.windows(wanted.len()).any(|part| part == wanted), "{}", String::from_utf8_lossy(&text));
    // Its symbols are found, and JSON has the bytes as characters that come back.
    let json = report(outcome.recording(), &["--key", "module"]).to_string();
    assert!(json.contains("caf\u{10ffe9}/pro\u{10fffc}g") && !json.contains("not here"), "{json}");
}

#[test]
fn a_library_that_was_opened_by_a_relative_path_is_found_from_anywhere() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    fs::create_dir(folder.path().join("plugins")).expect("as above");
    fs::write(folder.path().join("x.c"), "#include <stdlib.h>\nvoid *grab(int n) { return malloc(n); }\n")
        .expect("as above");
    fs::write(
        folder.path().join("main.c"),
        "#include <dlfcn.h>\nint main() { void *x = dlopen(\"./plugins/x.so\", RTLD_NOW);\n\
         ((void *(*)(int))dlsym(x, \"grab\"))(1404); return 0; }\n",
    )
    .expect("as above");
    run_in(folder.path(), &["gcc", "-g", "-shared", "-fPIC", "x.c", "-o", "plugins/x.so"]);
    run_in(folder.path(), &["gcc", "-g", "main.c", "-o", "main"]);
    let outcome = Run::new(folder.path().join("main")).folder(folder.path()).recorded();
    assert_eq!(functions(outcome.recording(), &[1404]), named(&[("grab", 1404)]));
}

#[test]
fn lines_of_a_source_that_was_edited_since_are_not_shown_and_that_is_said() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let source = folder.path().join("a.c");
    let text = "#include <stdlib.h>\nint main() {\n  return malloc(1404) == 0;\n}\n";
    fs::write(&source, text).expect("as above");
    run_in(folder.path(), &["gcc", "-g", "a.c", "-o", "a"]);
    let outcome = record(&folder.path().join("a"));
    let shown = || {
        let arguments = ["top", "--key", "traceback", "--size", "1404"].map(OsStr::new);
        let output = tmtool(&[&arguments[..], &[outcome.recording().as_os_str()]].concat());
        String::from_utf8(output.stdout).expect("it is UTF-8")
    };
    assert!(shown().contains("    return malloc(1404)") && !shown().contains("edited"), "{}", shown());
    fs::write(&source, format!("#define NEW\n{text}")).expect("as above");
    assert!(!shown().contains("    int main"), "{}", shown());
    assert_eq!(shown().matches("1 source file was edited since the recording").count(), 1, "{}", shown());
}

#[test]
fn one_program_built_in_two_folders_is_compared_as_one() {
    let source = |more: &str| {
        format!(
            "#include <stdlib.h>\n{more}static void *volatile s;\n\
             __attribute__((noinline)) void keep(int n) {{ s = malloc(n); }}\n\
             __attribute__((noinline)) void grow(int n) {{ s = malloc(n); }}\n\
             int main(int argc, char **argv) {{ keep(100000); grow(argc * 100000); return 0; }}\n"
        )
    };
    let folder = TempDir::new().expect("the temporary folder can be written");
    let build = |name: &str, text: &str| {
        let folder = folder.path().join(name).join("src");
        fs::create_dir_all(&folder).expect("as above");
        fs::write(folder.join("a.c"), text).expect("as above");
        run_in(&folder, &["gcc", "-g", "-O1", "a.c", "-o", "a"]);
        folder.join("a")
    };
    let old = record(&build("old", &source("")));
    let run = Run::new(build("new/deeper", &source(""))).args(["one", "two"]);
    let (new, moved) = (run.recorded(), record(&build("moved", &source("\n\n\n"))));
    let diff = |new: &Outcome, key: &str| {
        let recordings = [old.recording().as_os_str(), new.recording().as_os_str()];
        let arguments = ["diff", "--json", "--key", key].map(OsStr::new);
        let output = tmtool(&[&arguments[..], &recordings[..]].concat());
        serde_json::from_slice::<Value>(&output.stdout).expect("--json prints JSON")
    };
    for key in ["function", "lineno", "filename", "traceback", "module"] {
        let found = diff(&new, key);
        let groups = found["statistics"].as_array().expect("a list");
        let differences: Vec<_> = groups.iter().filter_map(|group| group["size_diff"].as_i64()).collect();
        assert_eq!(differences, [200_000], "{key}: {found:#}");
        assert_eq!(found["hint"], Value::Null, "{key}");
    }
    // The same functions, at other lines.
    assert_eq!(diff(&moved, "function")["statistics"], Value::Array(Vec::new()));
    let found = diff(&moved, "lineno");
    assert!(found["hint"].as_str().is_some_and(|hint| hint.contains("--key function")), "{found:#}");
}
