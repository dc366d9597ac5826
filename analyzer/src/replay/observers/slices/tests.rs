//! Claims on slices, against a naive recount of all that an observer hears.

use std::collections::BTreeMap;

use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};
use tm_common::metadata::CommandKind;

use super::*;
use crate::events::Action;
use crate::model::{Amount, Moment};
use crate::reader::Recording;
use crate::replay::{self, Processes};
use tm_testing::{Random, RecordingBuilder};

const FIRST: ProcessIndex = ProcessIndex(0);
const END: u64 = 1_000_000;

/// What was told, and in which turn.
#[derive(Default)]
struct Told {
    turn: u64,
    list: Vec<(u64, Place, i64, bool)>,
    latest: BTreeMap<(u32, u8), (Stamp, u64)>,
}

impl Told {
    fn place(block: &Block) -> (u32, u8) {
        (block.thread_tag.number(), block.space.0)
    }
}

impl Observer for Told {
    fn on_turn(&mut self, stamp: Stamp) {
        self.turn = self.turn.max(stamp.0);
    }

    fn on_alloc(&mut self, block: &Block) {
        let latest = self.latest.entry(Told::place(block)).or_default();
        if block.birth >= latest.0 {
            *latest = (block.birth, block.address.0);
        }
        self.list.push((self.turn, Place::of(block), block.size as i64, false));
    }

    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        let is_latest =
            self.latest.get(&Told::place(block)).is_some_and(|(_, address)| *address == block.address.0);
        if is_latest {
            self.latest.remove(&Told::place(block));
        }
        let is_temporary = is_latest && matches!(event.action, Action::Free | Action::Untrack);
        self.list.push((self.turn, Place::of(block), -(block.size as i64), is_temporary));
    }

    fn on_forget(&mut self, block: &Block, _stamp: Stamp) {
        self.list.push((self.turn, Place::of(block), -(block.size as i64), false));
    }
}

/// A mapping, often over others, or the end of some.
fn mapping(random: &mut Random, stack: StackId, stamp: Stamp) -> Event {
    let (space, address) = (Space::MAPPINGS, Address(4096 * (1_000 + random.below(30))));
    let size = 4096 * (1 + random.below(8));
    match random.below(2) {
        0 => Event::Track { space, address, size, stack, stamp },
        _ => Event::Untrack { space, address, size, stamp },
    }
}

/// Events of two threads on few addresses, of which some are freed by the other thread, and mappings in between.
fn recording(seed: u64) -> Recording {
    let mut random = Random::new(seed);
    let mut builder = RecordingBuilder::with_process();
    let child = builder.process(Some(0), END / 2, Some(END * 3 / 4));
    let stacks: Vec<StackId> = (0..5).map(|pc| builder.node(StackId::NONE, 0x1000 + pc)).collect();
    for (kind, stamp) in
        [(CommandKind::Mark, 123_456), (CommandKind::Clear, 400_000), (CommandKind::Mark, 700_001)]
    {
        builder.command(0, kind, 0, stamp, "m");
    }
    for (process, from, first_stream) in [(FIRST, 1, 0), (child, END / 2 + 1, 2)] {
        let mut live: BTreeMap<u64, ()> = BTreeMap::new();
        let (mut now, mut latest) = (from, [from; 2]);
        while now < END * 3 / 4 {
            now += random.below(4_000);
            let address = 16 * (1 + random.below(40));
            // The clocks of both threads' processors are apart, so that some frees come before their allocations.
            let thread = random.below(2) as usize;
            let stamp = latest[thread].max(now + 6_000 * thread as u64 + random.below(3_000));
            if stamp > END * 3 / 4 {
                break; // The child has ended.
            }
            latest[thread] = stamp;
            let stream = first_stream + thread as u32;
            if random.below(6) == 0 {
                builder.event(process, stream, &mapping(&mut random, stacks[0], Stamp(stamp)));
                continue;
            }
            let event = if live.remove(&address).is_some() {
                Event::Free { function: Function::Free, address: Address(address), stamp: Stamp(stamp) }
            } else {
                live.insert(address, ());
                let magnitude = random.below(12);
                let (function, size) = (Function::Malloc, 1 + random.below(1 << magnitude));
                let stack = stacks[random.below(5) as usize];
                Event::Allocate { function, address: Address(address), size, stack, stamp: Stamp(stamp) }
            };
            builder.event(process, stream, &event);
        }
    }
    Recording::open(builder.file().path()).expect("it is valid")
}

fn time(n_slices: u32, has_peak: bool) -> SliceTime {
    let marks = [123_456, 700_001].map(Stamp);
    SliceTime {
        grid: Grid::new((Stamp(0), Stamp(END)), n_slices, marks.into_iter()),
        steps: (1..=10).map(|step| Stamp(step * END / 10)).collect(),
        limits: vec![1_000, 10_000],
        has_peak,
    }
}

fn run(
    recording: &Recording,
    processes: Processes,
    memory_kind: MemoryKind,
    (n_slices, pieces_max): (u32, usize),
) -> (SliceSums, Told) {
    let is_one = processes != Processes::All;
    let selection = Selection::of_account(memory_kind).in_recording(recording);
    let mut sums = SliceSums::default();
    let mut peak = None;
    let observed = replay::run(
        recording,
        processes,
        Stamp(u64::MAX),
        |engine| {
            let live = engine.live().iter(selection.memory_kind()).filter(|_| is_one);
            Slices { pieces_max, ..Slices::new(&selection, time(n_slices, is_one), live) }
        },
        |engine, mut slices| {
            if let Some(end) = replay::ended_at(recording, engine.process()).filter(|_| !is_one) {
                slices.end_all(end);
            }
            peak = Some((slices.peak.bytes, engine.totals().peak(memory_kind).0));
            sums.merge(slices.finish(engine.process()));
        },
    );
    observed.expect("there is such a process");
    if let Some((bytes, peak)) = peak.filter(|_| is_one) {
        assert_eq!(bytes, peak.bytes, "{memory_kind:?}");
    }
    let mut told = Told::default();
    let _ = replay::run(recording, processes, Stamp(u64::MAX), |_| Told::default(), |_, it| told = it);
    (sums, told)
}

/// What lives by place.
fn by_place(blocks: &[Block]) -> BTreeMap<Place, (u64, u64)> {
    let mut sums = BTreeMap::new();
    for block in blocks {
        let sum: &mut (u64, u64) = sums.entry(Place::of(block)).or_default();
        *sum = (sum.0 + block.size, sum.1 + 1);
    }
    sums
}

fn live_at(sums: &SliceSums, boundary: usize) -> BTreeMap<Place, (u64, u64)> {
    let mut live = BTreeMap::new();
    for (site, amount) in sums.sites.iter().zip(sums.live_at(boundary)).filter(|(_, live)| live.count > 0) {
        let sum: &mut (u64, u64) = live.entry(site.place).or_default();
        *sum = (sum.0 + amount.bytes, sum.1 + amount.count);
    }
    live
}

fn snapshot(
    recording: &Recording,
    processes: Processes,
    memory_kind: MemoryKind,
    moment: &Moment,
) -> BTreeMap<Place, (u64, u64)> {
    let selection = Selection::of_account(memory_kind);
    let taken = replay::snapshot::<Vec<Block>>(recording, processes, moment, &selection);
    by_place(&taken.expect("there is such a moment").blocks)
}

/// What lives at each boundary is what a snapshot has there.
fn check_boundaries(
    recording: &Recording,
    sums: &SliceSums,
    (processes, memory_kind): (Processes, MemoryKind),
) {
    for (boundary, stamp) in sums.grid.stamps().enumerate() {
        if processes == Processes::One(ProcessIndex(1)) && stamp.0 < END / 2 {
            continue;
        }
        let moment = if Some(boundary) == sums.peak { Moment::Peak } else { Moment::TimeNs(stamp.0) };
        let expected = snapshot(recording, processes, memory_kind, &moment);
        assert_eq!(live_at(sums, boundary), expected, "{processes:?} {memory_kind:?} {moment:?}");
    }
}

#[test]
fn what_lives_at_a_boundary_is_the_snapshot_there() {
    let processes = [Processes::One(FIRST), Processes::One(ProcessIndex(1)), Processes::All];
    let kinds = [MemoryKind::Traced, MemoryKind::Mappings];
    let asked: Vec<_> = processes.iter().flat_map(|&of| kinds.map(|kind| (of, kind))).collect();
    for seed in 0..2 {
        let recording = recording(seed);
        for bounds in [(1, 1 << 20), (40, 1 << 20), (40, 20), (100, 60)] {
            for &(processes, memory_kind) in &asked {
                let (mut sums, _) = run(&recording, processes, memory_kind, bounds);
                let peak = sums.peak;
                loop {
                    let n_slices = sums.grid.len() - 1;
                    assert!(sums.cells.iter().all(|cell| (cell.slice as usize) < n_slices));
                    check_boundaries(&recording, &sums, (processes, memory_kind));
                    if !sums.halve() {
                        break;
                    }
                }
                assert_eq!(peak.is_some(), sums.peak.is_some());
                assert!(sums.grid.stamps().any(|stamp| stamp.0 == 123_456), "the mark stays");
            }
        }
    }
}

#[test]
fn cells_are_what_a_naive_recount_finds() {
    for seed in 20..26 {
        let recording = recording(seed);
        let (sums, mut told) = run(&recording, Processes::One(FIRST), MemoryKind::Traced, (37, 1 << 20));
        told.list.retain(|(_, place, ..)| place.space != Space::MAPPINGS);
        let peak = sums.peak.expect("there is one");
        let stamps: Vec<u64> = sums.grid.stamps().map(|stamp| stamp.0).collect();
        let mut expected: BTreeMap<(Place, usize), [u64; 6]> = BTreeMap::new();
        let mut live = 0;
        let mut most = (0, 0);
        for (index, (_, _, change, _)) in told.list.iter().enumerate() {
            live += change;
            if live > most.0 {
                most = (live, index);
            }
        }
        for (index, (turn, place, change, is_temporary)) in told.list.iter().enumerate() {
            let ordinary: Vec<u64> =
                stamps.iter().enumerate().filter(|(at, _)| *at != peak).map(|(_, s)| *s).collect();
            let mut slice = ordinary.partition_point(|boundary| boundary < turn) - 1;
            if slice + 1 > peak || (slice + 1 == peak && index > most.1) {
                slice += 1;
            }
            let cell = expected.entry((*place, slice)).or_default();
            let size = change.unsigned_abs();
            let at = if *change > 0 { 0 } else { 2 };
            (cell[at], cell[at + 1]) = (cell[at] + size, cell[at + 1] + 1);
            if *is_temporary {
                (cell[4], cell[5]) = (cell[4] + size, cell[5] + 1);
            }
        }
        let found = sums.cells.iter().map(|cell| {
            let Flow { allocated: a, freed: f, temporary: t } = cell.flow;
            let key = (sums.sites[cell.site as usize].place, cell.slice as usize);
            (key, [a.bytes, a.count, f.bytes, f.count, t.bytes, t.count])
        });
        let found: BTreeMap<_, _> = found.collect();
        let differs = |key: &&(Place, usize)| found.get(*key) != expected.get(*key);
        let different: Vec<_> = found.keys().chain(expected.keys()).filter(differs).take(3).collect();
        let show = |key| (found.get(key), expected.get(key));
        assert!(different.is_empty(), "{different:?}: {:?}", show(different[0]));
        let total = |of: fn(&SiteSlices) -> &Histogram| {
            let mut sum = Amount::default();
            sums.sites.iter().flat_map(|site| of(site).iter()).for_each(|(_, amount)| sum += amount);
            sum
        };
        let came: u64 = expected.values().map(|cell| cell[0]).sum();
        assert_eq!(total(|site| &site.sizes).bytes, came);
        assert!(total(|site| &site.lifetimes).bytes > 0);
        let (n_came, n_went) =
            sums.course.iter().fold((0, 0), |sum, step| (sum.0 + step.n_allocations, sum.1 + step.n_frees));
        assert_eq!(n_came, expected.values().map(|cell| cell[1]).sum::<u64>());
        assert_eq!(n_went, expected.values().map(|cell| cell[3]).sum::<u64>());
        let highest =
            sums.course.iter().map(|step| step.most.iter().map(|(_, bytes)| bytes).sum::<u64>()).max();
        assert_eq!(highest, Some(most.0 as u64));
    }
}
