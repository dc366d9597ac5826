//! Whether what was measured was right: each variant's events against the counting preload's, and its output against
//! the bare run's.

use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tm_analyzer::reader::Recording;
use tm_common::ids::Space;
use tm_tests::counting::counted;
use tm_tests::info::{self, number, sum};
use tm_tests::run::{Outcome, files};

use crate::variants::Variant;
use crate::workloads::Workload;

/// The part of the events that the floor may miss: what happens before its constructor, and rare functions.
const FLOOR_MISSES: f64 = 0.01;

/// Events of a workload as the counting preload saw them, with what is wrong in a recording of that very run.
pub fn count(workload: &Workload) -> (u64, Vec<String>) {
    let (outcome, counts) = counted(&workload.run);
    let events = counts.allocations + counts.reallocations + counts.frees;
    let mut wrong = Vec::new();
    let infos = info::all(&outcome.recordings);
    if recorded_events(&infos) != events {
        wrong.push(format!(
            "{}: {} events recorded, {events} counted",
            workload.name,
            recorded_events(&infos)
        ));
    }
    (events, wrong)
}

/// Events in recordings.
pub fn recorded_events(infos: &[Value]) -> u64 {
    ["allocations", "reallocations", "frees"].iter().map(|key| sum(infos, key)).sum()
}

/// What is wrong in what a variant has printed, against the bare run's.
pub fn output(workload: &Workload, variant: Variant, outcome: &Outcome, bare_stdout: &str) -> Vec<String> {
    // heaptrack's wrapper says something before and after.
    let is_alike = match variant.is_peer() {
        true => outcome.stdout.contains(bare_stdout),
        false => outcome.stdout == bare_stdout,
    };
    let mut wrong = Vec::new();
    if !is_alike {
        wrong.push(format!("{} prints something else under {}", workload.name, variant.title()));
    }
    if !outcome.status.success() {
        let (end, said) = (outcome.status, outcome.stderr.trim().replace('\n', " "));
        wrong.push(format!("{} under {}: {end}, {said}", workload.name, variant.title()));
    }
    wrong
}

/// What is wrong in what a variant has recorded in `folder`, against the number of events counted.
pub fn recording(workload: &Workload, variant: Variant, folder: &Path, counted: u64) -> Vec<String> {
    let (events, tolerance) = match variant {
        // An idle one has nothing to be compared with but nothing.
        Variant::Idle => (counted + recorded_events(&info::all(&files(folder))), 0.0),
        Variant::Floor => (floor_events(folder), workload.tolerance + FLOOR_MISSES),
        Variant::FirstFrame | Variant::Tm => {
            let infos = info::all(&files(folder));
            if let Some(lossy) = infos.iter().find(|info| number(info, "lost_events") > 0) {
                return vec![format!("{}: lost {}", workload.name, lossy["lost_by_reason"])];
            }
            (recorded_events(&infos), workload.tolerance)
        }
        Variant::Sampled => (totals_events(folder), workload.tolerance),
        _ => return Vec::new(),
    };
    if (events as f64 - counted as f64).abs() <= tolerance * counted as f64 {
        return Vec::new();
    }
    vec![format!("{} under {}: {events} events recorded, {counted} counted", workload.name, variant.title())]
}

/// The events that processes which sample have counted in their lines.
fn totals_events(folder: &Path) -> u64 {
    let recordings = files(folder).into_iter().map(|path| {
        let recording = Recording::open(&path).unwrap_or_else(|error| panic!("{error}"));
        let of_heap = recording.totals.iter().filter(|(_, line)| line.space == Space::HEAP);
        of_heap.map(|(_, line)| line.totals.n_allocated + line.totals.n_freed).sum::<u64>()
    });
    recordings.sum()
}

/// The events in the floor's files: see the top of `programs/bench/floor.c`.
fn floor_events(folder: &Path) -> u64 {
    let mut n_events = 0;
    for path in files(folder) {
        let file = std::fs::File::open(&path).expect("it was just found");
        let mut reader = std::io::BufReader::new(file);
        let mut page = [0; 4096];
        let mut n_pages_left = 1;
        let mut is_first = true;
        while n_pages_left > 0 {
            reader.read_exact(&mut page).expect("the file is sparse and long");
            n_pages_left -= 1;
            let (words, []) = page.as_chunks::<8>() else { unreachable!("a page is whole words") };
            if is_first {
                n_pages_left = u64::from_le_bytes(words[0]) / page.len() as u64 - 1;
                is_first = false;
            } else {
                n_events += words.iter().filter(|word| **word != [0; 8]).count() as u64;
            }
        }
    }
    n_events
}
