//! What `tmtool export` writes of what each site did, read by the tools that it is for: `go tool pprof`, `callgrind_annotate`, speedscope in
//! Chromium, a parser of XML. Each finds the sums that `tmtool stats` and `top` have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tm_analyzer::model::{Frame, Snapshot, Trace, Traceback};
use tm_tests::exported::node_packages;
use tm_tests::hostile;
use tm_tests::products::products;
use tm_tests::programs::{compile, installed};
use tm_tests::run::{Outcome, Run};

/// A program in Python that forks, and one in C++.
fn recorded() -> Vec<Outcome> {
    let script = "import json, os\n\
                  def keep(n): return [bytearray(1000) for _ in range(n)]\n\
                  kept = keep(500)\n\
                  pid = os.fork()\n\
                  if pid == 0:\n    more = keep(100)\n    os._exit(0)\n\
                  os.waitpid(pid, 0)\n";
    let python = Run::new("/usr/bin/python3").args(["-c", script]).recorded();
    let outcomes = vec![python, Run::new(compile("leak.cc", &["-g", "-O1"])).recorded()];
    outcomes.iter().for_each(|outcome| assert!(outcome.status.success(), "{}", outcome.stderr));
    outcomes
}

fn succeeded(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8(succeeded(command).stdout).expect("it writes text")
}

/// The file that `tmtool export` writes into `folder`.
fn export(folder: &Path, format: &str, file: &str, options: &[&str]) -> PathBuf {
    let out = folder.join(format!("out.{format}"));
    let mut tmtool = Command::new(&products().tmtool);
    succeeded(tmtool.args(["export", format, file, "--force", "-o"]).arg(&out).args(options));
    out
}

/// (bytes, blocks) of a report.
fn sums(command: &str, file: &str, options: &[&str]) -> (u64, u64) {
    let mut tmtool = Command::new(&products().tmtool);
    let text =
        stdout(tmtool.args([command, file, "--json", "--limit", "0", "--key", "traceback"]).args(options));
    let report: Value = serde_json::from_str(&text).expect("--json prints JSON");
    let sum = |key: &str| {
        let groups = report["statistics"].as_array().expect("a list");
        groups.iter().map(|group| group[key].as_u64().expect("a number")).sum::<u64>()
    };
    assert!(sum("count") > 0, "{report:#}");
    (sum("size"), sum("count"))
}

/// The choices of blocks that each format is asked for.
const CHOICES: [&[&str]; 4] =
    [&[], &["--at", "end"], &["--at", "50%", "--process", "all"], &["--between", "1%..99%", "--raw"]];

fn names(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(|outcome| outcome.recording().display().to_string()).collect()
}

/// `tmtool top` has no `--at`, but the moment behind the file's name.
fn allocated(file: &str, options: &[&str]) -> (u64, u64) {
    match options {
        ["--at", moment, rest @ ..] => sums("top", &format!("{file}@{moment}"), rest),
        options => sums("top", file, options),
    }
}

/// The samples of `go tool pprof -raw`, which says nothing else.
fn pprof_sums(file: &Path) -> Vec<u64> {
    let output = succeeded(Command::new(installed("go")).args(["tool", "pprof", "-raw"]).arg(file));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "no warning");
    let text = String::from_utf8(output.stdout).expect("it writes text");
    let samples = text.split("Samples:\n").nth(1).and_then(|rest| rest.split("\nLocations").next());
    let mut sums = Vec::new();
    for line in samples.expect("it has samples").lines().skip(1) {
        // Labels have lines of their own.
        let Some((values, _)) = line.split_once(": ") else { continue };
        let values: Option<Vec<u64>> = values.split_whitespace().map(|value| value.parse().ok()).collect();
        let Some(values) = values.filter(|values| !values.is_empty()) else { continue };
        sums.resize(values.len(), 0);
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    sums
}

#[test]
fn pprof_has_the_sums_and_says_nothing_else() {
    let (folder, outcomes) = (TempDir::new().unwrap(), recorded());
    for file in &names(&outcomes) {
        for options in CHOICES {
            let profile = export(folder.path(), "pprof", file, options);
            let ((live, blocks), (bytes, allocations)) =
                (sums("stats", file, options), allocated(file, options));
            assert_eq!(pprof_sums(&profile), [allocations, bytes, blocks, live], "{file} {options:?}");
        }
        let profile = export(folder.path(), "pprof", file, &[]);
        let pprof = |arguments: &[&str]| {
            let mut go = Command::new(installed("go"));
            stdout(
                go.args(["tool", "pprof", "-nodecount=100000", "-nodefraction=0", "-edgefraction=0"])
                    .args(arguments)
                    .arg(&profile),
            )
        };
        let base = profile.display().to_string();
        let same = pprof(&["-top", "-diff_base", &base]);
        assert!(same.contains("Total samples = "), "{same}");
        let flat: Vec<&str> = same.lines().skip_while(|line| !line.contains("flat%")).skip(1).collect();
        assert!(flat.iter().all(|line| line.trim_start().starts_with("0 ")), "{same}");
        assert!(pprof(&["-top"]).contains("Type: inuse_space"));
    }
    // Python's functions keep their names, and line numbers are those of the program.
    let profile = export(folder.path(), "pprof", &names(&outcomes)[0], &["--frames", "python"]);
    let top = stdout(Command::new(installed("go")).args(["tool", "pprof", "-top", "-lines"]).arg(&profile));
    assert!(top.contains("keep.<locals>.<listcomp> <string>:2") || top.contains("keep <string>:2"), "{top}");
    let peek = stdout(Command::new(installed("go")).args(["tool", "pprof", "-peek", "keep"]).arg(&profile));
    assert!(peek.contains("<module>"), "{peek}");
}

#[test]
fn folded_stacks_and_flame_graphs_have_the_sums() {
    let (folder, outcomes) = (TempDir::new().unwrap(), recorded());
    for file in &names(&outcomes) {
        for options in CHOICES {
            let (live, _) = sums("stats", file, options);
            let text = fs::read_to_string(export(folder.path(), "folded", file, options)).unwrap();
            let values = text.lines().map(|line| {
                let (stack, value) = line.rsplit_once(' ').expect("a stack and a value");
                assert!(!stack.is_empty() && !stack.split(';').any(str::is_empty), "{line}");
                value.parse::<u64>().expect("a number")
            });
            assert_eq!(values.sum::<u64>(), live, "{file} {options:?}");
            let picture = titles(&export(folder.path(), "svg", file, options));
            let all = picture.iter().find(|title| title.starts_with("all (")).expect("it has a root");
            assert_eq!(number_in(all), live, "{all}");
        }
        let (bytes, n) = sums("top", file, &[]);
        for (measure, sum) in [
            ("allocated-bytes", bytes),
            ("allocations", n),
            ("temporary-blocks", sums("temporary", file, &[]).1),
        ] {
            let text =
                fs::read_to_string(export(folder.path(), "folded", file, &["--measure", measure])).unwrap();
            let values = text.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
            assert_eq!(values.sum::<u64>(), sum, "{measure} of {file}");
        }
    }
    let file = &names(&outcomes)[1];
    let (old, new) = (format!("{file}@25%"), format!("{file}@75%"));
    let out = folder.path().join("grown.svg");
    succeeded(Command::new(&products().tmtool).args(["export", "svg", &old, &new, "-o"]).arg(&out));
    let picture = titles(&out);
    assert!(picture.iter().any(|title| title.contains("; +")), "something has grown: {picture:?}");
}

/// The titles in a picture, which a parser of XML has read.
fn titles(picture: &Path) -> Vec<String> {
    let script = "import sys, json, xml.etree.ElementTree as tree\n\
                  root = tree.parse(sys.argv[1]).getroot()\n\
                  print(json.dumps([it.text for it in root.iter('{http://www.w3.org/2000/svg}title')]))";
    let text = stdout(Command::new("/usr/bin/python3").args(["-c", script]).arg(picture));
    serde_json::from_str(&text).expect("the script prints JSON")
}

/// The first number of a text, which has commas in it.
fn number_in(text: &str) -> u64 {
    let digits = text.split('(').nth(1).unwrap_or_default().split(' ').next().unwrap_or_default();
    digits.replace(',', "").parse().unwrap_or_else(|_| panic!("no number in {text}"))
}

/// `callgrind_annotate`'s figures by function, of all events; it takes each line.
fn annotated(file: &Path, options: &[&str]) -> (Vec<u64>, BTreeMap<String, Vec<u64>>) {
    let mut command = Command::new(installed("callgrind_annotate"));
    let output =
        succeeded(command.args(["--threshold=100", "--auto=no", "--show-percs=no"]).args(options).arg(file));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "no line is malformed");
    let text = String::from_utf8(output.stdout).expect("it writes text");
    let figures = |line: &str| -> (Vec<u64>, String) {
        let mut words = line.split_whitespace().peekable();
        let mut figures = Vec::new();
        while let Some(number) =
            words.peek().and_then(|word| word.replace(',', "").replace('.', "0").parse().ok())
        {
            figures.push(number);
            words.next();
        }
        (figures, words.collect::<Vec<_>>().join(" "))
    };
    let lines: Vec<(Vec<u64>, String)> =
        text.lines().map(figures).filter(|(figures, _)| figures.len() > 1).collect();
    let (total, functions) = lines.split_first().expect("it has totals");
    assert_eq!(total.1, "PROGRAM TOTALS", "{text}");
    let mut by_function: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (figures, name) in functions {
        let sums = by_function.entry(name.clone()).or_insert_with(|| vec![0; figures.len()]);
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    (total.0.clone(), by_function)
}

#[test]
fn callgrind_annotate_has_the_sums_and_what_came_of_calls() {
    let (folder, outcomes) = (TempDir::new().unwrap(), recorded());
    for file in &names(&outcomes) {
        for options in CHOICES {
            let out = export(folder.path(), "callgrind", file, options);
            let ((live, blocks), (bytes, allocations)) =
                (sums("stats", file, options), allocated(file, options));
            let (total, functions) = annotated(&out, &[]);
            assert_eq!(total[..4], [live, blocks, bytes, allocations], "{file} {options:?}");
            let own = |event: usize| functions.values().map(|figures| figures[event]).sum::<u64>();
            assert_eq!([own(0), own(1), own(2), own(3)], total[..4], "each block is some function's");
            let (_, functions) = annotated(&out, &["--inclusive=yes"]);
            for (name, figures) in &functions {
                assert!(figures.iter().zip(&total).all(|(part, whole)| part <= whole), "{name}: {figures:?}");
            }
        }
    }
    let out = export(folder.path(), "callgrind", &names(&outcomes)[1], &[]);
    let (total, functions) = annotated(&out, &["--inclusive=yes"]);
    let main = functions.iter().find(|(name, _)| name.contains(":main ")).expect("the program has a main");
    assert!(main.1[2] * 2 > total[2], "{main:?} of {total:?}");
}

/// Each format has names that would be something else in it.
#[test]
fn hostile_names_are_names() {
    let folder = TempDir::new().unwrap();
    let hostile = hostile::names();
    let trace = |(size, name): (u64, &String)| {
        let frame =
            |function: &str, file: &str| Frame { function: Some(function.into()), ..Frame::new(file, 7) };
        let frames = vec![frame(name, name), frame(&format!("caller of {name}"), "main.c")];
        Trace {
            domain: 0,
            size,
            traceback: Traceback::new(frames, None),
            tag: Some(name.as_str().into()),
            sample: None,
        }
    };
    let traces: Vec<Trace> = (1..).zip(&hostile).map(trace).collect();
    let (n, sum) = (traces.len() as u64, traces.iter().map(|trace| trace.size).sum::<u64>());
    let file = folder.path().join("hostile.snap");
    Snapshot::new(traces, 16).dump(&file).unwrap();
    let file = file.display().to_string();

    assert_eq!(pprof_sums(&export(folder.path(), "pprof", &file, &[])), [n, sum]);
    let folded = fs::read_to_string(export(folder.path(), "folded", &file, &[])).unwrap();
    assert_eq!(folded.lines().count() as u64, n);
    let picture = titles(&export(folder.path(), "svg", &file, &[]));
    assert!(
        picture.iter().any(|title| title.starts_with("</script><script>alert(1)</script> (1 bytes")),
        "{picture:?}"
    );
    let (total, functions) = annotated(&export(folder.path(), "callgrind", &file, &[]), &[]);
    let n_with_cost = functions.values().filter(|figures| figures[0] > 0).count() as u64;
    assert_eq!((&total[..], n_with_cost), (&[sum, n][..], n), "{functions:?}");
    let speedscope = fs::read_to_string(export(folder.path(), "speedscope", &file, &[])).unwrap();
    let speedscope: Value = serde_json::from_str(&speedscope).expect("it is JSON");
    assert_eq!(speedscope["profiles"][0]["endValue"], sum);
}

#[test]
fn speedscope_shows_each_figure_in_a_browser() {
    let (folder, file) = (TempDir::new().unwrap(), Run::new(compile("leak.cc", &["-g", "-O1"])).recorded());
    let file = file.recording().display().to_string();
    let out = export(folder.path(), "speedscope", &file, &[]);
    let browser =
        ["/usr/bin/google-chrome", "/usr/bin/chromium"].into_iter().find(|path| Path::new(path).exists());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/speedscope.mjs");
    let readers = node_packages(&["speedscope@1.25.0", "playwright-core@1.55.0"]);
    let mut node = Command::new(installed("node"));
    let text =
        stdout(node.arg(script).arg(readers).arg(browser.expect("scripts/setup installs it")).arg(&out));
    let shown: Value = serde_json::from_str(&text).expect("the script prints JSON");
    assert_eq!(shown["errors"], serde_json::json!([]));
    let profiles = shown["profiles"].as_array().expect("a list");
    let names: Vec<&str> =
        profiles.iter().map(|profile| profile["name"].as_str().unwrap_or_default()).collect();
    let expected = [
        "bytes live at the peak",
        "blocks live at the peak",
        "allocated bytes",
        "allocations",
        "temporary bytes",
    ];
    assert_eq!(names, expected);
    // What functions have themselves adds up to all; numbers of blocks are shown whole.
    let own = |profile: &Value| -> u64 {
        let rows = profile["rows"].as_array().expect("a list");
        let own =
            rows.iter().map(|row| row[1].as_str().unwrap_or_default().split(" (").next().unwrap_or_default());
        own.map(|number| number.replace(',', "").parse::<u64>().expect("a number")).sum()
    };
    assert_eq!(own(&profiles[1]), sums("stats", &file, &[]).1, "{text}");
    assert_eq!(own(&profiles[3]), sums("top", &file, &[]).1, "{text}");
}
