//! Events that do not fit: an order is looked for in which they do.

use super::{AHEAD_TOLERANCES, Replayer};
use crate::events::{EventStream, MergedEvent, State};
use crate::replay::observer::Observer;
use crate::replay::order::{Reach, Window, solve};

impl<S: EventStream> Replayer<S> {
    /// The event does not fit: finds an order of this address's events in which it does, first by what follows, then
    /// by taking back what was decided of late.
    #[cold]
    pub(super) fn conflict(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        for reach in self.reaches() {
            let (places, items) = self.window.conflict(event.address, &reach, self.tolerance);
            let was_applied = |window: &mut Window<S>, place| {
                window.event(place).is_some_and(|event| event.state == State::Applied)
            };
            let n_applied = places.iter().filter(|&&place| was_applied(&mut self.window, place)).count();
            let live = self.ledger.live().heap().get(event.address).is_some() ^ (n_applied % 2 == 1);
            if places.len() <= 1 && reach.back == u64::MAX {
                break; // It is alone.
            }
            if let Some(order) = solve(&items, live, self.tolerance, &mut self.tries) {
                let order: Vec<usize> =
                    order.iter().filter_map(|&place| places.get(place).copied()).collect();
                self.reorder(&order, observer);
                self.window.advance(State::Applied);
                return;
            }
        }
        self.leftover(event, observer);
        self.window.advance(State::Leftover);
    }

    /// Where to look for the solution of a conflict: first for one that explains what follows too, and leaves as much
    /// as it is as can be.
    fn reaches(&self) -> [Reach; 6] {
        let ahead = self.tolerance.saturating_mul(AHEAD_TOLERANCES / 2);
        [(0, ahead), (self.tolerance, ahead), (u64::MAX, ahead), (0, 0), (self.tolerance, 0), (u64::MAX, 0)]
            .map(|(back, required_ahead)| Reach { back, required_ahead })
    }

    /// Replays the pending events of `order`, the whole order of one address's events of late. What belongs before
    /// events that were replayed already is counted, and changes nothing: its effect has passed.
    fn reorder(&mut self, order: &[usize], observer: &mut impl Observer) {
        let present = self.window.present_place();
        let last = |found: &mut dyn FnMut(usize) -> bool| order.iter().rposition(|&place| found(place));
        let n_passed =
            last(&mut |place| self.window.event(place).is_some_and(|event| event.state == State::Applied));
        let n_passed = n_passed.map_or(0, |last| last + 1);
        // What is to come after the present event waits for its turn.
        let n_due = last(&mut |place| place == present).map_or(0, |last| last + 1).max(n_passed);
        for (index, &place) in order.iter().enumerate().take(n_due) {
            let Some(event) = self.window.event(place) else { continue };
            let was_applied = event.state == State::Applied;
            event.state = State::Applied;
            let event = *event;
            if index + 1 == n_passed {
                self.ledger.settle(&event, observer);
            } else if index >= n_passed && !self.ledger.apply_cold(&event, observer) {
                if event.is_release() {
                    self.unknown_free();
                } else {
                    self.ledger.totals.missed_frees += 1;
                }
            }
            if !was_applied {
                self.ledger.count(&event);
                observer.on_event(&event);
            }
        }
    }

    /// A block goes that nothing is known of.
    fn unknown_free(&mut self) {
        if self.commands.has_forgotten {
            self.ledger.totals.forgotten_frees += 1;
        } else {
            self.ledger.totals.unknown_frees += 1;
        }
    }

    /// No order fits: something is not in the recording.
    fn leftover(&mut self, event: &MergedEvent, observer: &mut impl Observer) {
        if event.is_release() {
            self.unknown_free();
        } else {
            self.ledger.totals.missed_frees += 1;
            self.ledger.settle(event, observer);
        }
        self.ledger.count(event);
        observer.on_event(event);
    }
}
