//! Who is asked about the blocks that a walk reaches.

use tm_analyzer::events::Block;

/// What is done with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It is counted, and all its words are followed.
    Words,
    /// It is counted, and only what the visitor has named is followed.
    Named,
    /// Neither.
    Nothing,
}

/// Decides what is done with blocks, and is told of them.
pub trait Visitor {
    /// Asked once for each block that is reached. Blocks that `named` is given come after this one, whatever its words say,
    /// unless nothing is to be done with it.
    #[inline]
    fn decide(&mut self, _block: &Block, _depth: usize, _named: &mut Vec<Block>) -> Follow {
        Follow::Words
    }

    /// Told of each block that is counted.
    #[inline]
    fn counted(&mut self, _block: &Block, _depth: usize) {}
}

/// Follows all.
impl Visitor for () {}
