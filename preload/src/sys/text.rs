//! Text in a fixed buffer: file names and messages without allocation. What does not fit is cut, and known to be.

use core::ffi::CStr;

/// Up to `N - 1` bytes, always ended by a NUL.
#[derive(Clone, Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    cut: bool,
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Text<N> = Text { bytes: [0; N], len: 0, cut: false };

    /// Returns the bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Returns the bytes as a C string; up to the first NUL among them.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// Tells whether something did not fit.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes {
            match self.bytes.get_mut(self.len) {
                Some(slot) if self.len + 1 < N => {
                    *slot = byte;
                    self.len += 1;
                }
                _ => self.cut = true,
            }
        }
        self
    }

    /// Appends a number in decimal digits.
    pub fn push_number(&mut self, number: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut rest = number;
        let mut start = digits.len();
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            start = place;
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(start..).unwrap_or(&[]))
    }
}

/// Reads a number in decimal digits; `None` for anything else or more than 64 bits.
pub fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads a number in lower-case hexadecimal digits.
pub fn parse_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &byte| {
        let digit = (byte as char).to_digit(16)?;
        Some(number.checked_mul(16)? + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_and_read() {
        for number in [0, 7, 10, 4096, u64::MAX] {
            let mut text = Text::<32>::EMPTY;
            text.push_number(number);
            assert_eq!(parse_number(text.as_bytes()), Some(number));
        }
        assert_eq!(parse_number(b"12x"), None);
        assert_eq!(parse_number(b"18446744073709551616"), None);
        assert_eq!(parse_hex(b"7ffd0a"), Some(0x7f_fd0a));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_known() {
        let mut text = Text::<4>::EMPTY;
        text.push(b"abcdef");
        assert_eq!((text.as_c_str(), text.is_cut()), (c"abc", true));
    }
}
