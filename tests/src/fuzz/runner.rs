//! Runs cases one after the other: as many as the normal suite has time for, or as long as `scripts/fuzz` says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::guard::Guard;
use super::random::Random;

/// The seed of the normal suite, which is to find the same every time.
const SEED: u64 = 1;
/// What the normal suite gives a test, unless it is through before.
const SECONDS: u64 = 6;

/// One at a time: memory and time are those of the process.
static ALONE: Mutex<()> = Mutex::new(());

/// A case in the making.
#[derive(Debug)]
pub struct Case {
    /// Where its numbers come from.
    pub random: Random,
    /// What it is, as far as it is known: shown if it fails.
    pub what: String,
    /// The file that is read, which is kept if it fails: a base that is recorded anew differs each time.
    pub file: PathBuf,
}

/// Runs up to `n_cases` of `run`, in the long form as many as there is time for. `run` panics where its claim fails.
///
/// # Panics
/// A case fails; it is named.
pub fn cases(claim: &str, n_cases: u64, mut run: impl FnMut(&mut Case)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = number("TM_FUZZ_SEED").unwrap_or(SEED);
    if let Some(only) = number("TM_FUZZ_CASE") {
        return one(claim, seed, only, &mut run);
    }
    let (seconds, n_cases) = match number("TM_FUZZ_SECONDS") {
        Some(seconds) => (seconds, u64::MAX),
        None => (SECONDS, n_cases),
    };
    let (begun, mut n_done) = (Instant::now(), 0);
    while n_done < n_cases && begun.elapsed() < Duration::from_secs(seconds) {
        one(claim, seed, n_done, &mut run);
        n_done += 1;
    }
    println!("{claim}: {n_done} cases of seed {seed} in {:.1} s", begun.elapsed().as_secs_f64());
}

/// Runs `run` with every one of `items`, however long that takes.
///
/// # Panics
/// A case fails; it is named.
pub fn every<T>(claim: &str, items: &[T], mut run: impl FnMut(&T, &mut Case)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, item) in items.iter().enumerate() {
        one(claim, SEED, number as u64, &mut |case: &mut Case| run(item, case));
    }
    println!("{claim}: {} cases", items.len());
}

/// A case that takes too long is run again: what is due to the case takes long each time, what a virtual machine counts besides
/// does not.
fn one(claim: &str, seed: u64, number: u64, run: &mut impl FnMut(&mut Case)) {
    let mut end = |is_last| once(claim, seed, number, is_last, run);
    let _ = end(false) || end(false) || end(true);
}

/// Runs a case, and asks whether it was fast enough.
fn once(claim: &str, seed: u64, number: u64, is_last: bool, run: &mut impl FnMut(&mut Case)) -> bool {
    let mut case = Case { random: Random::of_case(seed, number), what: String::new(), file: PathBuf::new() };
    let guard = Guard::begin(seed, number);
    let result = catch_unwind(AssertUnwindSafe(|| {
        run(&mut case);
        guard.end(is_last)
    }));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
        let kept = std::env::temp_dir().join(format!("tm-fuzz-{seed}-{number}"));
        let kept = std::fs::copy(&case.file, &kept)
            .map_or_else(|error| error.to_string(), |_| kept.display().to_string());
        let text = format!("{text} (the file: {kept})");
        panic!("{claim}: TM_FUZZ_SEED={seed} TM_FUZZ_CASE={number} ({}): {text}", case.what);
    })
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}
