//! Some of a recording's stacks: a bit for each, so that a replay can ask at every block.

use tm_common::ids::StackId;

/// Stacks, in as much memory as there are stacks, in bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackSet {
    /// Those that are listed, by segment and slot.
    listed: Vec<Vec<u64>>,
    /// Whether what is not listed is in the set, and what is listed is not.
    has_others: bool,
}

impl StackSet {
    /// Has all stacks, also those that are not in the recording, or none.
    pub fn new(has_all: bool) -> StackSet {
        StackSet { listed: Vec::new(), has_others: has_all }
    }

    /// Puts `stack` into the set or takes it out.
    pub fn set(&mut self, stack: StackId, is_in: bool) {
        let is_listed = is_in != self.has_others;
        let (segment, (word, bit)) = (stack.segment() as usize, place(stack));
        if is_listed && self.listed.len() <= segment {
            self.listed.resize_with(segment + 1, Vec::new);
        }
        let Some(words) = self.listed.get_mut(segment) else { return };
        if is_listed && words.len() <= word {
            words.resize(word + 1, 0);
        }
        let Some(word) = words.get_mut(word) else { return };
        *word = if is_listed { *word | bit } else { *word & !bit };
    }

    /// Whether `stack` is in the set.
    #[inline]
    pub fn has(&self, stack: StackId) -> bool {
        let (word, bit) = place(stack);
        let words = self.listed.get(stack.segment() as usize);
        let is_listed = words.and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0);
        is_listed != self.has_others
    }
}

/// The word of a segment's bits, and the bit in it.
#[inline]
fn place(stack: StackId) -> (usize, u64) {
    (stack.slot() as usize / 64, 1 << (stack.slot() % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use tm_testing::Random;

    #[test]
    fn it_equals_a_set_of_numbers() {
        let mut random = Random::new(5);
        for has_all in [false, true] {
            let (mut set, mut changed) = (StackSet::new(has_all), BTreeSet::new());
            for _ in 0..2_000 {
                let stack = StackId::new(random.below(5) as u32, random.below(300) as u32);
                let is_in = random.below(2) == 0;
                set.set(stack, is_in);
                if is_in == has_all {
                    changed.remove(&stack)
                } else {
                    changed.insert(stack)
                };
                let asked = StackId::new(random.below(9) as u32, random.below(4_096) as u32);
                assert_eq!(set.has(asked), has_all != changed.contains(&asked));
            }
        }
    }
}
