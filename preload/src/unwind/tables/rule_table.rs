//! The rules that were found so far, by return address; one table for the process.

use super::rule::Rule;
use crate::lockfree::words::Words;

/// The table.
#[derive(Debug)]
pub struct RuleTable(Words);

impl RuleTable {
    /// Makes a table without memory: nothing is found.
    pub const fn new() -> RuleTable {
        RuleTable(Words::new())
    }

    /// Takes its memory. Called once, before other threads look.
    pub fn initialise(&self) -> bool {
        self.0.initialise()
    }

    /// Returns the rule of return address `address`.
    #[inline(always)]
    pub fn find(&self, address: usize) -> Option<Rule> {
        self.0.find(address).map(Rule::of_word)
    }

    /// Remembers a rule.
    #[cold]
    pub fn insert(&self, address: usize, rule: Rule) {
        self.0.insert(address, rule.word());
    }

    /// Empties the table. A thread that still finds a rule of a module that is gone has a frame of it on its stack.
    #[cold]
    pub fn clear(&self) {
        self.0.clear();
    }
}
