//! Goes from a block to all that can be reached from it, breadth first: a block's depth is its shortest distance. Each
//! word of a block is taken for a pointer if it points into a live block.
//!
//! ```text
//! level d: blocks -> pieces of pages, up to 1 MiB -> words -> the block that holds it, if it is new -> level d + 1
//! ```
//!
//! Memory: the set of reached blocks (about a byte each) and two levels (16 bytes a block of theirs).

mod found;
mod pieces;
mod visited;
mod visitor;

pub use found::Found;
pub use visited::Visited;
pub use visitor::{Follow, Visitor};

use std::mem::take;
use std::ops::ControlFlow::{self, Break, Continue};

use tm_analyzer::replay::Block;

use crate::memory::{Forbidden, Memory, Pages};
use pieces::{Pieces, Span};

/// What is live.
pub trait Heap {
    /// The live block that holds `word`, unless it has been visited.
    fn new_block(&self, word: u64, visited: &Visited) -> Option<Block>;
}

/// Where a walk ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Blocks of a greater depth are not reached.
    pub depth_max: usize,
    /// No more blocks are counted.
    pub blocks_max: u64,
}

impl Limits {
    /// None.
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
    /// Of the blocks that are reached now.
    depth: usize,
    /// The blocks of that depth whose words are to be followed.
    next: Vec<Span>,
    /// What a visitor has named of blocks of that depth.
    named: Vec<Block>,
    found: Found,
}

impl<H: Heap, V: Visitor> Walker<'_, H, V> {
    /// Reaches what the blocks of the depth before point to. It breaks where the whole walk ends.
    fn level<M: Memory>(
        &mut self,
        pages: &mut Pages<M>,
        pieces: &mut Pieces,
    ) -> Result<ControlFlow<()>, Forbidden> {
        let spans = take(&mut self.next);
        for block in take(&mut self.named) {
            if !self.visited.contains(block.space, block.address.0) && self.reach(block).is_break() {
                return Ok(Break(()));
            }
        }
        pieces.start(spans);
        while pieces.load(pages)? {
            for words in pieces.words(pages) {
                for word in words {
                    let Some(block) = self.heap.new_block(*word, &self.visited) else { continue };
                    if self.reach(block).is_break() {
                        return Ok(Break(()));
                    }
                }
            }
        }
        Ok(Continue(()))
    }

    /// A block that is new.
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
