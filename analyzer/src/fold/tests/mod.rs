//! Against the same recordings with all of their events.

mod again;
mod course;
mod ended;
mod hostile;
mod lost;
mod program;

use std::mem::offset_of;
use std::ops::AddAssign;

use tempfile::NamedTempFile;
use tm_common::header::{GRAIN_BYTES, MappedHeader};
use tm_common::ids::{TagIndex, ThreadIndex};
use tm_common::segment::{HEADER_BYTES, SegmentHeader, SegmentKind};
use tm_testing::{Random, file_of, header_bytes};

use program::Program;

use super::*;
use crate::events::Block;
use crate::follow::{Follower, Options};
use crate::model::{Activity, Amount, Counted, EstimatesBy, Moment, Uncertainty};
use crate::reader::Problem;
use crate::reader::checkpoint::BodyEnd;
use crate::replay::{
    Activities, Allocations, Churn, Folded, FoldedPart, FoldedProcess, Lifetimes, MemoryKind, Observer,
    Processes, Selection, Site, Timeline, Totals, run,
};

/// What a checkpoint is to be.
#[derive(Clone, Debug)]
struct Fold {
    /// What its parts hold, one after the other.
    bytes: Vec<u8>,
    /// See [`Folder::encode`].
    until: Stamp,
}

/// Folds a recording that nothing is known of.
fn fold(recording: &Recording, until: Stamp) -> Result<Fold> {
    let mut folder = Folder::default();
    folder.fold(recording, until)?;
    let (bytes, until) = folder.encode().expect("there is memory");
    Ok(Fold { bytes, until })
}

/// The recording with `fold` as its checkpoint, number `number`; the room that is not needed any more is zeros.
fn with_checkpoint(file: &NamedTempFile, fold: &Fold, number: u32) -> NamedTempFile {
    let mut bytes = std::fs::read(file.path()).expect("it is there");
    let mut n_parts = 0;
    for part in fold.bytes.chunks(3 * GRAIN_BYTES - HEADER_BYTES) {
        let header = SegmentHeader {
            used: part.len() as u32,
            stream: StreamIndex(number),
            sequence: n_parts,
            base_stamp: fold.until,
            ..SegmentHeader::empty(SegmentKind::Checkpoint, 3, ProcessIndex(0))
        };
        let end = bytes.len() + 3 * GRAIN_BYTES;
        bytes.extend(header_bytes(&header));
        bytes.extend(part);
        bytes.resize(end, 0);
        n_parts += 1;
    }
    let at = offset_of!(MappedHeader, checkpoint);
    bytes[at..at + 8].copy_from_slice(&(u64::from(number) << 32 | u64::from(n_parts)).to_le_bytes());
    file_of(&bytes)
}

/// The same, without the segments of which all events are folded.
fn without_folded(file: &NamedTempFile) -> (NamedTempFile, usize) {
    let recording = Recording::open(file.path()).expect("it is valid");
    let mut bytes = std::fs::read(file.path()).expect("it is there");
    for grain in &recording.folded_grains {
        let at = *grain as usize * GRAIN_BYTES;
        bytes[at..at + GRAIN_BYTES].fill(0);
    }
    (file_of(&bytes), recording.folded_grains.len())
}

/// The recording of a writer that does not look at full segments any more, of which the last is one in some streams.
fn left_when_full(file: &NamedTempFile) -> NamedTempFile {
    let mut bytes = std::fs::read(file.path()).expect("it is there");
    bytes[offset_of!(MappedHeader, abilities)] |= abilities::LEAVES_FULL as u8;
    file_of(&bytes)
}

fn percent_of(recording: &Recording, percent: u64) -> Stamp {
    replay::stamp_at(recording, recording.duration_ns() * percent / 100)
}

/// The recording folded up to a part of its time, and that folded further; in percent.
fn folded_twice(file: &NamedTempFile, [first, second]: [u64; 2]) -> [NamedTempFile; 2] {
    let whole = Recording::open(file.path()).expect("it is valid");
    let first = fold(&whole, percent_of(&whole, first)).expect("it can be folded");
    let folded = with_checkpoint(file, &first, 1);
    let more = Recording::open(folded.path()).expect("it is valid");
    let second = fold(&more, percent_of(&whole, second)).expect("it can be folded");
    let again = with_checkpoint(&folded, &second, 2);
    [folded, again]
}

/// A block by what it says itself.
type Told = (u8, u64, u64, u32, u64, ThreadIndex, TagIndex, u64);

fn told(recording: &Recording, blocks: impl Iterator<Item = Block>) -> Vec<Told> {
    let tags = &recording.thread_tags;
    let told = |block: Block| {
        let Block { address, size, stack, thread_tag, birth, space } = block;
        let (thread, tag) = (tags.thread(thread_tag), tags.tag(thread_tag));
        (space.0, address.0, size, stack.0, birth.0, thread, tag, tags.sample_bytes(thread_tag))
    };
    let mut told: Vec<Told> = blocks.map(told).collect();
    told.sort_unstable();
    told
}

/// All that is asked of a recording.
#[derive(Debug, PartialEq)]
struct Answers {
    totals: Vec<Totals>,
    damage: Vec<Vec<Problem>>,
    live: Vec<Vec<Told>>,
    peak: Vec<Vec<Told>>,
    activities: Vec<(Site, Activity, Errors)>,
    temporary: Vec<(Site, Amount, Errors)>,
    allocated: Vec<(Site, Amount, Errors)>,
    freed: Vec<(Site, Amount, Errors)>,
    highest: Vec<u64>,
}

/// The samples that a sum is of, and how far off its bytes and its blocks may be.
type Errors = Option<[u64; 3]>;

fn with_errors<V, U>(sums: EstimatesBy<Site, V, U>, of: impl Fn(&U) -> Uncertainty) -> Vec<(Site, V, Errors)>
where
    V: Copy + Default + AddAssign,
    U: Copy + Default + AddAssign,
{
    let error = |it: &U| Some(of(it)).filter(Uncertainty::is_estimate);
    let error = |it: &U| error(it).map(|it| [it.n_samples, it.bytes(), it.count()]);
    sums.into_sorted().map(|(site, sum, it)| (site, sum, it.as_ref().and_then(error))).collect()
}

fn answers(recording: &Recording, processes: Processes, of: &Selection) -> Answers {
    let of = &of.clone().in_recording(recording);
    let (mut activities, mut temporary) = (EstimatesBy::default(), EstimatesBy::default());
    let (mut allocated, mut freed) = (EstimatesBy::default(), EstimatesBy::default());
    let mut answers = Answers {
        totals: Vec::new(),
        damage: Vec::new(),
        live: Vec::new(),
        peak: Vec::new(),
        activities: Vec::new(),
        temporary: Vec::new(),
        allocated: Vec::new(),
        freed: Vec::new(),
        highest: Vec::new(),
    };
    let kinds = [MemoryKind::Traced, MemoryKind::Mappings];
    let all = kinds.map(|kind| Selection::of_account(kind).in_recording(recording));
    let end = replay::stamp_at(recording, recording.duration_ns());
    run(
        recording,
        processes,
        Stamp(u64::MAX),
        |engine| {
            let process = engine.process();
            let [traced, mapped] = [0, 1].map(|kind| {
                let start = recording.process(process).map_or(Stamp(0), |process| process.start);
                Timeline::new(&all[kind], (start, end), 40, engine.live().iter(kinds[kind]))
            });
            let sums = (Allocations::new(of, process), Churn::new(of, process));
            (
                (Activities::new(of, process, Counted::ALL), Lifetimes::new(of, process, vec![])),
                (sums, (traced, mapped)),
            )
        },
        |engine, ((activity, lifetimes), ((allocations, churn), (traced, mapped)))| {
            answers.totals.push(*engine.totals());
            answers.damage.push(engine.damage().problems());
            for kind in kinds {
                answers.live.push(told(recording, engine.live().iter(kind)));
                answers.peak.push(told(recording, engine.peak_blocks(kind)));
            }
            activities.absorb(activity.finish());
            temporary.merge(&lifetimes.temporary);
            allocated.merge(&allocations.sums);
            freed.merge(&churn.sums);
            for timeline in [traced, mapped] {
                let steps = timeline.finish();
                answers.highest.push(steps.iter().map(|step| step.most.bytes).max().unwrap_or(0));
            }
        },
    )
    .expect("there are such processes");
    answers.activities = with_errors(activities, |it| it.allocated);
    answers.temporary = with_errors(temporary, |it| *it);
    answers.allocated = with_errors(allocated, |it| *it);
    answers.freed = with_errors(freed, |it| *it);
    answers
}

/// Shows the first difference alone.
fn same<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T], note: &str) {
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    if let Some(place) = differs {
        panic!("{note}, place {place}:\n{:?}\n{:?}", found[place], expected[place]);
    }
    assert_eq!(found.len(), expected.len(), "{note}");
}

fn compare(whole: &Recording, folded: &Recording, note: &str) {
    let by_thread = Selection { threads: Some(vec![ThreadIndex(1), ThreadIndex(4)]), ..Selection::default() };
    let by_tag = Selection { tags: Some(vec![TagIndex(2)]), ..Selection::default() };
    let (parent, child) = (Processes::One(ProcessIndex(0)), Processes::One(ProcessIndex(1)));
    for (processes, selection) in [
        (Processes::All, Selection::default()),
        (parent, by_tag),
        (parent, Selection::of_account(MemoryKind::Mappings)),
        (child, by_thread),
    ] {
        let (expected, found) =
            (answers(whole, processes, &selection), answers(folded, processes, &selection));
        let note = format!("{note}, {processes:?}");
        same(&found.totals, &expected.totals, &note);
        same(&found.damage, &expected.damage, &note);
        found.live.iter().zip(&expected.live).for_each(|(found, it)| same(found, it, &note));
        found.peak.iter().zip(&expected.peak).for_each(|(found, it)| same(found, it, &note));
        same(&found.activities, &expected.activities, &note);
        same(&found.temporary, &expected.temporary, &note);
        same(&found.allocated, &expected.allocated, &note);
        same(&found.freed, &expected.freed, &note);
        // The course of all is none: what a child frees of its parent's is no process's.
        if processes != Processes::All {
            same(&found.highest, &expected.highest, &note);
        }
    }
    assert_eq!(folded.problems, whole.problems, "{note}");
}

/// Against the same recording with all of its events; what is folded is folded again and again.
fn compare_with_all_events(is_sampled: bool) {
    let mut n_gone = 0;
    for seed in 0..3 {
        let file = left_when_full(&Program::new(seed, is_sampled).run(4_000));
        let whole = Recording::open(file.path()).expect("it is valid");
        let duration = whole.duration_ns();
        let (mut folded, mut random) = (None::<NamedTempFile>, Random::new(seed + 100));
        let mut percent = 0;
        for number in 1..4 {
            percent += 10 + random.below(22);
            let recording = match &folded {
                Some(folded) => Recording::open(folded.path()).expect("it is valid"),
                None => Recording::open(file.path()).expect("it is valid"),
            };
            let until = replay::stamp_at(&recording, duration * percent / 100 + random.below(50_000));
            let fold = fold(&recording, until).expect("it can be folded");
            let file = folded.as_ref().unwrap_or(&file);
            let with = with_checkpoint(file, &fold, number);
            let (with, n) = if number > 1 { without_folded(&with) } else { (with, 0) };
            n_gone += n;
            let recording = Recording::open(with.path()).expect("it is valid");
            assert!(recording.folded_until() >= Some(until));
            compare(&whole, &recording, &format!("seed {seed}, checkpoint {number}"));
            folded = Some(with);
        }
    }
    assert!(n_gone > 5, "{n_gone} segments were folded away");
}

#[test]
fn answers_are_those_of_all_events() {
    compare_with_all_events(false);
}

#[test]
fn answers_are_those_of_all_samples() {
    compare_with_all_events(true);
}

/// What a follower has of process 0 or 1 at the end.
fn followed(follower: &Follower) -> (Totals, Vec<Told>, Vec<Told>) {
    let recording = follower.recording();
    let live = told(recording, follower.live().iter(MemoryKind::Traced));
    let peak = told(recording, follower.peak_blocks(MemoryKind::Traced));
    (*follower.totals(), live, peak)
}

#[test]
fn a_follower_begins_after_what_is_folded_and_goes_on_when_more_is() {
    let file = Program::new(9, false).run(3_000);
    let whole = Recording::open(file.path()).expect("it is valid");
    let at = |percent| percent_of(&whole, percent);
    let [first, second] = folded_twice(&file, [40, 60]);
    let first_bytes = std::fs::read(first.path()).expect("it is there");
    for process in [0, 1].map(ProcessIndex) {
        std::fs::write(first.path(), &first_bytes).expect("there is room");
        let open = |file: &NamedTempFile| {
            Follower::open(file.path(), process, Options::default()).expect("there is such a process")
        };
        let mut of_all = open(&file);
        of_all.catch_up(Stamp(u64::MAX), &mut ()).expect("it can be read");
        let mut folded = open(&first);
        let mut allocated = 0;
        folded.tell_folded(&mut Count(&mut allocated));
        assert!(allocated > 0);
        folded.catch_up(at(70), &mut ()).expect("it can be read");
        // The file becomes one of which more is folded, under its reader.
        std::fs::write(first.path(), std::fs::read(second.path()).expect("it is there"))
            .expect("there is room");
        folded.catch_up(Stamp(u64::MAX), &mut ()).expect("it begins again");
        assert_eq!(folded.recording().folded_until().map(|until| until >= at(60)), Some(true));
        assert_eq!(followed(&folded), followed(&of_all));
        assert_eq!(folded.problems(), of_all.problems());
        // One that has not come so far misses events.
        let with_first = with_checkpoint(&file, &fold(&whole, at(40)).expect("it can be folded"), 1);
        let mut late = open(&with_first);
        late.catch_up(at(50), &mut ()).expect("it can be read");
        std::fs::write(with_first.path(), std::fs::read(second.path()).expect("it is there"))
            .expect("there is room");
        let missed = late.catch_up(Stamp(u64::MAX), &mut ());
        assert!(matches!(missed, Err(Error::Folded { .. })), "{missed:?}");
    }
}

/// Counts what was allocated before.
struct Count<'a>(&'a mut u64);

impl Observer for Count<'_> {
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        part.sums().for_each(|sum| *self.0 += sum.activity.allocated.count);
        true
    }
}

#[test]
fn what_is_before_the_events_that_are_left_is_refused() {
    let file = Program::new(10, false).run(2_000);
    let whole = Recording::open(file.path()).expect("it is valid");
    let middle = replay::stamp_at(&whole, whole.duration_ns() / 2);
    let folded = with_checkpoint(&file, &fold(&whole, middle).expect("it can be folded"), 1);
    let recording = Recording::open(folded.path()).expect("it is valid");
    let resolve = |ns| replay::resolve(&recording, Processes::All, &Moment::TimeNs(ns));
    let known = resolve(whole.duration_ns() * 2 / 3);
    assert!(known.is_ok());
    let refused = resolve(whole.duration_ns() / 3).expect_err("its events are folded").to_string();
    assert!(refused.contains("has only sums of what came before"), "{refused}");
    // Cut or damaged, a checkpoint is said to be missing, and the rest is read.
    let mut bytes = std::fs::read(folded.path()).expect("it is there");
    let end = bytes.len() - 3 * GRAIN_BYTES;
    bytes[end + HEADER_BYTES + 9] ^= 0xff;
    let damaged = file_of(&bytes);
    let damaged = Recording::open(damaged.path()).expect("the rest is valid");
    assert!(damaged.problems.contains(&Problem::DamagedCheckpoint), "{:?}", damaged.problems);
    assert_eq!(damaged.folded_until(), None);
}

/// A child that wrote nothing before its parent's events were folded.
#[test]
fn what_a_late_child_inherited_is_said_to_be_unknown() {
    let file = Program::new(11, false).run(2_000);
    let whole = Recording::open(file.path()).expect("it is valid");
    let until = replay::stamp_at(&whole, whole.duration_ns() * 3 / 5);
    let mut fold = fold(&whole, until).expect("it can be folded");
    retain(&mut fold, |process| process.index() != ProcessIndex(1));
    let late = with_checkpoint(&file, &fold, 1);
    let recording = Recording::open(late.path()).expect("it is valid");
    let all = Selection::default();
    for processes in [Processes::All, Processes::One(ProcessIndex(1))] {
        let found = answers(&recording, processes, &all);
        assert!(found.damage.concat().contains(&Problem::UnknownBeginnings { count: 1 }));
        // Blocks that it gives back and that nobody knows are its parent's.
        assert!(found.totals.iter().all(|totals| totals.unknown_frees == 0 && totals.forgotten_frees > 0));
    }
}

/// Leaves some processes out of a checkpoint, as if they had not written anything by then.
fn retain(fold: &mut Fold, is_there: impl Fn(&FoldedProcess) -> bool) {
    let mut checkpoint = Checkpoint::decode(&fold.bytes).expect("it was just made");
    let mut known: Vec<FoldedProcess> = rmp_serde::from_slice(&checkpoint.body).expect("it was just made");
    known.retain(is_there);
    checkpoint.streams.retain(|stream| known.iter().any(|process| process.index().0 == stream.process));
    checkpoint.body = Folded::new(known).encode().expect("there is memory").0;
    fold.bytes = checkpoint.encode(&BodyEnd::default()).expect("there is memory");
}
