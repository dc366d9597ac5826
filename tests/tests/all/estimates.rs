//! What is estimated of a program's samples is right in the mean, at the peak of the C allocator's blocks too, and as far off as it
//! says: of blocks of all sizes, of C, C++ and Python.
//!
//! The oracle is a recording of every event of the same program.

use std::collections::BTreeMap;
use std::path::Path;

use tm_analyzer::model::{KeyType, Profile, Statistic, Uncertainty};
use tm_analyzer::replay::Allocations;
use tm_analyzer::request::{Grouping, Request};
use tm_tests::programs::compile;
use tm_tests::python::{DEBIAN, Python};
use tm_tests::run::Run;
use tm_tests::soak::times;

/// The sums of the peak and of all allocations, by function, of those that are asked for; and whether the samples are said to be off.
fn functions(path: &Path, asked: [&str; 3]) -> (BTreeMap<String, Statistic>, bool) {
    let grouping = Grouping { key_type: KeyType::Function, ..Grouping::default() };
    let request = Request { grouping, ..Request::of(path) };
    let peak = request.profile().expect("it is read");
    let recorded = request.open().expect("it is read");
    let allocated = recorded
        .profile(|process| Allocations::new(&recorded.selection, process), |found| found.sums)
        .expect("it is replayed");
    let allocated = request.grouping.blamed(allocated);
    let sampling = peak.origin.as_ref().and_then(|origin| origin.sampling);
    let is_off = sampling.is_some_and(|sampling| sampling.is_off());
    let of = |what: &str, profile: &Profile| -> Vec<(String, Statistic)> {
        let statistics = request.grouping.statistics(profile).expect("it is grouped");
        let name = |stat: &Statistic| stat.traceback.most_recent().and_then(|frame| frame.function.clone());
        let named = statistics.into_iter().filter_map(|stat| Some((name(&stat)?, stat)));
        // Without its parameters.
        let short = |name: &str| name.split('(').next().unwrap_or_default().to_owned();
        let named = named.map(|(name, stat)| (short(&name), stat));
        let known = named.filter(|(name, _)| asked.contains(&name.as_str()));
        known.map(|(name, stat)| (format!("{what} {name}"), stat)).collect()
    };
    ([of("peak", &peak), of("allocated", &allocated)].concat().into_iter().collect(), is_off)
}

/// Asserts it of `run`, whose `asked` functions allocate the same in each run, at a rate of samples; `has_own_peak` tells whether the
/// peak is the samples' own.
fn assert_estimated(run: &Run, asked: [&str; 3], rate: &str, has_own_peak: bool) {
    let (exact, _) = functions(run.recorded().recording(), asked);
    assert_eq!(exact.len(), 6, "{exact:?}");
    let n_runs = times(10, 1_000);
    let mut found: BTreeMap<&str, (f64, f64, u32)> = BTreeMap::new();
    let mut n_off = 0;
    for seed in 1..=n_runs {
        let outcome = run.clone().env("TM_SAMPLE", rate).env("TM_SAMPLE_SEED", seed.to_string()).recorded();
        let (estimated, is_off) = functions(outcome.recording(), asked);
        n_off += u32::from(is_off);
        for (name, exact) in &exact {
            let estimate =
                estimated.get(name).map_or((0, Uncertainty::EXACT), |stat| (stat.size, stat.uncertainty));
            let (sum, variances, n_held) = found.entry(name).or_default();
            *sum += estimate.0 as f64;
            *variances += estimate.1.of_bytes.of_samples();
            *n_held += u32::from(estimate.0.abs_diff(exact.size) <= estimate.1.bytes());
        }
    }
    let n = n_runs as f64;
    let at_most = n / 1_000.0 + 5.0 * (n / 1_000.0).sqrt() + 1.0;
    assert!(f64::from(n_off) <= at_most, "one of a thousand is off by chance: {n_off} of {n}");
    for (name, (sum, variances, n_held)) in found {
        let (mean, error, size) = (sum / n, (variances / n / n).sqrt(), exact[name].size as f64);
        let off = (mean - size) / error.max(f64::MIN_POSITIVE);
        let what =
            format!("{name}: {mean} ± {error}, exact {size}, {off:.2} errors off, {n_held} of {n} hold it");
        println!("{what}");
        // The highest of an estimate is too high: what is a domain's has no exact course (docs/design.md).
        let is_highest = has_own_peak && name.starts_with("peak");
        assert!(off.abs() <= 3.0 || is_highest && (0.0..0.1).contains(&(mean / size - 1.0)), "{what}");
        assert!(f64::from(n_held) >= (0.95 - 4.0 * (0.05 * 0.95 / n).sqrt()) * n - 1.0, "{what}");
    }
}

#[test]
fn samples_of_rounds_beside_a_large_block() {
    let run = Run::new(compile("orders.c", &["-g", "-O1"]));
    assert_estimated(&run, ["copy_item", "new_order", "load_catalog"], "64K", false);
}

#[test]
fn samples_of_all_sizes_that_grow_and_change_threads() {
    let run = Run::new(compile("sizes.c", &["-g", "-O1", "-pthread"]));
    assert_estimated(&run, ["take", "grow", "clear"], "16K", false);
}

#[test]
fn samples_of_a_standard_library() {
    let run = Run::new(compile("bench/containers.cc", &["-g", "-O1"])).args(["1"]);
    assert_estimated(&run, ["word", "index", "join"], "64K", false);
}

#[test]
fn samples_of_python_objects() {
    let python = Python::at(Path::new(DEBIAN));
    let run = python.run("orders.py", &[]).env("TM_PYTHON_OBJECTS", "1").env("PYTHONHASHSEED", "0");
    assert_estimated(&run, ["new_item", "new_order", "new_name"], "16K", true);
}
