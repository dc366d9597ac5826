//! `tmtool export firefox` of real programs, taken apart as the Firefox Profiler does: its sums and its times are those of `tmtool stats`
//! and `top`, and hostile names are names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::exported::{answer, export, node_packages};
use tm_tests::hostile;
use tm_tests::info::{info, number};
use tm_tests::programs::{compile, installed};
use tm_tests::run::Run;
use tm_tests::soak;
use tmtool::export::frames::clean;

/// (bytes, blocks) of a report.
fn sums(command: &str, file: &str, options: &[&str]) -> (u64, u64) {
    let snapshot = &answer(command, Path::new(file), options)["snapshot"];
    (number(snapshot, "size"), number(snapshot, "count"))
}

/// The file as the Firefox Profiler takes it apart: columns are of one length, numbers lead somewhere, and what is retained at the
/// end, what was allocated and the highest point of the track are the reports' sums.
#[test]
fn firefox_has_what_was_retained_and_allocated() {
    let python =
        "import json\nkept = [bytearray(1000) for _ in range(500)]\ngone = json.dumps(list(range(5000)))\n";
    let runs =
        [Run::new("/usr/bin/python3").args(["-c", python]), Run::new(compile("leak.cc", &["-g", "-O1"]))];
    for outcome in runs.map(|run| run.recorded()) {
        assert!(outcome.status.success(), "{}", outcome.stderr);
        let (folder, file) = (TempDir::new().unwrap(), &outcome.recording().display().to_string());
        let text = fs::read_to_string(export("firefox", Path::new(file), &[], folder.path().join("a.json")))
            .unwrap();
        let profile: Value = serde_json::from_str(&text).expect("it is JSON");
        let thread = &profile["threads"][0];
        for table in ["frameTable", "funcTable", "stackTable", "nativeAllocations"] {
            let n = thread[table]["length"].as_u64().expect("a number");
            let columns = thread[table].as_object().expect("a table").iter();
            let all =
                columns.filter_map(|(_, column)| column.as_array()).all(|column| column.len() as u64 == n);
            assert!(n > 0 && all, "{table}");
        }
        let column = |table: &str, name: &str| -> Vec<i64> {
            let column = thread[table][name].as_array().expect("a column");
            column.iter().map(|value| value.as_i64().unwrap_or(-1)).collect()
        };
        for (table, name, of) in [
            ("stackTable", "frame", "frameTable"),
            ("frameTable", "func", "funcTable"),
            ("nativeAllocations", "stack", "stackTable"),
        ] {
            let n = thread[of]["length"].as_i64().expect("a number");
            assert!(column(table, name).iter().all(|&number| (0..n).contains(&number)), "{table}.{name}");
        }
        let prefixes = column("stackTable", "prefix");
        assert!(
            (0..).zip(&prefixes).all(|(place, &prefix): (i64, &i64)| prefix < place),
            "callers stand before"
        );
        let weights = column("nativeAllocations", "weight");
        let sum = |weights: &mut dyn Iterator<Item = i64>| weights.sum::<i64>() as u64;
        assert_eq!(sum(&mut weights.iter().copied()), sums("stats", file, &["--at", "end"]).0, "{file}");
        let allocated = sum(&mut weights.iter().copied().filter(|&weight| weight > 0));
        assert_eq!(allocated, sums("top", file, &[]).0, "{file}");
        let mut retained: BTreeMap<i64, i64> = BTreeMap::new();
        for (address, weight) in column("nativeAllocations", "memoryAddress").into_iter().zip(weights) {
            let held = retained.entry(address).or_default();
            *held += weight;
            assert!(*held >= 0, "what goes has come before, and all of it goes");
        }
        let deltas = profile["counters"][0]["samples"]["count"].as_array().expect("a column");
        let mut live = 0;
        let highest = deltas.iter().map(|delta| {
            live += delta.as_i64().expect("a number");
            live
        });
        assert_eq!(highest.max(), Some(sums("stats", file, &[]).0 as i64), "{file}");
        check_times(file, &profile);
    }
}

/// The Profiler's own importer, as its command line has it: it brings the file up to its version, and answers.
struct Profiler {
    script: PathBuf,
    sessions: TempDir,
    daemon: Child,
}

impl Profiler {
    fn reading(profile: &Path) -> Profiler {
        let package = "@firefox-devtools/profiler-cli";
        let folder = node_packages(&[&format!("{package}@0.10.0")]);
        let script = folder.join("node_modules").join(package).join("dist/profiler-cli.js");
        let sessions = TempDir::new().expect("the temporary folder can be written");
        let mut node = Profiler::node(&script, sessions.path());
        let node = node.env("PROFILER_CLI_NO_SYMBOLICATE", "1").arg("--daemon").arg(profile);
        let daemon = node.args(["--session", SESSION]).stdout(Stdio::null()).spawn().expect("node starts");
        Profiler { script, sessions, daemon }
    }

    fn node(script: &Path, sessions: &Path) -> Command {
        let mut node = Command::new(installed("node"));
        node.arg(script).env("PROFILER_CLI_SESSION_DIR", sessions);
        node
    }

    /// What it says, as soon as it has read the file.
    fn answer(&mut self, question: &[&str]) -> Value {
        loop {
            let mut node = Profiler::node(&self.script, self.sessions.path());
            let output = node.args(question).args(["--json", "--session", SESSION]).output();
            let output = output.expect("node starts");
            if output.status.success() {
                return serde_json::from_slice(&output.stdout).expect("--json prints JSON");
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(self.daemon.try_wait().expect("it is a child").is_none(), "{question:?}: {said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

const SESSION: &str = "tm";

/// The Profiler shows what was allocated, within the time of the recording, and the course of what lived.
#[test]
fn the_profiler_itself_shows_what_was_allocated() {
    // It is a package of npm's, which takes seconds to be had and to read a file.
    if !soak::is_long() {
        return;
    }
    let python = "import json\nkept = [bytearray(1000) for _ in range(500)]\njson.dumps(list(range(5000)))\n";
    let runs =
        [Run::new("/usr/bin/python3").args(["-c", python]), Run::new(compile("leak.cc", &["-g", "-O1"]))];
    for outcome in runs.map(|run| run.recorded()) {
        assert!(outcome.status.success(), "{}", outcome.stderr);
        let (folder, file) = (TempDir::new().unwrap(), outcome.recording().display().to_string());
        let exported = export("firefox", Path::new(&file), &[], folder.path().join("a.json"));
        let mut profiler = Profiler::reading(&exported);
        let functions = profiler.answer(&["thread", "functions"]);
        assert_eq!(functions["callTreeSummaryStrategy"], "native-allocations", "{functions}");
        let rows = functions["functions"].as_array().expect("a list").iter();
        let allocated: u64 = rows.map(|row| number(row, "selfSamples")).sum();
        assert_eq!(allocated, sums("top", &file, &[]).0, "{file}");
        let counter = profiler.answer(&["counter", "info", "c-0"]);
        assert_eq!(counter["description"], "Live bytes", "{counter}");
        // It adds the interval of samples, a millisecond.
        let range = &counter["context"]["rootRange"];
        let time = ["start", "end"].map(|end| range[end].as_f64().expect("a number"));
        let duration_ms = number(&info(Path::new(&file)), "duration_ns") as f64 / 1e6;
        assert!(
            0.0 < time[0] && time[0] < time[1] && time[1] <= duration_ms + 1.0,
            "{time:?} of {duration_ms}"
        );
    }
}

/// Everything is within the time of the recording, and what the rows retain at the end of a slice is what lived then.
fn check_times(file: &str, profile: &Value) {
    const N_MOMENTS: usize = 10;
    let duration_ms = number(&info(Path::new(file)), "duration_ns") as f64 / 1e6;
    let numbers = |column: &Value| -> Vec<f64> {
        let column = column.as_array().expect("a column");
        column.iter().map(|value| value.as_f64().expect("a number")).collect()
    };
    let rows = &profile["threads"][0]["nativeAllocations"];
    let (times, weights) = (numbers(&rows["time"]), numbers(&rows["weight"]));
    let track: f64 = numbers(&profile["counters"][0]["samples"]["timeDeltas"]).iter().sum();
    assert!(track > 0.0 && track <= duration_ms, "{track} of {duration_ms} ms");
    assert!(times.is_sorted() && times.iter().all(|&time| time <= duration_ms), "{file}");
    let mut ends = times.clone();
    ends.dedup();
    // A program that has to wait for a processor has all its events in a few.
    assert!(ends.len() > N_MOMENTS, "{} slices in {file}", ends.len());
    let moments: Vec<f64> =
        ends.chunks(ends.len().div_ceil(N_MOMENTS)).map(|some| some[some.len() - 1]).collect();
    let is_exact = |&&moment: &&f64| {
        // What comes in the next slice stands at its beginning.
        let before = times
            .iter()
            .zip(&weights)
            .filter(|&(&time, &weight)| time < moment || time == moment && weight < 0.0);
        let retained: f64 = before.map(|(_, weight)| weight).sum();
        retained as u64 == sums("stats", file, &["--at", &format!("{:.9}s", moment / 1e3)]).0
    };
    // Few moments have an event within the nanosecond to which they are rounded.
    let n_exact = moments.iter().filter(is_exact).count();
    assert!(n_exact + 2 >= moments.len(), "{n_exact} of {} moments of {file}", moments.len());
}

/// Each function is there under its own name, in one piece, and has what it allocated.
#[test]
fn hostile_names_are_names_in_firefox() {
    let folder = TempDir::new().unwrap();
    let program = hostile::program(folder.path());
    let outcome = Run::new(&program).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let file = outcome.recording().display().to_string();
    let text =
        fs::read_to_string(export("firefox", Path::new(&file), &["--raw"], folder.path().join("a.json")))
            .unwrap();
    assert!(!text.trim_end().contains(char::is_control), "what steers a terminal is escaped");
    let profile: Value = serde_json::from_str(&text).expect("it is JSON");
    let thread = &profile["threads"][0];
    let column = |table: &str, name: &str| thread[table][name].as_array().expect("a column").clone();
    let at = |column: &[Value], place: &Value| column[place.as_u64().expect("a number") as usize].clone();
    let [frames, functions, names, texts] = [
        column("stackTable", "frame"),
        column("frameTable", "func"),
        column("funcTable", "name"),
        thread["stringArray"].as_array().expect("a list").clone(),
    ];
    let mut allocated: BTreeMap<String, u64> = BTreeMap::new();
    let [stacks, weights] = ["stack", "weight"].map(|name| column("nativeAllocations", name));
    for (stack, weight) in stacks.iter().zip(&weights) {
        let name = at(&texts, &at(&names, &at(&functions, &at(&frames, stack))));
        let name = name.as_str().expect("a text").to_owned();
        *allocated.entry(name).or_default() += weight.as_i64().expect("a number").max(0) as u64;
    }
    for (place, name) in hostile::names().iter().enumerate() {
        // The end of a very long one is left out.
        let start: String = clean(name).chars().take(16_000).collect();
        let shown = allocated.iter().find(|(shown, _)| shown.starts_with(&start));
        assert_eq!(shown.map(|(_, bytes)| *bytes), Some(2 * hostile::kept_bytes(place)), "{start:.100}");
    }
    assert_eq!(profile["meta"]["arguments"], clean(&program.display().to_string()));
}
