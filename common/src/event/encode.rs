//! Writing event records: the event path's last step. Nothing here fails, allocates or panics.

use super::{
    ADDRESS_IN_SLOT, Context, Event, OTHER_FUNCTION, SITE_IN_SLOT, SLOTS, Site, TIME_FOLLOWS, TIME_SHIFT,
    extended, fold_difference, kind,
};
use crate::functions::Function;
use crate::ids::{Address, Stamp, ThreadIndex};
use crate::varint::Writer;

/// The writing side of a segment.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
}

impl Encoder {
    /// An encoder that must be [`Encoder::reset`] at the start of each segment.
    pub const NEW: Encoder = Encoder { context: Context::EMPTY };

    /// Starts a segment.
    pub fn reset(&mut self, base: Stamp) {
        self.context.reset(base);
    }

    /// The latest stamp that was written.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.context.stamp()
    }

    /// Writes the record of `event` and returns its length, 2 to [`MAX_BYTES`].
    ///
    /// Addresses must be below 2^62: their difference is shifted by one bit.
    #[inline]
    pub fn encode(&mut self, event: &Event, buffer: &mut [u8; Writer::CAPACITY]) -> usize {
        let mut writer = Writer::new(buffer);
        match *event {
            Event::Allocate { function, address, size, stack, stamp } => {
                let kind = match function {
                    Function::Malloc => kind::MALLOC,
                    Function::Calloc => kind::CALLOC,
                    _ => kind::ALLOCATE,
                };
                let site = Site { size, stack };
                self.begin(&mut writer, kind | self.flags(address, Some(site)), stamp);
                if kind == kind::ALLOCATE {
                    writer.byte(function as u8);
                }
                self.address(&mut writer, address);
                self.site(&mut writer, site);
            }
            Event::Free { function, address, stamp } => {
                let other = if function == Function::Free { 0 } else { OTHER_FUNCTION };
                self.begin(&mut writer, kind::FREE | other | self.flags(address, None), stamp);
                if other != 0 {
                    writer.byte(function as u8);
                }
                self.address(&mut writer, address);
            }
            Event::Reallocate { old, new, size, stack, begin, end } => {
                let site = Site { size, stack };
                self.begin(&mut writer, kind::REALLOCATE | self.flags(old, Some(site)), begin);
                writer.unsigned(end.0.saturating_sub(self.context.stamp));
                self.context.stamp = self.context.stamp.max(end.0);
                self.address(&mut writer, old);
                writer.signed(fold_difference(new.0, old.0));
                self.context.remember_address(Context::address_slot(new.0), new.0);
                self.site(&mut writer, site);
            }
            Event::ThreadStart { thread, stamp } => self.thread_start(&mut writer, thread, stamp),
        }
        writer.len()
    }

    #[inline]
    fn flags(&self, address: Address, site: Option<Site>) -> u8 {
        let slot = Context::address_slot(address.0);
        let known_address = self.context.addresses[slot & (SLOTS - 1)] == address.0;
        let known_site =
            site.is_some_and(|site| self.context.sites[Context::site_slot(site) & (SLOTS - 1)] == site);
        (u8::from(known_address) * ADDRESS_IN_SLOT) | (u8::from(known_site) * SITE_IN_SLOT)
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

    #[inline]
    fn address(&mut self, writer: &mut Writer<'_>, address: Address) {
        let slot = Context::address_slot(address.0);
        if self.context.addresses[slot & (SLOTS - 1)] == address.0 {
            writer.byte(slot as u8);
        } else {
            writer.signed(fold_difference(address.0, self.context.address));
        }
        self.context.remember_address(slot, address.0);
    }

    #[inline]
    fn site(&mut self, writer: &mut Writer<'_>, site: Site) {
        let slot = Context::site_slot(site);
        let known = &mut self.context.sites[slot & (SLOTS - 1)];
        if *known == site {
            writer.byte(slot as u8);
        } else {
            writer.unsigned(site.size);
            writer.unsigned(u64::from(site.stack.0));
            *known = site;
        }
    }

    fn thread_start(&mut self, writer: &mut Writer<'_>, thread: ThreadIndex, stamp: Stamp) {
        let difference = stamp.0.saturating_sub(self.context.stamp);
        self.context.stamp += difference;
        let mut payload = [0; Writer::CAPACITY];
        let mut inner = Writer::new(&mut payload);
        inner.unsigned(difference);
        inner.unsigned(u64::from(thread.0));
        let len = inner.len();
        writer.byte(kind::EXTENDED | extended::THREAD_START << 3);
        writer.unsigned(len as u64);
        for &byte in payload.iter().take(len) {
            writer.byte(byte);
        }
    }
}
