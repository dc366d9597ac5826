//! Names of code that was made at run time, from the list that its process keeps.

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

/// The names are node's own, so that this holds for what it writes.
#[test]
fn functions_of_node_have_their_names() {
    let node = installed("node");
    let folder = TempDir::new().expect("the temporary folder can be written");
    let script = folder.path().join("app.js");
    let source = "function hotspot(n) { const b = []; for (let i = 0; i < 50; i++) b.push(Buffer.alloc(100000 + n)); return b.length; }\n\
                  let sum = 0; for (let i = 0; i < 300; i++) sum += hotspot(i); console.log(sum);\n";
    fs::write(&script, source).expect("as above");
    let (outcome, _list) = recorded(
        Run::new(node).args(["--perf-basic-prof", "--interpreted-frames-native-stack"]).args([&script]),
    );
    let found = functions(outcome.recording());
    assert!(found.iter().any(|(_, name)| name.contains("hotspot")), "{} generated frames", found.len());
}
