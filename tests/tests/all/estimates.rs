//! What is estimated of a real program's samples is right in the mean, at the peak too, and as far off as it says.
//!
//! The oracle is a recording of every event of the same program.

use std::collections::BTreeMap;
use std::path::Path;

use tm_analyzer::model::{KeyType, Profile, Statistic, Uncertainty};
use tm_analyzer::replay::Allocations;
use tm_analyzer::request::{Grouping, Request};
use tm_tests::programs::compile;
use tm_tests::run::Run;
use tm_tests::soak::times;

/// The sums of the peak and of all allocations, by function.
fn functions(path: &Path) -> BTreeMap<String, Statistic> {
    let grouping = Grouping { key_type: KeyType::Function, ..Grouping::default() };
    let request = Request { grouping, ..Request::of(path) };
    let peak = request.profile().expect("it is read");
    let recorded = request.open().expect("it is read");
    let allocated = recorded
        .profile(|process| Allocations::new(&recorded.selection, process), |found| found.sums)
        .expect("it is replayed");
    let allocated = request.grouping.blamed(allocated);
    if let Some(sampling) = peak.origin.as_ref().and_then(|origin| origin.sampling) {
        assert!(!sampling.is_off(), "{sampling:?}");
    }
    let of = |what: &str, profile: &Profile| -> Vec<(String, Statistic)> {
        let statistics = request.grouping.statistics(profile).expect("it is grouped");
        let name = |stat: &Statistic| stat.traceback.most_recent().and_then(|frame| frame.function.clone());
        statistics
            .into_iter()
            .filter_map(|stat| Some((format!("{what} {}", name(&stat)?), stat)))
            .filter(|(name, _)| {
                ["copy_item", "new_order", "load_catalog"].iter().any(|known| name.ends_with(known))
            })
            .collect()
    };
    [of("peak", &peak), of("allocated", &allocated)].concat().into_iter().collect()
}

#[test]
fn samples_of_a_program_say_what_all_of_its_events_say() {
    let run = Run::new(compile("orders.c", &["-g", "-O1"]));
    let exact = functions(run.recorded().recording());
    assert_eq!(exact.len(), 6, "{exact:?}");
    let n_runs = times(20, 1_000);
    let mut found: BTreeMap<&str, (f64, f64, u32)> = BTreeMap::new();
    for seed in 1..=n_runs {
        let outcome = run.clone().env("TM_SAMPLE", "64K").env("TM_SAMPLE_SEED", seed.to_string()).recorded();
        let estimated = functions(outcome.recording());
        for (name, exact) in &exact {
            let estimate =
                estimated.get(name).map_or((0, Uncertainty::EXACT), |stat| (stat.size, stat.uncertainty));
            let (sum, variances, n_held) = found.entry(name).or_default();
            *sum += estimate.0 as f64;
            *variances += estimate.1.of_bytes;
            *n_held += u32::from(estimate.0.abs_diff(exact.size) <= estimate.1.bytes());
        }
    }
    let n = n_runs as f64;
    for (name, (sum, variances, n_held)) in found {
        let (mean, error, size) = (sum / n, (variances / n / n).sqrt(), exact[name].size as f64);
        let what = format!("{name}: {mean} ± {error}, exact {size}, {n_held} of {n} hold it");
        assert!((mean - size).abs() <= 3.0 * error, "{what}");
        assert!(f64::from(n_held) >= (0.95 - 4.0 * (0.05 * 0.95 / n).sqrt()) * n - 1.0, "{what}");
    }
}
