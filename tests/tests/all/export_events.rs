//! Formats of events are opened by the tools that they are for, and these find what `tmtool` says: heaptrack_print, valgrind's
//! `ms_print` and, in Chromium, its `dh_view.html`; Perfetto's trace is read by the schema of Perfetto's own Python package.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::exported::{answer, export, python_with, read_by};
use tm_tests::hostile;
use tm_tests::info::number;
use tm_tests::programs::{compile, find_installed, installed};
use tm_tests::run::{Outcome, Run};

/// A recording, and which process of it is asked for.
struct Case {
    outcome: Outcome,
    options: Vec<String>,
    /// What the process did, of [`answer`] "info".
    process: Value,
    /// What it had inherited: files of events begin with that.
    inherited: [u64; 2],
    scratch: TempDir,
}

impl Case {
    fn new(outcome: Outcome) -> Case {
        assert!(outcome.status.success(), "{}", outcome.stderr);
        let process = answer("info", outcome.recording(), &[])["process_list"][0].clone();
        let scratch = TempDir::new().expect("the temporary folder can be written");
        Case { outcome, options: Vec::new(), process, inherited: [0, 0], scratch }
    }

    /// The child of `forks_with_memory.c`.
    fn child() -> Case {
        let mut case = Case::new(Run::new(compile("forks_with_memory.c", &["-g"])).recorded());
        case.process = answer("info", case.outcome.recording(), &[])["process_list"][1].clone();
        case.options = vec!["--process".to_owned(), number(&case.process, "pid").to_string()];
        let blocks: Vec<u64> = (1000..1100).collect();
        case.inherited = [blocks.iter().sum(), blocks.len() as u64];
        case
    }

    fn all() -> Vec<Case> {
        let python = Run::new("/usr/bin/python3").args(["-c", "import json, argparse"]);
        let threads = Run::new(compile("threads.c", &["-g", "-pthread"]));
        let cplusplus = Run::new(compile("leak.cc", &["-g", "-O1"]));
        let whole = [cplusplus, python, threads].map(|run| Case::new(run.recorded()));
        whole.into_iter().chain([Case::child(), Case::hostile()]).collect()
    }

    /// A program whose functions have names that would be something else in a format.
    fn hostile() -> Case {
        let folder = TempDir::new().expect("the temporary folder can be written");
        let mut case = Case::new(Run::new(hostile::program(folder.path())).recorded());
        // The program stays, since it has the names.
        case.scratch = folder;
        case
    }

    fn recording(&self) -> &Path {
        self.outcome.recording()
    }

    fn options(&self) -> Vec<&str> {
        self.options.iter().map(String::as_str).collect()
    }

    fn number(&self, key: &str) -> u64 {
        number(&self.process, key)
    }

    fn exported(&self, format: &str, name: &str) -> PathBuf {
        export(format, self.recording(), &self.options(), self.scratch.path().join(name))
    }

    /// Bytes and blocks that a report is about.
    fn sums(&self, command: &str, options: &[&str]) -> [u64; 2] {
        let answer = answer(command, self.recording(), &[&self.options()[..], options].concat());
        ["size", "count"].map(|key| answer["snapshot"][key].as_u64().expect("a number"))
    }

    fn allocations(&self) -> u64 {
        self.number("allocations") + self.number("reallocations") + self.inherited[1]
    }
}

/// The sum of a cost over all stacks, and the stacks themselves.
fn heaptrack_sum(heaptrack_print: &mut Command, file: &Path, cost: &str, scratch: &Path) -> (u64, String) {
    let stacks = scratch.join("stacks");
    let suppressions = ["--disable-builtin-suppressions", "--disable-embedded-suppressions"];
    let print = heaptrack_print.arg(file).args(suppressions).args(["--flamegraph-cost-type", cost]);
    let output = print.arg("-F").arg(&stacks).output().expect("it was found");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("failed to"), "{said}");
    let text = std::fs::read_to_string(&stacks).expect("it writes the file");
    let values = text.lines().map(|line| {
        let value = line.rsplit(' ').next().expect("a stack and a value");
        value.parse::<u64>().unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    (values.sum(), text)
}

#[test]
fn heaptrack_finds_the_same_sums() {
    for case in Case::all() {
        let names = ["a.heaptrack", "a.heaptrack.gz", "a.heaptrack.zst"];
        let [plain, gzipped, packed] = names.map(|name| case.exported("heaptrack", name));
        let temporary = case.sums("temporary", &[])[1];
        for (cost, expected, file) in [
            ("allocations", case.allocations(), &packed),
            ("peak", case.number("peak_bytes"), &plain),
            ("leaked", case.number("live_bytes_at_end"), &gzipped),
            ("temporary", temporary, &plain),
        ] {
            let mut print = Command::new(installed("heaptrack_print"));
            let (sum, stacks) = heaptrack_sum(&mut print, file, cost, case.scratch.path());
            // heaptrack takes an allocation of any thread for the next one.
            let is_less = cost == "temporary" && case.recording().to_string_lossy().contains("threads");
            let is_equal = sum == expected || is_less && sum < expected;
            assert!(is_equal, "{cost} of {}: {sum} and not {expected}\n{stacks}", file.display());
        }
    }
}

#[test]
fn ms_print_finds_the_peak_and_its_stacks() {
    for case in Case::all() {
        let text = read_by(Command::new(installed("ms_print")).arg(case.exported("massif", "a.massif")));
        let detailed = text.lines().find(|line| line.contains("Detailed snapshots")).expect("a list");
        let (before, _) = detailed.split_once(" (peak)").expect("one is the peak");
        let peak = before.rsplit([' ', '[']).next().expect("a number");
        let row = |line: &&str| {
            line.split_whitespace().next() == Some(peak) && line.split_whitespace().count() == 6
        };
        let place = text.lines().position(|line| row(&line)).expect("the peak has a row");
        let total = text.lines().nth(place).and_then(|row| row.split_whitespace().nth(2)).expect("a column");
        assert_eq!(total.replace(',', ""), case.number("peak_bytes").to_string());
        // What stands directly under the root, folded or not, is all that was live.
        let tree = text.lines().skip(place + 2).take_while(|line| !line.starts_with("---"));
        let bytes = |line: &str| {
            let (_, rest) = line.strip_prefix("->")?.split_once('(')?;
            rest.split_once("B)").and_then(|(bytes, _)| bytes.replace(',', "").parse::<u64>().ok())
        };
        let sum: u64 = tree.filter_map(bytes).sum();
        assert_eq!(sum, case.number("peak_bytes"), "{text}");
    }
}

/// Any browser that speaks Chromium's options.
fn browser() -> PathBuf {
    ["google-chrome", "chromium"]
        .into_iter()
        .find_map(find_installed)
        .unwrap_or_else(|| installed("chromium"))
}

/// What `dh_view.html` shows of `file`.
fn viewed_by_dhat(file: &Path, scratch: &Path) -> String {
    let folder = Path::new("/usr/libexec/valgrind");
    let page = std::fs::read_to_string(folder.join("dh_view.html")).expect("valgrind is installed");
    for name in ["dh_view.js", "dh_view.css"] {
        let copied = std::fs::copy(folder.join(name), scratch.join(name));
        copied.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let data = std::fs::read_to_string(file).expect("it was written");
    // As if the user had chosen the file.
    let data = serde_json::to_string(&data).expect("a string").replace("</", "<\\/");
    let load = format!(
        "<script>window.addEventListener('load', () => {{
            Object.defineProperty(gInput, 'files', {{value: [new File([{data}], 'a')]}});
            loadFile();
        }});</script>"
    );
    let page = page.replace("</body>", &format!("{load}</body>"));
    assert!(page.contains(&load), "the page has a body");
    let place = scratch.join("view.html");
    std::fs::write(&place, page).expect("as above");
    let mut browser = Command::new(browser());
    browser.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=60000",
        "--dump-dom",
    ]);
    browser.arg(format!("--user-data-dir={}", scratch.join("profile").display()));
    let output = browser.arg(format!("file://{}", place.display())).output().expect("it was found");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn dh_view_shows_the_same_totals() {
    for case in Case::all() {
        let file = case.exported("dhat", "a.dhat.json");
        let shown = viewed_by_dhat(&file, case.scratch.path());
        let text: String = shown.split('<').filter_map(|part| Some(part.split_once('>')?.1)).collect();
        let [top_bytes, top_blocks] = case.sums("top", &[]);
        let peak = ["peak_bytes", "peak_blocks"].map(|key| case.number(key));
        let end = ["live_bytes_at_end", "live_blocks_at_end"].map(|key| case.number(key));
        let total = [top_bytes + case.inherited[0], top_blocks + case.inherited[1]];
        for (name, [bytes, blocks]) in [("Total:", total), ("At t-gmax:", peak), ("At t-end:", end)] {
            let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("no {name} in {text}"));
            let numbers: Vec<u64> = rest
                .split([' ', '\n', '('])
                .filter_map(|word| word.replace(',', "").parse().ok())
                .take(2)
                .collect();
            assert_eq!(numbers, [bytes, blocks], "{name} {}", rest.chars().take(200).collect::<String>());
        }
    }
}

/// Reads a trace as Perfetto's trace_processor does, and prints bytes and blocks allocated and left, up to each dump.
const READ_TRACE: &str = r#"
import json, sys
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace
trace = Trace()
trace.ParseFromString(open(sys.argv[1], "rb").read())
tables = {name: {} for name in ("function_names", "frames", "callstacks", "mappings", "build_ids", "mapping_paths", "source_paths")}
dumps, index, sites, pids, clocks = [], 0, {}, set(), set()
for packet in trace.packet:
    assert packet.trusted_packet_sequence_id == 1
    for clock in packet.clock_snapshot.clocks:
        clocks.add(clock.clock_id)
    pids |= {process.pid for process in packet.process_tree.processes}
    for name, table in tables.items():
        for entry in getattr(packet.interned_data, name):
            assert entry.iid not in table and entry.iid > 0
            table[entry.iid] = entry
    if packet.HasField("profile_packet"):
        profile = packet.profile_packet
        assert profile.index == index
        index += 1
        for heap in profile.process_dumps:
            assert heap.pid in pids and heap.timestamp == packet.timestamp
            for sample in heap.samples:
                key = heap.pid, heap.heap_name, sample.callstack_id
                now = sample.self_allocated, sample.alloc_count, sample.self_freed, sample.free_count
                assert all(a <= b for a, b in zip(sites.get(key, now), now)), "sums only grow"
                sites[key] = now
        if not profile.continued:
            sums = [sum(values) for values in zip(*sites.values())]
            dumps.append([sums[0], sums[1], sums[0] - sums[2], sums[1] - sums[3]])
assert {1, 4, 6} <= clocks
for stack in tables["callstacks"].values():
    for frame in (tables["frames"][iid] for iid in stack.frame_ids):
        function = tables["function_names"][frame.function_name_id].str.decode()
        mapping = tables["mappings"][frame.mapping_id]
        [tables["mapping_paths"][iid].str.decode() for iid in mapping.path_string_ids]
        assert not mapping.build_id or tables["build_ids"][mapping.build_id].str
        assert not frame.line_number or tables["source_paths"][frame.source_path_iid].str.decode()
names = sorted({entry.str.decode() for entry in tables["function_names"].values()})
print(json.dumps({"dumps": dumps, "names": names}))
"#;

#[test]
fn perfettos_trace_has_the_sums_of_the_peak_and_of_the_end() {
    let python = python_with(&["perfetto"]);
    for case in Case::all() {
        let trace = case.exported("perfetto", "a.perfetto-trace");
        let read = read_by(Command::new(&python).args(["-c", READ_TRACE]).arg(trace));
        let read: Value = serde_json::from_str(&read).expect("it prints JSON");
        let dumps = read["dumps"].as_array().expect("a list");
        let numbers = |dump: &Value| -> Vec<u64> {
            dump.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
        };
        let [top_bytes, top_blocks] = case.sums("top", &[]);
        let [peak_bytes, peak_blocks] = ["peak_bytes", "peak_blocks"].map(|key| case.number(key));
        let [end_bytes, end_blocks] = ["live_bytes_at_end", "live_blocks_at_end"].map(|key| case.number(key));
        let total = [top_bytes + case.inherited[0], top_blocks + case.inherited[1], end_bytes, end_blocks];
        assert_eq!(numbers(dumps.last().expect("one")), total);
        assert_eq!(numbers(&dumps[0])[2..], [peak_bytes, peak_blocks]);
    }
}

/// A child that is asked for by itself has what it inherited; of all processes, each has its own.
#[test]
fn perfettos_trace_has_all_processes() {
    let case = Case::child();
    let all = ["--process", "all"];
    let trace = export("perfetto", case.recording(), &all, case.scratch.path().join("all"));
    let read = read_by(Command::new(python_with(&["perfetto"])).args(["-c", READ_TRACE]).arg(trace));
    let read: Value = serde_json::from_str(&read).expect("it prints JSON");
    let last = read["dumps"].as_array().and_then(|dumps| dumps.last()).expect("one").clone();
    let top = answer("top", case.recording(), &all);
    assert_eq!(last[0], top["snapshot"]["size"]);
    assert_eq!(last[1], top["snapshot"]["count"]);
}

#[test]
fn what_a_file_does_not_have_is_one_sentence() {
    let case = Case::child();
    let snap = case.scratch.path().join("a.snap");
    let tmtool = || Command::new(&tm_tests::products::products().tmtool);
    let made = tmtool().arg("filter").arg(case.recording()).arg("-o").arg(&snap).status();
    assert!(made.expect("tmtool starts").success());
    for format in ["heaptrack", "dhat", "massif", "perfetto", "parquet"] {
        let output = case.scratch.path().join("out");
        let refused = |file: &Path, options: &[&str], status: i32, words: &str| {
            let mut export = tmtool();
            let export = export.args(["export", format]).arg(file).args(options).arg("-o").arg(&output);
            let done = export.output().expect("tmtool starts");
            let said = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(status), "{format}: {said}");
            assert!(said.trim_end().lines().count() == 1 && said.contains(words), "{format}: {said}");
            assert!(!output.exists(), "{format} leaves something");
        };
        refused(&snap, &[], 2, "give the recording");
        refused(case.recording(), &["--min-age", "1s"], 2, "leave --min-age");
        if !["perfetto", "parquet"].contains(&format) {
            refused(case.recording(), &["--process", "all"], 2, "--process");
        }
    }
}
