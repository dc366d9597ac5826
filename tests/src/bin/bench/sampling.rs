//! What samples cost: each workload under nothing, the idle library and `TM_SAMPLE=512K`, in interleaved rounds.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::check;
use crate::measure::{Sampling, measure};
use crate::options::Options;
use crate::statistics::median;
use crate::variants::Variant;
use crate::workloads;

/// What is compared.
pub const VARIANTS: [Variant; 3] = [Variant::Bare, Variant::Idle, Variant::Sampled];

/// A workload, and the processor time of its runs.
#[derive(Debug)]
pub struct Sampled {
    pub name: &'static str,
    n_events: u64,
    cpu_ns: BTreeMap<Variant, Vec<f64>>,
    /// What was wrong.
    pub complaints: Vec<String>,
}

impl Sampled {
    /// Runs all workloads.
    pub fn all(options: &Options) -> Vec<Sampled> {
        let input = || TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
        let of = |(name, make): &(&'static str, _)| Sampled::of(name, *make, options, &input());
        workloads::ALL.iter().map(of).collect()
    }

    fn of(name: &'static str, make: workloads::Make, options: &Options, input: &TempDir) -> Sampled {
        let workload = make(options, input.path());
        let (n_events, complaints) = check::count(&workload);
        let mut sampled = Sampled { name, n_events, cpu_ns: BTreeMap::new(), complaints };
        let mut variants = VARIANTS;
        for round in 0..options.n_rounds() {
            eprintln!("bench: samples of {name}, round {}", round + 1);
            for variant in variants {
                let folder = input_folder();
                let (_, usage) = measure(&variant.of(&workload.run, folder.path()), Sampling::Off);
                sampled.cpu_ns.entry(variant).or_default().push(usage.cpu_ns);
                let wrong = check::recording(&workload, variant, folder.path(), n_events);
                sampled.complaints.extend(wrong);
            }
            variants.rotate_left(1);
        }
        sampled
    }

    fn median_of(&self, variant: Variant) -> f64 {
        self.cpu_ns.get(&variant).map_or(f64::NAN, |rounds| median(rounds))
    }

    /// Processor time per event that comes to that of the bare run.
    pub fn added_ns(&self, variant: Variant) -> f64 {
        (self.median_of(variant) - self.median_of(Variant::Bare)) / self.n_events as f64
    }

    /// Processor time of the run with samples, in times that under the idle library.
    pub fn times_idle(&self) -> f64 {
        self.median_of(Variant::Sampled) / self.median_of(Variant::Idle)
    }
}

fn input_folder() -> TempDir {
    TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written")
}
