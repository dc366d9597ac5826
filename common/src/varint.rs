//! Unsigned numbers in as few bytes as they need: 7 bits a byte, least significant first, the top bit on all but the
//! last (LEB128 as in DWARF section 7.6), and signed ones folded into unsigned (zigzag: 0, -1, 1, -2, ...).

use crate::error::DecodeError;

/// The most bytes that a number takes: 64 bits in groups of 7.
pub const MAX_BYTES: usize = 10;

/// The bytes of a number, least significant first, and how many they are.
#[derive(Clone, Copy, Debug)]
pub struct Encoded {
    /// The bytes, at most 8; those behind `len` mean nothing.
    pub bytes: u64,
    /// 1 to 8.
    pub len: usize,
}

impl Encoded {
    /// Numbers below this have an encoding without branches.
    const SHORT_END: u64 = 1 << 28;

    /// Encodes a byte as it is.
    #[inline(always)]
    #[must_use]
    pub fn raw(byte: u8) -> Encoded {
        Encoded { bytes: byte.into(), len: 1 }
    }

    /// Encodes `value`; `None` if it needs more than 28 bits. The bits are spread by halves, and by halves of those.
    ///
    /// ```text
    ///  ....ddddddd ccccccc bbbbbbb aaaaaaa
    ///  ..ddddddd ccccccc ..bbbbbbb aaaaaaa
    ///  0ddddddd 1ccccccc 1bbbbbbb 1aaaaaaa       the top bits of all bytes but the last
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn short(value: u64) -> Option<Encoded> {
        let halves = (value as u32 & 0x3fff) | (value as u32 & 0x3fff << 14) << 2;
        let spread = (halves & 0x7f_007f) | (halves & 0x3f80_3f80) << 1;
        let (more, len) = ENDS[(u32::BITS - 1 - (spread | 1).leading_zeros()) as usize];
        let encoded = Encoded { bytes: (spread | more).into(), len: len as usize };
        (value < Self::SHORT_END).then_some(encoded)
    }
}

/// The top bits of all bytes but the last, and the number of bytes, of a number whose highest bit is this one after it was spread: looked up,
/// since that is one step where the byte would be computed first.
const ENDS: [(u32, u32); 32] = {
    let mut ends = [(0, 1); 32];
    let mut bit = 0;
    while bit < ends.len() {
        let last = bit / 8;
        ends[bit] = ([0, 0x80, 0x8080, 0x80_8080][last], last as u32 + 1);
        bit += 1;
    }
    ends
};

/// A cursor over a fixed buffer that wraps instead of failing.
///
/// The event path may not panic, so it may not check bounds by indexing: the buffer is longer than the longest event
/// record, which `event` asserts, and positions are masked.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8; Writer::CAPACITY],
    len: usize,
}

impl<'a> Writer<'a> {
    /// The most bytes that can be written; a power of two.
    pub const LEN_MAX: usize = 64;
    /// The size of the buffer: what is written last may be followed by 7 bytes that mean nothing.
    pub const CAPACITY: usize = Self::LEN_MAX + 8;

    /// Starts at the beginning of `buffer`.
    #[inline]
    pub fn new(buffer: &'a mut [u8; Writer::CAPACITY]) -> Self {
        Writer { buffer, len: 0 }
    }

    /// Returns the bytes written so far.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one byte.
    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        self.buffer[self.len & (Self::LEN_MAX - 1)] = byte;
        self.len += 1;
    }

    /// Appends the bytes of a number: one store, and the next one overwrites what means nothing.
    #[inline(always)]
    pub fn encoded(&mut self, number: Encoded) {
        let at = self.len & (Self::LEN_MAX - 1);
        self.buffer[at..at + 8].copy_from_slice(&number.bytes.to_le_bytes());
        self.len += number.len;
    }

    /// Appends `value` in 1 to [`MAX_BYTES`] bytes.
    #[inline(always)]
    pub fn unsigned(&mut self, value: u64) {
        match Encoded::short(value) {
            Some(number) => self.encoded(number),
            None => self.long(value),
        }
    }

    #[cold]
    fn long(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Appends a signed `value`, folded.
    #[inline(always)]
    pub fn signed(&mut self, value: i64) {
        self.unsigned(fold(value));
    }
}

/// Folds signed numbers: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
#[inline(always)]
#[must_use]
pub fn fold(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Decodes the number that `word` begins with, and how many bytes it takes; `None` if those are more than 4, as few are. How long numbers
/// are otherwise follows no rule, so no branch asks for it: the groups of bits are pushed together by pairs, and by pairs of those.
#[inline(always)]
fn short(word: u32) -> Option<(u64, usize)> {
    let ends = !word & 0x8080_8080;
    let word = word & (ends ^ ends.wrapping_sub(1));
    let pairs = (word & 0x007f_007f) | (word & 0x7f00_7f00) >> 1;
    let value = (pairs & 0x3fff) | (pairs & 0x3fff_0000) >> 2;
    (ends != 0).then_some((u64::from(value), (ends.trailing_zeros() as usize + 1) / 8))
}

/// Does the same with up to 8 bytes, of which the first 4 do not end the number.
#[inline(always)]
fn middle(word: u64) -> Option<(u64, usize)> {
    let ends = !word & 0x8080_8080_8080_8080;
    let word = word & (ends ^ ends.wrapping_sub(1));
    let pairs = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let value = (fours & 0x0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4;
    (ends != 0).then_some((value, (ends.trailing_zeros() as usize + 1) / 8))
}

/// A cursor over bytes of unknown origin. What is not inlined is given its bytes, or a copy of it
/// (`event::decode`), so that it stays in registers.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, len: bytes.len() }
    }

    /// Returns how many bytes have been read.
    #[inline]
    #[must_use]
    pub fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Tells whether all bytes have been read.
    #[inline]
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads one byte. Fails at the end of the bytes.
    #[inline(always)]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    /// Reads an unsigned number. Fails at the end of the bytes and on a number of more than 64 bits.
    #[inline(always)]
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        if let Some(&bytes) = self.rest.first_chunk()
            && let Some((value, len)) = short(u32::from_le_bytes(bytes))
        {
            self.rest = self.rest.get(len..).unwrap_or_default();
            return Ok(value);
        }
        let (value, rest) = unsigned_long(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// Reads a signed number.
    #[inline(always)]
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let folded = self.unsigned()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// Passes over `n` bytes. Fails if there are fewer.
    pub fn skip(&mut self, n: usize) -> Result<(), DecodeError> {
        self.rest = self.rest.get(n..).ok_or(DecodeError::Truncated)?;
        Ok(())
    }
}

/// Reads a number of more than 4 bytes, or near the end of `bytes`, and returns what follows it.
#[inline(never)]
fn unsigned_long(bytes: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    if let Some(&first) = bytes.first_chunk()
        && let Some((value, len)) = middle(u64::from_le_bytes(first))
    {
        return Ok((value, bytes.get(len..).unwrap_or_default()));
    }
    unsigned_by_bytes(bytes)
}

/// Does the same, byte by byte.
#[cold]
fn unsigned_by_bytes(mut bytes: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    let mut value = 0u64;
    for shift in (0..).step_by(7).take(MAX_BYTES) {
        let (&byte, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        bytes = rest;
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value, bytes));
        }
    }
    Err(DecodeError::Invalid { field: "varint", found: value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: u64, signed: i64) {
        let mut buffer = [0; Writer::CAPACITY];
        let mut writer = Writer::new(&mut buffer);
        writer.unsigned(value);
        writer.signed(signed);
        let len = writer.len();
        let mut reader = Reader::new(&buffer[..len]);
        assert_eq!(reader.unsigned(), Ok(value));
        assert_eq!(reader.signed(), Ok(signed));
        assert!(reader.is_at_end());
        // Where more follows, it is read another way.
        let mut reader = Reader::new(&buffer);
        assert_eq!((reader.unsigned(), reader.signed()), (Ok(value), Ok(signed)));
        assert_eq!(reader.position(), len);
    }

    #[test]
    fn numbers_are_read_alike_whatever_follows_them() {
        let mut state = 1u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let longest = 1 + (state >> 60) as usize;
            let bytes: [u8; 16] = core::array::from_fn(|n| {
                let byte = (state.rotate_left(n as u32 * 11) >> 13) as u8;
                if n % longest == longest - 1 { byte & 0x7f } else { byte | 0x80 }
            });
            let mut reader = Reader::new(&bytes);
            let number = reader.unsigned().map(|value| (value, &bytes[reader.position()..]));
            assert_eq!(number, unsigned_by_bytes(&bytes), "{bytes:x?}");
        }
    }

    #[test]
    fn every_width_comes_back() {
        for bits in 0..64 {
            for offset in [-1, 0, 1] {
                let value = (1u64 << bits).wrapping_add_signed(offset);
                round_trip(value, value as i64);
                round_trip(value, (value as i64).wrapping_neg());
            }
        }
        round_trip(u64::MAX, i64::MIN);
    }

    #[test]
    fn endless_and_cut_numbers_are_errors() {
        assert!(matches!(Reader::new(&[0xff; 11]).unsigned(), Err(DecodeError::Invalid { .. })));
        assert!(matches!(Reader::new(&[0x80; 9]).unsigned(), Err(DecodeError::Truncated)));
    }
}
