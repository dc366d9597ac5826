//! The locations of a stack, as samples have them.

use crate::export::protobuf::put_varint;

/// The numbers of the locations of a stack, which samples have from the innermost outward: as bytes from the last to the first, so
/// that the next stack goes on where it leaves this one.
#[derive(Default)]
pub struct Path(Vec<u8>);

impl Path {
    /// Goes on with `location` behind the first `n_bytes`. Returns how many there are then.
    pub fn put(&mut self, n_bytes: usize, location: u64) -> usize {
        self.0.truncate(n_bytes);
        put_varint(&mut self.0, location);
        self.0.get_mut(n_bytes..).unwrap_or_default().reverse();
        self.0.len()
    }

    /// The first `n_bytes`, as a sample has them.
    pub fn outward(&self, n_bytes: usize) -> impl ExactSizeIterator<Item = u8> + '_ {
        self.0.get(..n_bytes).unwrap_or_default().iter().rev().copied()
    }
}
