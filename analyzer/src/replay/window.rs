//! The events around the present one: those to come, so that a conflict can be solved by what follows, and those just
//! past, so that it can be seen that an earlier choice was wrong.

use std::collections::VecDeque;

use tm_common::ids::{Address, Stamp};

use super::event::{MergedEvent, State};
use super::merge::Merge;
use super::repair::{ITEMS_MAX, Item};

/// The most events that are kept: more than a machine makes in the time, so that only damage reaches it.
const EVENTS_MAX: usize = 1 << 16;
/// How many events are taken from the merge at once.
const BATCH_EVENTS: usize = 64;

/// A stretch of the merged stream with the present event in it.
#[derive(Debug)]
pub(super) struct Window<'a> {
    pub merge: Merge<'a>,
    events: VecDeque<MergedEvent>,
    /// The place of the present event.
    present: usize,
    /// How far to look both ways, in stamps.
    span: u64,
    merge_is_done: bool,
}

impl<'a> Window<'a> {
    /// At the start. A single stream needs no look around: nothing can be swapped.
    pub fn new(merge: Merge<'a>, span: u64) -> Window<'a> {
        let span = if merge.n_streams() > 1 { span } else { 0 };
        Window { merge, events: VecDeque::new(), present: 0, span, merge_is_done: false }
    }

    /// The present event, with all that follow it within the span known.
    #[inline]
    pub fn present(&mut self) -> Option<MergedEvent> {
        loop {
            let wanted = self.events.get(self.present).map(|event| event.stamp.0.saturating_add(self.span));
            let known = self.events.back().map_or(0, |event| event.stamp.0);
            if self.merge_is_done || wanted.is_some_and(|wanted| known > wanted) {
                return self.events.get(self.present).copied();
            }
            if self.events.len() - self.present >= EVENTS_MAX {
                return self.events.get(self.present).copied();
            }
            self.fill();
        }
    }

    /// Marks the present event and goes on to the next.
    #[inline]
    pub fn advance(&mut self, state: State) {
        let Some(event) = self.events.get_mut(self.present) else { return };
        if event.state == State::Pending {
            event.state = state;
        }
        let past = event.stamp.0.saturating_sub(self.span);
        self.present += 1;
        while self.present > 0
            && self.events.front().is_some_and(|event| event.stamp.0 < past || self.present > EVENTS_MAX)
        {
            self.events.pop_front();
            self.present -= 1;
        }
    }

    /// The events of the present event's address from `look_back` stamps before it on, and their places for
    /// [`Window::event`]. Past ones only as far as they fitted.
    pub fn conflict(&self, address: Address, look_back: u64) -> (Vec<usize>, Vec<Item>) {
        let Some(present) = self.events.get(self.present) else { return Default::default() };
        let first_stamp = Stamp(present.stamp.0.saturating_sub(look_back));
        let mut places = Vec::new();
        if look_back > 0 {
            for place in (0..self.present).rev() {
                let Some(event) = self.events.get(place).filter(|event| event.stamp >= first_stamp) else {
                    break;
                };
                if event.address != address {
                    continue;
                }
                if event.state == State::Leftover {
                    break;
                }
                places.push(place);
            }
            places.reverse();
        }
        for (place, event) in self.events.iter().enumerate().skip(self.present) {
            if event.stamp.0 > present.stamp.0.saturating_add(self.span) || places.len() >= ITEMS_MAX {
                break;
            }
            if event.address == address && (look_back > 0 || event.state == State::Pending) {
                places.push(place);
            }
        }
        let item = |&place: &usize| {
            let event = self.events.get(place)?;
            let required = event.state != State::Pending || place == self.present;
            Some(Item { stamp: event.stamp, ring: event.ring, release: event.is_release(), required })
        };
        let items = places.iter().filter_map(item).collect();
        (places, items)
    }

    /// The event at one of [`Window::conflict`]'s places.
    pub fn event(&mut self, place: usize) -> Option<&mut MergedEvent> {
        self.events.get_mut(place)
    }

    #[inline(never)]
    fn fill(&mut self) {
        for _ in 0..BATCH_EVENTS {
            match self.merge.next() {
                Some(event) => self.events.push_back(event),
                None => {
                    self.merge_is_done = true;
                    return;
                }
            }
        }
    }
}
