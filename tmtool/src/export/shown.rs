//! Stacks as the reports show them, for formats of events: these meet them in the order of time, where neighbours have little in
//! common. So what is known of the parts of a stack is kept by the nodes of the recording's own tree.

use std::sync::Arc;

use tm_analyzer::analysis::Blame;
use tm_analyzer::model::Frame;
use tm_analyzer::reader::Recording;
use tm_analyzer::snapshot::{Called, Namer, Places};
use tm_common::ids::StackId;

use super::Events;
use crate::tree::{Outer, Tree};

/// Stacks with names, and their places in a tree.
pub struct ShownStacks<'a> {
    recording: &'a Recording,
    namer: Namer,
    blame: Blame,
    known: Places,
    /// The places of the addresses of the last stack that is not known by nodes.
    outer: Outer<u32>,
    /// The frames of the last address of these.
    address: Vec<Arc<Frame>>,
}

impl<'a> ShownStacks<'a> {
    /// Those of a recording, with the names of `namer`.
    pub fn new(events: &Events<'a>, mut namer: Namer) -> ShownStacks<'a> {
        let recording = &events.recorded.recording;
        namer.prepare(recording, std::iter::empty());
        let blame = events.grouping.blame_of_stacks();
        let (known, outer, address) = (Places::default(), Outer::default(), Vec::new());
        ShownStacks { recording, namer, blame, known, outer, address }
    }

    /// The same with as many frames as were kept at the end of the time.
    pub fn at_end(events: &Events<'a>) -> ShownStacks<'a> {
        ShownStacks::new(events, events.recorded.namer_at(events.recorded.until.stamp))
    }

    /// The place of a stack in a tree that begins at [`Tree::ROOT`]; `called` makes those that are new.
    pub fn place(&mut self, stack: StackId, called: &mut Called<'_>) -> u32 {
        let ShownStacks { recording, namer, blame, known, outer, address } = self;
        let by_nodes = namer.blamed_place(recording, stack, blame, (Tree::ROOT, known), called);
        by_nodes.unwrap_or_else(|| {
            let (stack, _) = namer.stack(recording, stack);
            let mut places = outer.of_addresses(blame.cut_stack(stack), |caller, outermost_first| {
                address.clear();
                address.extend(outermost_first.iter().rev().cloned());
                called(caller.unwrap_or(Tree::ROOT), None, address)
            });
            places.next_back().unwrap_or(Tree::ROOT)
        })
    }

    /// The next places are in another tree.
    pub fn begin_tree(&mut self) {
        self.known.forget();
        self.outer = Outer::default();
    }
}
