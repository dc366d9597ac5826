//! The oracle of counts: `programs/oracle/counting_preload.c`, preloaded after libtm.so, so that both see the same
//! calls of the same run.

use std::path::PathBuf;

use tempfile::NamedTempFile;

use crate::info::{all, assert_nothing_missing, sum};
use crate::programs::compile_by;
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

/// Bytes of all processes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Those that were asked for.
    pub asked: u64,
    /// Those that `malloc_usable_size` says of what came, less of what went.
    pub held: i64,
}

/// The counter, and the file in which it counts.
#[derive(Debug)]
pub struct Counter {
    library: PathBuf,
    file: NamedTempFile,
}

impl Counter {
    /// One that has counted nothing.
    ///
    /// # Panics
    /// The temporary folder cannot be written.
    #[allow(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Counter {
        Counter::built_by("gcc")
    }

    /// The same for programs of this compiler's C library.
    ///
    /// # Panics
    /// As [`Counter::new`].
    pub fn built_by(compiler: &str) -> Counter {
        let library = compile_by(compiler, "oracle/counting_preload.c", &["-O2", "-shared", "-fPIC"]);
        let file = NamedTempFile::new().expect("the temporary folder can be written");
        file.as_file().set_len(40).expect("as above");
        Counter { library, file }
    }

    /// The run with the counter behind libtm.so.
    #[must_use]
    pub fn on(&self, run: &Run) -> Run {
        run.clone().preload_after(&self.library).env("COUNT_FILE", self.file.path())
    }

    /// What it has counted so far.
    ///
    /// # Panics
    /// Its file cannot be read.
    pub fn counts(&self) -> (Counts, Bytes) {
        let bytes = std::fs::read(self.file.path()).expect("we created it");
        let count = |place: usize| {
            let bytes = bytes.get(8 * place..8 * place + 8).expect("five numbers of 8 bytes");
            u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
        };
        let counts = Counts { allocations: count(0), reallocations: count(1), frees: count(2) };
        (counts, Bytes { asked: count(3), held: count(4) as i64 })
    }
}

/// Runs under libtm.so and the counter; what the run left, and what the counter counted.
///
/// # Panics
/// The counter was never loaded.
pub fn counted(run: &Run) -> (Outcome, Counts) {
    counted_by(&Counter::new(), run)
}

fn counted_by(counter: &Counter, run: &Run) -> (Outcome, Counts) {
    let outcome = counter.on(run).recorded();
    let (counts, _) = counter.counts();
    assert!(counts.allocations > 0, "the counter was not loaded: {}", outcome.stderr);
    (outcome, counts)
}

/// Asserts that the run's recordings have the counter's counts and nothing is missing in them. Returns the run and its
/// counts.
///
/// # Panics
/// It is not so.
pub fn assert_counts(run: &Run) -> (Outcome, Counts) {
    assert_counts_by(&Counter::new(), run)
}

/// The same by this counter, of which it is the first run.
///
/// # Panics
/// As [`assert_counts`].
pub fn assert_counts_by(counter: &Counter, run: &Run) -> (Outcome, Counts) {
    let (outcome, counts) = counted_by(counter, run);
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
