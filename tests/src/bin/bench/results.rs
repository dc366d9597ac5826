//! All that was measured.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::exports::{self, Exported};
use crate::instructions::Instructions;
use crate::options::{EXPORTS, INSTRUCTIONS, Options, PYTHON, READING, SAMPLING, SCALING, STARTUP};
use crate::python::{self, Script};
use crate::reading::{self, Reader, Reading};
use crate::rounds::Measured;
use crate::sampling::Sampled;
use crate::scaling::Scaling;
use crate::startup::{self, Start};
use crate::statistics::geometric_mean;
use crate::variants::Variant;
use crate::workloads::{self, Kind};

/// Parts that were not wanted are empty.
#[derive(Debug, Default)]
pub struct Results {
    pub measured: Vec<Measured>,
    pub starts: BTreeMap<Variant, Start>,
    pub scaling: Option<Scaling>,
    pub scripts: Vec<Script>,
    pub sampled: Vec<Sampled>,
    pub exported: Vec<Exported>,
    pub instructions: Vec<Instructions>,
    pub reading: Option<(Reading, Option<Reader>)>,
    pub large: Option<Reading>,
    /// What was wrong in any run.
    pub complaints: Vec<String>,
    /// What peers did wrong.
    pub peers_failures: Vec<String>,
}

impl Results {
    /// Runs all that is wanted.
    pub fn of(options: &Options) -> Results {
        let mut results = Results::default();
        for (name, make) in workloads::ALL.iter().filter(|(name, _)| options.wants(name)) {
            let input = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
            let workload = make(options, input.path());
            let mut measured = Measured::of(workload, options);
            results.complaints.append(&mut measured.complaints);
            results.peers_failures.append(&mut measured.peers_failures);
            if *name == workloads::READ && options.wants(READING) {
                results.reading = Some(reading::compare(options, &measured));
            }
            measured.folders.clear();
            results.measured.push(measured);
        }
        if options.wants(STARTUP) {
            results.starts = startup::starts(options);
        }
        if options.wants(SCALING) {
            results.scaling = Some(Scaling::of(options));
        }
        if options.wants(PYTHON) {
            results.scripts = python::scripts(options);
            for script in &mut results.scripts {
                results.complaints.append(&mut script.complaints);
            }
        }
        if options.wants(SAMPLING) {
            results.sampled = Sampled::all(options);
            for sampled in &mut results.sampled {
                results.complaints.append(&mut sampled.complaints);
            }
        }
        if options.wants(EXPORTS) {
            results.exported = exports::all(options);
            for exported in &mut results.exported {
                results.complaints.append(&mut exported.complaints);
            }
        }
        if options.wants(INSTRUCTIONS) {
            results.instructions = Instructions::all(options);
            for counted in &mut results.instructions {
                results.complaints.append(&mut counted.complaints);
            }
        }
        if options.large {
            results.large = Some(reading::large(options));
        }
        results
    }

    /// The workloads that were not made to be measured.
    pub fn real(&self) -> impl Iterator<Item = &Measured> {
        self.measured.iter().filter(|measured| measured.workload.kind.is_real())
    }

    /// The workloads that nothing was tuned for, or the others.
    pub fn of_table(&self, is_untuned: bool) -> impl Iterator<Item = &Measured> {
        self.measured.iter().filter(move |one| (one.workload.kind == Kind::Untuned) == is_untuned)
    }

    /// The geometric mean of the ratios of the workloads of a table.
    pub fn mean_ratio(&self, is_untuned: bool, variant: Variant, base: Variant) -> f64 {
        geometric_mean(self.of_table(is_untuned).map(|measured| measured.ratio(variant, base)))
    }

    /// The largest figure of all workloads, and whose it is.
    pub fn worst<'a>(
        measured: impl Iterator<Item = &'a Measured>,
        figure: impl Fn(&Measured) -> f64,
    ) -> (f64, &'static str) {
        let figures = measured.map(|measured| (figure(measured), measured.workload.name));
        let known = figures.filter(|(figure, _)| figure.is_finite());
        known.max_by(|one, other| one.0.total_cmp(&other.0)).unwrap_or((f64::NAN, "nothing"))
    }

    /// What a start takes more than the bare one.
    pub fn added_to_start(&self, variant: Variant, figure: fn(&Start) -> f64) -> f64 {
        let of = |variant| self.starts.get(&variant).map_or(f64::NAN, figure);
        of(variant) - of(Variant::Bare)
    }
}
