//! The results as `docs/benchmarks.md` has them.

use crate::machine::Machine;
use crate::options::Options;
use crate::reading::{Reader, Reading};
use crate::results::Results;
use crate::rounds::Measured;
use crate::scaling::{Scaling, THREADS};
use crate::statistics::geometric_mean;
use crate::table::{decimals, grouped, table};
use crate::targets::targets;
use crate::variants::{OURS, Variant};

const MIB: f64 = (1 << 20) as f64;
const RECORDERS: [Variant; 5] =
    [Variant::Floor, Variant::FirstFrame, Variant::Tm, Variant::HeaptrackRaw, Variant::Heaptrack];

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
    parts.extend(reading_table(results));
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
        failures => format!("\nFailures of peers, which are not measured:\n\n- {}\n", failures.join("\n- ")),
    };
    format!(
        "# Benchmarks\n\n\
         Written by `scripts/bench{} --write docs/benchmarks.md`. Medians of {} rounds; in a round each workload runs \
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

/// A row of a figure for each of the recorders.
fn row(measured: &Measured, figure: impl Fn(Variant) -> f64) -> Vec<String> {
    let figures = RECORDERS.iter().map(|variant| decimals(figure(*variant)));
    [format!("{}{}", measured.workload.name, if measured.workload.is_real { "" } else { " *" })]
        .into_iter()
        .chain(figures)
        .collect()
}

fn header<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["workload"]
        .into_iter()
        .chain(RECORDERS.iter().map(|variant| variant.title()))
        .chain(more.iter().copied())
        .collect()
}

fn cpu_table(results: &Results) -> String {
    let ratios = [
        (Variant::Tm, Variant::HeaptrackRaw),
        (Variant::Tm, Variant::Floor),
        (Variant::FirstFrame, Variant::Floor),
    ];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for measured in &results.measured {
        let mut cells = row(measured, |variant| measured.added_cpu_ns(variant));
        let (least, most) = measured.added_cpu_ns_range(Variant::Tm);
        cells.push(format!("{}–{}", decimals(least), decimals(most)));
        cells.extend(ratios.map(|(variant, base)| decimals(measured.ratio(variant, base))));
        rows.push(cells);
    }
    let all: Vec<&Measured> = results.measured.iter().collect();
    for (title, of) in [("geometric mean", all), ("of real programs", results.real().collect())] {
        let mean =
            |figure: &dyn Fn(&Measured) -> f64| decimals(geometric_mean(of.iter().map(|one| figure(one))));
        let mut cells = vec![title.to_owned()];
        cells.extend(RECORDERS.iter().map(|variant| mean(&|one| one.added_cpu_ns(*variant))));
        cells.push(String::new());
        cells.extend(ratios.map(|(variant, base)| mean(&|one| one.ratio(variant, base))));
        rows.push(cells);
    }
    let header = header(&["tm, all rounds", "tm / `--raw`", "tm / floor", "`TM_NFRAME=1` / floor"]);
    format!(
        "## Added CPU, ns per event\n\n{}\n\\* made to be measured. A ratio to less than 1 ns is left out.\n",
        table(&header, &rows)
    )
}

fn wall_table(results: &Results) -> String {
    let rows: Vec<Vec<String>> = results
        .measured
        .iter()
        .map(|measured| row(measured, |variant| measured.wall_factor(variant)))
        .collect();
    format!("## Wall time, times bare\n\n{}", table(&header(&[]), &rows))
}

fn space_table(results: &Results) -> String {
    let rows = results.measured.iter().map(|measured| {
        let memory = |variant| decimals(measured.added_bytes(variant) / MIB);
        let per_event = |variant| decimals(measured.bytes_per_event(variant));
        vec![
            measured.workload.name.to_owned(),
            memory(Variant::Floor),
            memory(Variant::Tm),
            decimals(measured.granted_bytes() / MIB),
            memory(Variant::HeaptrackRaw),
            memory(Variant::Heaptrack),
            per_event(Variant::FirstFrame),
            per_event(Variant::Tm),
            per_event(Variant::HeaptrackRaw),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!(
        "## Memory added, MiB, and bytes per event on disk\n\n{}\n\
         Memory is anonymous memory at its peak (`RssAnon`, all processes together, looked at each millisecond in runs of \
         their own, to some 0.25 MiB); pages of mapped files, recordings among them, are apart. Granted are 4 MiB, 64 KiB a \
         live thread and 32 bytes a stack node. heaptrack's files are compressed, tm's are not.\n",
        table(
            &[
                "workload",
                "floor",
                "tm",
                "granted",
                "heaptrack `--raw`",
                "heaptrack",
                "bytes: `TM_NFRAME=1`",
                "tm",
                "heaptrack `--raw`"
            ],
            &rows
        )
    )
}

fn workloads_table(results: &Results) -> String {
    let rows = results.measured.iter().map(|measured| {
        let workload = &measured.workload;
        let events = grouped(measured.n_events as f64);
        vec![workload.name.to_owned(), events, grouped(measured.n_stack_nodes as f64), workload.what.clone()]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!("## The workloads\n\n{}", table(&["workload", "events", "stack nodes", "what it does"], &rows))
}

fn start_table(results: &Results) -> String {
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

fn scaling_table(scaling: &Scaling) -> String {
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

fn reading_table(results: &Results) -> Option<String> {
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
