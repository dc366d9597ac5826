//! `scripts/bench`: what recording costs and how fast it is read, beside a floor and beside heaptrack.
//!
//! ```text
//! workloads (inputs)  x  variants        -> measure (one run) -> rounds (a workload: medians)  \
//!                        startup, scaling, reading, python, exports, instructions -> results of their own           -> targets -> report
//! ```
//!
//! Every run is also a check: of what it printed, and of how many events were recorded.

mod options;

mod inputs;
mod workloads;

mod variants;

mod check;
mod measure;
mod statistics;

mod exports;
mod instructions;
mod python;
mod reading;
mod rounds;
mod sampling;
mod scaling;
mod startup;

mod results;
mod targets;

mod machine;
mod report;
mod table;

use std::process::ExitCode;

use clap::Parser;

use options::Options;
use results::Results;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(unknown) = options.check_names() {
        eprintln!("bench: there is no workload '{unknown}'; there are {}", options::names().join(", "));
        return ExitCode::from(2);
    }
    measure::adopt_orphans();
    let results = Results::of(&options);
    let text = report::document(&options, &machine::Machine::here(), &results);
    print!("{text}");
    if let Some(path) = &options.write {
        std::fs::write(path, &text)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
    for complaint in &results.complaints {
        eprintln!("bench: WRONG: {complaint}");
    }
    if results.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
