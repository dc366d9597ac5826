//! Real programs do as many allocations, reallocations and frees as libtm.so says, and behave as they do without it.
//!
//! The oracle is a counting preload behind libtm.so in the same run, `programs/oracle/counting_preload.c`.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tm_tests::counting::{Counts, assert_counts_and_behaviour};
use tm_tests::programs::{compile, installed};
use tm_tests::run::Run;

/// Debian's: the one that is linked to nothing but the C library, not a wrapper of a version manager.
const PYTHON: &str = "/usr/bin/python3";

const JSON: &str = "\
import json
rows = [{'id': i, 'name': 'row %d' % i, 'values': list(range(i % 17)), 'more': {'x': i / 7}} for i in range(4000)]
for _ in range(3):
    rows = json.loads(json.dumps(rows, indent=1))
print(len(json.dumps(rows)), rows[1234])
";

fn assert_many(counts: Counts, at_least: u64) {
    assert!(counts.allocations > at_least, "too little happened to prove anything: {counts:?}");
}

#[test]
fn python_parsing_and_dumping_json() {
    assert!(
        Path::new(PYTHON).exists(),
        "{PYTHON} is not installed: scripts/setup installs what the tests need"
    );
    let run = Run::new(PYTHON)
        .args(["-s", "-B", "-c", JSON])
        .env("PYTHONMALLOC", "malloc")
        .env("PYTHONHASHSEED", "0");
    let (outcome, counts) = assert_counts_and_behaviour(&run);
    assert!(outcome.stdout.contains("row 1234"), "{}", outcome.stdout);
    assert_many(counts, 100_000);
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new(installed("git"));
    git.args(["-c", "user.name=A", "-c", "user.email=a@example.org"]).args(arguments);
    let output = git.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn git_log_stat() {
    let repository = TempDir::new().expect("the temporary folder can be written");
    git(repository.path(), &["init", "-q"]);
    for commit in 0..40 {
        for file in 0..8 {
            let lines: String =
                (0..commit * 5 + file).map(|line| format!("line {line} of {file}\n")).collect();
            fs::write(repository.path().join(format!("{file}.txt")), lines).expect("as above");
        }
        git(repository.path(), &["add", "."]);
        git(repository.path(), &["commit", "-q", "-m", &format!("commit {commit}")]);
    }
    let run = Run::new(installed("git")).args(["--no-pager", "log", "--stat"]).folder(repository.path());
    let (outcome, counts) = assert_counts_and_behaviour(&run.env("GIT_CONFIG_GLOBAL", "/dev/null"));
    assert!(outcome.stdout.contains("commit 39"), "{}", outcome.stdout);
    assert_many(counts, 2_000);
}

#[test]
fn sqlite_filling_and_indexing_a_table() {
    let sql = "
        CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
            INSERT INTO t SELECT i, 'name ' || (i * 7919 % 30011), i / 3.0 FROM n;
        CREATE INDEX by_name ON t(name);
        SELECT name, count(*), total(value) FROM t GROUP BY substr(name, 1, 7) ORDER BY 3 DESC LIMIT 5;
        PRAGMA integrity_check;";
    let (outcome, counts) = assert_counts_and_behaviour(&Run::new(installed("sqlite3")).args(["t.db", sql]));
    assert!(outcome.stdout.ends_with("ok\n"), "{}", outcome.stdout);
    assert_many(counts, 1_000);
}

#[test]
fn cc1plus_compiling_regex() {
    let ask = |question: &str| {
        let output = Command::new("g++").arg(question).output();
        let output = output.expect("g++ is not installed: scripts/setup installs what the tests need");
        String::from_utf8(output.stdout).expect("a path").trim().to_owned()
    };
    let source =
        tempfile::Builder::new().suffix(".cc").tempfile().expect("the temporary folder can be written");
    let text =
        "#include <regex>\nbool f(const char *s) { return std::regex_match(s, std::regex(\"a+b\")); }\n";
    fs::write(source.path(), text).expect("as above");
    let run = Run::new(ask("-print-prog-name=cc1plus"))
        .args(["-quiet", "-imultiarch", &ask("-print-multiarch"), "-O0", "-o", "/dev/null"])
        .args([source.path()]);
    let (outcome, counts) = assert_counts_and_behaviour(&run);
    assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(0), ""));
    assert_many(counts, 100_000);
}

#[test]
fn bash_running_a_loop_with_subshells() {
    let script = "
        total=0
        for i in {1..20}; do
            n=$(echo \"$i * 2\" | sed 's/ .*//')
            words=($(for j in a b c; do echo \"$j$n\"; done))
            (total=$((total + n)); exit $((n % 3)))
            total=$((total + n + ${#words[@]} + $?))
        done
        /bin/echo $total
        exit 5";
    let (outcome, counts) = assert_counts_and_behaviour(&Run::new(installed("bash")).args(["-c", script]));
    assert_eq!((outcome.stdout.as_str(), outcome.status.code()), ("291\n", Some(5)));
    assert_many(counts, 1_000);
    // bash itself, 20 seds, one echo.
    assert_eq!(outcome.recordings.len(), 22, "{:?}", outcome.recordings);
}

#[test]
fn threads_that_free_what_others_allocated() {
    let program = compile("frees_elsewhere.c", &["-O1", "-pthread"]);
    let (outcome, counts) = assert_counts_and_behaviour(&Run::new(program));
    assert_eq!(outcome.status.code(), Some(7));
    assert_many(counts, 80_000);
}
