//! The callbacks of a walk, for the blocks that it reaches.

use tm_analyzer::events::Block;

/// The answers about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It is counted, and all its words are followed.
    Words,
    /// It is counted, and only what the visitor has named is followed.
    Named,
    /// Skips it: neither.
    Nothing,
}

/// Decides what is done with blocks, and sees those that are counted.
pub trait Visitor {
    /// Decides about a block that is reached, once. Blocks that `named` is given come after this one, whatever its
    /// words say, unless nothing is to be done with it.
    #[inline]
    fn decide(&mut self, _block: &Block, _depth: usize, _named: &mut Vec<Block>) -> Follow {
        Follow::Words
    }

    /// Sees each block that is counted.
    #[inline]
    fn counted(&mut self, _block: &Block, _depth: usize) {}
}

/// Follows all.
impl Visitor for () {}
