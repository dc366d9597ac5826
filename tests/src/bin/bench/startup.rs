//! What it costs to start a program that does next to nothing.

use std::collections::BTreeMap;

use tempfile::TempDir;
use tm_tests::run::Run;

use crate::measure::{Sampling, measure};
use crate::options::Options;
use crate::rounds::file_bytes;
use crate::statistics::median;
use crate::variants::Variant;

/// Medians over all starts.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub wall_ns: f64,
    pub cpu_ns: f64,
    pub file_bytes: f64,
}

/// `/bin/true` a hundred times under each variant in turn.
pub fn starts(options: &Options) -> BTreeMap<Variant, Start> {
    let n_starts = options.scaled(100);
    eprintln!("bench: {n_starts} starts of /bin/true");
    let mut samples: BTreeMap<Variant, Vec<Start>> = BTreeMap::new();
    for _ in 0..n_starts {
        for variant in Variant::installed() {
            let folder = TempDir::with_prefix("tm-bench-").expect("the temporary folder can be written");
            let run = variant.of(&Run::new("/bin/true"), folder.path());
            let (_, usage) = measure(&run, Sampling::Off);
            let start =
                Start { wall_ns: usage.wall_ns, cpu_ns: usage.cpu_ns, file_bytes: file_bytes(&folder) };
            samples.entry(variant).or_default().push(start);
        }
    }
    let middle =
        |starts: &[Start], field: fn(&Start) -> f64| median(&starts.iter().map(field).collect::<Vec<f64>>());
    let medians = samples.into_iter().map(|(variant, starts)| {
        let wall_ns = middle(&starts, |start| start.wall_ns);
        let cpu_ns = middle(&starts, |start| start.cpu_ns);
        (variant, Start { wall_ns, cpu_ns, file_bytes: middle(&starts, |start| start.file_bytes) })
    });
    medians.collect()
}
