//! Reading event records from bytes of unknown origin: what an encoder cannot have written is an error.

use super::{
    ADDRESS_IN_SLOT, Context, Event, OTHER_FUNCTION, SITE_IN_SLOT, Site, TIME_FOLLOWS, TIME_SHIFT, extended,
    kind, unfold_difference,
};
use crate::error::DecodeError;
use crate::functions::{Function, Role};
use crate::ids::{Address, Space, StackId, Stamp, TagIndex, ThreadIndex};
use crate::sampling::Totals;
use crate::varint::Reader;

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
        self.decode_to(reader, |event| event)
    }

    /// Reads the next record, as [`Decoder::decode`], and has `take` make something of the event. Each kind of record calls it for
    /// itself, so that no event is ever put into memory, which takes longer than to decode it.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    #[inline(always)]
    pub fn decode_to<T>(
        &mut self,
        reader: &mut Reader<'_>,
        take: impl FnOnce(Event) -> T,
    ) -> Result<Option<T>, DecodeError> {
        let first = reader.byte()?;
        Ok(match first & 7 {
            kind::EXTENDED => apart(reader, |reader| self.extended(first >> 3, reader))?.map(take),
            kind::MALLOC | kind::CALLOC | kind::ALLOCATE => Some(take(self.allocate(first, reader)?)),
            kind::FREE => Some(take(self.free(first, reader)?)),
            kind::REALLOCATE => Some(take(self.reallocate(first, reader)?)),
            kind::TRACK => Some(take(apart(reader, |reader| self.track(first, reader))?)),
            _ => Some(take(apart(reader, |reader| self.untrack(first, reader))?)),
        })
    }

    #[inline(always)]
    fn allocate(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Event, DecodeError> {
        let stamp = self.time(first, reader)?;
        let function = match first & 7 {
            kind::MALLOC => Function::Malloc,
            kind::CALLOC => Function::Calloc,
            _ => read_function(reader, &[Role::Allocate, Role::Reallocate])?,
        };
        let address = self.address(first, reader)?;
        let Site { size, stack } = self.site(first, reader)?;
        Ok(Event::Allocate { function, address, size, stack, stamp })
    }

    #[inline(always)]
    fn free(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Event, DecodeError> {
        let stamp = self.time(first, reader)?;
        let function = match first & OTHER_FUNCTION {
            0 => Function::Free,
            _ => read_function(reader, &[Role::Free, Role::Reallocate])?,
        };
        let address = self.address(first, reader)?;
        Ok(Event::Free { function, address, stamp })
    }

    #[inline(always)]
    fn reallocate(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Event, DecodeError> {
        let begin = self.time(first, reader)?;
        let duration = reader.unsigned()?;
        let end = Stamp(begin.0.saturating_add(duration));
        self.context.stamp = end.0;
        let old = self.address(first, reader)?;
        let new = Address(unfold_difference(reader.signed()?, old.0));
        self.context.remember_address(Context::address_slot(new.0), new.0);
        let Site { size, stack } = self.site(first, reader)?;
        Ok(Event::Reallocate { old, new, size, stack, begin, end })
    }

    #[inline(never)]
    fn track(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Event, DecodeError> {
        let stamp = self.time(first, reader)?;
        let space = Space(reader.byte()?);
        let address = self.address(first, reader)?;
        let Site { size, stack } = self.site(first, reader)?;
        Ok(Event::Track { space, address, size, stack, stamp })
    }

    #[inline(never)]
    fn untrack(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Event, DecodeError> {
        let stamp = self.time(first, reader)?;
        let space = Space(reader.byte()?);
        let address = self.address(first, reader)?;
        let size = if space == Space::MAPPINGS { reader.unsigned()? } else { 0 };
        Ok(Event::Untrack { space, address, size, stamp })
    }

    #[cold]
    fn extended(&mut self, kind: u8, reader: &mut Reader<'_>) -> Result<Option<Event>, DecodeError> {
        // Never written, so that a page of zeros is damage.
        if kind == 0 {
            return Err(DecodeError::Invalid { field: "extended kind", found: 0 });
        }
        let len = reader.unsigned()?;
        let len = usize::try_from(len).map_err(|_| DecodeError::Truncated)?;
        let end = reader.position().saturating_add(len);
        let mut payload = reader.clone();
        reader.skip(len)?;
        if matches!(kind, extended::MOVE | extended::LABEL | extended::TOTALS) {
            let event = match kind {
                extended::TOTALS => self.totals(&mut payload)?,
                _ => self.beside(kind, &mut payload)?,
            };
            return if payload.position() > end { Err(overlong(len)) } else { Ok(Some(event)) };
        }
        if !matches!(kind, extended::THREAD_START | extended::TAG | extended::UNTRACK_ALL) {
            return Ok(None);
        }
        let stamp = Stamp(self.context.stamp.saturating_add(payload.unsigned()?));
        let number = payload.unsigned()?;
        let number = u32::try_from(number)
            .map_err(|_| DecodeError::Invalid { field: "extended number", found: number })?;
        if payload.position() > end {
            return Err(overlong(len));
        }
        let space = u8::try_from(number).ok().map(Space);
        if kind == extended::UNTRACK_ALL && space.is_none() {
            return Err(DecodeError::Invalid { field: "extended number", found: number.into() });
        }
        self.context.stamp = stamp.0;
        Ok(Some(match (kind, space) {
            (extended::UNTRACK_ALL, Some(space)) => Event::UntrackAll { space, stamp },
            (extended::TAG, _) => Event::Tag { tag: TagIndex(number), stamp },
            _ => Event::ThreadStart { thread: ThreadIndex(number), stamp },
        }))
    }

    /// Reads the content of a record that leaves the context as it is.
    fn beside(&self, kind: u8, payload: &mut Reader<'_>) -> Result<Event, DecodeError> {
        let stamp = Stamp(self.context.stamp.saturating_add(payload.unsigned()?));
        let space = Space(payload.byte()?);
        let address = Address(unfold_difference(payload.signed()?, self.context.address));
        Ok(match kind {
            extended::LABEL => Event::Label { space, address, size: payload.unsigned()?, stamp },
            _ => Event::Move { space, address, stack: read_stack(payload)?, stamp },
        })
    }

    /// Reads the content of a record of totals, as [`Decoder::beside`].
    fn totals(&self, payload: &mut Reader<'_>) -> Result<Event, DecodeError> {
        let stamp = Stamp(self.context.stamp.saturating_add(payload.unsigned()?));
        let space = Space(payload.byte()?);
        let [bytes, n_allocated, n_reallocated, n_freed] =
            [payload.unsigned()?, payload.unsigned()?, payload.unsigned()?, payload.unsigned()?];
        let held_bytes = payload.signed()?;
        let held_high = held_bytes.saturating_add_unsigned(payload.unsigned()?);
        let totals = Totals { bytes, n_allocated, n_reallocated, n_freed, held_bytes, held_high };
        Ok(Event::Totals { space, totals, stamp })
    }

    #[inline(always)]
    fn time(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Stamp, DecodeError> {
        let mut difference = u64::from(first >> TIME_SHIFT);
        if difference == TIME_FOLLOWS {
            difference = reader.unsigned()?.saturating_add(TIME_FOLLOWS);
        }
        self.context.stamp = self.context.stamp.saturating_add(difference);
        Ok(Stamp(self.context.stamp))
    }

    #[inline(always)]
    fn address(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Address, DecodeError> {
        let address = if first & ADDRESS_IN_SLOT != 0 {
            let slot = reader.byte()?;
            let address = self.context.addresses[usize::from(slot)];
            // Nobody was there yet; but what is at 0 is in its slot from the beginning.
            if address == 0 && usize::from(slot) != Context::address_slot(0) {
                return Err(DecodeError::Invalid { field: "address slot", found: u64::from(slot) });
            }
            address
        } else {
            unfold_difference(reader.signed()?, self.context.address)
        };
        self.context.remember_address(Context::address_slot(address), address);
        Ok(Address(address))
    }

    #[inline(always)]
    fn site(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Site, DecodeError> {
        if first & SITE_IN_SLOT != 0 {
            return Ok(self.context.sites[usize::from(reader.byte()?)]);
        }
        let size = reader.unsigned()?;
        let site = Site { size, stack: read_stack(reader)? };
        self.context.sites[Context::site_slot(site)] = site;
        Ok(site)
    }
}

/// Has a function that is not inlined read by a copy of `reader`, so that this has no address and stays in registers.
#[inline(always)]
fn apart<'a, T>(reader: &mut Reader<'a>, read: impl FnOnce(&mut Reader<'a>) -> T) -> T {
    let mut copy = reader.clone();
    let found = read(&mut copy);
    *reader = copy;
    found
}

fn overlong(len: usize) -> DecodeError {
    DecodeError::Invalid { field: "extended length", found: len as u64 }
}

#[inline(always)]
fn read_stack(reader: &mut Reader<'_>) -> Result<StackId, DecodeError> {
    let stack = reader.unsigned()?;
    u32::try_from(stack).map(StackId).map_err(|_| DecodeError::Invalid { field: "stack", found: stack })
}

#[inline(always)]
fn read_function(reader: &mut Reader<'_>, roles: &[Role]) -> Result<Function, DecodeError> {
    let id = reader.byte()?;
    let function = Function::from_id(id).filter(|function| roles.contains(&function.role()));
    function.ok_or(DecodeError::Invalid { field: "function", found: u64::from(id) })
}
