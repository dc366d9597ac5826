//! The tables of many recordings in one folder: the questions of `docs/fleet.md` are asked as they stand there, by DuckDB and in
//! the long form by Spark too, and answered as `tmtool` answers them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::exported::{answer, export, python_with, read_by};
use tm_tests::info::{info, number};
use tm_tests::programs::compile;
use tm_tests::run::{Outcome, Run};
use tm_tests::soak;

/// Asks all questions but the first, which make the views, and prints what comes, a list of rows for each.
const DUCKDB: &str = r#"
import duckdb, json, sys
connection = duckdb.connect()
answers = []
for question in json.load(sys.stdin):
    answers.append([list(row) for row in connection.execute(question).fetchall()])
print(json.dumps(answers, default=str))
"#;

const SPARK: &str = r#"
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
for table in ("meta", "blocks", "stacks", "frames"):
    spark.read.parquet("fleet/" + table).createOrReplaceTempView(table)
answers = []
for question in json.load(sys.stdin):
    rows = [] if "'fleet/" in question else spark.sql(question.rstrip("; \n")).collect()
    answers.append([list(row) for row in rows])
print(json.dumps(answers, default=str))
"#;

/// The statements in the document, in its order.
fn questions() -> Vec<String> {
    let text = include_str!("../../../docs/fleet.md");
    let blocks = text.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks
        .flat_map(|block| block.split_inclusive(';'))
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The answers to the ten questions.
fn asked(python: &Path, script: &str, folder: &Path) -> Vec<Vec<Vec<Value>>> {
    let questions = questions();
    let input = folder.join("questions.json");
    std::fs::write(&input, serde_json::to_string(&questions).expect("texts")).expect("it can be written");
    let mut command = Command::new(python);
    command.args(["-c", script]).current_dir(folder).env("PYARROW_IGNORE_TIMEZONE", "1");
    command.stdin(std::fs::File::open(&input).expect("it is there"));
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let answers: Vec<Vec<Vec<Value>>> = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let n_views = questions.iter().filter(|question| question.starts_with("CREATE")).count();
    assert_eq!((n_views, questions.len()), (5, 15));
    answers.into_iter().skip(n_views).collect()
}

type Sites = BTreeMap<(String, u64), [u64; 2]>;

/// What `tmtool` says of all recordings, by line.
fn sites(recordings: &[&Outcome], command: &str, moment: &str, options: &[&str]) -> Sites {
    let mut sites = Sites::new();
    for recording in recordings {
        let file = format!("{}{moment}", recording.recording().display());
        let said = answer(command, Path::new(&file), &[options, &["--limit", "0"]].concat());
        for group in said["statistics"].as_array().expect("a list") {
            let frame = &group["traceback"][0];
            let file = frame["filename"].as_str().expect("a text").to_owned();
            let sum = sites.entry((file, number(frame, "lineno"))).or_default();
            sum[0] += number(group, "size");
            sum[1] += number(group, "count");
        }
    }
    sites
}

/// Asserts that the rows are the largest of `sites`; `by` is the place of what they are ordered by.
fn assert_largest(rows: &[Vec<Value>], sites: &Sites, by: usize) {
    assert_eq!(rows.len(), sites.len().min(10));
    let mut sums: Vec<u64> = sites.values().map(|sum| sum[by]).collect();
    sums.sort_unstable_by(|a, b| b.cmp(a));
    for (row, sum) in rows.iter().zip(sums) {
        let (file, line) = (row[0].as_str().expect("a file"), row[1].as_u64().unwrap_or(0));
        let found = [&row[2], &row[3]].map(whole);
        assert_eq!(Some(&found), sites.get(&(file.to_owned(), line)), "{file}:{line}");
        assert_eq!(found[by], sum, "{file}:{line} is in its place");
    }
}

/// A number, which sums of DuckDB are too large to be in JSON.
fn whole(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_str()?.parse().ok())
        .or_else(|| Some(value.as_f64()? as u64))
        .expect("a number")
}

fn fleet() -> (TempDir, Vec<Outcome>) {
    let folder = TempDir::new().expect("the temporary folder can be written");
    let versions = ["-O1", "-O2"].map(|level| compile("leak.cc", &["-g", level, "-Wl,--build-id"]));
    let mut recordings: Vec<Outcome> = versions.iter().map(|program| Run::new(program).recorded()).collect();
    recordings.push(Run::new(&versions[0]).recorded());
    recordings.push(Run::new("/usr/bin/python3").args(["-c", "import json, argparse"]).recorded());
    for recording in &recordings {
        assert!(recording.status.success(), "{}", recording.stderr);
        export("parquet", recording.recording(), &[], folder.path().join("fleet"));
    }
    // Again: it replaces its own.
    export("parquet", recordings[0].recording(), &[], folder.path().join("fleet"));
    (folder, recordings)
}

fn assert_answers(answers: &[Vec<Vec<Value>>], recordings: &[Outcome]) {
    let [programs, left, leaks, peaks, at_peak, grown, allocated, temporary, hosts, versions] = answers
    else {
        panic!("ten questions have {} answers", answers.len());
    };
    let all: Vec<&Outcome> = recordings.iter().collect();
    let infos: Vec<Value> = all.iter().map(|recording| info(recording.recording())).collect();
    assert_eq!(programs.iter().map(|row| whole(&row[3])).sum::<u64>(), infos.len() as u64);
    let versions_known: BTreeSet<&str> = programs.iter().filter_map(|row| row[1].as_str()).collect();
    assert_eq!(versions_known.len(), 3, "two of leak.cc, one of Python: {programs:?}");
    for (rows, keys) in
        [(left, ["live_bytes_at_end", "live_blocks_at_end"]), (peaks, ["peak_bytes", "peak_blocks"])]
    {
        let found: BTreeSet<[u64; 3]> =
            rows.iter().map(|row| [1, 2, 3].map(|place| whole(&row[place]))).collect();
        let expected =
            infos.iter().map(|info| [number(info, "pid"), number(info, keys[0]), number(info, keys[1])]);
        assert_eq!(found, expected.collect(), "{keys:?}");
    }
    assert_largest(leaks, &sites(&all, "stats", "@end", &[]), 0);
    assert_largest(at_peak, &sites(&all, "stats", "", &[]), 0);
    assert_largest(grown, &sites(&all, "stats", "", &["--between", "25%..75%"]), 0);
    assert_largest(allocated, &sites(&all, "top", "", &[]), 0);
    assert_largest(temporary, &sites(&all, "temporary", "", &[]), 1);
    let host = infos[0]["host"].as_str().expect("a text");
    let peak = |fold: fn(&mut dyn Iterator<Item = u64>) -> u64| {
        fold(&mut infos.iter().map(|info| number(info, "peak_bytes")))
    };
    let expected = [peak(|peaks| peaks.max().unwrap_or(0)), peak(|peaks| peaks.sum()), infos.len() as u64];
    assert_eq!(hosts.len(), 1);
    assert_eq!(
        (hosts[0][0].as_str(), [1, 2, 3].map(|place| whole(&hosts[0][place]))),
        (Some(host), expected)
    );
    let of_leak: u64 = versions
        .iter()
        .filter(|row| row[0].as_str().is_some_and(|name| name.contains("leak")))
        .map(|row| whole(&row[2]))
        .sum();
    assert_eq!(of_leak, 3, "{versions:?}");
    for row in versions {
        let runs: Vec<&Value> =
            infos.iter().filter(|info| build_id(info) == row[1].as_str().expect("a text")).collect();
        assert_eq!(whole(&row[2]), runs.len() as u64, "{row:?}");
        let bytes: u64 = runs.iter().map(|info| number(info, "live_bytes_at_end")).sum();
        assert_eq!(whole(&row[3]), bytes / runs.len() as u64, "{row:?}");
    }
}

/// The build id of the program, of its own note.
fn build_id(info: &Value) -> String {
    let program = info["program"].as_str().expect("a text");
    let notes = read_by(Command::new("readelf").args(["-n", program]));
    let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: "));
    id.unwrap_or_default().to_owned()
}

#[test]
fn questions_of_many_recordings_are_answered_as_by_tmtool() {
    let (folder, recordings) = fleet();
    let answers = asked(&python_with(&["duckdb"]), DUCKDB, folder.path());
    assert_answers(&answers, &recordings);
    if soak::is_long() {
        let answers = asked(&python_with(&["pyspark"]), SPARK, folder.path());
        assert_answers(&answers, &recordings);
    }
    for table in ["meta", "blocks", "stacks", "frames"] {
        let files = std::fs::read_dir(folder.path().join("fleet").join(table)).expect("it is there");
        let names: Vec<_> = files.map(|entry| entry.expect("it is there").file_name()).collect();
        assert_eq!(names.len(), recordings.len(), "nothing else is left: {names:?}");
    }
}
