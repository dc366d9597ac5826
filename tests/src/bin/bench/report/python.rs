//! The table of Python scripts, beside memray and tracemalloc.

use crate::python::{ALL, Script, Under};
use crate::table::{decimals, grouped, table};

const MIB: f64 = (1 << 20) as f64;

/// A table a script.
pub fn python_tables(scripts: &[Script]) -> Option<String> {
    if scripts.is_empty() {
        return None;
    }
    let introduction = "## Python, its own allocator\n\n\
        Each runs the same script on the same interpreter. memray's files are compressed, tm's are not; they have no C frames \
        without `--native`; tracemalloc writes none. Added is against the bare run of the same round.\n";
    let tables = scripts.iter().map(|script| {
        let rows = ALL.iter().map(|&under| row(script, under));
        let rows: Vec<Vec<String>> = rows.collect();
        let header = ["under", "s", "CPU s", "added CPU s", "added MiB resident", "bytes per event"];
        let events = grouped(script.n_events as f64);
        format!("\n`{}`, {events} events:\n\n{}", script.name, table(&header, &rows))
    });
    Some(introduction.to_owned() + &tables.collect::<String>())
}

fn row(script: &Script, under: Under) -> Vec<String> {
    let bytes = match under {
        Under::Bare | Under::Tracemalloc | Under::Tracemalloc25 => "–".into(),
        _ => decimals(script.bytes_per_event(under)),
    };
    vec![
        under.title().to_owned(),
        decimals(script.wall_s(under)),
        decimals(script.cpu_s(under)),
        decimals(script.added_cpu_s(under)),
        decimals(script.added_resident_bytes(under) / MIB),
        bytes,
    ]
}
