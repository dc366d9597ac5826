//! What a walk adds up.

use std::ptr;

use rustc_hash::FxHashMap;
use tm_analyzer::events::Block;
use tm_common::api::SizeGroup;
use tm_common::ids::StackId;

/// The counted blocks' sums.
#[derive(Debug, Default)]
pub struct Found {
    /// Bytes.
    pub size: u64,
    /// Blocks.
    pub count: u64,
    /// The sums by depth, as the answer has them: a list has as many depths as blocks.
    pub by_depth: Vec<SizeGroup>,
    /// Bytes and blocks by who allocated them.
    pub by_stack: FxHashMap<StackId, (u64, u64)>,
    /// Tells whether a limit left blocks out.
    pub is_cut: bool,
}

impl Found {
    /// Counts a block. Depths come in order.
    #[inline]
    pub fn add(&mut self, block: &Block, depth: usize) {
        self.size = self.size.saturating_add(block.size);
        self.count += 1;
        if self.by_depth.len() <= depth {
            self.by_depth.push(SizeGroup { depth, location: ptr::null(), size: 0, count: 0 });
        }
        if let Some(group) = self.by_depth.last_mut() {
            group.size = group.size.saturating_add(block.size as usize);
            group.count += 1;
        }
        let (size, count) = self.by_stack.entry(block.stack).or_default();
        *size = size.saturating_add(block.size);
        *count += 1;
    }
}
