//! Groups of stacks by file, line, function, module, tag or whole stack, whatever is summed in them: statistics here,
//! rows in the live view.

use std::slice;
use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashSet;
use tm_common::stack::FrameKind;

use super::interner::{FrameInterner, FrameKey, module};
use crate::error::{Error, Result};
use crate::model::{
    Amount, Cumulative, Frame, KeyType, Profile, ProfileRow, Statistic, SumsBy, Traceback, Uncertainty,
};

impl Profile {
    /// The rows grouped by `key_type`, the largest group first (by size, then count, then traceback).
    ///
    /// # Errors
    /// CPython's, if a cumulative mode is asked for with [`KeyType::Traceback`] or [`KeyType::Tag`].
    pub fn statistics(&self, key_type: KeyType, cumulative: Cumulative) -> Result<Vec<Statistic>> {
        let mut statistics = self.grouped(key_type, cumulative)?;
        // No two groups compare equal, since their tracebacks, functions or tags differ.
        statistics.sort_unstable_by(Statistic::report_order);
        Ok(statistics)
    }

    /// The groups in no particular order; no two have equal tracebacks, functions and tags.
    pub(super) fn grouped(&self, key_type: KeyType, cumulative: Cumulative) -> Result<Vec<Statistic>> {
        if cumulative != Cumulative::Off && !key_type.has_callers() {
            return Err(Error::NotCumulative { key: key_type.name() });
        }
        let mut groups: Groups<'_, Group> = Groups::by(key_type);
        for row in &self.rows {
            let ProfileRow { traceback, tag, amount, uncertainty, .. } = row;
            let new = |name| Group { name, amount: Amount::default(), uncertainty: Uncertainty::EXACT };
            if cumulative == Cumulative::Off {
                groups.of(Some(traceback), tag.as_ref(), new).add(*amount, *uncertainty);
            } else {
                let repeats = cumulative == Cumulative::Tracemalloc;
                groups.of_each_frame(traceback, repeats, new, |group| group.add(*amount, *uncertainty));
            }
        }
        let statistic = |Group { name: GroupName { traceback, tag }, amount, uncertainty }| Statistic {
            traceback: traceback.unwrap_or_else(|| Traceback::new(Vec::new(), None)),
            tag,
            size: amount.bytes,
            count: amount.count,
            uncertainty,
        };
        Ok(groups.into_groups().map(statistic).collect())
    }
}

/// A group, and what is summed in it.
struct Group {
    name: GroupName,
    amount: Amount,
    uncertainty: Uncertainty,
}

impl Group {
    #[inline]
    fn add(&mut self, amount: Amount, uncertainty: Uncertainty) {
        self.amount += amount;
        if uncertainty.is_estimate() {
            self.uncertainty += uncertainty;
        }
    }
}

/// What the stacks of a group have in common.
#[derive(Clone, Debug)]
pub struct GroupName {
    /// A whole traceback, or one frame (by file, with line 0). `None` of a group by tag, and of stacks whose frames are
    /// not known yet.
    pub traceback: Option<Traceback>,
    /// The tag, if groups are by tag.
    pub tag: Option<Arc<str>>,
}

/// The frame of a stack that is known to have none.
static UNKNOWN: LazyLock<Arc<Frame>> = LazyLock::new(|| Frame::unknown().into());

/// Decides which group a stack belongs to.
#[derive(PartialEq, Eq, Hash)]
enum GroupKey<'a> {
    Frame(FrameKey),
    Stack(Box<[FrameKey]>),
    /// Two tags of one name are one group.
    Tag(Option<&'a str>),
    Unnamed,
}

/// Groups with what is summed in each.
pub struct Groups<'a, G> {
    key_type: KeyType,
    interner: FrameInterner<'a>,
    groups: SumsBy<GroupKey<'a>, G>,
    /// The groups that the present stack was counted in.
    seen: FxHashSet<FrameKey>,
}

impl<'a, G> Groups<'a, G> {
    /// No group yet; stacks are grouped by `key_type`.
    pub fn by(key_type: KeyType) -> Groups<'a, G> {
        let (interner, groups) = (FrameInterner::default(), SumsBy::default());
        Groups { key_type, interner, groups, seen: FxHashSet::default() }
    }

    /// The group of a stack under a tag; `new` makes it. Stacks whose frames are not known yet are one group.
    pub fn of(
        &mut self,
        traceback: Option<&'a Traceback>,
        tag: Option<&'a Arc<str>>,
        new: impl FnOnce(GroupName) -> G,
    ) -> &mut G {
        match (self.key_type, traceback) {
            (KeyType::Tag, _) => {
                let name = || GroupName { traceback: None, tag: tag.cloned() };
                self.groups.of_or(GroupKey::Tag(tag.map(|tag| &**tag)), || new(name()))
            }
            (_, None) => {
                self.groups.of_or(GroupKey::Unnamed, || new(GroupName { traceback: None, tag: None }))
            }
            (KeyType::Traceback, Some(traceback)) => {
                let frames = traceback.frames().iter();
                let key = frames.map(|frame| self.interner.key(frame, KeyType::Traceback)).collect();
                // As in CPython: stacks of different whole depth may have met in this group.
                let name = || GroupName { traceback: Some(traceback.without_total_nframe()), tag: None };
                self.groups.of_or(GroupKey::Stack(key), || new(name()))
            }
            (_, Some(traceback)) => {
                let frame = traceback.most_recent().unwrap_or(&UNKNOWN);
                let key = self.interner.key(frame, self.key_type);
                self.of_frame(key, frame, new)
            }
        }
    }

    /// Calls `add` with the group of each frame of a stack: once, or again for each time that it `repeats`.
    pub fn of_each_frame(
        &mut self,
        traceback: &'a Traceback,
        repeats: bool,
        new: impl Fn(GroupName) -> G,
        mut add: impl FnMut(&mut G),
    ) {
        self.seen.clear();
        let frames = traceback.frames();
        for frame in if frames.is_empty() { slice::from_ref(&*UNKNOWN) } else { frames } {
            let key = self.interner.key(frame, self.key_type);
            if repeats || self.seen.insert(key) {
                add(self.of_frame(key, frame, &new));
            }
        }
    }

    fn of_frame(&mut self, key: FrameKey, frame: &Frame, new: impl FnOnce(GroupName) -> G) -> &mut G {
        let name = || GroupName { traceback: Some(group_traceback(frame, self.key_type)), tag: None };
        self.groups.of_or(GroupKey::Frame(key), || new(name()))
    }

    /// All groups, in no particular order.
    pub fn into_groups(self) -> impl Iterator<Item = G> {
        self.groups.into_values()
    }
}

/// What a group of one frame is shown as: the frame, without what the group does not have in common.
fn group_traceback(frame: &Frame, key_type: KeyType) -> Traceback {
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
    // How its address was found is of no interest; that it is Python code is.
    let kind = if frame.is_python() { frame.kind } else { FrameKind::Return };
    let module = frame.module.clone();
    Traceback::new(vec![Frame { lineno, function, module, kind, ..Frame::new(filename, 0) }], None)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::analysis::fixtures::{create_snapshots, random_snapshot, traceback};
    use crate::model::{ModuleFile, Snapshot, Trace};

    fn texts(snapshot: &Snapshot, key_type: KeyType, cumulative: Cumulative) -> Vec<(String, u64, u64)> {
        let stats = snapshot.profile().statistics(key_type, cumulative).unwrap();
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
        let stat = |frames, size, count| Statistic {
            traceback: traceback(frames),
            tag: None,
            size,
            count,
            uncertainty: Uncertainty::EXACT,
        };
        assert_eq!(
            old.profile().statistics(KeyType::Traceback, Cumulative::Off).unwrap(),
            [
                stat(&[("b.py", 1)], 66, 1),
                stat(&[("a.py", 2), ("b.py", 4)], 30, 3),
                stat(&[("<unknown>", 0)], 7, 1),
                stat(&[("a.py", 5), ("b.py", 4)], 2, 1),
            ]
        );
        assert_eq!(
            new.profile().statistics(KeyType::Traceback, Cumulative::Off).unwrap(),
            [
                stat(&[("a.py", 5), ("b.py", 4)], 5002, 2),
                stat(&[("c.py", 578)], 400, 1),
                stat(&[("a.py", 2), ("b.py", 4)], 30, 3),
            ]
        );
        let error = old.profile().statistics(KeyType::Traceback, Cumulative::Tracemalloc).unwrap_err();
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
        let snapshot =
            Snapshot::new(vec![Trace { domain: 0, size: 100, traceback: stack, tag: None, sample: None }], 3);
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
            function: function.map(Into::into),
            module: Some(ModuleFile::at(module)),
            ..Frame::new(filename, lineno)
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
            sample: None,
        });
        let snapshot = Snapshot::new(traces.into(), 1);
        let rows = |key_type| {
            let row = |stat: &Statistic| {
                let frame = stat.traceback.most_recent().unwrap();
                (frame.to_string(), frame.function.as_deref().unwrap_or("-").to_owned(), stat.count)
            };
            let statistics = snapshot.profile().statistics(key_type, Cumulative::Off).unwrap();
            // What is compared is what is grouped: nothing changed, nothing met in one group.
            let diffs =
                snapshot.profile().compare_to(&snapshot.profile(), key_type, Cumulative::Off).unwrap();
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
        let trace = Trace { domain: 0, size: 3, traceback: traceback(&[]), tag: None, sample: None };
        let snapshot = Snapshot::new(vec![trace], 1);
        assert_eq!(texts(&snapshot, KeyType::Lineno, Cumulative::Off), rows(&[("<unknown>:0", 3, 1)]));
        assert_eq!(texts(&snapshot, KeyType::Lineno, Cumulative::Once), rows(&[("<unknown>:0", 3, 1)]));
    }
}
