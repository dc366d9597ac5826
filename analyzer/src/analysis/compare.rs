//! Differences of two profiles, group by group.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::model::{Cumulative, KeyType, Profile, Statistic, StatisticDiff, Traceback, Uncertainty};

impl Profile {
    /// The groups of both profiles, and by how much those of this one differ from those of `old`. The largest difference
    /// comes first; groups that did not change come last.
    ///
    /// # Errors
    /// CPython's, if a cumulative mode is asked for with [`KeyType::Traceback`] or [`KeyType::Tag`].
    pub fn compare_to(
        &self,
        old: &Profile,
        key_type: KeyType,
        cumulative: Cumulative,
    ) -> Result<Vec<StatisticDiff>> {
        let groups = (self.grouped(key_type, cumulative)?, old.grouped(key_type, cumulative)?);
        Ok(compare(groups.0, groups.1, key_type))
    }
}

fn compare(new_groups: Vec<Statistic>, old_groups: Vec<Statistic>, key_type: KeyType) -> Vec<StatisticDiff> {
    let key =
        |stat: &Statistic| (stat.traceback.clone(), function(&stat.traceback, key_type), stat.tag.clone());
    let mut old_groups: HashMap<_, Statistic> =
        old_groups.into_iter().map(|stat| (key(&stat), stat)).collect();
    let moved = moved_functions(&new_groups, old_groups.values(), key_type);
    let mut diffs = Vec::with_capacity(new_groups.len());
    for new in new_groups {
        let new_key = key(&new);
        let old = old_groups.remove(&new_key).or_else(|| {
            let old = moved.get(new_key.1.as_ref()?)?;
            old_groups.remove(&(old.clone(), new_key.1.clone(), None))
        });
        let mut uncertainty_diff = new.uncertainty;
        let (size, count) = old.map_or((0, 0), |old| {
            uncertainty_diff += old.uncertainty;
            (old.size, old.count)
        });
        diffs.push(StatisticDiff {
            size_diff: difference(new.size, size),
            count_diff: difference(new.count, count),
            size: new.size,
            count: new.count,
            traceback: new.traceback,
            tag: new.tag,
            uncertainty: new.uncertainty,
            uncertainty_diff,
        });
    }
    diffs.extend(old_groups.into_values().map(|old| StatisticDiff {
        size_diff: difference(0, old.size),
        count_diff: difference(0, old.count),
        size: 0,
        count: 0,
        traceback: old.traceback,
        tag: old.tag,
        uncertainty: Uncertainty::EXACT,
        uncertainty_diff: old.uncertainty,
    }));
    // No two groups compare equal, since their tracebacks, functions or tags differ.
    diffs.sort_unstable_by(StatisticDiff::report_order);
    diffs
}

/// Where the functions were that both sides have once, by name: such a function may have gone to another file.
fn moved_functions<'a>(
    new: &[Statistic],
    old: impl Iterator<Item = &'a Statistic>,
    key_type: KeyType,
) -> HashMap<Arc<str>, Traceback> {
    let mut places: HashMap<Arc<str>, (u32, u32, Option<Traceback>)> = HashMap::new();
    for name in new.iter().filter_map(|stat| function(&stat.traceback, key_type)) {
        places.entry(name).or_default().0 += 1;
    }
    for stat in old {
        let Some(name) = function(&stat.traceback, key_type) else { continue };
        let (_, n_old, place) = places.entry(name).or_default();
        *n_old += 1;
        *place = Some(stat.traceback.clone());
    }
    let once = places.into_iter().filter(|(_, (n_new, n_old, _))| (*n_new, *n_old) == (1, 1));
    once.filter_map(|(name, (.., place))| Some((name, place?))).collect()
}

/// The function of a group of one function. Otherwise a function is no part of a group's identity, as in tracemalloc.
fn function(traceback: &Traceback, key_type: KeyType) -> Option<Arc<str>> {
    traceback.most_recent().filter(|_| key_type == KeyType::Function)?.function.clone()
}

/// `new - old`, kept within what 64 bits with a sign hold.
fn difference(new: u64, old: u64) -> i64 {
    let difference = i128::from(new) - i128::from(old);
    difference.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{create_snapshots, traceback};
    use crate::model::Frame;

    /// (frames, size, size_diff, count, count_diff)
    type Row<'a> = (&'a [(&'a str, u32)], u64, i64, u64, i64);

    fn check(key_type: KeyType, expected: &[Row<'_>]) {
        let (old, new) = create_snapshots();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(frames, size, size_diff, count, count_diff)| StatisticDiff {
                traceback: traceback(frames),
                tag: None,
                size,
                size_diff,
                count,
                count_diff,
                uncertainty: Uncertainty::EXACT,
                uncertainty_diff: Uncertainty::EXACT,
            })
            .collect();
        assert_eq!(new.profile().compare_to(&old.profile(), key_type, Cumulative::Off).unwrap(), expected);
    }

    #[test]
    fn differences_by_line_are_cpythons() {
        check(
            KeyType::Lineno,
            &[
                (&[("a.py", 5)], 5002, 5000, 2, 1),
                (&[("c.py", 578)], 400, 400, 1, 1),
                (&[("b.py", 1)], 0, -66, 0, -1),
                (&[("<unknown>", 0)], 0, -7, 0, -1),
                (&[("a.py", 2)], 30, 0, 3, 0),
            ],
        );
    }

    #[test]
    fn differences_by_file_are_cpythons() {
        check(
            KeyType::Filename,
            &[
                (&[("a.py", 0)], 5032, 5000, 5, 1),
                (&[("c.py", 0)], 400, 400, 1, 1),
                (&[("b.py", 0)], 0, -66, 0, -1),
                (&[("<unknown>", 0)], 0, -7, 0, -1),
            ],
        );
    }

    #[test]
    fn differences_by_traceback_are_cpythons() {
        check(
            KeyType::Traceback,
            &[
                (&[("a.py", 5), ("b.py", 4)], 5002, 5000, 2, 1),
                (&[("c.py", 578)], 400, 400, 1, 1),
                (&[("b.py", 1)], 0, -66, 0, -1),
                (&[("<unknown>", 0)], 0, -7, 0, -1),
                (&[("a.py", 2), ("b.py", 4)], 30, 0, 3, 0),
            ],
        );
    }

    #[test]
    fn a_function_that_went_to_another_file_is_the_same_and_one_of_many_is_not() {
        let function = |file: &str, name: &str, size: u64| Statistic {
            traceback: Traceback::new(
                vec![Frame { function: Some(name.into()), ..Frame::new(file, 0) }],
                None,
            ),
            tag: None,
            size,
            count: 1,
            uncertainty: Uncertainty::EXACT,
        };
        let old = vec![function("a.c", "f", 10), function("a.c", "init", 1), function("b.c", "init", 2)];
        let new = vec![function("c.c", "f", 15), function("d.c", "init", 4)];
        let diffs = compare(new, old, KeyType::Function);
        let sizes: Vec<_> =
            diffs.iter().map(|diff| (diff.traceback.to_string(), diff.size, diff.size_diff)).collect();
        let expected = [("c.c:0", 15, 5), ("d.c:0", 4, 4), ("b.c:0", 0, -2), ("a.c:0", 0, -1)];
        assert_eq!(sizes, expected.map(|(file, size, diff)| (file.to_owned(), size, diff)));
    }

    #[test]
    fn the_text_is_cpythons() {
        let (old, new) = create_snapshots();
        let diffs = new.profile().compare_to(&old.profile(), KeyType::Lineno, Cumulative::Off).unwrap();
        assert_eq!(
            diffs.first().unwrap().to_string(),
            "a.py:5: size=5002 B (+5000 B), count=2 (+1), average=2501 B"
        );
    }

    #[test]
    fn differences_stay_within_64_bits() {
        assert_eq!(difference(0, u64::MAX), i64::MIN);
        assert_eq!(difference(u64::MAX, 0), i64::MAX);
        assert_eq!(difference(1, 3), -2);
    }
}
