//! A workload under all variants, in interleaved rounds: its medians.

use std::collections::BTreeMap;

use serde_json::Value;
use tempfile::TempDir;
use tm_tests::info::{self, number};
use tm_tests::run::files;

use crate::check;
use crate::measure::{Sampling, measure};
use crate::options::Options;
use crate::statistics::median;
use crate::variants::Variant;
use crate::workloads::Workload;

/// Added processor time below which a ratio to it says nothing, in ns per event.
const RATIO_FLOOR_NS: f64 = 1.0;

/// What the runs under one variant took, a place a round.
#[derive(Debug, Default)]
struct Samples {
    wall_ns: Vec<f64>,
    cpu_ns: Vec<f64>,
    file_bytes: Vec<f64>,
    /// Anonymous memory in a run of its own, which is not timed.
    anonymous_bytes: f64,
}

/// A workload and what was measured of it. Numbers that do not exist are NaN.
#[derive(Debug)]
pub struct Measured {
    pub workload: Workload,
    /// As the counting preload saw them.
    pub n_events: u64,
    /// Nodes of the stack table in libtm.so's recording.
    pub n_stack_nodes: u64,
    samples: BTreeMap<Variant, Samples>,
    /// What the last round's runs recorded.
    pub folders: BTreeMap<Variant, TempDir>,
    /// What was wrong.
    pub complaints: Vec<String>,
    /// What peers did wrong; such runs are not measured.
    pub peers_failures: Vec<String>,
}

impl Measured {
    /// Runs all of it.
    pub fn of(workload: Workload, options: &Options) -> Measured {
        let (n_events, complaints) = check::count(&workload);
        let mut measured = Measured {
            workload,
            n_events,
            n_stack_nodes: 0,
            samples: BTreeMap::new(),
            folders: BTreeMap::new(),
            complaints,
            peers_failures: Vec::new(),
        };
        let mut variants = Variant::installed();
        for round in 0..options.n_rounds() {
            eprintln!("bench: {}, {n_events} events, round {}", measured.workload.name, round + 1);
            measured.round(&variants);
            variants.rotate_left(1);
        }
        measured.memory_round(&variants);
        measured
    }

    /// One timed run under each variant.
    fn round(&mut self, variants: &[Variant]) {
        let mut outcomes = BTreeMap::new();
        for &variant in variants {
            let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
            let (outcome, usage) = measure(&variant.of(&self.workload.run, folder.path()), Sampling::Off);
            let samples = self.samples.entry(variant).or_default();
            samples.wall_ns.push(usage.wall_ns);
            samples.cpu_ns.push(usage.cpu_ns);
            samples.file_bytes.push(file_bytes(&folder));
            self.complaints.extend(check::recording(&self.workload, variant, folder.path(), self.n_events));
            if variant == Variant::Tm {
                let stacks = |info: &Value| number(info, "stacks");
                self.n_stack_nodes = info::all(&files(folder.path())).iter().map(stacks).sum();
            }
            self.folders.insert(variant, folder);
            outcomes.insert(variant, outcome);
        }
        let bare = &outcomes[&Variant::Bare].stdout;
        for (&variant, outcome) in &outcomes {
            let wrong = check::output(&self.workload, variant, outcome, bare);
            if variant.is_peer() && !wrong.is_empty() {
                self.forget_last_round(variant);
                self.peers_failures.extend(wrong);
            } else {
                self.complaints.extend(wrong);
            }
        }
    }

    fn forget_last_round(&mut self, variant: Variant) {
        let samples = self.samples.entry(variant).or_default();
        for figures in [&mut samples.wall_ns, &mut samples.cpu_ns, &mut samples.file_bytes] {
            *figures.last_mut().expect("it was just measured") = f64::NAN;
        }
    }

    /// One run under each variant whose memory is looked at.
    fn memory_round(&mut self, variants: &[Variant]) {
        for &variant in variants {
            let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
            let run = variant.of(&self.workload.run, folder.path());
            let (outcome, usage) = measure(&run, Sampling::EachMillisecond);
            let bytes = if outcome.status.success() { usage.anonymous_bytes } else { f64::NAN };
            self.samples.entry(variant).or_default().anonymous_bytes = bytes;
        }
    }

    fn samples(&self, variant: Variant) -> Option<(&Samples, &Samples)> {
        Some((self.samples.get(&variant)?, self.samples.get(&Variant::Bare)?))
    }

    /// Processor time that an event costs more than bare, in ns: each round against the bare run of the same round.
    fn added_cpu_ns_by_round(&self, variant: Variant) -> Vec<f64> {
        let Some((samples, bare)) = self.samples(variant) else { return Vec::new() };
        let pairs = samples.cpu_ns.iter().zip(&bare.cpu_ns);
        pairs.map(|(cpu_ns, bare_ns)| (cpu_ns - bare_ns) / self.n_events as f64).collect()
    }

    /// The median of it.
    pub fn added_cpu_ns(&self, variant: Variant) -> f64 {
        median(&self.added_cpu_ns_by_round(variant))
    }

    /// The least and the most of it.
    pub fn added_cpu_ns_range(&self, variant: Variant) -> (f64, f64) {
        let rounds = self.added_cpu_ns_by_round(variant);
        (rounds.iter().copied().fold(f64::NAN, f64::min), rounds.iter().copied().fold(f64::NAN, f64::max))
    }

    /// How many times `base`'s added processor time.
    pub fn ratio(&self, variant: Variant, base: Variant) -> f64 {
        let base_ns = self.added_cpu_ns(base);
        if base_ns < RATIO_FLOOR_NS { f64::NAN } else { self.added_cpu_ns(variant) / base_ns }
    }

    /// How many times the bare run's wall time.
    pub fn wall_factor(&self, variant: Variant) -> f64 {
        let Some((samples, bare)) = self.samples(variant) else { return f64::NAN };
        let pairs = samples.wall_ns.iter().zip(&bare.wall_ns);
        median(&pairs.map(|(wall_ns, bare_ns)| wall_ns / bare_ns).collect::<Vec<f64>>())
    }

    /// Anonymous memory at its peak, over the bare run's.
    pub fn added_bytes(&self, variant: Variant) -> f64 {
        let Some((samples, bare)) = self.samples(variant) else { return f64::NAN };
        samples.anonymous_bytes - bare.anonymous_bytes
    }

    /// How much of that is granted to libtm.so: 4 MiB, 64 KiB a live thread, 32 bytes a stack node.
    pub fn granted_bytes(&self) -> f64 {
        (4 << 20) as f64
            + (64 << 10) as f64 * self.workload.n_threads as f64
            + 32.0 * self.n_stack_nodes as f64
    }

    /// The recording's size by event.
    pub fn bytes_per_event(&self, variant: Variant) -> f64 {
        let Some(samples) = self.samples.get(&variant) else { return f64::NAN };
        median(&samples.file_bytes) / self.n_events as f64
    }
}

/// The sizes of the files in a folder.
pub fn file_bytes(folder: &TempDir) -> f64 {
    files(folder.path()).iter().map(|path| path.metadata().map_or(0, |data| data.len()) as f64).sum()
}
