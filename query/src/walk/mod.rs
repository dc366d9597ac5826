//! Goes from a block to all that can be reached from it, breadth first: a block's depth is its shortest distance. Each
//! word of a block is taken for a pointer if it points into a live block.
//!
//! ```text
//! level d: blocks -> pieces of pages, up to 1 MiB -> words -> the blocks that hold them, if new -> level d + 1
//! ```
//!
//! Each arrow is taken by many at a time. Memory: the set of reached blocks (about a byte each), two levels (16 bytes a
//! block of theirs), and the sums by depth.

mod found;
mod pieces;
mod visited;
mod visitor;

pub use found::Found;
pub use visited::Visited;
pub use visitor::{Follow, Visitor};

use std::mem::take;
use std::ops::ControlFlow::{self, Break, Continue};

use tm_analyzer::events::Block;

use crate::memory::{Forbidden, Memory, Pages};
use pieces::{Pieces, Span};

/// The live blocks.
pub trait Heap {
    /// Tells whether `word` may point to a block, at a glance.
    fn is_near(&self, word: u64) -> bool;

    /// Adds the blocks that `pointers` point into to `found`, in their order, without those that have been visited. One
    /// may be found several times.
    fn find(&self, pointers: &mut [Pointer], visited: &Visited, found: &mut Vec<Block>);
}

/// A word that may be a pointer, and what is found out of it on the way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pointer {
    /// The word.
    pub word: u64,
    /// The start of the block that may hold it.
    pub start: u64,
    /// Tells whether nothing new is there.
    pub is_known: bool,
}

/// The number of pointers that are looked up together: what is fetched for them stays in the processor's cache.
const POINTERS_MAX: usize = 512;

/// The limits that end a walk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Blocks of a greater depth are not reached.
    pub depth_max: usize,
    /// The most blocks that are counted.
    pub blocks_max: u64,
}

impl Limits {
    /// No limits.
    pub const NONE: Limits = Limits { depth_max: usize::MAX, blocks_max: u64::MAX };
}

/// Walks from `root`, which is at depth 0.
///
/// # Errors
/// The system lets nobody read this process's memory.
pub fn walk(
    root: Block,
    heap: &impl Heap,
    memory: impl Memory,
    limits: Limits,
    visitor: &mut impl Visitor,
) -> Result<Found, Forbidden> {
    let mut walker = Walker {
        heap,
        visitor,
        limits,
        visited: Visited::default(),
        depth: 0,
        next: Vec::new(),
        named: Vec::new(),
        pointers: Vec::new(),
        blocks: Vec::new(),
        found: Found::default(),
    };
    let mut pages = Pages::new(memory);
    let mut pieces = Pieces::default();
    let mut flow = walker.reach(root);
    while flow.is_continue() && !(walker.next.is_empty() && walker.named.is_empty()) {
        walker.depth += 1;
        flow = walker.level(&mut pages, &mut pieces)?;
    }
    Ok(walker.found)
}

struct Walker<'a, H, V> {
    heap: &'a H,
    visitor: &'a mut V,
    limits: Limits,
    visited: Visited,
    /// The depth of the blocks that are reached now.
    depth: usize,
    /// The blocks of that depth whose words are to be followed.
    next: Vec<Span>,
    /// The blocks of that depth that a visitor has named.
    named: Vec<Block>,
    /// What is being looked at: words, ...
    pointers: Vec<Pointer>,
    /// ... and the blocks that they point into.
    blocks: Vec<Block>,
    found: Found,
}

impl<H: Heap, V: Visitor> Walker<'_, H, V> {
    /// Reaches what the blocks of the depth before point to. It breaks where the whole walk ends.
    fn level<M: Memory>(
        &mut self,
        pages: &mut Pages<M>,
        pieces: &mut Pieces,
    ) -> Result<ControlFlow<()>, Forbidden> {
        pieces.start(&mut self.next);
        for block in take(&mut self.named) {
            if self.reach_if_new(block).is_break() {
                return Ok(Break(()));
            }
        }
        while pieces.load(pages)? {
            for words in pieces.words(pages) {
                for word in words {
                    if self.heap.is_near(*word) {
                        self.pointers.push(Pointer { word: *word, ..Pointer::default() });
                    }
                }
                if self.pointers.len() >= POINTERS_MAX && self.reach_all().is_break() {
                    return Ok(Break(()));
                }
            }
            if self.reach_all().is_break() {
                return Ok(Break(()));
            }
        }
        Ok(Continue(()))
    }

    /// Reaches what the pointers point to.
    fn reach_all(&mut self) -> ControlFlow<()> {
        self.heap.find(&mut self.pointers, &self.visited, &mut self.blocks);
        self.pointers.clear();
        let mut blocks = take(&mut self.blocks);
        let flow = blocks.drain(..).try_for_each(|block| self.reach_if_new(block));
        self.blocks = blocks;
        flow
    }

    #[inline]
    fn reach_if_new(&mut self, block: Block) -> ControlFlow<()> {
        if self.visited.contains(block.space, block.address.0) { Continue(()) } else { self.reach(block) }
    }

    /// Reaches a block that is new.
    #[inline]
    fn reach(&mut self, block: Block) -> ControlFlow<()> {
        if self.depth > self.limits.depth_max || self.found.count >= self.limits.blocks_max {
            self.found.is_cut = true;
            return Break(());
        }
        self.visited.insert(&block);
        let n_named = self.named.len();
        let follow = self.visitor.decide(&block, self.depth, &mut self.named);
        if follow == Follow::Nothing {
            self.named.truncate(n_named);
            return Continue(());
        }
        self.found.add(&block, self.depth);
        self.visitor.counted(&block, self.depth);
        if follow == Follow::Words && block.size >= size_of::<u64>() as u64 {
            self.next.push(Span { start: block.address.0, size: block.size });
        }
        Continue(())
    }
}

#[cfg(test)]
mod tests;
