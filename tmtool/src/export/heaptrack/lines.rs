//! Lines of a kind and hexadecimal numbers, gathered until they are many.

use std::io::{self, Write};

/// How many bytes are kept until they are written.
const BUFFER_BYTES: usize = 1 << 16;

/// Lines that are being written. The first failure is kept until the end, and nothing is written after it.
pub struct Lines<W> {
    out: W,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
}

impl<W: Write> Lines<W> {
    /// None so far.
    pub fn new(out: W) -> Lines<W> {
        Lines { out, buffer: Vec::with_capacity(BUFFER_BYTES + 256), failed: None }
    }

    /// The line of an event, of which there are millions: it is written as 16 bytes, and those beyond its end are taken back.
    #[inline]
    pub fn event(&mut self, kind: u8, number: u32) {
        let (digits, n_digits) = digits(number);
        let line = u128::from(kind) | u128::from(b' ') << 8 | u128::from(digits) << 16;
        let line = line | u128::from(b'\n') << (16 + 8 * n_digits);
        let n_bytes = self.buffer.len() + 3 + n_digits;
        self.buffer.extend_from_slice(&line.to_le_bytes());
        self.buffer.truncate(n_bytes);
        if n_bytes >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Writes numbers after a kind.
    pub fn line(&mut self, kind: u8, numbers: &[u64]) {
        self.buffer.push(kind);
        for &number in numbers {
            self.buffer.push(b' ');
            hexadecimal(&mut self.buffer, number);
        }
        self.end_line();
    }

    /// Writes a text after a kind.
    pub fn text(&mut self, kind: u8, text: &str) {
        self.buffer.extend_from_slice(&[kind, b' ']);
        self.buffer.extend_from_slice(text.as_bytes());
        self.end_line();
    }

    /// Writes a text after a kind and its length.
    pub fn text_of_length(&mut self, kind: u8, text: &str) {
        self.buffer.extend_from_slice(&[kind, b' ']);
        hexadecimal(&mut self.buffer, text.len() as u64);
        self.buffer.push(b' ');
        self.buffer.extend_from_slice(text.as_bytes());
        self.end_line();
    }

    /// Ends them.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.out),
        }
    }

    #[inline]
    fn end_line(&mut self) {
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    #[cold]
    fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }
}

fn hexadecimal(buffer: &mut Vec<u8>, number: u64) {
    let (upper, lower) = ((number >> 32) as u32, number as u32);
    if upper > 0 {
        hexadecimal(buffer, upper.into());
        buffer.extend_from_slice(&all_digits(lower).to_le_bytes());
        return;
    }
    let (digits, n_digits) = digits(lower);
    let n_bytes = buffer.len() + n_digits;
    buffer.extend_from_slice(&digits.to_le_bytes());
    buffer.truncate(n_bytes);
}

/// The digits of a number without zeros before them, the first one in the lowest byte; and how many there are.
#[inline]
fn digits(number: u32) -> (u64, usize) {
    let n_digits = (u32::BITS - number.leading_zeros()).div_ceil(4).max(1);
    (all_digits(number) >> (8 * (8 - n_digits)), n_digits as usize)
}

/// The eight digits of a number, the first one in the lowest byte.
#[inline]
fn all_digits(number: u32) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The upper half of what is left goes to the lower bytes, which come first: halves, bytes and digits of the number.
    let halves = u64::from(number >> 16) | u64::from(number & 0xffff) << 32;
    let bytes = halves >> 8 & 0x00ff_0000_00ff | (halves & 0x00ff_0000_00ff) << 16;
    let digits = bytes >> 4 & 0x000f_000f_000f_000f | (bytes & 0x000f_000f_000f_000f) << 8;
    // 1 in the byte of each digit from a on.
    let letters = (digits + 6 * EACH) >> 4 & EACH;
    digits + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hexadecimal() {
        for number in [0, 1, 15, 16, 255, 256, u64::MAX] {
            let mut buffer = Vec::new();
            hexadecimal(&mut buffer, number);
            assert_eq!(String::from_utf8(buffer).unwrap(), format!("{number:x}"));
        }
    }

    #[test]
    fn numbers_have_the_digits_that_they_are_printed_with() {
        let edges = (0..=64)
            .flat_map(|bits| [1_u64.checked_shl(bits).unwrap_or(0), u64::MAX.checked_shr(bits).unwrap_or(0)]);
        for number in edges.chain([10, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x1_0000_000a]) {
            let mut written = Vec::new();
            hexadecimal(&mut written, number);
            assert_eq!(String::from_utf8(written).unwrap(), format!("{number:x}"));
            let mut lines = Lines::new(Vec::new());
            lines.event(b'+', number as u32);
            assert_eq!(lines.buffer, *format!("+ {:x}\n", number as u32).as_bytes());
        }
    }
}
