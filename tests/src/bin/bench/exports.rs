//! What exports, reports and the gate cost beside `tmtool stats` on the same recording: of few stacks, of Python, and of a
//! compiler, where stacks are many and deep.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tm_tests::info::info;
use tm_tests::products::{products, workspace};
use tm_tests::programs::installed;
use tm_tests::run::{Run, files};
use tmtool::export::FORMATS;

use crate::check::recorded_events;
use crate::measure::{Sampling, Usage, measure};
use crate::options::Options;
use crate::statistics::median;
use crate::variants::Variant;
use crate::workloads::{self, plain_churn_run};

/// The command that the others are held against.
pub const BASE: &str = "stats";
/// The one that names as many stacks as exports do, and writes nothing.
pub const TOP: &str = "top";

/// A recording, and what reading it in each way took.
#[derive(Debug)]
pub struct Exported {
    /// What was recorded.
    pub name: &'static str,
    pub n_events: u64,
    pub n_stack_nodes: u64,
    /// The commands, each with its rounds.
    usages: Vec<(String, Vec<Usage>)>,
    /// What was wrong.
    pub complaints: Vec<String>,
}

/// What is measured of a command.
type Figure = fn(&Usage) -> f64;

/// Records the three, and reads each with every command.
pub fn all(options: &Options) -> Vec<Exported> {
    let script = workspace().join("tests/programs/bench/json_work.py");
    let n = options.scaled(12_500).to_string();
    let python = Run::new(workloads::PYTHON).args(["-s", "-B"]).args([script]).args([&n]);
    let source = workspace().join("tests/programs/regex.cc");
    let clang = Run::new(installed("clang++")).args(["-O2", "-c", "-o", "/dev/null"]).args([source]);
    [
        ("churn", plain_churn_run(options.scaled(10_000_000), "1")),
        ("python3-json", python.env("PYTHONMALLOC", "malloc").env("PYTHONHASHSEED", "0")),
        ("clang++", clang),
    ]
    .into_iter()
    .map(|(name, run)| Exported::of(name, &run, options))
    .collect()
}

/// The commands, as words before the name of the recording is put in for `FILE`, and that of the output before `OUT`: its ending
/// is the usual one, which may say that it is to be compressed.
fn commands() -> Vec<(String, Vec<String>)> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    let mut commands = vec![
        (BASE.to_owned(), words("stats FILE")),
        (TOP.to_owned(), words("top FILE")),
        ("stats --focus".to_owned(), words("stats FILE --focus a")),
        ("check".to_owned(), words("check FILE --budget BUDGET")),
        ("report".to_owned(), words("report FILE -o OUT.html")),
    ];
    commands.extend(FORMATS.iter().map(|format| {
        let line = format!("export {} FILE -o OUT{}", format.name, format.suffix);
        (format!("export {}", format.name), words(&line))
    }));
    commands
}

impl Exported {
    fn of(name: &'static str, run: &Run, options: &Options) -> Exported {
        let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
        measure(&Variant::Tm.of(run, folder.path()), Sampling::Off);
        // Of a driver and its compiler, the compiler's.
        let recordings = files(folder.path());
        let (events, recording) = recordings
            .into_iter()
            .map(|path| (recorded_events(&[info(&path)]), path))
            .max()
            .expect("it was just recorded");
        let n_stack_nodes = tm_tests::info::number(&info(&recording), "stacks");
        let usages = commands().into_iter().map(|(title, _)| (title, Vec::new())).collect();
        let mut exported = Exported { name, n_events: events, n_stack_nodes, usages, complaints: Vec::new() };
        for round in 0..options.n_rounds() {
            eprintln!("bench: exports of {name}, {events} events, round {}", round + 1);
            exported.round(&recording);
        }
        exported
    }

    /// One run of each command, into a folder of its own.
    fn round(&mut self, recording: &Path) {
        for ((title, usages), (_, words)) in self.usages.iter_mut().zip(commands()) {
            let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
            let budget = folder.path().join("budget.toml");
            std::fs::write(&budget, "[total]\npeak = \"64 GiB\"\n")
                .expect("the temporary folder can be written");
            let file = |word: String| -> OsString {
                let path: PathBuf = match word.as_str() {
                    "FILE" => recording.to_owned(),
                    "BUDGET" => budget.clone(),
                    other => match other.strip_prefix("OUT") {
                        Some(ending) => folder.path().join(format!("out{ending}")),
                        None => other.into(),
                    },
                };
                path.into()
            };
            let run = Run::new(&products().tmtool).args(words.into_iter().map(file));
            let (outcome, usage) = measure(&run, Sampling::Off);
            if !outcome.status.success() {
                let said = outcome.stderr.trim();
                self.complaints.push(format!("tmtool {title} of {}: {}, {said}", self.name, outcome.status));
            }
            usages.push(usage);
        }
    }

    /// All commands, in the order of the report.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        self.usages.iter().map(|(title, _)| title.as_str())
    }

    /// The median of a figure of a command's runs.
    pub fn figure(&self, title: &str, figure: Figure) -> f64 {
        let found = self.usages.iter().find(|(known, _)| known == title);
        let usages = found.map_or(&[][..], |(_, usages)| usages.as_slice());
        median(&usages.iter().map(figure).collect::<Vec<f64>>())
    }

    /// The same, times that of `base`.
    pub fn times(&self, title: &str, base: &str, figure: Figure) -> f64 {
        self.figure(title, figure) / self.figure(base, figure)
    }
}
