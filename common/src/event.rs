//! Event records: what one allocation call leaves in a ring, `docs/format.md` section "Events".
//!
//! Both sides keep the same [`Context`]; a record says only what differs from what the context lets one expect.

use crate::error::DecodeError;
use crate::functions::{Function, Role};
use crate::ids::{Address, StackId, Stamp, ThreadIndex};
use crate::varint::{Reader, Writer};

/// The most bytes that a record takes: see [`Encoder::encode`]. A ring starts a new segment when fewer are left.
pub const MAX_BYTES: usize = 1 + 10 + 10 + 1 + 10 + 10 + 10 + 5;
const _: () = assert!(MAX_BYTES <= Writer::CAPACITY, "the writer wraps at its capacity");

/// One call, as it is written and as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A block came into being.
    Allocate {
        /// The function that was called; for `realloc(NULL, n)` it is `realloc`.
        function: Function,
        /// The block.
        address: Address,
        /// Requested bytes.
        size: u64,
        /// Who called.
        stack: StackId,
        /// A moment between the real function's return and the hook's.
        stamp: Stamp,
    },
    /// A block was given back.
    Free {
        /// The function that was called; `realloc` for `realloc(p, 0)` where that frees.
        function: Function,
        /// The block.
        address: Address,
        /// A moment before the real function was called.
        stamp: Stamp,
    },
    /// A block was resized: `old` was given back some time after `begin`, `new` belongs to the caller since some time
    /// before `end`.
    Reallocate {
        /// The block that was passed in, never NULL.
        old: Address,
        /// The block that came back; may be the same.
        new: Address,
        /// Requested bytes.
        size: u64,
        /// Who called.
        stack: StackId,
        /// A moment before the real function was called.
        begin: Stamp,
        /// A moment after it returned.
        end: Stamp,
    },
    /// From here on the ring belongs to another thread.
    ThreadStart {
        /// The thread.
        thread: ThreadIndex,
        /// When it took the ring over.
        stamp: Stamp,
    },
}

/// What a record is. The numbers are bits 0 to 2 of a record's first byte.
mod kind {
    pub const EXTENDED: u8 = 0;
    pub const MALLOC: u8 = 1;
    pub const CALLOC: u8 = 2;
    pub const ALLOCATE: u8 = 3;
    pub const FREE: u8 = 4;
    pub const REALLOCATE: u8 = 5;
}

/// Bits 3 to 7 of the first byte of an extended record.
mod extended {
    pub const THREAD_START: u8 = 1;
}

const ADDRESS_IN_SLOT: u8 = 1 << 3;
const SITE_IN_SLOT: u8 = 1 << 4;
const OTHER_FUNCTION: u8 = 1 << 4;
const TIME_SHIFT: u32 = 5;
const TIME_FOLLOWS: u64 = 7;

const SLOTS: usize = 256;

/// The part of an event that repeats at the same line of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Site {
    size: u64,
    stack: StackId,
}

/// What both sides remember of the records of a segment so far. A segment starts with a fresh one, so that segments
/// can be read in any order.
#[derive(Debug)]
pub struct Context {
    stamp: u64,
    address: u64,
    addresses: [u64; SLOTS],
    sites: [Site; SLOTS],
}

impl Context {
    /// A context that remembers nothing.
    pub const EMPTY: Context = Context {
        stamp: 0,
        address: 0,
        addresses: [0; SLOTS],
        sites: [Site { size: 0, stack: StackId::NONE }; SLOTS],
    };

    /// Forgets everything; the first time difference counts from `base`.
    pub fn reset(&mut self, base: Stamp) {
        self.stamp = base.0;
        self.address = 0;
        self.addresses.fill(0);
        self.sites.fill(Site::default());
    }

    /// The latest stamp.
    #[inline]
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.stamp)
    }

    /// The slot of an address: bits that differ between neighbouring 16-byte blocks.
    #[inline]
    fn address_slot(address: u64) -> usize {
        ((address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }

    #[inline]
    fn site_slot(site: Site) -> usize {
        let key = (u64::from(site.stack.0) << 20) ^ site.size;
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }

    #[inline]
    fn remember_address(&mut self, slot: usize, address: u64) {
        self.addresses[slot & (SLOTS - 1)] = address;
        self.address = address;
    }
}

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

/// The reading side of a segment.
#[derive(Debug)]
pub struct Decoder {
    context: Context,
}

impl Decoder {
    /// Starts a segment whose header gives `base`.
    #[must_use]
    pub fn new(base: Stamp) -> Decoder {
        let mut decoder = Decoder { context: Context::EMPTY };
        decoder.context.reset(base);
        decoder
    }

    /// Starts another segment, in place.
    pub fn reset(&mut self, base: Stamp) {
        self.context.reset(base);
    }

    /// Reads the next record. `Ok(None)` is a record of a kind that a later version added, and was passed over.
    ///
    /// # Errors
    /// The bytes are not what an encoder writes. The rest of the segment cannot be read then.
    #[inline]
    pub fn decode(&mut self, reader: &mut Reader<'_>) -> Result<Option<Event>, DecodeError> {
        let first = reader.byte()?;
        match first & 7 {
            kind::EXTENDED => self.extended(first >> 3, reader),
            kind::MALLOC => self.allocate(first, Some(Function::Malloc), reader),
            kind::CALLOC => self.allocate(first, Some(Function::Calloc), reader),
            kind::ALLOCATE => self.allocate(first, None, reader),
            kind::FREE => self.free(first, reader),
            kind::REALLOCATE => self.reallocate(first, reader),
            other => Err(DecodeError::Invalid { field: "event kind", found: u64::from(other) }),
        }
    }

    fn allocate(
        &mut self,
        first: u8,
        function: Option<Function>,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Event>, DecodeError> {
        let stamp = self.time(first, reader)?;
        let function = match function {
            Some(function) => function,
            None => read_function(reader, &[Role::Allocate, Role::Reallocate])?,
        };
        let address = self.address(first, reader)?;
        let Site { size, stack } = self.site(first, reader)?;
        Ok(Some(Event::Allocate { function, address, size, stack, stamp }))
    }

    fn free(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Option<Event>, DecodeError> {
        let stamp = self.time(first, reader)?;
        let function = match first & OTHER_FUNCTION {
            0 => Function::Free,
            _ => read_function(reader, &[Role::Free, Role::Reallocate])?,
        };
        let address = self.address(first, reader)?;
        Ok(Some(Event::Free { function, address, stamp }))
    }

    fn reallocate(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Option<Event>, DecodeError> {
        let begin = self.time(first, reader)?;
        let duration = reader.unsigned()?;
        let end = Stamp(begin.0.saturating_add(duration));
        self.context.stamp = end.0;
        let old = self.address(first, reader)?;
        let new = Address(unfold_difference(reader.signed()?, old.0));
        self.context.remember_address(Context::address_slot(new.0), new.0);
        let Site { size, stack } = self.site(first, reader)?;
        Ok(Some(Event::Reallocate { old, new, size, stack, begin, end }))
    }

    fn extended(&mut self, kind: u8, reader: &mut Reader<'_>) -> Result<Option<Event>, DecodeError> {
        let len = reader.unsigned()?;
        let len = usize::try_from(len).map_err(|_| DecodeError::Truncated)?;
        let end = reader.position() + len;
        let mut payload = reader.clone();
        reader.skip(len)?;
        if kind != extended::THREAD_START {
            return Ok(None);
        }
        let stamp = Stamp(self.context.stamp.saturating_add(payload.unsigned()?));
        let thread = payload.unsigned()?;
        let thread =
            u32::try_from(thread).map_err(|_| DecodeError::Invalid { field: "thread", found: thread })?;
        if payload.position() > end {
            return Err(DecodeError::Invalid { field: "extended length", found: len as u64 });
        }
        self.context.stamp = stamp.0;
        Ok(Some(Event::ThreadStart { thread: ThreadIndex(thread), stamp }))
    }

    #[inline]
    fn time(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Stamp, DecodeError> {
        let mut difference = u64::from(first >> TIME_SHIFT);
        if difference == TIME_FOLLOWS {
            difference = reader.unsigned()?.saturating_add(TIME_FOLLOWS);
        }
        self.context.stamp = self.context.stamp.saturating_add(difference);
        Ok(Stamp(self.context.stamp))
    }

    #[inline]
    fn address(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Address, DecodeError> {
        let address = if first & ADDRESS_IN_SLOT != 0 {
            let slot = reader.byte()?;
            let address = self.context.addresses[usize::from(slot)];
            if address == 0 {
                return Err(DecodeError::Invalid { field: "address slot", found: u64::from(slot) });
            }
            address
        } else {
            unfold_difference(reader.signed()?, self.context.address)
        };
        self.context.remember_address(Context::address_slot(address), address);
        Ok(Address(address))
    }

    #[inline]
    fn site(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Site, DecodeError> {
        if first & SITE_IN_SLOT != 0 {
            return Ok(self.context.sites[usize::from(reader.byte()?)]);
        }
        let size = reader.unsigned()?;
        let stack = reader.unsigned()?;
        let stack =
            u32::try_from(stack).map_err(|_| DecodeError::Invalid { field: "stack", found: stack })?;
        let site = Site { size, stack: StackId(stack) };
        self.context.sites[Context::site_slot(site)] = site;
        Ok(site)
    }
}

fn read_function(reader: &mut Reader<'_>, roles: &[Role]) -> Result<Function, DecodeError> {
    let id = reader.byte()?;
    let function = Function::from_id(id).filter(|function| roles.contains(&function.role()));
    function.ok_or(DecodeError::Invalid { field: "function", found: u64::from(id) })
}

/// The difference of two addresses: twice its sixteenth where it is a multiple of 16, else twice itself plus one.
#[inline]
fn fold_difference(address: u64, base: u64) -> i64 {
    let difference = address.wrapping_sub(base) as i64;
    if difference & 15 == 0 { difference >> 4 << 1 } else { difference << 1 | 1 }
}

#[inline]
fn unfold_difference(folded: i64, base: u64) -> u64 {
    let difference = if folded & 1 == 0 { folded >> 1 << 4 } else { folded >> 1 };
    base.wrapping_add_signed(difference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Numbers that look random, the same in every run (xorshift64).
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % n
        }
    }

    fn random_event(random: &mut Random, stamp: &mut u64) -> Event {
        *stamp += random.below(20) * random.below(20);
        let aligned = 0x5555_0000_0000 + 16 * random.below(600);
        let address = Address(if random.below(10) == 0 { aligned + random.below(1 << 46) } else { aligned });
        let size = if random.below(10) == 0 { random.below(u64::MAX) } else { random.below(64) };
        let stack = StackId(random.below(100) as u32 * 41);
        let at = Stamp(*stamp);
        match random.below(8) {
            0 => Event::Allocate { function: Function::Calloc, address, size, stack, stamp: at },
            1 => Event::Allocate { function: Function::PosixMemalign, address, size, stack, stamp: at },
            2 => Event::Free { function: Function::DeleteSized, address, stamp: at },
            3 => {
                *stamp += random.below(300);
                let new = Address(0x5555_0000_0000 + 8 * random.below(600));
                Event::Reallocate { old: address, new, size, stack, begin: at, end: Stamp(*stamp) }
            }
            4 => Event::ThreadStart { thread: ThreadIndex(random.below(1 << 32) as u32), stamp: at },
            5 => Event::Allocate { function: Function::Malloc, address, size, stack, stamp: at },
            _ => Event::Free { function: Function::Free, address, stamp: at },
        }
    }

    #[test]
    fn random_events_come_back_and_no_record_is_longer_than_promised() {
        let mut random = Random(0x1234_5678_9abc_def1);
        let mut stamp = 1 << 40;
        let events: Vec<Event> = (0..20_000).map(|_| random_event(&mut random, &mut stamp)).collect();
        let mut encoder = Encoder::NEW;
        encoder.reset(Stamp(1 << 40));
        let mut bytes = Vec::new();
        for event in &events {
            let mut buffer = [0; Writer::CAPACITY];
            let len = encoder.encode(event, &mut buffer);
            assert!((2..=MAX_BYTES).contains(&len), "{event:?}");
            bytes.extend_from_slice(&buffer[..len]);
        }
        let mut decoder = Decoder::new(Stamp(1 << 40));
        let mut reader = Reader::new(&bytes);
        for event in &events {
            assert_eq!(decoder.decode(&mut reader), Ok(Some(*event)));
        }
        assert!(reader.is_at_end());
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let mut random = Random(99);
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..64).map(|_| random.below(256) as u8).collect();
            let mut decoder = Decoder::new(Stamp(u64::MAX - 5));
            let mut reader = Reader::new(&bytes);
            while !reader.is_at_end() && decoder.decode(&mut reader).is_ok() {}
        }
    }

    #[test]
    fn unknown_extended_records_are_passed_over() {
        let bytes = [9 << 3, 3, 1, 2, 3, 4];
        let mut reader = Reader::new(&bytes);
        assert_eq!(Decoder::new(Stamp(0)).decode(&mut reader), Ok(None));
        assert_eq!(reader.position(), 5);
    }
}
