//! How fast events are replayed from a whole recording and by a follower: `scripts/bench --parts rates`.

use std::time::Instant;

use tempfile::NamedTempFile;
use tm_analyzer::follow::{Follower, Options};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::{Totals, all_totals};
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};
use tm_testing::{Random, RecordingBuilder};

const N_EVENTS: u64 = 10_000_000;
const FIRST: ProcessIndex = ProcessIndex(0);

/// A recording of threads that take turns of 50 events and free recent blocks mostly, as programs do.
fn recording(n_threads: u64) -> NamedTempFile {
    let mut random = Random::new(9);
    let mut builder = RecordingBuilder::with_process();
    let mut live: Vec<u64> = Vec::new();
    let mut now = 100_000;
    for number in 0..N_EVENTS {
        now += 20 + random.below(60);
        let (ring, stamp) = ((number / 50 % n_threads) as u32, Stamp(now));
        let event = if live.len() > 100_000 || (random.below(2) == 0 && !live.is_empty()) {
            let recent = live.len() - 1 - random.below(live.len().min(64) as u64) as usize;
            Event::Free { function: Function::Free, address: Address(live.swap_remove(recent)), stamp }
        } else {
            let (address, size) = (0x5555_0000_0000 + 32 * number, 16 + random.below(8) * 16);
            live.push(address);
            let (function, stack) = (Function::Malloc, StackId::NONE);
            Event::Allocate { function, address: Address(address), size, stack, stamp }
        };
        builder.event(FIRST, ring, &event);
    }
    builder.file()
}

fn report(what: &str, n_threads: u64, started: Instant, totals: &Totals) {
    let seconds = started.elapsed().as_secs_f64();
    // The answer is checked: a fast wrong one is no figure.
    assert_eq!(totals.allocations + totals.frees, N_EVENTS);
    println!("{what}, {n_threads} threads: {:.1} million events/s", N_EVENTS as f64 / seconds / 1e6);
}

fn main() {
    for n_threads in [1, 4] {
        let file = recording(n_threads);
        let started = Instant::now();
        let totals = all_totals(&Recording::open(file.path()).expect("it is valid"));
        report("replayed", n_threads, started, &totals.processes[0].1);
        let started = Instant::now();
        let mut follower = Follower::open(file.path(), FIRST, Options::default()).expect("it is valid");
        follower.catch_up(Stamp(u64::MAX), &mut ()).expect("it is there");
        report("followed", n_threads, started, follower.totals());
    }
}
