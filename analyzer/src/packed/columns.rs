//! Records of events by columns: all first bytes, then the fields of each kind for themselves. What is alike stands
//! together, which a compressor finds easier than records that mix addresses, times and stacks. Exact: records that a
//! segment holds come back byte for byte, whatever they mean.

use tm_common::event::fields::{Field, Fields, Width, is_untrack};
use tm_common::ids::Space;
use tm_common::varint::Reader;

use super::Damaged;

/// How many columns there are: first bytes, and each kind of field.
pub(super) const N_COLUMNS: usize = 1 + Field::COUNT;

const FIRST_BYTES: usize = 0;

fn column_of(field: Field) -> usize {
    1 + field as usize
}

/// Appends the fields of `records` to their columns, which come one after the other from [`N_COLUMNS`] on.
///
/// # Errors
/// They are not whole records. The columns are of no use then.
pub(super) fn split(records: &[u8], columns: &mut [Vec<u8>]) -> Result<(), Damaged> {
    let mut rest = records;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        append(columns, FIRST_BYTES, &[first])?;
        let mut space = None;
        for &field in Fields::after(first) {
            let bytes = take(&mut rest, field.width())?;
            append(columns, column_of(field), bytes)?;
            if field == Field::Space {
                space = bytes.first().copied();
            }
        }
        if has_size(first, space) {
            append(columns, column_of(Field::Size), take(&mut rest, Width::Varint)?)?;
        }
    }
    Ok(())
}

/// Appends records of `len` bytes together to `records`, from where `columns` begin, which are moved behind what was taken.
///
/// # Errors
/// The columns hold less, or records that end elsewhere.
pub(super) fn join(columns: &mut [&[u8]], len: usize, records: &mut Vec<u8>) -> Result<(), Damaged> {
    let end = records.len() + len;
    while records.len() < end {
        let first = *next(columns, FIRST_BYTES, Width::Byte)?.first().ok_or(Damaged)?;
        records.push(first);
        let mut space = None;
        for &field in Fields::after(first) {
            let bytes = next(columns, column_of(field), field.width())?;
            records.extend_from_slice(bytes);
            if field == Field::Space {
                space = bytes.first().copied();
            }
        }
        if has_size(first, space) {
            records.extend_from_slice(next(columns, column_of(Field::Size), Width::Varint)?);
        }
    }
    if records.len() == end { Ok(()) } else { Err(Damaged) }
}

/// Tells whether the size of a mapping that ends follows.
fn has_size(first: u8, space: Option<u8>) -> bool {
    is_untrack(first) && space == Some(Space::MAPPINGS.0)
}

fn append(columns: &mut [Vec<u8>], column: usize, bytes: &[u8]) -> Result<(), Damaged> {
    columns.get_mut(column).ok_or(Damaged)?.extend_from_slice(bytes);
    Ok(())
}

#[inline]
fn next<'a>(columns: &mut [&'a [u8]], column: usize, width: Width) -> Result<&'a [u8], Damaged> {
    take(columns.get_mut(column).ok_or(Damaged)?, width)
}

/// Takes a field off the start of `bytes`.
#[inline]
fn take<'a>(bytes: &mut &'a [u8], width: Width) -> Result<&'a [u8], Damaged> {
    let len = match width {
        Width::Byte => 1,
        Width::Varint => varint(bytes)?.0,
        Width::Counted => {
            let (len, counted) = varint(bytes)?;
            usize::try_from(counted).ok().and_then(|counted| len.checked_add(counted)).ok_or(Damaged)?
        }
    };
    let (field, rest) = bytes.split_at_checked(len).ok_or(Damaged)?;
    *bytes = rest;
    Ok(field)
}

/// The length and the value of the varint at the start of `bytes`.
#[inline]
fn varint(bytes: &[u8]) -> Result<(usize, u64), Damaged> {
    let mut reader = Reader::new(bytes);
    let value = reader.unsigned().map_err(|_| Damaged)?;
    Ok((reader.position(), value))
}

#[cfg(test)]
mod tests {
    use tm_common::event::{Decoder, Encoder, Event};
    use tm_common::functions::Function;
    use tm_common::ids::{Address, StackId, Stamp, TagIndex, ThreadIndex};
    use tm_common::varint::Writer;
    use tm_testing::Random;

    use super::*;

    fn empty() -> Vec<Vec<u8>> {
        vec![Vec::new(); N_COLUMNS]
    }

    /// A number of any magnitude up to `bits`.
    fn number(random: &mut Random, bits: u64) -> u64 {
        let bits = random.below(bits);
        random.below(1 << bits)
    }

    fn any_event(random: &mut Random, stamp: Stamp) -> Event {
        let address = Address(0x1000 + number(random, 48));
        let (size, stack) = (number(random, 40), StackId(number(random, 20) as u32));
        let space = Space(random.below(4) as u8 + 1);
        match random.below(10) {
            0 | 1 => Event::Allocate { function: Function::Malloc, address, size, stack, stamp },
            2 => Event::Allocate { function: Function::Memalign, address, size, stack, stamp },
            3 => Event::Free { function: Function::Free, address, stamp },
            4 => Event::Free { function: Function::Realloc, address, stamp },
            5 => {
                let (new, end) = (Address(address.0 ^ 0x40), Stamp(stamp.0 + random.below(300)));
                Event::Reallocate { old: address, new, size, stack, begin: stamp, end }
            }
            6 => Event::Track { space, address, size, stack, stamp },
            7 => {
                let size = if space == Space::MAPPINGS { size } else { 0 };
                Event::Untrack { space, address, size, stamp }
            }
            8 => Event::Tag { tag: TagIndex(size as u32), stamp },
            _ => Event::ThreadStart { thread: ThreadIndex(stack.0), stamp },
        }
    }

    fn records(random: &mut Random, n: u64) -> Vec<u8> {
        let (mut encoder, mut bytes, mut stamp) = (Encoder::NEW, Vec::new(), 0);
        encoder.reset(Stamp(0));
        for _ in 0..n {
            stamp += number(random, 20) + 300;
            let mut buffer = [0; Writer::CAPACITY];
            let len = encoder.encode(any_event(random, Stamp(stamp)), &mut buffer);
            bytes.extend_from_slice(&buffer[..len]);
        }
        bytes
    }

    #[test]
    fn records_of_all_kinds_come_back_by_segments() {
        let mut random = Random::new(5);
        let segments: Vec<Vec<u8>> = (0..20).map(|_| records(&mut random, 500)).collect();
        let mut columns = empty();
        for segment in &segments {
            split(segment, &mut columns).expect("they are whole");
            // The decoder agrees where records end.
            let (mut decoder, mut reader) = (Decoder::new(Stamp(0)), Reader::new(segment));
            while !reader.is_at_end() {
                let start = reader.position();
                decoder.decode(&mut reader).expect("an encoder wrote them");
                let record = &segment[start..reader.position()];
                split(record, &mut empty()).expect("it is whole, and nothing but it");
                let cut = split(&record[..record.len() - 1], &mut empty());
                assert_eq!(cut.is_ok(), record.len() == 1, "{record:?}");
            }
        }
        let total: usize = columns.iter().map(Vec::len).sum();
        assert_eq!(total, segments.iter().map(Vec::len).sum::<usize>());
        let mut slices: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
        for segment in &segments {
            let mut joined = Vec::new();
            join(&mut slices, segment.len(), &mut joined).expect("they are there");
            assert!(joined == *segment);
        }
        assert!(slices.iter().all(|rest| rest.is_empty()));
    }

    #[test]
    fn any_bytes_either_come_back_or_are_refused() {
        let (mut random, mut n_split) = (Random::new(6), 0);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.below(12)).map(|_| random.below(256) as u8).collect();
            let mut columns = empty();
            if split(&bytes, &mut columns).is_ok() {
                n_split += 1;
                let mut slices: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
                let mut joined = Vec::new();
                assert_eq!(join(&mut slices, bytes.len(), &mut joined), Ok(()));
                assert_eq!(joined, bytes);
            }
        }
        assert!(n_split > 1_000, "{n_split}");
    }

    #[test]
    fn columns_that_hold_less_than_was_asked_for_are_damage() {
        let bytes = records(&mut Random::new(7), 50);
        let mut columns = empty();
        split(&bytes, &mut columns).expect("they are whole");
        for (column, n) in columns.iter().map(Vec::len).enumerate().filter(|(_, n)| *n > 0) {
            let mut slices: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
            slices[column] = &slices[column][..n - 1];
            let mut joined = Vec::new();
            assert_eq!(join(&mut slices, bytes.len(), &mut joined), Err(Damaged), "column {column}");
        }
    }
}
