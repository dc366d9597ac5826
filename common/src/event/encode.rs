//! Writing event records: the event path's last step. Nothing here fails, allocates or panics.

use super::{
    ADDRESS_IN_SLOT, Context, Event, OTHER_FUNCTION, SITE_IN_SLOT, SLOTS, Site, TIME_FOLLOWS, TIME_SHIFT,
    TOTAL_BYTES_MAX, extended, fold_difference, kind,
};
use crate::functions::Function;
use crate::ids::{Address, Space, StackId, Stamp};
use crate::sampling::Totals;
use crate::varint::{Encoded, Writer, fold};

/// The writing side of a segment.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
    /// The stamp of the latest record that has left the context as it was.
    aside: Stamp,
}

/// A value, the slot where the context has it or will, and whether it has.
#[derive(Clone, Copy)]
struct Found<T> {
    value: T,
    slot: usize,
    known: bool,
}

impl Found<u64> {
    #[inline]
    fn flag(self) -> u8 {
        u8::from(self.known) * ADDRESS_IN_SLOT
    }
}

impl Found<Site> {
    #[inline]
    fn flag(self) -> u8 {
        u8::from(self.known) * SITE_IN_SLOT
    }
}

impl Encoder {
    /// An encoder that must be [`Encoder::reset`] at the start of each segment.
    pub const NEW: Encoder = Encoder { context: Context::EMPTY, aside: Stamp(0) };

    /// Starts a segment.
    pub fn reset(&mut self, base: Stamp) {
        self.context.reset(base);
    }

    /// Returns the latest stamp that was written.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.context.stamp().max(self.aside)
    }

    /// Writes the record of `event` and returns its length, 2 to [`MAX_BYTES`](super::MAX_BYTES).
    ///
    /// Addresses must be below 2^62: their difference is shifted by one bit.
    #[inline(always)]
    pub fn encode(&mut self, event: Event, buffer: &mut [u8; Writer::CAPACITY]) -> usize {
        let mut writer = Writer::new(buffer);
        match event {
            Event::Allocate { function, address, size, stack, stamp } => {
                let kind = match function {
                    Function::Malloc => kind::MALLOC,
                    Function::Calloc => kind::CALLOC,
                    _ => kind::ALLOCATE,
                };
                let (address, site) = (self.look_up_address(address), self.look_up_site(size, stack));
                self.begin(&mut writer, kind | address.flag() | site.flag(), stamp);
                if kind == kind::ALLOCATE {
                    writer.byte(function as u8);
                }
                self.address(&mut writer, address);
                self.site(&mut writer, site);
            }
            Event::Free { function, address, stamp } => {
                let other = if function == Function::Free { 0 } else { OTHER_FUNCTION };
                let address = self.look_up_address(address);
                self.begin(&mut writer, kind::FREE | other | address.flag(), stamp);
                if other != 0 {
                    writer.byte(function as u8);
                }
                self.address(&mut writer, address);
            }
            Event::Reallocate { old, new, size, stack, begin, end } => {
                let (address, site) = (self.look_up_address(old), self.look_up_site(size, stack));
                self.begin(&mut writer, kind::REALLOCATE | address.flag() | site.flag(), begin);
                writer.unsigned(end.0.saturating_sub(self.context.stamp));
                self.context.stamp = self.context.stamp.max(end.0);
                self.address(&mut writer, address);
                writer.signed(fold_difference(new.0, old.0));
                self.context.remember_address(Context::address_slot(new.0), new.0);
                self.site(&mut writer, site);
            }
            Event::Track { space, address, size, stack, stamp } => {
                let (address, site) = (self.look_up_address(address), self.look_up_site(size, stack));
                self.begin(&mut writer, kind::TRACK | address.flag() | site.flag(), stamp);
                writer.byte(space.0);
                self.address(&mut writer, address);
                self.site(&mut writer, site);
            }
            Event::Untrack { space, address, size, stamp } => {
                let address = self.look_up_address(address);
                self.begin(&mut writer, kind::UNTRACK | address.flag(), stamp);
                writer.byte(space.0);
                self.address(&mut writer, address);
                if space == Space::MAPPINGS {
                    writer.unsigned(size);
                }
            }
            Event::UntrackAll { space, stamp } => {
                self.extended(&mut writer, extended::UNTRACK_ALL, space.0.into(), stamp);
            }
            Event::Move { space, address, stack, stamp } => {
                self.beside(&mut writer, extended::MOVE, (space, address, u64::from(stack.0)), stamp);
            }
            Event::Label { space, address, size, stamp } => {
                self.beside(&mut writer, extended::LABEL, (space, address, size), stamp);
            }
            Event::Totals { space, totals, stamp } => self.totals(&mut writer, space, &totals, stamp),
            Event::Tag { tag, stamp } => self.extended(&mut writer, extended::TAG, tag.0, stamp),
            Event::ThreadStart { thread, stamp } => {
                self.extended(&mut writer, extended::THREAD_START, thread.0, stamp);
            }
        }
        writer.len()
    }

    #[inline]
    fn look_up_address(&self, address: Address) -> Found<u64> {
        let slot = Context::address_slot(address.0) & (SLOTS - 1);
        Found { value: address.0, slot, known: self.context.addresses[slot] == address.0 }
    }

    #[inline]
    fn look_up_site(&self, size: u64, stack: StackId) -> Found<Site> {
        let site = Site { size, stack };
        let slot = Context::site_slot(site) & (SLOTS - 1);
        let known = &self.context.sites[slot];
        Found { value: site, slot, known: (known.size ^ size) | u64::from(known.stack.0 ^ stack.0) == 0 }
    }

    #[inline]
    fn begin(&mut self, writer: &mut Writer<'_>, first: u8, stamp: Stamp) {
        let difference = stamp.0.saturating_sub(self.context.stamp);
        self.context.stamp += difference;
        if difference < TIME_FOLLOWS {
            writer.byte(first | (difference as u8) << TIME_SHIFT);
        } else {
            writer.byte(first | (TIME_FOLLOWS as u8) << TIME_SHIFT);
            writer.unsigned(difference - TIME_FOLLOWS);
        }
    }

    /// Writes an address, without a branch, which nobody could predict.
    #[inline(always)]
    fn address(&mut self, writer: &mut Writer<'_>, address: Found<u64>) {
        let folded = fold(fold_difference(address.value, self.context.address));
        let value = if address.known { 0 } else { folded };
        match Encoded::short(value) {
            Some(number) => {
                let slot = Encoded::raw(address.slot as u8);
                let bytes = if address.known { slot.bytes } else { number.bytes };
                writer.encoded(Encoded { bytes, len: number.len });
            }
            None => writer.unsigned(value),
        }
        self.context.remember_address(address.slot, address.value);
    }

    #[inline]
    fn site(&mut self, writer: &mut Writer<'_>, site: Found<Site>) {
        if site.known {
            writer.byte(site.slot as u8);
        } else {
            writer.unsigned(site.value.size);
            writer.unsigned(u64::from(site.value.stack.0));
            self.context.sites[site.slot & (SLOTS - 1)] = site.value;
        }
    }

    /// Writes a record that says a time and a number.
    fn extended(&mut self, writer: &mut Writer<'_>, extended: u8, number: u32, stamp: Stamp) {
        let difference = stamp.0.saturating_sub(self.context.stamp);
        self.context.stamp += difference;
        with_length(writer, extended, |inner| {
            inner.unsigned(difference);
            inner.unsigned(u64::from(number));
        });
    }

    /// Writes a record that leaves the context as it is: readers that do not know it pass over it.
    fn beside(
        &mut self,
        writer: &mut Writer<'_>,
        extended: u8,
        (space, address, number): (Space, Address, u64),
        stamp: Stamp,
    ) {
        self.aside = self.aside.max(stamp);
        with_length(writer, extended, |inner| {
            inner.unsigned(stamp.0.saturating_sub(self.context.stamp));
            inner.byte(space.0);
            inner.signed(fold_difference(address.0, self.context.address));
            inner.unsigned(number);
        });
    }

    /// Writes totals; the context stays as it is.
    #[cold]
    #[inline(never)]
    fn totals(&mut self, writer: &mut Writer<'_>, space: Space, totals: &Totals, stamp: Stamp) {
        const MAX: u64 = (1 << (7 * TOTAL_BYTES_MAX)) - 1;
        self.aside = self.aside.max(stamp);
        let since = stamp.0.saturating_sub(self.context.stamp);
        let Totals { bytes, n_allocated, n_reallocated, n_freed, held_bytes, held_high } = *totals;
        with_length(writer, extended::TOTALS, |inner| {
            inner.unsigned(since);
            inner.byte(space.0);
            let above = held_high.saturating_sub(held_bytes).max(0) as u64;
            for total in [bytes, n_allocated, n_reallocated, n_freed, fold(held_bytes), above] {
                inner.unsigned(total.min(MAX));
            }
        });
    }
}

/// Writes an extended record whose content is what `write` does.
fn with_length(writer: &mut Writer<'_>, extended: u8, write: impl FnOnce(&mut Writer<'_>)) {
    let mut payload = [0; Writer::CAPACITY];
    let mut inner = Writer::new(&mut payload);
    write(&mut inner);
    let len = inner.len();
    writer.byte(kind::EXTENDED | extended << 3);
    writer.unsigned(len as u64);
    for &byte in payload.iter().take(len) {
        writer.byte(byte);
    }
}
