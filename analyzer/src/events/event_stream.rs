//! What can be merged: the events of one stream.

use tm_common::ids::Stamp;

use super::damage::Damage;
use super::event::MergedEvent;

/// The events of one stream, one after the other.
pub trait EventStream {
    /// The next events, some of them; none at the end. More may come after that, see [`super::Merge::resume`].
    fn rest(&mut self) -> &[MergedEvent];

    /// Goes on behind the first `n` of [`EventStream::rest`].
    fn advance(&mut self, n: usize);

    /// What could not be decoded so far, and follows no event that is later than `until`: events are decoded ahead.
    fn damage_until(&self, until: Stamp) -> Damage;
}
