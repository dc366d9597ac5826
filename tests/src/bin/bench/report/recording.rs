//! Tables of what recording costs, a row a workload.

use crate::results::Results;
use crate::rounds::Measured;
use crate::statistics::geometric_mean;
use crate::table::{decimals, grouped, table};
use crate::variants::Variant;

const MIB: f64 = (1 << 20) as f64;
const RECORDERS: [Variant; 6] = [
    Variant::Floor,
    Variant::Idle,
    Variant::FirstFrame,
    Variant::Tm,
    Variant::HeaptrackRaw,
    Variant::Heaptrack,
];

/// A row of a figure for each of the recorders.
fn row(measured: &Measured, figure: impl Fn(Variant) -> f64) -> Vec<String> {
    let figures = RECORDERS.iter().map(|variant| decimals(figure(*variant)));
    [format!("{}{}", measured.workload.name, if measured.workload.kind.is_real() { "" } else { " *" })]
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

/// Processor time that an event costs more than bare: a table of what tm was made faster by, one of what it was not.
pub fn cpu_table(results: &Results) -> String {
    let untuned: Vec<&Measured> = results.of_table(true).collect();
    let others: Vec<&Measured> = results.of_table(false).collect();
    let real = others.iter().copied().filter(|one| one.workload.kind.is_real()).collect();
    let mut text = String::from("## Added CPU, ns per event\n\n");
    text += &cpu_rows(&others, &[("geometric mean", others.clone()), ("of real programs", real)]);
    text += "\n\\* made to be measured. A ratio to less than 1 ns is left out.\n";
    if !untuned.is_empty() {
        text += "\nPrograms that nothing was tuned for:\n\n";
        text += &cpu_rows(&untuned, &[("geometric mean", untuned.clone())]);
    }
    text
}

fn cpu_rows(measured: &[&Measured], means: &[(&str, Vec<&Measured>)]) -> String {
    let ratios = [
        (Variant::Tm, Variant::HeaptrackRaw),
        (Variant::Tm, Variant::Floor),
        (Variant::FirstFrame, Variant::Floor),
    ];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for measured in measured {
        let mut cells = row(measured, |variant| measured.added_cpu_ns(variant));
        let (least, most) = measured.added_cpu_ns_range(Variant::Tm);
        cells.push(format!("{}–{}", decimals(least), decimals(most)));
        cells.extend(ratios.map(|(variant, base)| decimals(measured.ratio(variant, base))));
        rows.push(cells);
    }
    for (title, of) in means {
        let mean =
            |figure: &dyn Fn(&Measured) -> f64| decimals(geometric_mean(of.iter().map(|one| figure(one))));
        let mut cells = vec![(*title).to_owned()];
        cells.extend(RECORDERS.iter().map(|variant| mean(&|one| one.added_cpu_ns(*variant))));
        cells.push(String::new());
        cells.extend(ratios.map(|(variant, base)| mean(&|one| one.ratio(variant, base))));
        rows.push(cells);
    }
    table(&header(&["tm, all rounds", "tm / `--raw`", "tm / floor", "`TM_NFRAME=1` / floor"]), &rows)
}

/// Wall time against bare.
pub fn wall_table(results: &Results) -> String {
    let rows: Vec<Vec<String>> = results
        .measured
        .iter()
        .map(|measured| row(measured, |variant| measured.wall_factor(variant)))
        .collect();
    format!("## Wall time, times bare\n\n{}", table(&header(&[]), &rows))
}

/// Memory and disk.
pub fn space_table(results: &Results) -> String {
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

/// What ran.
pub fn workloads_table(results: &Results) -> String {
    let rows = results.measured.iter().map(|measured| {
        let workload = &measured.workload;
        let events = grouped(measured.n_events as f64);
        vec![workload.name.to_owned(), events, grouped(measured.n_stack_nodes as f64), workload.what.clone()]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!("## The workloads\n\n{}", table(&["workload", "events", "stack nodes", "what it does"], &rows))
}
