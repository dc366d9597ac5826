//! What lives and what was allocated, by stack and tag and by thread: added up event by event, so that a look at it
//! costs as much as there are stacks and threads, however many events there were.

use std::ops::AddAssign;
use std::sync::Arc;

use tm_common::ids::{ProcessIndex, Space, Stamp, ThreadIndex};

use super::history::History;
use tm_analyzer::events::{Block, MergedEvent};
use tm_analyzer::model::{Amount, SumsBy, Uncertainty};
use tm_analyzer::reader::ThreadTags;
use tm_analyzer::replay::{FoldedPart, MemoryKind, Observer, Site, StackSet};

/// The figures of a site, a group of sites or a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What lives now.
    pub live: Amount,
    /// All that was ever allocated, reallocations with their new size.
    pub allocated: Amount,
    /// What of it was allocated in the last interval.
    pub lately: Amount,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.live += other.live;
        self.allocated += other.allocated;
        self.lately += other.lately;
    }
}

/// Figures that go on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    /// So far.
    pub figures: Figures,
    /// `figures.allocated` at the end of the interval before.
    before: Amount,
}

impl Running {
    #[inline]
    fn on_alloc(&mut self, block: Amount) {
        self.figures.live += block;
        self.figures.allocated += block;
    }

    fn end_interval(&mut self) {
        let Running { figures: Figures { allocated, lately, .. }, before } = self;
        *lately = *allocated;
        *lately -= *before;
        *before = *allocated;
    }
}

/// The sums of a kind of memory.
#[derive(Debug, Default)]
pub struct Tables {
    /// The sums by site.
    pub sites: SumsBy<Site, Running>,
    /// The sums by the thread that allocated.
    pub threads: SumsBy<ThreadIndex, Running>,
}

/// How far what lives is from certain, of blocks that are samples.
#[derive(Debug, Default)]
pub struct Uncertainties {
    /// The sums by site.
    pub sites: SumsBy<Site, Uncertainty>,
    /// The sums by the thread that allocated.
    pub threads: SumsBy<ThreadIndex, Uncertainty>,
}

/// What a process did so far.
#[derive(Debug)]
pub struct Sums {
    process: ProcessIndex,
    thread_tags: Arc<ThreadTags>,
    traced: Tables,
    mapped: Tables,
    /// The stacks that are asked for, as far as they are known; `None` for all.
    pub stacks: Option<Arc<StackSet>>,
    /// The traced bytes that lived lately.
    pub history: History,
}

impl Sums {
    /// The sums of `process` at its start; `history` is that of no block.
    pub fn new(process: ProcessIndex, thread_tags: Arc<ThreadTags>, history: History) -> Sums {
        let (traced, mapped) = (Tables::default(), Tables::default());
        Sums { process, thread_tags, traced, mapped, stacks: None, history }
    }

    /// Adds a block that the process has inherited: it lives, but was not allocated here.
    pub fn inherit(&mut self, block: &Block) {
        if !self.is_asked_for(block) {
            return;
        }
        let (site, thread) = self.keys(block);
        let amount = block.amount(&self.thread_tags);
        let tables = self.tables_of(block);
        tables.sites.of(site).figures.live += amount;
        tables.threads.of(thread).figures.live += amount;
        if block.space != Space::MAPPINGS {
            self.history.inherit(amount.bytes);
        }
    }

    /// The figures of a kind of memory.
    pub fn tables(&self, memory_kind: MemoryKind) -> &Tables {
        match memory_kind {
            MemoryKind::Traced => &self.traced,
            MemoryKind::Mappings => &self.mapped,
        }
    }

    /// How far from certain is what `live` adds up to, all blocks of a kind of memory that live.
    pub fn uncertainties(&self, live: impl Iterator<Item = Block>) -> Uncertainties {
        let mut uncertainties = Uncertainties::default();
        for block in live.filter(|block| self.is_asked_for(block)) {
            let (_, uncertainty) = block.estimate(&self.thread_tags);
            if uncertainty.is_estimate() {
                let (site, thread) = self.keys(&block);
                uncertainties.sites.add(site, uncertainty);
                uncertainties.threads.add(thread, uncertainty);
            }
        }
        uncertainties
    }

    /// Ends an interval at `now`: what comes from here on is in the next.
    pub fn end_interval(&mut self, now: Stamp) {
        for tables in [&mut self.traced, &mut self.mapped] {
            tables.sites.values_mut().for_each(Running::end_interval);
            tables.threads.values_mut().for_each(Running::end_interval);
        }
        self.history.pass(now);
    }

    #[inline]
    fn keys(&self, block: &Block) -> (Site, ThreadIndex) {
        let site = Site::of(block, self.process, &self.thread_tags);
        (site, self.thread_tags.thread(block.thread_tag))
    }

    #[inline]
    fn tables_of(&mut self, block: &Block) -> &mut Tables {
        if block.space == Space::MAPPINGS { &mut self.mapped } else { &mut self.traced }
    }

    #[inline]
    fn is_asked_for(&self, block: &Block) -> bool {
        self.stacks.as_ref().is_none_or(|stacks| stacks.has(block.stack))
    }

    /// A block that is not asked for has come or gone: time passes, and its thread is there.
    #[cold]
    fn pass_over(&mut self, block: &Block, stamp: Stamp) {
        let (_, thread) = self.keys(block);
        self.tables_of(block).threads.of(thread);
        self.history.on_other(stamp);
    }

    #[inline]
    fn leave(&mut self, block: &Block, stamp: Stamp) {
        if !self.is_asked_for(block) {
            return self.pass_over(block, stamp);
        }
        let (site, thread) = self.keys(block);
        let amount = block.amount(&self.thread_tags);
        let tables = self.tables_of(block);
        tables.sites.of(site).figures.live -= amount;
        tables.threads.of(thread).figures.live -= amount;
        if block.space != Space::MAPPINGS {
            self.history.on_free(amount.bytes, stamp);
        }
    }
}

impl Observer for Sums {
    /// What lives of it is inherited.
    fn on_folded(&mut self, part: &FoldedPart<'_>) -> bool {
        let asked_for = part.sums().filter(|sum| self.is_asked_for(&sum.like)).collect::<Vec<_>>();
        for sum in asked_for {
            let (site, thread) = self.keys(&sum.like);
            let tables = self.tables_of(&sum.like);
            tables.sites.of(site).figures.allocated += sum.activity.allocated;
            tables.threads.of(thread).figures.allocated += sum.activity.allocated;
        }
        true
    }

    #[inline]
    fn on_alloc(&mut self, block: &Block) {
        if !self.is_asked_for(block) {
            return self.pass_over(block, block.birth);
        }
        let (site, thread) = self.keys(block);
        let amount = block.amount(&self.thread_tags);
        let tables = self.tables_of(block);
        tables.sites.of(site).on_alloc(amount);
        tables.threads.of(thread).on_alloc(amount);
        if block.space != Space::MAPPINGS {
            self.history.on_alloc(amount.bytes, block.birth);
        }
    }

    #[inline]
    fn on_free(&mut self, block: &Block, event: &MergedEvent) {
        self.leave(block, event.stamp);
    }

    /// Nothing is allocated.
    fn on_move(&mut self, old: &Block, new: &Block) {
        self.leave(old, new.birth);
        self.inherit(new);
    }

    fn on_forget(&mut self, block: &Block, stamp: Stamp) {
        self.leave(block, stamp);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tm_common::ids::{StackId, TagIndex};

    use super::*;
    use tm_analyzer::reader::ThreadTag;
    use tm_testing::Random;

    #[test]
    fn figures_equal_naive_sums_over_all_blocks() {
        let mut random = Random::new(3);
        let thread_tags = Arc::new(ThreadTags::default());
        let mut sums = Sums::new(ProcessIndex(0), Arc::clone(&thread_tags), History::new(Stamp(0), 10));
        // All blocks that ever came: whether they live, and in which interval they came.
        let mut blocks: Vec<(Block, bool, u32)> = Vec::new();
        for interval in 0..5 {
            for step in 0..400u64 {
                let (thread, tag) = (ThreadIndex(random.below(3) as u32), TagIndex(random.below(3) as u32));
                let stamp = Stamp(u64::from(interval) * 1_000 + step);
                let block = Block {
                    size: random.below(100),
                    stack: StackId(random.below(7) as u32),
                    thread_tag: thread_tags.of(thread, tag),
                    birth: stamp,
                    space: Space(random.below(3) as u8),
                    ..Block::default()
                };
                if random.below(2) == 0 {
                    sums.on_alloc(&block);
                    blocks.push((block, true, interval));
                    continue;
                }
                let any = random.below(blocks.len() as u64 + 1) as usize;
                if let Some((block, lives @ true, _)) = blocks.get_mut(any) {
                    sums.on_forget(block, stamp);
                    *lives = false;
                }
            }
            sums.end_interval(Stamp(u64::from(interval) * 1_000 + 999));
            for (memory_kind, is_mapped) in [(MemoryKind::Traced, false), (MemoryKind::Mappings, true)] {
                let ours = blocks.iter().filter(|(block, ..)| (block.space == Space::MAPPINGS) == is_mapped);
                let (mut sites, mut threads) = (BTreeMap::new(), BTreeMap::new());
                for (block, lives, came_in) in ours {
                    let one = block.amount(&thread_tags);
                    let when = |is: bool| if is { one } else { Amount::default() };
                    let figures =
                        Figures { live: when(*lives), allocated: one, lately: when(*came_in == interval) };
                    let (thread, tag) =
                        (thread_tags.thread(block.thread_tag), thread_tags.tag(block.thread_tag));
                    *sites.entry((block.stack, block.space, tag)).or_insert_with(Figures::default) += figures;
                    *threads.entry(thread).or_insert_with(Figures::default) += figures;
                }
                let tables = sums.tables(memory_kind);
                let found =
                    tables.sites.iter().map(|(site, sum)| ((site.stack, site.space, site.tag), sum.figures));
                assert_eq!(found.collect::<BTreeMap<_, _>>(), sites);
                assert_eq!(
                    tables.threads.iter().map(|(id, sum)| (*id, sum.figures)).collect::<BTreeMap<_, _>>(),
                    threads
                );
            }
        }
    }

    /// What goes takes its part of what is not certain with it.
    #[test]
    fn what_lives_of_samples_is_as_uncertain_as_its_blocks_are() {
        let thread_tags = Arc::new(ThreadTags::default());
        let sampled = |thread| thread_tags.of_samples(ThreadIndex(thread), TagIndex::NONE, 1 << 12);
        let exact = ThreadTag::of_thread(ThreadIndex(0));
        let makers = [(7, sampled(0)), (7, sampled(1)), (8, sampled(1)), (8, exact)];
        let block =
            |(stack, thread_tag)| Block { stack: StackId(stack), size: 100, thread_tag, ..Block::default() };
        let mut sums = Sums::new(ProcessIndex(0), Arc::clone(&thread_tags), History::new(Stamp(0), 10));
        let mut stacks = StackSet::new(true);
        stacks.set(StackId(9), false);
        sums.stacks = Some(Arc::new(stacks));
        let found = sums.uncertainties(makers.into_iter().chain([(9, sampled(0))]).map(block));
        let one = block(makers[0]).estimate(&thread_tags).1;
        assert!(one.is_estimate() && one.bytes() > 100);
        let n_samples = |it: &Uncertainty| {
            (it.n_samples, it.of_bytes.of_samples() == it.n_samples as f64 * one.of_bytes.of_samples())
        };
        let sites: Vec<_> = found.sites.iter().map(|(site, it)| (site.stack.0, n_samples(it))).collect();
        assert_eq!(sites, [(7, (2, true)), (8, (1, true))]);
        let threads: Vec<_> = found.threads.iter().map(|(thread, it)| (thread.0, n_samples(it))).collect();
        assert_eq!(threads, [(0, (1, true)), (1, (2, true))]);
    }

    #[test]
    fn blocks_of_other_stacks_count_nowhere() {
        let mut sums = Sums::new(ProcessIndex(0), Arc::default(), History::new(Stamp(0), 10));
        let mut stacks = StackSet::new(false);
        stacks.set(StackId(7), true);
        sums.stacks = Some(Arc::new(stacks));
        let thread_tag = ThreadTag::of_thread(ThreadIndex(4));
        let of = |stack, birth| Block {
            size: 9,
            stack: StackId(stack),
            birth: Stamp(birth),
            thread_tag,
            ..Block::default()
        };
        sums.inherit(&of(8, 1));
        sums.on_alloc(&of(7, 2));
        sums.on_alloc(&of(8, 55));
        sums.on_forget(&of(8, 1), Stamp(66));
        let tables = sums.tables(MemoryKind::Traced);
        let found: Vec<_> = tables.sites.iter().map(|(site, sum)| (site.stack, sum.figures.live)).collect();
        assert_eq!(found, [(StackId(7), Amount::of_block(9))]);
        assert_eq!((tables.threads.iter().count(), sums.history.latest()), (1, Stamp(66)));
    }

    #[test]
    fn what_was_inherited_lives_and_was_not_allocated() {
        let mut sums = Sums::new(ProcessIndex(0), Arc::default(), History::new(Stamp(0), 10));
        let block = Block { size: 9, thread_tag: ThreadTag::of_thread(ThreadIndex(4)), ..Block::default() };
        sums.inherit(&block);
        let figures = sums.tables(MemoryKind::Traced).threads.iter().next().unwrap().1.figures;
        assert_eq!(figures, Figures { live: Amount::of_block(9), ..Figures::default() });
        sums.on_forget(&block, Stamp(5));
        assert_eq!(sums.history.columns(4), [9]);
    }
}
