//! The oracle of counts: `programs/oracle/counting_preload.c`, preloaded after libtm.so, so that both see the same
//! calls of the same run.

use tempfile::NamedTempFile;

use crate::info::{all, assert_nothing_missing, sum};
use crate::programs::compile;
use crate::run::{Outcome, Run};

/// Calls of all processes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Allocations that succeeded.
    pub allocations: u64,
    /// Reallocations that returned a block.
    pub reallocations: u64,
    /// Blocks given back.
    pub frees: u64,
}

/// Runs under libtm.so and the counter; what the run left, and what the counter counted.
///
/// # Panics
/// The counter was never loaded.
pub fn counted(run: &Run) -> (Outcome, Counts) {
    let counter = compile("oracle/counting_preload.c", &["-O2", "-shared", "-fPIC"]);
    let file = NamedTempFile::new().expect("the temporary folder can be written");
    file.as_file().set_len(24).expect("as above");
    let outcome = run.clone().preload_after(counter).env("COUNT_FILE", file.path()).recorded();
    let bytes = std::fs::read(file.path()).expect("we created it");
    let count = |place: usize| {
        let bytes = bytes.get(8 * place..8 * place + 8).expect("three numbers of 8 bytes");
        u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
    };
    let counts = Counts { allocations: count(0), reallocations: count(1), frees: count(2) };
    assert!(counts.allocations > 0, "the counter was not loaded: {}", outcome.stderr);
    (outcome, counts)
}

/// Asserts that the run's recordings have the counter's counts and nothing is missing in them. Returns the run and its
/// counts.
///
/// # Panics
/// It is not so.
pub fn assert_counts(run: &Run) -> (Outcome, Counts) {
    let (outcome, counts) = counted(run);
    let infos = all(&outcome.recordings);
    infos.iter().for_each(assert_nothing_missing);
    let recorded = Counts {
        allocations: sum(&infos, "allocations"),
        reallocations: sum(&infos, "reallocations"),
        frees: sum(&infos, "frees"),
    };
    assert_eq!(recorded, counts, "recorded, counted");
    (outcome, counts)
}

/// The same, and that the run is like the bare one.
///
/// # Panics
/// It is not so.
pub fn assert_counts_and_behaviour(run: &Run) -> (Outcome, Counts) {
    let (outcome, counts) = assert_counts(run);
    outcome.assert_like(&run.bare());
    (outcome, counts)
}
