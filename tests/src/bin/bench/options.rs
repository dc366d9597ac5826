//! What `scripts/bench` can be told.

use std::path::PathBuf;

use clap::Parser;

use crate::workloads;

/// The parts that are no workloads.
pub const STARTUP: &str = "start-up";
pub const SCALING: &str = "scaling";
pub const READING: &str = "reading";
pub const PYTHON: &str = "python";
pub const EXPORTS: &str = "exports";
pub const SAMPLING: &str = "sampling";
pub const INSTRUCTIONS: &str = "instructions";

/// Measures what recording costs under nothing, a floor, libtm.so and heaptrack, and how fast recordings are read.
#[derive(Clone, Debug, Parser)]
#[command(name = "scripts/bench", after_help = "What single parts cost: scripts/bench --parts [rates|walks]")]
pub struct Options {
    /// How often each workload runs under each of them; medians are reported
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// One round of a tenth of the work: shows that all runs, and little else
    #[arg(long)]
    pub quick: bool,
    #[arg(skip)]
    is_counted: bool,
    /// Only these workloads and parts (`start-up`, `scaling`, `python`, `sampling`, `exports`, `instructions`, `reading`; the last takes `python3-json` along)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Also a synthetic recording of 200 million events (1 GB of disk)
    #[arg(long)]
    pub large: bool,
    /// Write the result to a file too
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// All that `--only` takes.
pub fn names() -> Vec<&'static str> {
    workloads::ALL
        .iter()
        .map(|(name, _)| *name)
        .chain([STARTUP, SCALING, READING, PYTHON, SAMPLING, EXPORTS, INSTRUCTIONS])
        .collect()
}

impl Options {
    /// The first name after `--only` that is none.
    pub fn check_names(&self) -> Result<(), &str> {
        let unknown = self.only.iter().find(|name| !names().contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(name))
    }

    /// Whether the workload or part is wanted.
    pub fn wants(&self, name: &str) -> bool {
        let is_named = |name: &str| self.only.iter().any(|only| only == name);
        self.only.is_empty() || is_named(name) || (name == workloads::READ && is_named(READING))
    }

    /// The same with a hundredth of the work, for what counts each of its instructions.
    pub fn counted(&self) -> Options {
        Options { quick: true, is_counted: true, ..self.clone() }
    }

    /// Rounds of each workload.
    pub fn n_rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds as usize }
    }

    /// `full` units of work, or what is left of them.
    pub fn scaled(&self, full: u64) -> u64 {
        let n_parts = match (self.is_counted, self.quick) {
            (true, _) => 100,
            (false, true) => 10,
            (false, false) => 1,
        };
        (full / n_parts).max(1)
    }
}
