//! Whether a walk goes in circles. Steps on one stack lead outward; only damaged frames lead to where the walk has been.

/// Where a walk was at one of its turns inward: to another stack at a lower address.
///
/// Brent's way: the place is taken anew after 1, 2, 4, 8... turns, so a circle of any length comes by it.
#[derive(Debug, Default)]
pub struct Turns {
    n_turns: u32,
    place: (usize, usize),
}

impl Turns {
    /// Notes a step from stack pointer `from` to `(pc, sp)`. Whether the walk has been there.
    pub fn is_circle(&mut self, from: usize, (pc, sp): (usize, usize)) -> bool {
        if sp > from {
            return false;
        }
        if self.n_turns > 0 && self.place == (pc, sp) {
            return true;
        }
        self.n_turns = self.n_turns.wrapping_add(1);
        if self.n_turns.is_power_of_two() {
            self.place = (pc, sp);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_seen_and_a_long_way_is_none() {
        let mut turns = Turns::default();
        assert!((1..100_000).rev().all(|sp| !turns.is_circle(sp + 1, (7, sp))));
        for length in [1, 2, 3, 100] {
            let mut turns = Turns::default();
            // A way of 50 steps leads into the circle, of which each step but one leads outward.
            let steps = (0..50).map(|n| 10_000 - n).chain((0..200 * length).map(|n| n % length));
            let mut from = 10_001;
            let n_steps =
                steps.take_while(|&sp| !turns.is_circle(core::mem::replace(&mut from, sp), (1, sp)));
            let n_steps = n_steps.count();
            assert!((50..50 + 200 * length).contains(&n_steps), "{n_steps} of a circle of {length}");
        }
    }
}
