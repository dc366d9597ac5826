//! The workloads: real programs at work, and programs that do nothing but allocate.

use std::path::Path;

use tm_tests::products::workspace;
use tm_tests::programs::{compile, installed};
use tm_tests::run::Run;

use crate::inputs;
use crate::options::Options;

/// Debian's: linked to nothing but the C library, not a wrapper of a version manager.
pub const PYTHON: &str = "/usr/bin/python3";

/// Part of the events by which two runs of a real program may differ: Python copies its environment, in which our
/// settings stand, and a compiler's tables grow by addresses.
const REAL_DIFFER: f64 = 0.000_1;

/// The same of a workload with threads: whether a thread's stack and its descriptors are new or another's depends on
/// who ends first.
const THREADS_DIFFER: f64 = 0.02;

/// A program with its work.
#[derive(Clone, Debug)]
pub struct Workload {
    /// As in the report.
    pub name: &'static str,
    /// What it does, a few words.
    pub what: String,
    /// The program.
    pub run: Run,
    /// What it is measured for.
    pub kind: Kind,
    /// The most threads that live at the same time.
    pub n_threads: u64,
    /// The part of its events by which two runs may differ.
    pub tolerance: f64,
}

/// What a workload is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A real program, one of those that tm was made faster by.
    Tuned,
    /// A real program that nothing was tuned for.
    Untuned,
    /// Made to be measured.
    Synthetic,
}

impl Kind {
    /// Tells whether the program was made for something else.
    pub fn is_real(self) -> bool {
        self != Kind::Synthetic
    }
}

impl Workload {
    /// Tells whether no two threads of it ever run at once.
    pub fn is_of_one_thread(&self) -> bool {
        self.kind.is_real() || self.n_threads <= 2
    }
}

/// What makes a workload in a folder for its input.
pub type Make = fn(&Options, &Path) -> Workload;

/// The workload that is also read.
pub const READ: &str = "python3-json";

/// All of them, in the order of the report.
pub const ALL: &[(&str, Make)] = &[
    (READ, |options, _| python(options, READ, "json_work.py", 14_500)),
    ("python3-ast", |options, _| python(options, "python3-ast", "ast_work.py", 800)),
    ("cc1plus", cc1plus),
    ("sqlite3", sqlite3),
    ("git", git),
    ("jq", jq),
    ("xmllint", xmllint),
    ("perl", perl),
    ("clang++", clang),
    ("containers", containers),
    ("churn-30", |options, _| churn(options, "churn-30", 30, 1, OMITTED)),
    ("churn-30-fp", |options, _| churn(options, "churn-30-fp", 30, 1, KEPT)),
    ("churn-60", |options, _| churn(options, "churn-60", 60, 1, OMITTED)),
    ("churn-60-fp", |options, _| churn(options, "churn-60-fp", 60, 1, KEPT)),
    ("churn-2-threads", |options, _| churn(options, "churn-2-threads", 30, 2, OMITTED)),
    ("churn-16-threads", |options, _| churn(options, "churn-16-threads", 30, 16, OMITTED)),
    ("hand-over", hand_over),
    ("short-threads", short_threads),
];

const OMITTED: &str = "-fomit-frame-pointer";
const KEPT: &str = "-fno-omit-frame-pointer";

fn real(name: &'static str, what: impl Into<String>, run: Run) -> Workload {
    Workload { name, what: what.into(), run, kind: Kind::Tuned, n_threads: 1, tolerance: REAL_DIFFER }
}

fn threaded(name: &'static str, what: impl Into<String>, run: Run, n_threads: u64) -> Workload {
    Workload { name, what: what.into(), run, kind: Kind::Synthetic, n_threads, tolerance: THREADS_DIFFER }
}

fn untuned(name: &'static str, what: impl Into<String>, run: Run) -> Workload {
    Workload { kind: Kind::Untuned, ..real(name, what, run) }
}

fn python(options: &Options, name: &'static str, script: &str, full: u64) -> Workload {
    let path = workspace().join("tests/programs/bench").join(script);
    let n = options.scaled(full).to_string();
    let run = Run::new(PYTHON).args(["-s", "-B"]).args([path]).args([&n]);
    let run = run.env("PYTHONMALLOC", "malloc").env("PYTHONHASHSEED", "0");
    real(name, format!("`PYTHONMALLOC=malloc python3 {script} {n}`"), run)
}

/// What is compiled: a tenth of the other takes a tenth of its time.
fn source(options: &Options) -> &'static str {
    if options.quick { "bench/pairs.cc" } else { "regex.cc" }
}

fn cc1plus(options: &Options, folder: &Path) -> Workload {
    let source = source(options);
    let input = inputs::preprocessed("g++", source, folder);
    let run = Run::new(inputs::cc1plus())
        .args(["-fpreprocessed", "-quiet", "-O0", "-o", "/dev/null"])
        .args([input]);
    real("cc1plus", format!("the C++ compiler proper, on `{source}`, preprocessed, `-O0`"), run)
}

fn sqlite3(options: &Options, _: &Path) -> Workload {
    let n = options.scaled(300_000);
    let sql = format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})
            INSERT INTO t SELECT i, 'name ' || (i * 7919 % 30011), i / 3.0 FROM n;
        CREATE INDEX by_name ON t(name);
        SELECT name, count(*), total(value), length(group_concat(substr(name, 2) || id)) FROM t
            GROUP BY substr(name, 1, 9) ORDER BY 3 DESC LIMIT 5;
        SELECT length(json_group_array(json_object('n', name, 'v', value))) FROM t;
        PRAGMA integrity_check;"
    );
    let run = Run::new(installed("sqlite3")).args([":memory:", &sql]);
    real("sqlite3", format!("{n} rows in memory: filled, indexed, grouped, turned to JSON, checked"), run)
}

fn git(options: &Options, folder: &Path) -> Workload {
    let n_commits = options.scaled(1_500);
    let repository = inputs::repository(folder, n_commits);
    let run =
        Run::new(installed("git")).args(["--no-pager", "log", "--stat", "-p", "main"]).folder(&repository);
    let run = run.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    real("git", format!("`git log --stat -p` of {n_commits} commits"), run)
}

fn jq(options: &Options, folder: &Path) -> Workload {
    let n = options.scaled(60_000);
    let filter = "map({name, total: (.values | add), big: (.more.x > 100)}) | group_by(.name) \
                  | map({name: .[0].name, n: length, sum: (map(.total) | add)})";
    let run = Run::new(installed("jq")).args(["-c", filter]).args([inputs::json(folder, n)]);
    untuned("jq", format!("{n} objects: mapped, grouped, added up"), run)
}

fn xmllint(options: &Options, folder: &Path) -> Workload {
    let n = options.scaled(60_000);
    let run = Run::new(installed("xmllint")).args(["--format"]).args([inputs::xml(folder, n)]);
    untuned("xmllint", format!("a tree of {n} items, read and written"), run)
}

fn perl(options: &Options, _: &Path) -> Workload {
    let n = options.scaled(100_000);
    let script = format!(
        "my %h; for my $i (1 .. {n}) {{ push @{{$h{{'k' . $i % 977}}}}, [$i, \"v$i\", {{id => $i}}]; }} \
         my $t = 0; for my $k (sort keys %h) {{ my @s = sort {{ $b->[1] cmp $a->[1] }} @{{$h{{$k}}}}; \
         $t += length join ',', map {{ $_->[1] . $_->[2]{{id}} }} @s; }} print \"$t\\n\";"
    );
    let run = Run::new(installed("perl")).args(["-e", &script]).env("PERL_HASH_SEED", "0");
    untuned("perl", format!("{n} arrays and hashes: filled, sorted, joined"), run)
}

fn clang(options: &Options, folder: &Path) -> Workload {
    let source = source(options);
    let input = inputs::preprocessed("clang++", source, folder);
    let run = Run::new(installed("clang++"))
        .args(["-fintegrated-cc1", "-w", "-O1", "-c", "-o", "/dev/null"])
        .args([input]);
    untuned("clang++", format!("the C++ compiler on `{source}`, preprocessed, `-O1`"), run)
}

fn containers(options: &Options, _: &Path) -> Workload {
    let n = options.scaled(20);
    let run = Run::new(compile("bench/containers.cc", &["-O2"])).args([n.to_string()]);
    real("containers", "C++: maps, strings, vectors, lists of the standard library", run)
}

/// The program that `scaling` and `--large` use too.
pub fn churn_run(n_events: u64, n_outer: u64, threads: &str, frame_pointers: &str) -> Run {
    let program = compile("bench/churn.c", &["-O2", "-pthread", frame_pointers]);
    Run::new(program).args([&n_events.to_string(), &n_outer.to_string(), threads])
}

/// The same without frame pointers, below 30 frames.
pub fn plain_churn_run(n_events: u64, threads: &str) -> Run {
    churn_run(n_events, 30, threads, OMITTED)
}

fn churn(
    options: &Options,
    name: &'static str,
    n_outer: u64,
    n_threads: u64,
    frame_pointers: &str,
) -> Workload {
    let run = churn_run(options.scaled(4_000_000), n_outer, &n_threads.to_string(), frame_pointers);
    let threads = if n_threads == 1 { "1 thread".to_owned() } else { format!("{n_threads} threads") };
    let what = format!("{n_outer} outer frames, 0 to 6 inner, `{frame_pointers}`, {threads}");
    threaded(name, what, run, n_threads + 1)
}

fn hand_over(options: &Options, _: &Path) -> Workload {
    let run = Run::new(compile("bench/hand_over.c", &["-O2", "-pthread"]));
    let run = run.args([options.scaled(4_000_000).to_string(), "2".to_owned()]);
    threaded("hand-over", "2 threads allocate, 2 others free", run, 5)
}

fn short_threads(options: &Options, _: &Path) -> Workload {
    let n = options.scaled(10_000);
    let run = Run::new(compile("bench/short_threads.c", &["-O2", "-pthread"])).args([n.to_string()]);
    threaded("short-threads", format!("{n} threads of 40 events each, 16 at a time"), run, 17)
}
