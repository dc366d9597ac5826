//! The tables of exports, reports and the gate, beside `tmtool stats`.

use crate::exports::{BASE, Exported, TOP};
use crate::measure::Usage;
use crate::table::{decimals, grouped, table};

const MIB: f64 = (1 << 20) as f64;

/// A table a recording.
pub fn exports_tables(exported: &[Exported]) -> Option<String> {
    if exported.is_empty() {
        return None;
    }
    let introduction = "## Exports, reports and the gate\n\n\
        By `scripts/bench --only exports`. Each is a run of `tmtool` on the same recording, which is in the page cache; CPU is that of \
        all threads. `stats` names the stacks of the peak, the others all that ever allocated, as `top` does.\n";
    let tables = exported.iter().map(|of| {
        let rows: Vec<Vec<String>> = of.titles().map(|title| row(of, title)).collect();
        let header = [
            "tmtool",
            "CPU s",
            "times `stats`",
            "times `top`",
            "wall s",
            "times `stats`",
            "MiB resident",
            "times `stats`",
        ];
        let (events, nodes) = (grouped(of.n_events as f64), grouped(of.n_stack_nodes as f64));
        format!("\n{}, {events} events, {nodes} stack nodes:\n\n{}", of.name, table(&header, &rows))
    });
    Some(introduction.to_owned() + &tables.collect::<String>())
}

fn row(of: &Exported, title: &str) -> Vec<String> {
    let cpu_ns = |usage: &Usage| usage.cpu_ns;
    let wall_ns = |usage: &Usage| usage.wall_ns;
    let bytes = |usage: &Usage| usage.resident_bytes;
    vec![
        title.to_owned(),
        decimals(of.figure(title, cpu_ns) / 1e9),
        decimals(of.times(title, BASE, cpu_ns)),
        decimals(of.times(title, TOP, cpu_ns)),
        decimals(of.figure(title, wall_ns) / 1e9),
        decimals(of.times(title, BASE, wall_ns)),
        decimals(of.figure(title, bytes) / MIB),
        decimals(of.times(title, BASE, bytes)),
    ]
}
