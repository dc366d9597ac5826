//! The results as `docs/benchmarks.md` has them.

mod recording;

mod exports;
mod parts;
mod python;

use std::collections::BTreeSet;

use crate::machine::Machine;
use crate::options::Options;
use crate::results::Results;
use crate::table::table;
use crate::targets::targets;
use exports::exports_tables;
use parts::{instructions_table, reading_table, sampling_table, scaling_table, start_table};
use python::python_tables;
use recording::{cpu_table, space_table, wall_table, workloads_table};

/// All of it, in Markdown.
pub fn document(options: &Options, machine: &Machine, results: &Results) -> String {
    let mut parts = vec![introduction(options, machine, results), targets_table(results)];
    if !results.measured.is_empty() {
        parts.extend([
            cpu_table(results),
            wall_table(results),
            space_table(results),
            workloads_table(results),
        ]);
    }
    if !results.starts.is_empty() {
        parts.push(start_table(results));
    }
    parts.extend(results.scaling.as_ref().map(scaling_table));
    if !results.sampled.is_empty() {
        parts.push(sampling_table(&results.sampled));
    }
    if !results.instructions.is_empty() {
        parts.push(instructions_table(&results.instructions));
    }
    parts.extend(python_tables(&results.scripts));
    parts.extend(reading_table(results));
    parts.extend(exports_tables(&results.exported));
    parts.join("\n")
}

fn introduction(options: &Options, machine: &Machine, results: &Results) -> String {
    let lines: String = machine.lines.iter().map(|(name, value)| format!("- {name}: {value}\n")).collect();
    let checks = match results.complaints.as_slice() {
        [] => "All runs were right: they printed what the bare run prints, and had the events that the counting \
               preload counts."
            .to_owned(),
        wrong => format!("**{} checks failed**:\n\n- {}", wrong.len(), wrong.join("\n- ")),
    };
    let failures = match results.peers_failures.as_slice() {
        [] => String::new(),
        failures => {
            let kinds: BTreeSet<&String> = failures.iter().collect();
            let n_times = |kind: &String| failures.iter().filter(|failure| *failure == kind).count();
            let lines = kinds.into_iter().map(|kind| format!("- {kind} ({} runs)\n", n_times(kind)));
            format!("\nFailures of peers, which are not measured:\n\n{}", lines.collect::<String>())
        }
    };
    format!(
        "# Benchmarks\n\n\
         Written by `scripts/bench{} --rounds {} --write docs/benchmarks.md`. Medians; in a round each workload runs \
         once under nothing (*bare*), a floor (a preload that reads the clock and appends 8 bytes to a mapped file, \
         `tests/programs/bench/floor.c`), libtm.so with `TM_NFRAME=1`, libtm.so, `heaptrack --raw` and `heaptrack`. \
         CPU is user and system time of all processes of a run, heaptrack's interpreter and compressor included; what is \
         added is against the bare run of the same round.\n\n{lines}\n{checks}\n{failures}",
        if options.large { " --large" } else { "" },
        options.n_rounds(),
    )
}

fn targets_table(results: &Results) -> String {
    let rows = targets(results).into_iter().map(|target| {
        let verdict = match target.is_hit {
            Some(true) => "hit",
            Some(false) => "**miss**",
            None => "not measured",
        };
        vec![target.what.to_owned(), target.target, target.measured, verdict.to_owned()]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!("## Targets\n\n{}", table(&["what", "target", "measured", ""], &rows))
}
