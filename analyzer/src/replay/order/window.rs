//! The events around the present one: those to come, so that a conflict can be solved by what follows, and those just
//! past, so that it can be seen that an earlier choice was wrong.

use tm_common::ids::Address;

use super::repair::{ITEMS_MAX, Item};
use crate::events::{EventStream, Merge, MergedEvent, State};

/// The most events that are looked ahead: more than a machine makes in the time, so that only damage reaches it.
const AHEAD_MAX: usize = 1 << 16;
/// How many past events are kept. Conflicts need the latest few, except at addresses that threads hand on and on without
/// a rest.
const PAST_EVENTS: usize = 1 << 13;
/// How many events are taken from the merge at once.
const BATCH_EVENTS: usize = 64;

/// How far from the present event to look for others, in stamps.
#[derive(Clone, Copy, Debug)]
pub(in crate::replay) struct Reach {
    /// Past ones that may be put elsewhere.
    pub back: u64,
    /// Those to come that have to fit as well; further ones may.
    pub required_ahead: u64,
}

/// A stretch of the merged stream with the present event in it.
#[derive(Debug)]
pub(in crate::replay) struct Window<S> {
    pub merge: Merge<S>,
    /// Past ones, the present one, and those to come.
    events: Vec<MergedEvent>,
    /// The place of the present event.
    present: usize,
    /// The events before this place may be present: all that follow them within the span are known.
    ready: usize,
    /// How far to look ahead, in stamps.
    span: u64,
    past_events: usize,
    merge_is_done: bool,
}

impl<S: EventStream> Window<S> {
    /// At the start, with `span` to look ahead. With a span of 0 it looks nowhere: the events of a single stream need
    /// that not, nothing can be swapped.
    pub fn new(merge: Merge<S>, span: u64) -> Window<S> {
        let past_events = if span > 0 { PAST_EVENTS } else { 0 };
        Window { past_events, merge, events: Vec::new(), present: 0, ready: 0, span, merge_is_done: false }
    }

    /// Changes how far to look ahead.
    pub fn set_span(&mut self, span: u64) {
        self.span = span;
        self.ready = self.present;
    }

    /// Goes on with streams that have more than before; see [`super::Replayer`]. What is still to come goes back to them:
    /// some of what they have now may come before it.
    pub fn resume(&mut self, change: impl FnOnce(&mut Vec<S>, &mut dyn Iterator<Item = MergedEvent>)) {
        change(self.merge.streams_mut(), &mut self.events.drain(self.present..));
        self.merge.resume();
        self.merge_is_done = false;
        self.ready = self.present;
    }

    /// Whether more has to be taken from the merge before the present event's turn: all that follow it within the span
    /// have to be known.
    #[inline]
    pub fn wants_more(&self) -> bool {
        self.present >= self.ready && !self.merge_is_done && self.events.len() - self.present < AHEAD_MAX
    }

    /// Takes events from the merge; says the place of the first.
    pub fn take_more(&mut self) -> usize {
        self.ready = self.ready.max(self.present);
        self.let_past_go();
        let n_known = self.events.len();
        self.merge_is_done = !self.merge.take(BATCH_EVENTS, &mut self.events);
        let known = self.events.last().map_or(0, |event| event.stamp.0);
        let to_come = self.events.get(self.ready..).unwrap_or_default();
        self.ready += to_come.partition_point(|event| event.stamp.0.saturating_add(self.span) < known);
        n_known
    }

    /// Lets the oldest events go, where that is worth moving the others.
    fn let_past_go(&mut self) {
        let n_old = self.present.saturating_sub(self.past_events);
        if n_old >= self.past_events.max(1) {
            self.events.drain(..n_old);
            self.present -= n_old;
            self.ready -= n_old;
        }
    }

    /// The events from a place on.
    pub fn events_from(&self, place: usize) -> &[MergedEvent] {
        self.events.get(place..).unwrap_or_default()
    }

    /// The present event.
    #[inline]
    pub fn present(&self) -> Option<&MergedEvent> {
        self.events.get(self.present)
    }

    /// Marks the present event and goes on to the next.
    #[inline]
    pub fn advance(&mut self, state: State) {
        debug_assert!(self.present < self.events.len(), "there is no present event to go on from");
        let Some(event) = self.events.get_mut(self.present) else { return };
        if event.state == State::Pending {
            event.state = state;
        }
        self.present += 1;
    }

    /// The events of the present event's address within `reach`, and their places for
    /// [`Window::event`]. Past ones only as far as they fitted, and up to a rest of more than `tolerance` between two:
    /// nothing before it can be swapped with anything after it.
    pub fn conflict(&self, address: Address, reach: &Reach, tolerance: u64) -> (Vec<usize>, Vec<Item>) {
        let Some(present) = self.events.get(self.present) else { return Default::default() };
        let required_until = present.stamp.0.saturating_add(reach.required_ahead);
        let mut places = Vec::new();
        if reach.back > 0 {
            self.look_back(address, present.stamp.0.saturating_sub(reach.back), tolerance, &mut places);
        }
        for (place, event) in self.events.iter().enumerate().skip(self.present) {
            if event.stamp.0 > present.stamp.0.saturating_add(self.span) || places.len() >= ITEMS_MAX {
                break;
            }
            if event.address == address
                && !event.is_tracking()
                && (reach.back > 0 || event.state == State::Pending)
            {
                places.push(place);
            }
        }
        let item = |&place: &usize| {
            let event = self.events.get(place)?;
            let near = place > self.present && event.stamp.0 <= required_until;
            let required = event.state != State::Pending || place == self.present || near;
            Some(Item { stamp: event.stamp, stream: event.stream, release: event.is_release(), required })
        };
        let items = places.iter().filter_map(item).collect();
        (places, items)
    }

    fn look_back(&self, address: Address, first_stamp: u64, tolerance: u64, places: &mut Vec<usize>) {
        let mut next = self.events.get(self.present).map_or(0, |event| event.stamp.0);
        let first = self.present.saturating_sub(self.past_events);
        for (place, event) in self.events.iter().enumerate().take(self.present).skip(first).rev() {
            let rested = event.stamp.0.saturating_add(tolerance) < next;
            if rested || event.stamp.0 < first_stamp || places.len() >= ITEMS_MAX / 2 {
                break;
            }
            if event.address != address || event.is_tracking() {
                continue;
            }
            if event.state == State::Leftover {
                break;
            }
            next = event.stamp.0;
            places.push(place);
        }
        places.reverse();
    }

    /// Whether nothing of what is to come was decided.
    pub fn is_settled(&self) -> bool {
        self.events_from(self.present).iter().all(|event| event.state == State::Pending)
    }

    /// The present event's place.
    pub fn present_place(&self) -> usize {
        self.present
    }

    /// The event at one of [`Window::conflict`]'s places.
    pub fn event(&mut self, place: usize) -> Option<&mut MergedEvent> {
        debug_assert!(place < self.events.len(), "the places of a conflict are in the window");
        self.events.get_mut(place)
    }
}
