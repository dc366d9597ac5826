//! Claims on groups by tag, against sums over the blocks.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::analysis::fixtures::random_snapshot;
use crate::model::{Cumulative, KeyType, Snapshot, Statistic};

/// Each trace under one of three tags or none; equal tags are not shared.
fn tagged(seed: u64) -> Snapshot {
    let mut snapshot = random_snapshot(seed);
    for (place, trace) in snapshot.traces.iter_mut().enumerate() {
        trace.tag = [None, Some("a"), Some("b"), Some("(no tag)")][(place * 7 + trace.size as usize) % 4]
            .map(Arc::from);
    }
    snapshot
}

#[test]
fn groups_equal_a_naive_sum_over_the_traces() {
    for seed in 0..100 {
        let snapshot = tagged(seed);
        let mut naive: BTreeMap<Option<Arc<str>>, (u64, u64)> = BTreeMap::new();
        for trace in &snapshot.traces {
            let sum = naive.entry(trace.tag.clone()).or_default();
            *sum = (sum.0 + trace.size, sum.1 + 1);
        }
        let mut naive: Vec<_> =
            naive.into_iter().map(|(tag, (size, count))| (Reverse(size), Reverse(count), tag)).collect();
        naive.sort();
        let groups = snapshot.profile().statistics(KeyType::Tag, Cumulative::Off).unwrap();
        let row = |stat: &Statistic| (Reverse(stat.size), Reverse(stat.count), stat.tag.clone());
        let found: Vec<_> = groups.iter().map(row).collect();
        assert_eq!(found, naive);
    }
}

#[test]
fn other_groups_do_not_tell_labels_apart() {
    for seed in 0..50 {
        let snapshot = random_snapshot(seed);
        let profile = tagged(seed).profile();
        for key_type in [KeyType::Lineno, KeyType::Traceback] {
            let expected = snapshot.profile().statistics(key_type, Cumulative::Off).unwrap();
            assert_eq!(profile.statistics(key_type, Cumulative::Off).unwrap(), expected);
        }
    }
}

#[test]
fn labels_are_compared_by_their_names() {
    let (old, new) = (tagged(1), tagged(2));
    let diffs = new.profile().compare_to(&old.profile(), KeyType::Tag, Cumulative::Off).unwrap();
    let sum = |snapshot: &Snapshot, tag: &Option<Arc<str>>| {
        snapshot.traces.iter().filter(|trace| trace.tag == *tag).map(|trace| trace.size as i64).sum::<i64>()
    };
    assert!(diffs.len() > 2);
    for diff in &diffs {
        assert_eq!(diff.size_diff, sum(&new, &diff.tag) - sum(&old, &diff.tag));
    }
}

#[test]
fn labels_have_no_callers() {
    let error = tagged(1).profile().statistics(KeyType::Tag, Cumulative::Once).unwrap_err();
    assert_eq!(error.to_string(), "cumulative mode cannot by used with key type 'tag'");
}
