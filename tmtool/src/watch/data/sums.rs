//! What lives and what was allocated, by stack and label and by thread: added up event by event, so that a look at it
//! costs as much as there are stacks and threads, however many events there were.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::{Space, Stamp, ThreadIndex};

use super::history::History;
use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::reader::Origins;
use tm_analyzer::replay::{Account, Observer, Site, Sum};

/// The figures of a site, a group of sites or a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What lives now.
    pub live: Sum,
    /// All that was ever allocated, reallocations with their new size.
    pub allocated: Sum,
    /// What of it was allocated in the last interval.
    pub lately: Sum,
}

impl Figures {
    /// Adds `other`.
    pub fn add(&mut self, other: &Figures) {
        self.live.add(other.live);
        self.allocated.add(other.allocated);
        self.lately.add(other.lately);
    }
}

/// Figures by key, in the order in which the keys were met.
#[derive(Debug)]
pub struct Table<K> {
    places: FxHashMap<K, u32>,
    entries: Vec<Entry<K>>,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    figures: Figures,
    /// `figures.allocated` at the end of the interval before.
    before: Sum,
}

impl<K> Default for Table<K> {
    fn default() -> Table<K> {
        Table { places: FxHashMap::default(), entries: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash> Table<K> {
    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (K, &Figures)> {
        self.entries.iter().map(|entry| (entry.key, &entry.figures))
    }

    #[inline]
    fn figures(&mut self, key: K) -> Option<&mut Figures> {
        // There are fewer than 2^32 stacks, and fewer threads.
        let next = self.entries.len() as u32;
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.entries.push(Entry { key, figures: Figures::default(), before: Sum::default() });
        }
        self.entries.get_mut(place as usize).map(|entry| &mut entry.figures)
    }

    #[inline]
    fn came(&mut self, key: K, size: u64) {
        let block = Sum { size, count: 1 };
        if let Some(figures) = self.figures(key) {
            figures.live.add(block);
            figures.allocated.add(block);
        }
    }

    #[inline]
    fn was_there(&mut self, key: K, size: u64) {
        self.figures(key).into_iter().for_each(|figures| figures.live.add(Sum { size, count: 1 }));
    }

    #[inline]
    fn went(&mut self, key: K, size: u64) {
        if let Some(Figures { live, .. }) = self.figures(key) {
            live.size = live.size.saturating_sub(size);
            live.count = live.count.saturating_sub(1);
        }
    }

    fn end_interval(&mut self) {
        for Entry { figures: Figures { allocated, lately, .. }, before, .. } in &mut self.entries {
            let (size, count) = (allocated.size - before.size, allocated.count - before.count);
            (*lately, *before) = (Sum { size, count }, *allocated);
        }
    }
}

/// The tables of an account.
#[derive(Debug, Default)]
pub struct Tables {
    /// By stack and label.
    pub sites: Table<Site>,
    /// By the thread that allocated.
    pub threads: Table<ThreadIndex>,
}

/// What a process did so far.
#[derive(Debug)]
pub struct Sums {
    origins: Arc<Origins>,
    traced: Tables,
    mapped: Tables,
    /// The traced bytes that lived lately.
    pub history: History,
}

impl Sums {
    /// Of a process at its start; `history` is that of no block.
    pub fn new(origins: Arc<Origins>, history: History) -> Sums {
        Sums { origins, traced: Tables::default(), mapped: Tables::default(), history }
    }

    /// Adds a block that the process has inherited: it lives, but was not allocated here.
    pub fn inherit(&mut self, block: &Block) {
        let (site, thread) = self.keys(block);
        let tables = self.tables_of(block);
        tables.sites.was_there(site, block.size);
        tables.threads.was_there(thread, block.size);
        if block.space != Space::MAPPINGS {
            self.history.inherit(block.size);
        }
    }

    /// The figures of an account.
    pub fn tables(&self, account: Account) -> &Tables {
        match account {
            Account::Traced => &self.traced,
            Account::Mappings => &self.mapped,
        }
    }

    /// Ends an interval at `now`: what comes from here on is in the next.
    pub fn end_interval(&mut self, now: Stamp) {
        for tables in [&mut self.traced, &mut self.mapped] {
            tables.sites.end_interval();
            tables.threads.end_interval();
        }
        self.history.pass(now);
    }

    #[inline]
    fn keys(&self, block: &Block) -> (Site, ThreadIndex) {
        let site = Site { stack: block.stack, tag: self.origins.tag(block.origin) };
        (site, self.origins.thread(block.origin))
    }

    #[inline]
    fn tables_of(&mut self, block: &Block) -> &mut Tables {
        if block.space == Space::MAPPINGS { &mut self.mapped } else { &mut self.traced }
    }

    #[inline]
    fn leave(&mut self, block: &Block, stamp: Stamp) {
        let (site, thread) = self.keys(block);
        let tables = self.tables_of(block);
        tables.sites.went(site, block.size);
        tables.threads.went(thread, block.size);
        if block.space != Space::MAPPINGS {
            self.history.went(block.size, stamp);
        }
    }
}

impl Observer for Sums {
    #[inline]
    fn came(&mut self, block: &Block) {
        let (site, thread) = self.keys(block);
        let tables = self.tables_of(block);
        tables.sites.came(site, block.size);
        tables.threads.came(thread, block.size);
        if block.space != Space::MAPPINGS {
            self.history.came(block.size, block.birth);
        }
    }

    #[inline]
    fn went(&mut self, block: &Block, event: &MergedEvent) {
        self.leave(block, event.stamp);
    }

    fn forgot(&mut self, block: &Block, stamp: Stamp) {
        self.leave(block, stamp);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tm_common::ids::{StackId, TagIndex};

    use super::*;
    use tm_analyzer::reader::Origin;
    use tm_testing::Random;

    #[test]
    fn figures_equal_naive_sums_over_all_blocks() {
        let mut random = Random::new(3);
        let origins = Arc::new(Origins::default());
        let mut sums = Sums::new(Arc::clone(&origins), History::new(Stamp(0), 10));
        // All blocks that ever came: whether they live, and in which interval they came.
        let mut blocks: Vec<(Block, bool, u32)> = Vec::new();
        for interval in 0..5 {
            for step in 0..400u64 {
                let (thread, tag) = (ThreadIndex(random.below(3) as u32), TagIndex(random.below(3) as u32));
                let stamp = Stamp(u64::from(interval) * 1_000 + step);
                let block = Block {
                    size: random.below(100),
                    stack: StackId(random.below(7) as u32),
                    origin: origins.of(thread, tag),
                    birth: stamp,
                    space: Space(random.below(3) as u8),
                    ..Block::default()
                };
                if random.below(2) == 0 {
                    sums.came(&block);
                    blocks.push((block, true, interval));
                    continue;
                }
                let any = random.below(blocks.len() as u64 + 1) as usize;
                if let Some((block, lives @ true, _)) = blocks.get_mut(any) {
                    sums.forgot(block, stamp);
                    *lives = false;
                }
            }
            sums.end_interval(Stamp(u64::from(interval) * 1_000 + 999));
            for (account, is_mapped) in [(Account::Traced, false), (Account::Mappings, true)] {
                let ours = blocks.iter().filter(|(block, ..)| (block.space == Space::MAPPINGS) == is_mapped);
                let (mut sites, mut threads) = (BTreeMap::new(), BTreeMap::new());
                for (block, lives, came_in) in ours {
                    let one = Sum { size: block.size, count: 1 };
                    let when = |is: bool| if is { one } else { Sum::default() };
                    let figures =
                        Figures { live: when(*lives), allocated: one, lately: when(*came_in == interval) };
                    let (thread, tag) = (origins.thread(block.origin), origins.tag(block.origin));
                    sites.entry((block.stack, tag)).or_insert_with(Figures::default).add(&figures);
                    threads.entry(thread).or_insert_with(Figures::default).add(&figures);
                }
                let tables = sums.tables(account);
                let found = tables.sites.iter().map(|(site, &figures)| ((site.stack, site.tag), figures));
                assert_eq!(found.collect::<BTreeMap<_, _>>(), sites);
                assert_eq!(
                    tables.threads.iter().map(|(id, &figures)| (id, figures)).collect::<BTreeMap<_, _>>(),
                    threads
                );
            }
        }
    }

    #[test]
    fn what_was_inherited_lives_and_was_not_allocated() {
        let mut sums = Sums::new(Arc::default(), History::new(Stamp(0), 10));
        let block = Block { size: 9, origin: Origin::of_thread(ThreadIndex(4)), ..Block::default() };
        sums.inherit(&block);
        let figures = *sums.tables(Account::Traced).threads.iter().next().unwrap().1;
        assert_eq!(figures, Figures { live: Sum { size: 9, count: 1 }, ..Figures::default() });
        sums.forgot(&block, Stamp(5));
        assert_eq!(sums.history.columns(4), [9]);
    }
}
