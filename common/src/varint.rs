//! Unsigned numbers in as few bytes as they need: 7 bits a byte, least significant first, the top bit on all but the
//! last (LEB128 as in DWARF section 7.6), and signed ones folded into unsigned (zigzag: 0, -1, 1, -2, ...).

use crate::error::DecodeError;

/// The most bytes that a number takes: 64 bits in groups of 7.
pub const MAX_BYTES: usize = 10;

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
    /// The size of the buffer; a power of two.
    pub const CAPACITY: usize = 64;

    /// Starts at the beginning of `buffer`.
    #[inline]
    pub fn new(buffer: &'a mut [u8; Writer::CAPACITY]) -> Self {
        Writer { buffer, len: 0 }
    }

    /// The bytes written so far.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.buffer[self.len & (Self::CAPACITY - 1)] = byte;
        self.len += 1;
    }

    /// Appends `value` in 1 to [`MAX_BYTES`] bytes.
    #[inline]
    pub fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Appends a signed `value`, folded.
    #[inline]
    pub fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64);
    }
}

/// A cursor over bytes of unknown origin.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, position: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether all bytes have been read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Reads one byte. Fails at the end of the bytes.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.position).ok_or(DecodeError::Truncated)?;
        self.position += 1;
        Ok(byte)
    }

    /// Reads an unsigned number. Fails at the end of the bytes and on a number of more than 64 bits.
    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..).step_by(7).take(MAX_BYTES) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Invalid { field: "varint", found: value })
    }

    /// Reads a signed number.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let folded = self.unsigned()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// Passes over `n` bytes. Fails if there are fewer.
    pub fn skip(&mut self, n: usize) -> Result<(), DecodeError> {
        let end = self.position.checked_add(n).filter(|&end| end <= self.bytes.len());
        self.position = end.ok_or(DecodeError::Truncated)?;
        Ok(())
    }
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
