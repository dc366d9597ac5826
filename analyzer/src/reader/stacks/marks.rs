//! What is true of any frame of a stack, found out once for each node: a stack has the marks of its innermost frame and those of
//! the stack that it continues.

use tm_common::ids::StackId;
use tm_common::stack::{FrameKind, StackNode};

use super::{FIRST_SLOT, StackTable};

/// The node's marks are known.
const KNOWN: u8 = 1 << 7;

/// For each node of a [`StackTable`], which of seven marks its frame has or any frame outward of it: a byte a node.
#[derive(Clone, Debug, Default)]
pub struct StackMarks {
    of_node: Vec<u8>,
}

impl StackMarks {
    /// The marks of the chain that begins at `id`; none if there is no such node.
    pub fn of(&self, table: &StackTable, id: StackId) -> u8 {
        table.place(id).map_or(0, |place| self.at(place) & !KNOWN)
    }

    /// Finds out the marks of all nodes of `table` that have come since the last time. `mark` gives those of a node alone.
    /// Returns the new ones.
    pub fn update(&mut self, table: &StackTable, mut mark: impl FnMut(StackNode) -> u8) -> Vec<StackId> {
        self.of_node.resize(table.nodes.len(), 0);
        let new: Vec<StackId> = table.ids().filter(|&id| self.is_new(table, id)).collect();
        let mut path: Vec<(usize, StackNode)> = Vec::new();
        for &id in &new {
            let mut next = table.placed(id);
            // Circles were ended when the frames were counted.
            let mut marks = loop {
                let Some((place, node)) = next else { break KNOWN };
                match self.at(place) {
                    0 if path.len() <= table.nodes.len() => path.push((place, node)),
                    known => break known | KNOWN,
                }
                let is_last = matches!(node.kind, FrameKind::Cut | FrameKind::Incomplete | FrameKind::Joined);
                next = if is_last { None } else { table.placed(node.parent) };
            };
            while let Some((place, node)) = path.pop() {
                marks |= mark(node) & !KNOWN;
                self.of_node.get_mut(place).into_iter().for_each(|known| *known = marks);
            }
        }
        new
    }

    /// The nodes of `table` whose marks are not known.
    pub fn unknown<'a>(&'a self, table: &'a StackTable) -> impl Iterator<Item = StackNode> + 'a {
        table.ids().filter(|&id| self.is_new(table, id)).filter_map(|id| table.node(id))
    }

    /// Whether `id` leads to frames, all of which are there, and has no marks yet.
    fn is_new(&self, table: &StackTable, id: StackId) -> bool {
        table.place(id).is_some_and(|place| self.at(place) == 0) && table.has(id)
    }

    fn at(&self, place: usize) -> u8 {
        self.of_node.get(place).copied().unwrap_or(0)
    }
}

impl StackTable {
    /// The numbers of all nodes that there are or may come to be.
    fn ids(&self) -> impl Iterator<Item = StackId> + '_ {
        self.segments.iter().zip(0..).flat_map(|(&(_, len), segment)| {
            (0..len).map(move |number| StackId::new(segment, FIRST_SLOT + number))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Recording;
    use tm_testing::{Random, RecordingBuilder};

    #[test]
    fn marks_equal_a_walk_over_each_stack() {
        let mut random = Random::new(3);
        let mut builder = RecordingBuilder::with_process();
        let mut ids = vec![StackId::NONE];
        for _ in 0..500 {
            let parent = ids[random.below(ids.len() as u64) as usize];
            ids.push(builder.node(parent, 0x1000 + random.below(40)));
        }
        let recording = Recording::open(builder.file().path()).unwrap();
        let mark = |pc: u64| match pc {
            0x1003 => 1,
            0x1007 => 2,
            0x1020..0x1024 => 64,
            _ => 0,
        };
        let mut marks = StackMarks::default();
        let table = &recording.stacks;
        assert_eq!(marks.unknown(table).count(), 500);
        let new = marks.update(table, |node| mark(node.pc));
        assert_eq!((new.len(), marks.unknown(table).count()), (500, 0));
        for &id in &ids {
            let walked = table.stack(id, u32::MAX).into_iter().flatten().map(|frame| mark(frame.pc));
            assert_eq!(marks.of(table, id), walked.fold(0, |all, one| all | one));
        }
        assert_eq!(marks.update(table, |_| panic!("all are known")), []);
    }
}
