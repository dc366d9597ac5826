//! The frames of addresses as the numbers that a tree has of them: those of an address are found once, and stacks have it many times.

use std::sync::Arc;

use tm_analyzer::model::Frame;

use super::Tree;

/// The numbers of the frames of addresses, the outermost first.
#[derive(Default)]
pub struct AddressFrames {
    /// Those of each address, by its number; none where they are not known.
    of_address: Vec<Box<[u32]>>,
}

impl AddressFrames {
    /// The node of what `caller` has called: the frames of an address, the innermost first, which are all of it if it has a number.
    /// `numbers` gives them theirs, the outermost first.
    pub fn called(
        &mut self,
        tree: &mut Tree,
        caller: u32,
        (address, innermost_first): (Option<u32>, &[Arc<Frame>]),
        numbers: impl FnOnce(&[Arc<Frame>]) -> Box<[u32]>,
    ) -> u32 {
        let mut below = |numbers: &[u32]| numbers.iter().fold(caller, |node, &frame| tree.child(node, frame));
        let Some(address) = address.map(|address| address as usize) else {
            return below(&numbers(innermost_first));
        };
        if self.of_address.len() <= address {
            self.of_address.resize_with(address + 1, Box::default);
        }
        let known = &mut self.of_address[address];
        if known.is_empty() {
            *known = numbers(innermost_first);
        }
        below(known)
    }
}
