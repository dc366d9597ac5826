//! Whether threads slow each other down: churn's phases of 1, 2 and 16 threads in one process, as it times them itself.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::measure::{Sampling, measure};
use crate::options::Options;
use crate::statistics::median;
use crate::variants::{OURS, Variant};
use crate::workloads::plain_churn_run;

/// The phases.
pub const THREADS: [u64; 3] = [1, 2, 16];

/// A phase of one run: its loops alone.
#[derive(Clone, Copy, Debug)]
struct Phase {
    events_per_second: f64,
    cpu_ns_per_event: f64,
}

/// All rounds under each variant, a list of phases a round.
#[derive(Debug)]
pub struct Scaling {
    rounds: BTreeMap<Variant, Vec<Vec<Phase>>>,
}

impl Scaling {
    /// Runs all of it.
    pub fn of(options: &Options) -> Scaling {
        let threads = THREADS.map(|n| n.to_string()).join(",");
        let run = plain_churn_run(options.scaled(8_000_000), &threads);
        let mut rounds: BTreeMap<Variant, Vec<Vec<Phase>>> = BTreeMap::new();
        for round in 0..options.n_rounds() {
            eprintln!("bench: scaling, round {}", round + 1);
            for variant in OURS {
                let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
                let (outcome, _) = measure(&variant.of(&run, folder.path()), Sampling::Off);
                rounds.entry(variant).or_default().push(phases(&outcome.stderr));
            }
        }
        Scaling { rounds }
    }

    fn median_of(&self, variant: Variant, figure: impl Fn(&[Phase]) -> f64) -> f64 {
        let rounds = self.rounds.get(&variant).map_or(&[][..], Vec::as_slice);
        median(&rounds.iter().map(|phases| figure(phases)).collect::<Vec<f64>>())
    }

    /// Events a second in a phase.
    pub fn events_per_second(&self, variant: Variant, phase: usize) -> f64 {
        self.median_of(variant, |phases| phases[phase].events_per_second)
    }

    /// Processor time per event in a phase.
    pub fn cpu_ns(&self, variant: Variant, phase: usize) -> f64 {
        self.median_of(variant, |phases| phases[phase].cpu_ns_per_event)
    }

    /// The event rate of a phase, times that of an earlier one of the same run.
    pub fn speed_up(&self, variant: Variant, phase: usize, earlier: usize) -> f64 {
        self.median_of(variant, |phases| phases[phase].events_per_second / phases[earlier].events_per_second)
    }
}

/// The lines `churn: THREADS EVENTS WALL_NS CPU_NS`.
fn phases(stderr: &str) -> Vec<Phase> {
    let lines = stderr.lines().filter_map(|line| line.strip_prefix("churn: "));
    let phases = lines.map(|line| {
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [_, events, wall_ns, cpu_ns] = numbers[..] else { panic!("churn says '{line}'") };
        Phase { events_per_second: events / wall_ns * 1e9, cpu_ns_per_event: cpu_ns / events }
    });
    let phases: Vec<Phase> = phases.collect();
    assert_eq!(phases.len(), THREADS.len(), "churn says: {stderr}");
    phases
}
