//! What an event costs in instructions, by callgrind: it counts the same each time, so that a change of a few hundredths is seen which
//! times would hide.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitStatus;

use tempfile::TempDir;
use tm_tests::programs::installed;

use crate::check;
use crate::options::Options;
use crate::variants::Variant;
use crate::workloads::{self, Make, Workload};

/// What is compared.
const VARIANTS: [Variant; 6] =
    [Variant::Bare, Variant::Floor, Variant::Idle, Variant::Sampled, Variant::FirstFrame, Variant::Tm];

/// A workload of one thread, a hundredth of it, and the instructions of its runs.
#[derive(Debug)]
pub struct Instructions {
    pub name: &'static str,
    n_events: u64,
    executed: BTreeMap<Variant, f64>,
    /// What was wrong.
    pub complaints: Vec<String>,
}

impl Instructions {
    /// Counts those of all workloads of one thread.
    pub fn all(options: &Options) -> Vec<Instructions> {
        let options = options.counted();
        let of = |(_, make): &(&str, Make)| {
            let input = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
            let workload = make(&options, input.path());
            workload.is_of_one_thread().then(|| Instructions::of(&workload))
        };
        workloads::ALL.iter().filter_map(of).collect()
    }

    /// As many runs at a time as there are processors: what is counted does not depend on it.
    fn of(workload: &Workload) -> Instructions {
        let (n_events, complaints) = check::count(workload);
        let mut counted =
            Instructions { name: workload.name, n_events, executed: BTreeMap::new(), complaints };
        let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
        for variants in VARIANTS.chunks(n_processors) {
            std::thread::scope(|scope| {
                let begin = |&variant| (variant, scope.spawn(move || run(workload, variant)));
                let running: Vec<_> = variants.iter().map(begin).collect();
                for (variant, run) in running {
                    let (executed, status) = run.join().expect("it does not panic");
                    if !status.success() {
                        let (name, title) = (workload.name, variant.title());
                        counted.complaints.push(format!("{name} under {title} and callgrind: {status}"));
                    }
                    counted.executed.insert(variant, executed);
                }
            });
        }
        counted
    }

    /// Instructions per event that come to those of the bare run.
    pub fn added(&self, variant: Variant) -> f64 {
        let of = |variant| self.executed.get(&variant).copied().unwrap_or(f64::NAN);
        (of(variant) - of(Variant::Bare)) / self.n_events as f64
    }
}

/// Runs a workload under a variant and callgrind: the instructions, and how it ended.
fn run(workload: &Workload, variant: Variant) -> (f64, ExitStatus) {
    eprintln!("bench: instructions of {}, {}", workload.name, variant.title());
    let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
    let output = folder.path().join("callgrind.%p").into_os_string();
    let option = [OsStr::new("--callgrind-out-file="), &output].join(OsStr::new(""));
    let valgrind = ["--tool=callgrind", "--trace-children=yes"].map(OsStr::new);
    let run = variant.of(&workload.run, folder.path());
    let outcome = run.through(&installed("valgrind"), &[valgrind[0], valgrind[1], &option]).bare();
    (executed(folder.path()), outcome.status)
}

/// The sum over callgrind's files in `folder`: its manual, section "Callgrind Format Specification".
fn executed(folder: &Path) -> f64 {
    let mut sum = f64::NAN;
    for entry in std::fs::read_dir(folder).expect("it was just made").flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"callgrind.") {
            let text = std::fs::read_to_string(entry.path()).expect("callgrind writes text");
            let totals = text.lines().filter_map(|line| line.strip_prefix("totals: "));
            let in_file: f64 = totals.filter_map(|total| total.trim().parse::<f64>().ok()).sum();
            sum = if sum.is_nan() { in_file } else { sum + in_file };
        }
    }
    sum
}
