//! Names of code that was made at run time, from the list that its process keeps, or the dump that it writes for perf.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::info::info;
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run};

/// A list of a process, which goes when it is not needed any more.
struct List(PathBuf);

impl List {
    fn of(recording: &Path) -> List {
        List(PathBuf::from(format!("/tmp/perf-{}.map", info(recording)["pid"])))
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn recorded(run: Run) -> (Outcome, List) {
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let list = List::of(outcome.recording());
    assert!(list.0.exists(), "{} is not there", list.0.display());
    (outcome, list)
}

fn report(recording: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(&products().tmtool);
    let (name, rest) = arguments.split_first().expect("a command");
    let output = command.arg(name).arg(recording).args(rest).arg("--json").output().expect("tmtool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// For each size, the generated function that called for it.
fn functions(recording: &Path) -> Vec<(u64, String)> {
    let found = report(recording, &["top", "--key", "traceback", "--limit", "0", "--raw"]);
    let mut functions = Vec::new();
    for group in found["statistics"].as_array().expect("a list") {
        let frames = group["traceback"].as_array().expect("a list").iter();
        let is_generated = |frame: &&Value| {
            frame["filename"].as_str().is_some_and(|name| name.starts_with("[anonymous code]"))
        };
        let generated = frames.filter(is_generated);
        let size = group["size"].as_u64().expect("a number");
        functions
            .extend(generated.map(|frame| (size, frame["function"].as_str().unwrap_or_default().to_owned())));
    }
    functions.sort();
    functions
}

#[test]
fn generated_code_has_the_names_of_its_list_and_a_bundle_keeps_them() {
    let long = "n".repeat(100_000);
    let names = ["LazyCompile:*f /app/x.js:10", "\x1b[31mred", "_ZN3app3runEv", &long];
    let (outcome, list) = recorded(Run::new(compile("perf_map.c", &["-O1", "-g"])).args(names));
    let recording = outcome.recording();
    let found = functions(recording);
    let expected = [(1001, "LazyCompile:*f /app/x.js:10"), (1002, "\x1b[31mred"), (1003, "app::run()")];
    for ((size, name), expected) in found.iter().zip(expected) {
        assert_eq!((*size, &**name), expected);
    }
    let [.., (1004, cut)] = &found[..] else { panic!("{found:?}") };
    assert!(found.len() == 4 && cut.starts_with("nnnn") && cut.len() < 20_000, "{}", cut.len());

    let folder = TempDir::new().expect("the temporary folder can be written");
    let bundle = folder.path().join("b");
    let mut command = Command::new(&products().tmtool);
    let made = command.arg("bundle").arg(recording).arg("-o").arg(&bundle).output().expect("tmtool starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    drop(list);
    assert_eq!(functions(&bundle), found);
    let symbols = report(&bundle, &["symbols"]);
    let modules = symbols["module_list"].as_array().expect("a list").iter();
    let generated: Vec<_> = modules.filter(|module| module["generated"] == true).collect();
    let [generated] = &generated[..] else { panic!("{symbols}") };
    assert_eq!((&generated["addresses"], &generated["functions"]), (&4.into(), &4.into()));
    assert_eq!(symbols["anonymous_addresses"], 0);
    // Without either it is an address, and where the list would be is said.
    assert!(functions(recording).iter().all(|(_, name)| name.starts_with("0x")));
    let symbols = report(recording, &["symbols"]);
    assert_eq!(symbols["anonymous_addresses"], 4);
    assert!(symbols.to_string().contains("\"perf-map\""), "{symbols}");
}

#[test]
fn a_function_in_the_place_of_another_one_is_said() {
    let (outcome, _list) =
        recorded(Run::new(compile("perf_map.c", &["-O1", "-g"])).args(["same", "one", "two"]));
    let found = functions(outcome.recording());
    assert!(found.iter().all(|(_, name)| name == "two"), "{found:?}");
    let said = report(outcome.recording(), &["top"]).to_string();
    assert!(said.contains("code made at run time took the place of other such code"), "{said}");
}

#[test]
fn a_list_that_was_written_later_is_another_process_s() {
    let (outcome, list) = recorded(Run::new(compile("perf_map.c", &["-O1", "-g"])).args(["one"]));
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let file = fs::File::options().append(true).open(&list.0).expect("it is there");
    file.set_modified(later).expect("it is ours");
    assert!(functions(outcome.recording()).iter().all(|(_, name)| name.starts_with("0x")));
}

/// The dump of a process that ran in this folder.
fn dump_of(outcome: &Outcome, folder: &Path) -> PathBuf {
    let dump = folder.join(format!("jit-{}.dump", info(outcome.recording())["pid"]));
    assert!(dump.exists(), "{} is not there", dump.display());
    dump
}

#[test]
fn generated_code_has_the_names_of_its_dump_and_a_bundle_keeps_them() {
    let there = TempDir::new().expect("the temporary folder can be written");
    let run = Run::new(compile("perf_map.c", &["-O1", "-g"])).args(["dump", "first one", "_ZN3app3runEv"]);
    let outcome = run.folder(there.path()).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let (recording, dump) = (outcome.recording(), dump_of(&outcome, there.path()));
    let expected = [(1002, "first one".to_owned()), (1003, "app::run()".to_owned())];
    assert_eq!(functions(recording), expected);
    let folder = TempDir::new().expect("the temporary folder can be written");
    let bundle = folder.path().join("b");
    let mut command = Command::new(&products().tmtool);
    let made = command.arg("bundle").arg(recording).arg("-o").arg(&bundle).output().expect("tmtool starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // Elsewhere it is found in a folder of the user's.
    let kept = folder.path().join(dump.file_name().expect("it has a name"));
    fs::rename(&dump, &kept)
        .or_else(|_| fs::copy(&dump, &kept).and_then(|_| fs::remove_file(&dump)))
        .expect("it is ours");
    assert_eq!(functions(&bundle), expected);
    assert!(functions(recording).iter().all(|(_, name)| name.starts_with("0x")));
    let modified = fs::metadata(&kept).and_then(|status| status.modified()).expect("it is there");
    let folder = format!("--debug-dir={}", folder.path().display());
    let of_user = |what: &str| {
        let symbols = report(recording, &["symbols", &folder]);
        let modules = symbols["module_list"].as_array().expect("a list").iter();
        let generated = modules.filter(|module| module["generated"] == true).collect::<Vec<_>>();
        let attempts = generated[0]["attempt_list"].as_array().expect("a list").clone();
        let last = attempts.last().expect("it was looked for").clone();
        assert_eq!((&last["source"], &last["outcome"]), (&"jitdump".into(), &what.into()), "{last}");
    };
    of_user("used");
    // That of another process is no use, nor is one that is damaged, and both are said.
    let whole = fs::read(&kept).expect("it is there");
    let set = |bytes: &[u8]| {
        fs::write(&kept, bytes).expect("it is ours");
        let file = fs::File::options().append(true).open(&kept).expect("as above");
        file.set_modified(modified).expect("as above");
    };
    set(&[&whole[..20], &[1, 2, 3, 4], &whole[24..]].concat());
    of_user("other");
    set(b"no dump");
    of_user("unreadable");
}

/// The names are node's own, so that this holds for what it writes.
#[test]
fn functions_of_node_have_the_names_of_its_dump() {
    let (folder, run) = node_that_is_told("--perf-prof");
    let outcome = run.folder(folder.path()).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    dump_of(&outcome, folder.path());
    assert_names_hotspot(&outcome);
}

/// Allocates in a function of JavaScript.
const HOTSPOT: &str = "function hotspot(n) { const b = []; for (let i = 0; i < 50; i++) b.push(Buffer.alloc(100000 + n)); return b.length; }\n\
                       let sum = 0; for (let i = 0; i < 300; i++) sum += hotspot(i); console.log(sum);\n";

/// Node with a script of [`HOTSPOT`] in a folder of its own, told by `option` how to say the names of what it generates.
fn node_that_is_told(option: &str) -> (TempDir, Run) {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let script = folder.path().join("app.js");
    fs::write(&script, HOTSPOT).expect("as above");
    let run = Run::new(installed("node")).args([option, "--interpreted-frames-native-stack"]).args([&script]);
    (folder, run)
}

fn assert_names_hotspot(outcome: &Outcome) {
    let found = functions(outcome.recording());
    assert!(found.iter().any(|(_, name)| name.contains("hotspot")), "{} generated frames", found.len());
}

/// The names are node's own, so that this holds for what it writes.
#[test]
fn functions_of_node_have_their_names() {
    let (_folder, run) = node_that_is_told("--perf-basic-prof");
    let (outcome, _list) = recorded(run);
    assert_names_hotspot(&outcome);
}
