//! Recordings cut at every byte, a million damaged ones, and forged snapshots: what is left is read, what is read is
//! consistent, and nothing panics, hangs or takes memory without bound.
//!
//! The normal suite has a few thousand cases, always the same ones. `scripts/fuzz SECONDS SEED` goes on from there;
//! `TM_FUZZ_SEED=S TM_FUZZ_CASE=N` runs the one case that a failure names.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tm_analyzer::model::{Cumulative, Filter, KeyType, Snapshot};
use tm_common::header::Header;
use tm_tests::fixtures;
use tm_tests::fuzz::base;
use tm_tests::fuzz::damage::{Trace, damage};
use tm_tests::fuzz::forged;
use tm_tests::fuzz::guard::Counting;
use tm_tests::fuzz::random::Random;
use tm_tests::fuzz::runner::{cases, every};
use tm_tests::fuzz::verdict::{KEYS, Reading, assert_one_sentence, assert_statistics, read};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A folder in memory where there is one: each case is a file.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    folder.expect("the temporary folder can be written")
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("the temporary folder can be written");
}

/// Random damage to `whole`; every case must pass.
fn survives_damage(claim: &str, whole: &[u8], n_cases: u64) {
    let folder = folder();
    let path: PathBuf = folder.path().join("damaged.bin");
    write(&path, whole);
    let expected = read(&path, &mut Random::of_case(0, 0)).expect("it is a recording");
    assert!(!expected.is_doubtful, "{expected:?}");
    cases(claim, n_cases, |case| {
        case.file.clone_from(&path);
        let mut bytes = whole.to_vec();
        let (what, trace) = damage(&mut bytes, &mut case.random);
        case.what = what;
        write(&path, &bytes);
        let Some(Reading { figures, is_doubtful }) = read(&path, &mut case.random) else { return };
        if trace == Trace::Visible && figures != expected.figures {
            assert!(is_doubtful, "{figures:?} and not {:?}, without a word", expected.figures);
        }
    });
}

#[test]
fn a_recording_cut_at_every_byte_yields_what_is_left() {
    let folder = folder();
    let path = folder.path().join("cut.bin");
    let whole = base::small();
    write(&path, &whole);
    let expected = read(&path, &mut Random::of_case(0, 0)).expect("it is a recording");
    // In the normal suite every byte of the header, and of the rest where something stands.
    let is_long = std::env::var_os("TM_FUZZ_SECONDS").is_some();
    let stands = |end: &usize| is_long || *end < 300 || whole[end - 1..whole.len().min(end + 1)] != [0, 0];
    let ends: Vec<usize> = (0..whole.len()).filter(stands).collect();
    let mut n_allocations = 0;
    every("cut", &ends, |&end, case| {
        case.file.clone_from(&path);
        case.what = format!("cut at {end} of {}", whole.len());
        write(&path, &whole[..end]);
        let Some(reading) = read(&path, &mut case.random) else {
            return assert!(end < Header::NEEDED_BYTES, "the header is there");
        };
        assert!(reading.is_doubtful, "it does not say so");
        let now = reading.figures.processes.iter().map(|figures| figures[0]).sum();
        assert!(now >= n_allocations, "less is read of more");
        n_allocations = now;
    });
    assert!(n_allocations > 0, "nothing is read of any");
    assert!(n_allocations <= expected.figures.processes.iter().map(|figures| figures[0]).sum());
}

#[test]
fn a_damaged_recording_of_version_1_never_misleads() {
    survives_damage("damaged, version 1", &base::small(), 4_000);
}

#[test]
fn a_damaged_recording_of_several_segments_never_misleads() {
    survives_damage("damaged, several segments", &base::large(), 1_000);
}

#[test]
fn a_forged_snapshot_is_refused_or_consistent() {
    let folder = folder();
    let path = folder.path().join("forged.snap");
    let good = fixtures::snapshot("version-1.snap");
    let whole = Snapshot::load(&fixtures::fixture("version-1.snap")).expect("it is a snapshot");
    cases("forged snapshots", 20_000, |case| {
        case.file.clone_from(&path);
        let mut bytes = good.clone();
        forged::forge(&mut bytes, &mut case.random);
        write(&path, &bytes);
        match Snapshot::load(&path) {
            Ok(snapshot) => assert_usable(&snapshot, &whole, *case.random.of(&KEYS)),
            Err(error) => assert_one_sentence(&error, &path),
        }
    });
}

/// Asserts that a snapshot can be grouped, compared and filtered whatever it says.
fn assert_usable(snapshot: &Snapshot, other: &Snapshot, key_type: KeyType) {
    assert_statistics(snapshot, key_type);
    for (new, old) in [(snapshot, other), (other, snapshot)] {
        assert!(new.profile().compare_to(&old.profile(), key_type, Cumulative::Off).is_ok());
    }
    let filter = Filter::new(true, "*sample.c*").with_all_frames();
    assert!(snapshot.filter_traces(&[&filter]).traces.len() <= snapshot.traces.len());
}
