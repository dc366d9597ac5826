//! Tables of what is no workload: start-up, threads, reading.

use crate::instructions::Instructions;
use crate::reading::{Reader, Reading};
use crate::results::Results;
use crate::sampling::Sampled;
use crate::scaling::{Scaling, THREADS};
use crate::table::{decimals, grouped, table};
use crate::variants::{OURS, Variant};

const MIB: f64 = (1 << 20) as f64;
/// `/bin/true`.
pub fn start_table(results: &Results) -> String {
    let rows = results.starts.iter().map(|(variant, start)| {
        vec![
            variant.title().to_owned(),
            decimals(start.wall_ns / 1e6),
            decimals(results.added_to_start(*variant, |start| start.wall_ns) / 1e6),
            decimals(results.added_to_start(*variant, |start| start.cpu_ns) / 1e6),
            if *variant == Variant::Floor { "–".into() } else { decimals(start.file_bytes / 1024.0) },
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!(
        "## Start-up: `/bin/true`\n\n{}",
        table(&["under", "ms", "added ms", "added CPU ms", "KiB on disk"], &rows)
    )
}

/// What samples cost.
pub fn sampling_table(sampled: &[Sampled]) -> String {
    let rows = sampled.iter().map(|sampled| {
        let added = [Variant::Idle, Variant::Sampled].map(|variant| decimals(sampled.added_ns(variant)));
        let [idle, samples] = added;
        vec![sampled.name.to_owned(), idle, samples, decimals(sampled.times_idle())]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let head = ["workload", "idle: CPU ns added per event", "`TM_SAMPLE=512K`", "CPU time / idle"];
    format!("## Samples\n\n{}", table(&head, &rows))
}

/// What an event costs in instructions.
pub fn instructions_table(counted: &[Instructions]) -> String {
    let variants = [Variant::Floor, Variant::Idle, Variant::Sampled, Variant::FirstFrame, Variant::Tm];
    let rows = counted.iter().map(|counted| {
        let added = variants.map(|variant| decimals(counted.added(variant)));
        [counted.name.to_owned()].into_iter().chain(added).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header: Vec<&str> = ["workload"].into_iter().chain(variants.map(Variant::title)).collect();
    format!("## Instructions added per event, by callgrind\n\n{}", table(&header, &rows))
}

/// Threads side by side.
pub fn scaling_table(scaling: &Scaling) -> String {
    let rows = OURS.into_iter().map(|variant| {
        let mut cells = vec![variant.title().to_owned()];
        let phases = 0..THREADS.len();
        cells.extend(phases.clone().map(|phase| decimals(scaling.events_per_second(variant, phase) / 1e6)));
        cells.extend(
            [(1, 0), (2, 1)].map(|(phase, earlier)| decimals(scaling.speed_up(variant, phase, earlier))),
        );
        cells.extend(phases.map(|phase| decimals(scaling.cpu_ns(variant, phase))));
        cells
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!(
        "## Threads\n\n{}\nChurn with 30 outer frames, all phases in one process, as it times its loops itself.\n",
        table(
            &[
                "under",
                "1 thread, million events/s",
                "2 threads",
                "16 threads",
                "2 / 1",
                "16 / 2",
                "CPU ns per event, 1 thread",
                "2 threads",
                "16 threads"
            ],
            &rows
        )
    )
}

/// `tmtool stats` and `heaptrack_print`; nothing if neither ran.
pub fn reading_table(results: &Results) -> Option<String> {
    let line = |name: &str, reader: &Reader, reading: Option<&Reading>| {
        let of =
            |figure: fn(&Reading) -> f64| reading.map_or("–".into(), |reading| decimals(figure(reading)));
        vec![
            name.to_owned(),
            decimals(reader.wall_ns / 1e9),
            decimals(reader.cpu_ns / 1e9),
            of(|reading| reading.events_per_second() / 1e6),
            decimals(reader.anonymous_bytes / MIB),
            of(|reading| reading.granted_bytes() / MIB),
            decimals(reader.resident_bytes / MIB),
            of(|reading| reading.file_bytes as f64 / MIB),
        ]
    };
    let mut rows = Vec::new();
    if let Some((ours, theirs)) = &results.reading {
        let name = format!("`tmtool stats`, python3-json, {} events", grouped(ours.n_events as f64));
        rows.push(line(&name, &ours.reader, Some(ours)));
        rows.extend(theirs.as_ref().map(|theirs| line("`heaptrack_print`, the same workload", theirs, None)));
    }
    if let Some(large) = &results.large {
        let name = format!("`tmtool stats`, churn, {} events", grouped(large.n_events as f64));
        rows.push(line(&name, &large.reader, Some(large)));
    }
    let header =
        ["what", "s", "CPU s", "million events/s", "MiB anonymous", "granted", "MiB resident", "MiB read"];
    (!rows.is_empty()).then(|| {
        format!(
            "## Reading, cold\n\n{}\nCold: the file is not in the page cache. Granted are 64 MiB and 64 bytes for each live \
             block of the peak and each stack node.\n",
            table(&header, &rows)
        )
    })
}
