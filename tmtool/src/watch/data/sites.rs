//! Sites in groups: the rows of the table. Grouped anew for each look, which costs some ten nanoseconds a stack.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};
use tm_common::ids::{StackId, TagIndex, ThreadIndex};

use super::names::Named;
use super::sample::{LargestStack, Name, Row};
use super::sums::{Figures, Running};
use tm_analyzer::analysis::{GroupName, Groups};
use tm_analyzer::model::{KeyType, SumsBy, Traceback, Uncertainty};
use tm_analyzer::reader::Thread;
use tm_analyzer::replay::Site;

/// The groups of `sites` by `key_type`, in no particular order; `uncertainties` are those of what lives. `named` gives the names of a stack if they are known; those
/// of which they are not are a group of their own.
pub fn by_key<'a>(
    sites: &SumsBy<Site, Running>,
    uncertainties: &SumsBy<Site, Uncertainty>,
    key_type: KeyType,
    named: impl Fn(StackId) -> Option<&'a Named>,
    tags: &'a FxHashMap<TagIndex, Arc<str>>,
) -> Vec<Row> {
    let mut groups = Groups::by(key_type);
    for (site, Running { figures, .. }) in sites.iter() {
        let names = named(site.stack);
        let stack = names.map(|names| match key_type {
            KeyType::Traceback => &names.stack,
            _ => &names.blamed,
        });
        let row = groups.of(stack, tags.get(&site.tag), |name| row(key_type, name));
        add(row, figures, names);
        row.uncertainty += uncertainties.get(site).copied().unwrap_or_default();
    }
    groups.into_groups().collect()
}

fn row(key_type: KeyType, GroupName { traceback, tag }: GroupName) -> Row {
    let name = match (key_type, traceback) {
        (KeyType::Tag, _) => Name::Tag(tag),
        (_, None) => Name::Unnamed,
        (_, Some(traceback)) => Name::Place(traceback),
    };
    Row {
        id: id_of(&name),
        name,
        figures: Figures::default(),
        uncertainty: Uncertainty::EXACT,
        largest: None,
    }
}

/// Adds a site to its group, whose largest stack it may be.
fn add(row: &mut Row, figures: &Figures, names: Option<&Named>) {
    row.figures += *figures;
    let Some(Named { whole, .. }) = names else { return };
    let weight = |figures: &Figures| (figures.live.bytes, figures.allocated.bytes);
    match &mut row.largest {
        Some(largest) => {
            largest.n_stacks += 1;
            if weight(figures) > weight(&largest.figures) {
                (largest.traceback, largest.figures) = (whole.clone(), *figures);
            }
        }
        None => row.largest = Some(LargestStack { traceback: whole.clone(), figures: *figures, n_stacks: 1 }),
    }
}

/// The rows of threads, in no particular order; `uncertainties` are those of what lives. `known` is by number.
pub fn of_threads(
    threads: &SumsBy<ThreadIndex, Running>,
    uncertainties: &SumsBy<ThreadIndex, Uncertainty>,
    known: &[Thread],
) -> Vec<Row> {
    let name = |index| {
        let place = known.binary_search_by_key(&index, |thread| thread.index).ok();
        match place.and_then(|place| known.get(place)) {
            Some(thread) => Name::Thread { tid: thread.tid, name: thread.label() },
            None => Name::Thread { tid: 0, name: "(unknown)".to_owned() },
        }
    };
    let row = |(&index, Running { figures, .. }): (&ThreadIndex, &Running)| Row {
        id: index.0.into(),
        name: name(index),
        figures: *figures,
        uncertainty: uncertainties.get(&index).copied().unwrap_or_default(),
        largest: None,
    };
    threads.iter().map(row).collect()
}

/// A number for what a group is called: by its texts, which are the same from look to look.
fn id_of(name: &Name) -> u64 {
    let mut hasher = FxHasher::default();
    let mut add = |traceback: &Traceback| {
        for frame in traceback.frames() {
            (&frame.filename, frame.lineno, &frame.function).hash(&mut hasher);
        }
    };
    match name {
        Name::Place(traceback) => add(traceback),
        Name::Tag(tag) => (1, tag).hash(&mut hasher),
        Name::Thread { tid, .. } => (2, tid).hash(&mut hasher),
        Name::Unnamed => 3.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tm_common::ids::{ProcessIndex, Space, Stamp};

    use super::*;
    use crate::watch::data::history::History;
    use crate::watch::data::sums::Sums;
    use tm_analyzer::events::Block;
    use tm_analyzer::model::{Amount, Cumulative, Frame, ModuleFile, Profile, ProfileRow, Statistic};
    use tm_analyzer::reader::ThreadTags;
    use tm_analyzer::replay::{MemoryKind, Observer};
    use tm_testing::Random;

    const KEYS: [KeyType; 6] = [
        KeyType::Lineno,
        KeyType::Function,
        KeyType::Filename,
        KeyType::Module,
        KeyType::Tag,
        KeyType::Traceback,
    ];

    /// Stacks of up to three frames out of a few files, lines and functions.
    fn stacks(random: &mut Random, n: u32) -> FxHashMap<StackId, Named> {
        let mut frame = || {
            let mut frame = Frame::new(["a.c", "b.c"][random.below(2) as usize], random.below(3) as u32 + 1);
            frame.function = Some(["f", "g"][random.below(2) as usize].into());
            frame.module = Some(ModuleFile::at(["/bin/x", "/lib/y"][random.below(2) as usize]));
            frame
        };
        (0..n)
            .map(|stack| {
                let frames = (0..=stack % 3).map(|_| frame()).collect();
                let whole = Traceback::new(frames, None);
                (StackId(stack), Named { blamed: whole.clone(), stack: whole.clone(), whole })
            })
            .collect()
    }

    /// Groups are those of the library's statistics, which are tested against tracemalloc's.
    #[test]
    fn groups_equal_the_statistics_of_the_same_blocks() {
        let mut random = Random::new(5);
        let names = stacks(&mut random, 30);
        let tags: FxHashMap<TagIndex, Arc<str>> = [(1, "one"), (2, "two"), (3, "one")]
            .map(|(tag, name)| (TagIndex(tag), name.into()))
            .into_iter()
            .collect();
        let thread_tags = Arc::new(ThreadTags::default());
        let mut sums = Sums::new(ProcessIndex(0), Arc::clone(&thread_tags), History::new(Stamp(0), 10));
        let mut rows = Vec::new();
        for _ in 0..500 {
            let (stack, tag) = (StackId(random.below(30) as u32), TagIndex(random.below(4) as u32));
            let thread_tag = thread_tags.of(ThreadIndex(0), tag);
            let block =
                Block { size: random.below(50), stack, thread_tag, space: Space::HEAP, ..Block::default() };
            sums.on_alloc(&block);
            let traceback = names[&stack].blamed.clone();
            let (tag, amount) = (tags.get(&tag).cloned(), block.amount(&thread_tags));
            let (domain, process, uncertainty) = (0, None, Uncertainty::EXACT);
            rows.push(ProfileRow { traceback, tag, domain, process, amount, uncertainty });
        }
        let profile = Profile { rows, traceback_limit: 16, origin: None };
        let sites = &sums.tables(MemoryKind::Traced).sites;
        for key_type in KEYS {
            let expected = profile.statistics(key_type, Cumulative::Off).unwrap();
            let text = |stat: &Statistic| format!("{:?} {:?}", stat.traceback, stat.tag);
            let function = |traceback: &Traceback| traceback.most_recent().and_then(|it| it.function.clone());
            let expected: Vec<_> = expected
                .iter()
                .map(|it| (text(it), function(&it.traceback), Amount { bytes: it.size, count: it.count }))
                .collect();
            let rows = by_key(sites, &SumsBy::default(), key_type, |stack| names.get(&stack), &tags);
            let mut found: Vec<_> = rows
                .iter()
                .map(|row| {
                    let (traceback, tag) = match &row.name {
                        Name::Place(traceback) => (traceback.clone(), None),
                        Name::Tag(tag) => (Traceback::new(Vec::new(), None), tag.clone()),
                        other => panic!("{other:?}"),
                    };
                    let sum = row.figures.live;
                    let stat = Statistic {
                        traceback,
                        tag,
                        size: sum.bytes,
                        count: sum.count,
                        uncertainty: Uncertainty::EXACT,
                    };
                    (text(&stat), function(&stat.traceback), sum)
                })
                .collect();
            let mut sorted = expected.clone();
            sorted.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            assert_eq!(found, sorted, "{key_type}");
            let ids: BTreeMap<u64, ()> = rows.iter().map(|row| (row.id, ())).collect();
            assert_eq!(ids.len(), rows.len());
        }
    }

    #[test]
    fn the_largest_stack_is_shown_whole_and_unnamed_ones_are_together() {
        let mut sums = Sums::new(ProcessIndex(0), Arc::default(), History::new(Stamp(0), 10));
        let mut come =
            |stack, size| sums.on_alloc(&Block { stack: StackId(stack), size, ..Block::default() });
        for (stack, size) in [(0, 5), (1, 7), (1, 1), (2, 6), (8, 3), (9, 4)] {
            come(stack, size);
        }
        let named = |outer: &str| {
            let whole = Traceback::new(
                vec![Frame::new("malloc.c", 1), Frame::new("a.c", 3), Frame::new(outer, 9)],
                None,
            );
            {
                let blamed = Traceback::from_oldest_first(&whole.frames()[..2], None);
                Named { stack: blamed.clone(), blamed, whole }
            }
        };
        let names: FxHashMap<StackId, Named> = ["x.c", "y.c", "z.c"]
            .iter()
            .enumerate()
            .map(|(id, outer)| (StackId(id as u32), named(outer)))
            .collect();
        let sites = &sums.tables(MemoryKind::Traced).sites;
        let rows = by_key(
            sites,
            &SumsBy::default(),
            KeyType::Lineno,
            |stack| names.get(&stack),
            &FxHashMap::default(),
        );
        let unnamed = rows.iter().find(|row| row.name == Name::Unnamed).expect("some are");
        let place = rows.iter().find(|row| row.name != Name::Unnamed).expect("some are not");
        assert_eq!(rows.len(), 2);
        assert_eq!(place.name.text(KeyType::Lineno, None), "a.c:3");
        assert_eq!(place.figures.live, Amount { bytes: 19, count: 4 });
        let largest = place.largest.as_ref().unwrap();
        assert_eq!((largest.n_stacks, largest.figures.live.bytes), (3, 8));
        assert_eq!(largest.traceback, names[&StackId(1)].whole);
        assert_eq!((&unnamed.name, unnamed.figures.live.bytes), (&Name::Unnamed, 7));
        assert!(unnamed.largest.is_none());
    }

    #[test]
    fn threads_are_called_by_their_latest_names() {
        let mut sums = Sums::new(ProcessIndex(0), Arc::default(), History::new(Stamp(0), 10));
        sums.on_alloc(&Block { size: 3, ..Block::default() });
        let rows = of_threads(&sums.tables(MemoryKind::Traced).threads, &SumsBy::default(), &[]);
        assert_eq!(rows[0].name.text(KeyType::Lineno, None), "0 (unknown)");
        assert_eq!(rows[0].figures.live.bytes, 3);
    }
}
