//! The data in the page of `tmtool report` against what `tmtool stats` says of the same moments, for real programs; and what a page
//! must never be: larger than it may, markup of somebody else's, or in the place of another file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::read::DeflateDecoder;
use serde_json::Value;
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run};
use tm_tests::soak::times;

const PYTHON: &str = "/usr/bin/python3";
const FILE_BYTES_MAX: usize = 5 << 20;

fn tmtool(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(&products().tmtool).args(arguments).current_dir(folder).output().expect("tmtool starts")
}

/// The page of a recording.
fn report(recording: &Path, options: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let name = recording.to_str().expect("it is text");
    let output = tmtool(folder.path(), &[&["report", name, "-o", "out.html"], options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(folder.path().join("out.html")).expect("it was written")
}

/// The data of a page.
pub(crate) fn data(html: &str) -> Value {
    let (_, rest) = html.split_once("id=\"tm-data\">").expect("it has a place for the data");
    let (packed, _) = rest.split_once("</script>").expect("the place ends");
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no digit of base64"),
    };
    let mut deflated = Vec::new();
    for four in packed.trim_end_matches('=').as_bytes().chunks(4) {
        let word = four.iter().fold(0_u32, |word, byte| word << 6 | u32::from(digit(*byte)))
            << (6 * (4 - four.len()));
        deflated.extend([word >> 16, word >> 8, word].map(|byte| byte as u8).iter().take(four.len() - 1));
    }
    let mut text = String::new();
    DeflateDecoder::new(deflated.as_slice()).read_to_string(&mut text).expect("it is deflated");
    serde_json::from_str(&text).expect("it is JSON")
}

fn numbers(of: &Value) -> Vec<u64> {
    of.as_array().expect("a column").iter().map(|number| number.as_u64().expect("a number")).collect()
}

/// Bytes and blocks by line.
type Lines = BTreeMap<(String, u64), (u64, u64)>;

/// What lives at a boundary, by the line that is blamed.
fn live_at(data: &Value, boundary: u64) -> Lines {
    let cells = |name: &str| numbers(&data["cells"][name]);
    let [slices, came_bytes, came, went_bytes, went] =
        ["slice", "allocatedBytes", "allocatedBlocks", "freedBytes", "freedBlocks"].map(cells);
    let sites = |name: &str| numbers(&data["sites"][name]);
    let [start_bytes, start, blamed] = ["startBytes", "startBlocks", "blamed"].map(sites);
    let mut lines = Lines::new();
    let mut cell = 0;
    for (site, n_cells) in cells("perSite").into_iter().enumerate() {
        let (mut bytes, mut blocks, mut slice) = (start_bytes[site], start[site], 0);
        for _ in 0..n_cells {
            slice += slices[cell];
            if slice < boundary {
                bytes = bytes + came_bytes[cell] - went_bytes[cell];
                blocks = blocks + came[cell] - went[cell];
            }
            cell += 1;
        }
        let frame = data["nodes"]["frame"][blamed[site] as usize].as_u64().expect("a frame") as usize;
        let file = data["frames"]["file"][frame].as_u64().expect("a number") as usize;
        let file = data["strings"][file].as_str().expect("a string").to_owned();
        let line = data["frames"]["line"][frame].as_u64().expect("a number");
        if blocks > 0 {
            let sum = lines.entry((file, line)).or_default();
            *sum = (sum.0 + bytes, sum.1 + blocks);
        }
    }
    lines
}

/// The same by `tmtool stats`.
fn stats(recording: &Path, options: &[&str]) -> Lines {
    let name = recording.to_str().expect("it is text");
    let all = [&["stats", name, "--json", "--limit", "0"], options].concat();
    let output = tmtool(Path::new("/"), &all);
    assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
    let stats: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let groups = stats["statistics"].as_array().expect("there are some");
    let line = |group: &Value| {
        let frame = group["traceback"].as_array().and_then(|frames| frames.last()).expect("a frame");
        let file = frame["filename"].as_str().expect("a name").to_owned();
        let [size, count, line] = [&group["size"], &group["count"], &frame["lineno"]]
            .map(|number| number.as_u64().expect("a number"));
        ((file, line), (size, count))
    };
    groups.iter().map(line).collect()
}

/// Compares the page with `stats` at the peak, the marks, and moments all over the time.
fn compare(recording: &Path, options: &[&str]) -> Value {
    let data = data(&report(recording, options));
    let boundaries = numbers(&data["boundaries"]);
    assert!(boundaries.is_sorted() && boundaries.len() > 50, "{} boundaries", boundaries.len());
    let peak = data["peakBoundary"].as_u64().expect("a number");
    let of_marks =
        data["marks"].as_array().expect("a list").iter().map(|mark| mark["at"].as_u64().expect("a time"));
    let of_marks = of_marks.map(|at| boundaries.binary_search(&at).expect("marks are boundaries") as u64);
    let last = boundaries.len() as u64 - 1;
    let moments: Vec<u64> = (0..=9).map(|tenth| last * tenth / 9).chain(of_marks).collect();
    for boundary in moments.into_iter().filter(|boundary| *boundary != peak) {
        let at = format!("{}ns", boundaries[boundary as usize]);
        let expected = stats(recording, &[&["--at", &at], options].concat());
        assert_eq!(live_at(&data, boundary), expected, "at {at} of {options:?}");
    }
    let at_peak = live_at(&data, peak);
    if !options.contains(&"all") {
        assert_eq!(at_peak, stats(recording, options), "at the peak");
    }
    let sum = at_peak.values().fold((0, 0), |sum, line| (sum.0 + line.0, sum.1 + line.1));
    let origin = &data["origins"][0];
    assert_eq!(origin["momentNs"].as_u64(), Some(boundaries[peak as usize]));
    assert_eq!((origin["liveBytes"].as_u64(), origin["liveBlocks"].as_u64()), (Some(sum.0), Some(sum.1)));
    data
}

fn recorded(run: &Run) -> Outcome {
    let outcome = run.recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    outcome
}

#[test]
fn phases_with_marks_and_tags_are_what_stats_says() {
    let outcome = recorded(&Run::new(compile("phases.c", &["-g", "-O1", "-pthread"])));
    let recording = outcome.recording();
    let data = compare(recording, &[]);
    let names = |of: &str| {
        data[of]
            .as_array()
            .expect("a list")
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let mut labels = names("labels");
    labels.sort();
    assert_eq!(labels, ["", "<b>second</b>", "first"]);
    assert_eq!(names("threads").len(), 2);
    assert_eq!(data["lives"].as_array().map(Vec::len), Some(2));
    let marks: Vec<&str> =
        data["marks"].as_array().unwrap().iter().map(|mark| mark["name"].as_str().unwrap()).collect();
    assert_eq!(marks, ["loaded", "unloaded"]);
    let n_temporary: u64 = numbers(&data["cells"]["temporaryBlocks"]).iter().sum();
    assert!((40_000..41_000).contains(&n_temporary), "{n_temporary} in two bursts of 20,000");
    compare(recording, &["--process", "all"]);
    compare(recording, &["--tag", "first"]);
    // Blocks from before a window live in it as well.
    let window = self::data(&report(recording, &["--between", "mark:loaded..end"]));
    let boundaries = numbers(&window["boundaries"]);
    for boundary in [0, 100, boundaries.len() - 1] {
        let at = format!("{}ns", boundaries[boundary]);
        assert_eq!(
            live_at(&window, boundary as u64),
            stats(recording, &["--at", &at]),
            "in a window, at {at}"
        );
    }
}

#[test]
fn python_with_a_fork_is_what_stats_says() {
    let script = "import json, os\nkeep = [json.loads(json.dumps([{'a': str(i)} for i in range(300)])) for _ in range(40)]\n\
                  if os.fork() == 0:\n    more = [bytes(1000) for _ in range(900)]\n    os._exit(0)\nos.wait()";
    let outcome = recorded(&Run::new(PYTHON).args(["-c", script]));
    let data = compare(outcome.recording(), &[]);
    assert!(numbers(&data["frames"]["kind"]).contains(&1), "it has frames of Python code");
    compare(outcome.recording(), &["--process", "all"]);
    compare(outcome.recording(), &["--frames", "native"]);
}

#[test]
fn a_compiler_is_what_stats_says() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let source = folder.path().join("a.cc");
    std::fs::write(&source, "#include <map>\n#include <string>\nstd::map<std::string, int> all;\n")
        .expect("as above");
    let run =
        Run::new(installed("g++")).args(["-c", source.to_str().expect("it is text"), "-o", "/dev/null"]);
    let outcome = recorded(&run);
    let most =
        outcome.recordings.iter().max_by_key(|path| std::fs::metadata(path).map_or(0, |status| status.len()));
    compare(most.expect("it was recorded"), &[]);
}

/// More stacks than a page has nodes: it keeps its size, and all sums.
#[test]
fn a_hundred_thousand_stacks_keep_their_sums_in_five_mebibytes() {
    let n_times = times(2, 80).to_string();
    let outcome = recorded(&Run::new(compile("many_stacks.c", &["-g", "-O1"])).args(["17", &n_times]));
    let html = report(outcome.recording(), &[]);
    assert!(html.len() <= FILE_BYTES_MAX, "{} bytes", html.len());
    let data = data(&html);
    assert!(data["nodes"]["parent"].as_array().map_or(0, Vec::len) <= 100_000);
    let folded: Vec<&str> = data["notices"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["kind"] == "folded")
        .map(|it| it["text"].as_str().unwrap())
        .collect();
    assert!(folded.len() == 1 && folded[0].contains("stacks with less than"), "{folded:?}");
    let peak = data["peakBoundary"].as_u64().expect("a number");
    assert_eq!(live_at(&data, peak), stats(outcome.recording(), &[]));
}

#[test]
fn two_moments_and_snapshots_are_what_diff_and_stats_say() {
    let outcome = recorded(&Run::new(compile("phases.c", &["-g", "-O1", "-pthread"])));
    let name = outcome.recording().to_str().expect("it is text");
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let run = |arguments: &[&str]| {
        let output = tmtool(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let page = |file: &str| data(&std::fs::read_to_string(folder.path().join(file)).expect("it was written"));
    let [loaded, end] = ["mark:loaded", "end"].map(|moment| format!("{name}@{moment}"));
    run(&["report", &loaded, &end, "-o", "diff.html"]);
    let difference = page("diff.html");
    assert_eq!(
        (difference["kind"].as_str(), difference["peakBoundary"].as_i64()),
        (Some("difference"), Some(-1))
    );
    let sum = |column: &str| numbers(&difference["sites"][column]).iter().sum::<u64>();
    let total =
        |options: &[&str]| stats(outcome.recording(), options).values().map(|line| line.0).sum::<u64>();
    assert_eq!(sum("startBytes"), total(&["--at", "mark:loaded"]));
    assert_eq!(sum("afterBytes"), total(&["--at", "end"]));
    run(&["filter", name, "--at", "mark:loaded", "-o", "loaded.snap"]);
    run(&["report", "loaded.snap"]);
    let moment = page("loaded.html");
    assert_eq!(moment["kind"], "moment");
    assert_eq!(numbers(&moment["sites"]["startBytes"]).iter().sum::<u64>(), total(&["--at", "mark:loaded"]));
    assert_eq!(numbers(&moment["sizes"]["bytes"]).iter().sum::<u64>(), total(&["--at", "mark:loaded"]));
}

/// Names that would be markup, and those of 100 KB: the page has them as data, within its size.
#[test]
fn hostile_names_are_data() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let script = format!(
        "name = '</script><script>alert(1)</script>' + chr(27) + '\\n\"' + 'x' * 100_000\n\
         code = compile('keep.append(bytes(50_000))', name, 'exec')\nkeep = []\nexec(code)\nos = __import__('os')\n{}",
        "keep.append(bytes(9))"
    );
    let path = folder.path().join("<img src=x onerror=alert(2)>.py");
    std::fs::write(&path, script).expect("as above");
    let outcome = recorded(&Run::new(PYTHON).args([path.as_os_str()]));
    let html = report(outcome.recording(), &[]);
    assert!(!html.contains("alert(1)") && !html.contains("<img src=x") && html.len() < FILE_BYTES_MAX);
    let data = data(&html);
    let strings: Vec<&str> =
        data["strings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let name = strings.iter().find(|text| text.starts_with("</script><script>alert(1)</script>\\u{1b}\\n\""));
    assert!(name.is_some_and(|name| name.len() <= 4_096 && name.contains("bytes, ")), "{name:?}");
}

#[test]
fn no_other_file_is_overwritten() {
    let outcome = recorded(&Run::new(compile("many_stacks.c", &["-g", "-O1"])));
    let name = outcome.recording().to_str().expect("it is text");
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let place = |file: &str| -> PathBuf { folder.path().join(file) };
    std::fs::copy(name, place("copy.bin")).expect("the folder can be written");
    std::fs::write(place("own.html"), "<html>mine</html>").expect("as above");
    let refusal = |output: &str| {
        let output = tmtool(folder.path(), &["report", name, "-o", output]);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refusal("copy.bin").contains("is a recording, and would be overwritten"));
    assert!(refusal("own.html").contains("no report of tmtool's, and would be overwritten"));
    assert!(refusal(name).contains("is the file that is read"));
    for _ in 0..2 {
        assert!(
            tmtool(folder.path(), &["report", name, "-o", "new.html"]).status.success(),
            "a report may be written anew"
        );
    }
    assert_eq!(std::fs::read_to_string(place("own.html")).expect("it is there"), "<html>mine</html>");
    let open = Command::new(&products().tmtool)
        .args(["report", name, "-o", "new.html", "--open"])
        .current_dir(folder.path())
        .env("BROWSER", "no-such-browser")
        .output()
        .expect("tmtool starts");
    let said = String::from_utf8_lossy(&open.stderr);
    assert_eq!((open.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("new.html is written, but no-such-browser is not there"), "{said}");
}

/// Lines of files that are no source are not taken into a page that is sent to others.
#[test]
fn source_lines_are_there_unless_they_are_unwanted() {
    let outcome = recorded(&Run::new(compile("phases.c", &["-g", "-O1", "-pthread"])));
    let with = data(&report(outcome.recording(), &[]));
    let without = data(&report(outcome.recording(), &["--no-source"]));
    let lines: Vec<&str> = with["sources"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|source| source["lines"].as_array().unwrap())
        .map(|line| line.as_str().unwrap())
        .collect();
    assert!(lines.iter().any(|line| line.contains("malloc(1000 + round)")), "{lines:?}");
    assert_eq!(without["sources"].as_array().map(Vec::len), Some(0));
}
