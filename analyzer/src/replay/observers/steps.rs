//! Steps of equal length.

use tm_common::ids::Stamp;

/// A stretch of time that is cut into steps.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Where the first begins.
    pub from: Stamp,
    /// Where the last ends.
    pub until: Stamp,
    /// How many there are.
    pub n: u32,
}

impl Steps {
    /// Returns the stamp at which step number `step` begins, and the one before it ends.
    pub fn start_of(&self, step: u32) -> Stamp {
        let span = u128::from(self.until.0.saturating_sub(self.from.0));
        let passed = span * u128::from(step) / u128::from(self.n.max(1));
        Stamp(self.from.0.saturating_add(passed as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_of_equal_length_as_far_as_stamps_allow() {
        let steps = Steps { from: Stamp(10), until: Stamp(20), n: 4 };
        assert_eq!([0, 1, 2, 3, 4].map(|step| steps.start_of(step).0), [10, 12, 15, 17, 20]);
        let none = Steps { from: Stamp(u64::MAX), until: Stamp(0), n: 0 };
        assert_eq!(none.start_of(7), Stamp(u64::MAX));
    }
}
