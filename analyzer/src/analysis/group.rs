//! Statistics: the traces of a snapshot grouped by file, line, stack, function or module; by label in [`super::by_tag`].
//!
//! A snapshot has up to millions of traces and some ten thousand different stacks. Traces are therefore added up by
//! the address of their shared frames first; only the different stacks are looked into.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::by_tag::by_tag;
use super::interner::{FrameInterner, FrameKey, module};
use crate::error::{Error, Result};
use crate::model::{Cumulative, Frame, KeyType, Snapshot, Statistic, Tally, Trace, Traceback};

impl Snapshot {
    /// The traces grouped by `key_type`, the largest group first (by size, then count, then traceback).
    ///
    /// # Errors
    /// CPython's, if a cumulative mode is asked for with [`KeyType::Traceback`] or [`KeyType::Tag`].
    pub fn statistics(&self, key_type: KeyType, cumulative: Cumulative) -> Result<Vec<Statistic>> {
        let mut statistics = self.grouped(key_type, cumulative)?;
        // No two groups compare equal, since their tracebacks or functions differ.
        statistics.sort_unstable_by(Statistic::report_order);
        Ok(statistics)
    }

    /// Its traces added up by shared stack and label.
    #[must_use]
    pub fn by_stack(&self) -> Tally {
        let statistic = |sum: Sum<Site<'_>>| Statistic {
            traceback: sum.what.traceback.clone(),
            tag: sum.what.tag.cloned(),
            size: sum.size,
            count: sum.count,
        };
        Tally {
            stacks: self.stacks().into_iter().map(statistic).collect(),
            traceback_limit: self.traceback_limit,
            origin: self.origin.clone(),
        }
    }

    /// The groups in no particular order; no two have equal tracebacks, functions and labels.
    pub(super) fn grouped(&self, key_type: KeyType, cumulative: Cumulative) -> Result<Vec<Statistic>> {
        grouped(&self.stacks(), key_type, cumulative)
    }

    /// The traces added up by shared stack and label. Equal ones that are not shared stay apart.
    fn stacks(&self) -> Vec<Sum<Site<'_>>> {
        let mut stacks = Sums::default();
        for Trace { traceback, tag, size, .. } in &self.traces {
            let tag_address = tag.as_ref().map_or(0, |tag| tag.as_ptr().addr());
            let site = || Site { traceback, tag: tag.as_ref() };
            stacks.add((traceback.identity(), tag_address), *size, 1, site);
        }
        stacks.sums
    }
}

impl Tally {
    /// As [`Snapshot::statistics`].
    ///
    /// # Errors
    /// CPython's, if a cumulative mode is asked for with [`KeyType::Traceback`] or [`KeyType::Tag`].
    pub fn statistics(&self, key_type: KeyType, cumulative: Cumulative) -> Result<Vec<Statistic>> {
        let mut statistics = self.grouped(key_type, cumulative)?;
        statistics.sort_unstable_by(Statistic::report_order);
        Ok(statistics)
    }

    pub(super) fn grouped(&self, key_type: KeyType, cumulative: Cumulative) -> Result<Vec<Statistic>> {
        let stacks = self.stacks.iter().map(|stack| Sum {
            what: Site { traceback: &stack.traceback, tag: stack.tag.as_ref() },
            size: stack.size,
            count: stack.count,
        });
        grouped(&stacks.collect::<Vec<_>>(), key_type, cumulative)
    }
}

/// Where blocks were allocated, and under which label.
pub(super) struct Site<'a> {
    traceback: &'a Traceback,
    pub(super) tag: Option<&'a Arc<str>>,
}

fn grouped(stacks: &[Sum<Site<'_>>], key_type: KeyType, cumulative: Cumulative) -> Result<Vec<Statistic>> {
    if cumulative != Cumulative::Off && !key_type.has_callers() {
        return Err(Error::NotCumulative { key: key_type.name() });
    }
    Ok(match (key_type, cumulative) {
        (KeyType::Traceback, _) => by_traceback(stacks),
        (KeyType::Tag, _) => by_tag(stacks),
        (_, Cumulative::Off) => by_most_recent(stacks, key_type),
        (_, Cumulative::Once | Cumulative::Tracemalloc) => by_all_frames(stacks, key_type, cumulative),
    })
}

fn by_traceback(stacks: &[Sum<Site<'_>>]) -> Vec<Statistic> {
    let mut interner = FrameInterner::default();
    let mut groups: Sums<Box<[FrameKey]>, Traceback> = Sums::default();
    for stack in stacks {
        let traceback = stack.what.traceback;
        let key = traceback.frames().iter().map(|frame| interner.key(frame, KeyType::Traceback)).collect();
        // As in CPython: stacks of different whole depth may have met in this group.
        groups.add(key, stack.size, stack.count, || traceback.without_total_nframe());
    }
    groups.statistics()
}

fn by_most_recent(stacks: &[Sum<Site<'_>>], key_type: KeyType) -> Vec<Statistic> {
    let unknown = Frame::unknown();
    let mut interner = FrameInterner::default();
    let mut groups = Sums::default();
    for stack in stacks {
        let frame = stack.what.traceback.most_recent().unwrap_or(&unknown);
        let key = interner.key(frame, key_type);
        groups.add(key, stack.size, stack.count, || group_traceback(frame, key_type));
    }
    groups.statistics()
}

fn by_all_frames(stacks: &[Sum<Site<'_>>], key_type: KeyType, cumulative: Cumulative) -> Vec<Statistic> {
    let unknown = [Frame::unknown().into()];
    let mut interner = FrameInterner::default();
    let mut groups = Sums::default();
    let mut seen = FxHashSet::default();
    for stack in stacks {
        seen.clear();
        let frames = stack.what.traceback.frames();
        for frame in if frames.is_empty() { &unknown } else { frames } {
            let key = interner.key(frame, key_type);
            if cumulative == Cumulative::Tracemalloc || seen.insert(key) {
                groups.add(key, stack.size, stack.count, || group_traceback(frame, key_type));
            }
        }
    }
    groups.statistics()
}

/// What a group of one frame is shown as: the frame, without what the group does not have in common.
pub fn group_traceback(frame: &Frame, key_type: KeyType) -> Traceback {
    // The name is copied only where it is not the frame's own.
    let file = || match frame.file() {
        file if file.len() == frame.filename.len() => frame.filename.clone(),
        file => file.into(),
    };
    let (filename, lineno, function) = match key_type {
        KeyType::Lineno | KeyType::Traceback | KeyType::Tag => {
            (frame.filename.clone(), frame.lineno, frame.function.clone())
        }
        KeyType::Filename => (file(), 0, None),
        KeyType::Function => (file(), 0, frame.function.clone()),
        KeyType::Module => (module(frame).into(), 0, None),
    };
    Traceback::new(
        vec![Frame { filename, lineno, function, module: frame.module.clone(), is_guessed: false }],
        None,
    )
}

/// Bytes and blocks of one group.
pub(super) struct Sum<W> {
    pub(super) what: W,
    pub(super) size: u64,
    pub(super) count: u64,
}

/// Sums by key, in the order in which the keys came.
pub(super) struct Sums<K, W> {
    place_of: FxHashMap<K, usize>,
    pub(super) sums: Vec<Sum<W>>,
}

impl<K, W> Default for Sums<K, W> {
    fn default() -> Sums<K, W> {
        Sums { place_of: FxHashMap::default(), sums: Vec::new() }
    }
}

impl<K: Eq + Hash, W> Sums<K, W> {
    /// Adds to the group of `key`; `what` makes the group's description when it is new.
    pub(super) fn add(&mut self, key: K, size: u64, count: u64, what: impl FnOnce() -> W) {
        let place = *self.place_of.entry(key).or_insert(self.sums.len());
        match self.sums.get_mut(place) {
            Some(sum) => {
                sum.size = sum.size.saturating_add(size);
                sum.count = sum.count.saturating_add(count);
            }
            None => self.sums.push(Sum { what: what(), size, count }),
        }
    }
}

impl<K> Sums<K, Traceback> {
    fn statistics(self) -> Vec<Statistic> {
        let statistic = |sum: Sum<Traceback>| Statistic {
            traceback: sum.what,
            tag: None,
            size: sum.size,
            count: sum.count,
        };
        self.sums.into_iter().map(statistic).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::analysis::fixtures::{create_snapshots, random_snapshot, traceback};

    fn texts(snapshot: &Snapshot, key_type: KeyType, cumulative: Cumulative) -> Vec<(String, u64, u64)> {
        let stats = snapshot.statistics(key_type, cumulative).unwrap();
        stats.into_iter().map(|stat| (stat.traceback.to_string(), stat.size, stat.count)).collect()
    }

    fn rows(expected: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        expected.iter().map(|&(text, size, count)| (text.to_owned(), size, count)).collect()
    }

    #[test]
    fn groups_by_line_are_cpythons() {
        let (old, new) = create_snapshots();
        assert_eq!(
            texts(&old, KeyType::Lineno, Cumulative::Off),
            rows(&[("b.py:1", 66, 1), ("a.py:2", 30, 3), ("<unknown>:0", 7, 1), ("a.py:5", 2, 1)])
        );
        assert_eq!(
            texts(&new, KeyType::Lineno, Cumulative::Off),
            rows(&[("a.py:5", 5002, 2), ("c.py:578", 400, 1), ("a.py:2", 30, 3)])
        );
    }

    #[test]
    fn groups_by_file_are_cpythons() {
        let (old, new) = create_snapshots();
        assert_eq!(
            texts(&old, KeyType::Filename, Cumulative::Off),
            rows(&[("b.py:0", 66, 1), ("a.py:0", 32, 4), ("<unknown>:0", 7, 1)])
        );
        assert_eq!(
            texts(&new, KeyType::Filename, Cumulative::Off),
            rows(&[("a.py:0", 5032, 5), ("c.py:0", 400, 1)])
        );
    }

    #[test]
    fn groups_by_traceback_are_cpythons() {
        let (old, new) = create_snapshots();
        let stat = |frames, size, count| Statistic { traceback: traceback(frames), tag: None, size, count };
        assert_eq!(
            old.statistics(KeyType::Traceback, Cumulative::Off).unwrap(),
            [
                stat(&[("b.py", 1)], 66, 1),
                stat(&[("a.py", 2), ("b.py", 4)], 30, 3),
                stat(&[("<unknown>", 0)], 7, 1),
                stat(&[("a.py", 5), ("b.py", 4)], 2, 1),
            ]
        );
        assert_eq!(
            new.statistics(KeyType::Traceback, Cumulative::Off).unwrap(),
            [
                stat(&[("a.py", 5), ("b.py", 4)], 5002, 2),
                stat(&[("c.py", 578)], 400, 1),
                stat(&[("a.py", 2), ("b.py", 4)], 30, 3),
            ]
        );
        let error = old.statistics(KeyType::Traceback, Cumulative::Tracemalloc).unwrap_err();
        assert_eq!(error.to_string(), "cumulative mode cannot by used with key type 'traceback'");
    }

    #[test]
    fn cumulative_groups_are_cpythons() {
        let (old, _) = create_snapshots();
        for cumulative in [Cumulative::Once, Cumulative::Tracemalloc] {
            assert_eq!(
                texts(&old, KeyType::Filename, cumulative),
                rows(&[("b.py:0", 98, 5), ("a.py:0", 32, 4), ("<unknown>:0", 7, 1)])
            );
            assert_eq!(
                texts(&old, KeyType::Lineno, cumulative),
                rows(&[
                    ("b.py:1", 66, 1),
                    ("b.py:4", 32, 4),
                    ("a.py:2", 30, 3),
                    ("<unknown>:0", 7, 1),
                    ("a.py:5", 2, 1)
                ])
            );
        }
    }

    #[test]
    fn recursion_counts_once_or_as_cpython_counts_it() {
        let stack = traceback(&[("a", 1), ("a", 2), ("a", 1)]);
        let snapshot = Snapshot::new(vec![Trace { domain: 0, size: 100, traceback: stack, tag: None }], 3);
        let by_line = |cumulative| texts(&snapshot, KeyType::Lineno, cumulative);
        assert_eq!(by_line(Cumulative::Tracemalloc), rows(&[("a:1", 200, 2), ("a:2", 100, 1)]));
        assert_eq!(by_line(Cumulative::Once), rows(&[("a:2", 100, 1), ("a:1", 100, 1)]));
        let by_file = |cumulative| texts(&snapshot, KeyType::Filename, cumulative);
        assert_eq!(by_file(Cumulative::Tracemalloc), rows(&[("a:0", 300, 3)]));
        assert_eq!(by_file(Cumulative::Once), rows(&[("a:0", 100, 1)]));
    }

    #[test]
    fn counting_once_equals_a_naive_set_per_trace() {
        for seed in 0..200 {
            let snapshot = random_snapshot(seed);
            for key_type in [KeyType::Filename, KeyType::Lineno] {
                let mut naive: BTreeMap<Frame, (u64, u64)> = BTreeMap::new();
                for trace in &snapshot.traces {
                    let keys: BTreeSet<Frame> = trace
                        .traceback
                        .frames()
                        .iter()
                        .map(|frame| match key_type {
                            KeyType::Filename => Frame::new(frame.filename.clone(), 0),
                            _ => (**frame).clone(),
                        })
                        .collect();
                    for key in keys {
                        let sum = naive.entry(key).or_default();
                        *sum = (sum.0 + trace.size, sum.1 + 1);
                    }
                }
                let mut naive: Vec<_> =
                    naive.into_iter().map(|(frame, (size, count))| (size, count, frame)).collect();
                naive.sort();
                naive.reverse();
                let naive: Vec<_> =
                    naive.into_iter().map(|(size, count, frame)| (frame.to_string(), size, count)).collect();
                assert_eq!(texts(&snapshot, key_type, Cumulative::Once), naive);
            }
        }
    }

    #[test]
    fn functions_and_modules_group_what_lines_and_files_do_not() {
        let frame = |filename: &str, lineno, function: Option<&str>, module: &str| Frame {
            is_guessed: false,
            filename: filename.into(),
            lineno,
            function: function.map(Into::into),
            module: Some(module.into()),
        };
        let frames = [
            frame("a.c", 1, Some("f"), "/lib/a.so"),
            frame("a.c", 2, Some("f"), "/lib/a.so"),
            frame("a.c", 2, Some("g"), "/lib/a.so"),
            frame("b.c", 2, Some("g"), "/lib/b.so"),
            frame("b.so+0x1", 0, None, "/lib/b.so"),
            frame("b.so+0x2", 0, None, "/lib/b.so"),
        ];
        let traces = frames.map(|frame| Trace {
            domain: 0,
            size: 1,
            traceback: Traceback::new(vec![frame], None),
            tag: None,
        });
        let snapshot = Snapshot::new(traces.into(), 1);
        let rows = |key_type| {
            let row = |stat: &Statistic| {
                let frame = stat.traceback.most_recent().unwrap();
                (frame.to_string(), frame.function.as_deref().unwrap_or("-").to_owned(), stat.count)
            };
            let statistics = snapshot.statistics(key_type, Cumulative::Off).unwrap();
            // What is compared is what is grouped: nothing changed, nothing met in one group.
            let diffs = snapshot.compare_to(&snapshot, key_type, Cumulative::Off).unwrap();
            assert!(diffs.len() == statistics.len() && diffs.iter().all(|diff| diff.size_diff == 0));
            statistics.iter().map(row).collect::<Vec<_>>()
        };
        let row = |name: &str, function: &str, count| (name.to_owned(), function.to_owned(), count);
        assert_eq!(
            rows(KeyType::Function),
            [row("b.so:0", "-", 2), row("a.c:0", "f", 2), row("b.c:0", "g", 1), row("a.c:0", "g", 1)]
        );
        assert_eq!(rows(KeyType::Module), [row("/lib/b.so:0", "-", 3), row("/lib/a.so:0", "-", 3)]);
        assert_eq!(
            rows(KeyType::Filename),
            [row("a.c:0", "-", 3), row("b.so:0", "-", 2), row("b.c:0", "-", 1)]
        );
        // As in tracemalloc, two functions on one line are one line.
        assert_eq!(rows(KeyType::Lineno).len(), 5);
    }

    #[test]
    fn a_block_without_frames_is_unknown() {
        let trace = Trace { domain: 0, size: 3, traceback: traceback(&[]), tag: None };
        let snapshot = Snapshot::new(vec![trace], 1);
        assert_eq!(texts(&snapshot, KeyType::Lineno, Cumulative::Off), rows(&[("<unknown>:0", 3, 1)]));
        assert_eq!(texts(&snapshot, KeyType::Lineno, Cumulative::Once), rows(&[("<unknown>:0", 3, 1)]));
    }
}
