//! A cursor over unwind tables in mapped memory that never leaves its module.

use core::ops::Range;

use super::dwarf as dw;

/// Reads forward in `[at, end)`; every read is `None` beyond it, and it never moves to before `start`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    start: usize,
    at: usize,
    end: usize,
    /// What is added to an address here to have that of what this is a copy of.
    displacement: usize,
}

impl Bytes {
    /// Makes a cursor at `range.start`.
    ///
    /// # Safety
    /// The range is readable for as long as the cursor is used.
    pub unsafe fn new(range: Range<usize>) -> Bytes {
        Bytes { start: range.start, at: range.start, end: range.end, displacement: 0 }
    }

    /// The same over a copy of what stands at `original`: addresses are relative to that.
    ///
    /// # Safety
    /// As for [`Bytes::new`].
    pub unsafe fn moved(range: Range<usize>, original: usize) -> Bytes {
        let displacement = original.wrapping_sub(range.start);
        // SAFETY: the caller's.
        Bytes { displacement, ..unsafe { Bytes::new(range) } }
    }

    /// A cursor over nothing.
    pub const EMPTY: Bytes = Bytes { start: 0, at: 0, end: 0, displacement: 0 };

    /// Returns where the cursor stands.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Returns how many bytes are left.
    pub fn remaining(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Moves to `at`, forward or back: tables point to each other both ways.
    pub fn seek(&mut self, at: usize) -> Option<()> {
        (self.start..=self.end).contains(&at).then(|| self.at = at)
    }

    /// Splits off the next `len` bytes.
    pub fn split(&mut self, len: usize) -> Option<Bytes> {
        if len > self.remaining() {
            return None;
        }
        let part = Bytes { start: self.at, end: self.at + len, ..*self };
        self.at += len;
        Some(part)
    }

    /// Reads the next value, of any alignment.
    pub fn value<T: Plain>(&mut self) -> Option<T> {
        let part = self.split(size_of::<T>())?;
        // SAFETY: readable by the promise of `new`; T is a plain number.
        Some(unsafe { (part.at as *const T).read_unaligned() })
    }

    /// Reads the next byte.
    #[inline(always)]
    pub fn byte(&mut self) -> Option<u8> {
        if self.at >= self.end {
            return None;
        }
        // SAFETY: readable by the promise of `new`.
        let byte = unsafe { *(self.at as *const u8) };
        self.at += 1;
        Some(byte)
    }

    /// Reads an unsigned LEB128 number; bits beyond 64 are dropped.
    #[inline(always)]
    pub fn uleb(&mut self) -> Option<u64> {
        match self.byte()? {
            byte if byte & 0x80 == 0 => Some(byte.into()),
            byte => self.uleb_from(byte),
        }
    }

    fn uleb_from(&mut self, first: u8) -> Option<u64> {
        let (mut value, mut shift) = (u64::from(first & 0x7f), 7u32);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// Reads a signed LEB128 number.
    pub fn sleb(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0i64, 0u32);
        loop {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                let sign = if byte & 0x40 != 0 { (-1i64).checked_shl(shift).unwrap_or(0) } else { 0 };
                return Some(value | sign);
            }
        }
    }

    /// Reads a pointer in one of the encodings of `.eh_frame` (LSB, "DWARF Exception Header Encoding"). `data_base` is what
    /// data-relative pointers count from.
    pub fn pointer(&mut self, encoding: u8, data_base: usize) -> Option<usize> {
        let at = self.position();
        let value = match encoding & 0x0f {
            dw::DW_EH_PE_absptr => self.value::<usize>()?,
            dw::DW_EH_PE_udata2 => self.value::<u16>()?.into(),
            dw::DW_EH_PE_udata4 => self.value::<u32>()? as usize,
            dw::DW_EH_PE_udata8 => self.value::<u64>()? as usize,
            dw::DW_EH_PE_sdata2 => self.value::<i16>()? as usize,
            dw::DW_EH_PE_sdata4 => self.value::<i32>()? as usize,
            dw::DW_EH_PE_sdata8 => self.value::<i64>()? as usize,
            dw::DW_EH_PE_uleb128 => self.uleb()? as usize,
            dw::DW_EH_PE_sleb128 => self.sleb()? as usize,
            _ => return None,
        };
        let base = match encoding & 0x70 {
            dw::DW_EH_PE_absptr => 0,
            dw::DW_EH_PE_pcrel => at.wrapping_add(self.displacement),
            dw::DW_EH_PE_datarel => data_base,
            _ => return None,
        };
        Some(base.wrapping_add(value))
    }
}

/// Numbers that any bytes are a value of.
pub trait Plain: Copy {}
impl Plain for i8 {}
impl Plain for u16 {}
impl Plain for i16 {}
impl Plain for u32 {}
impl Plain for i32 {}
impl Plain for u64 {}
impl Plain for i64 {}
impl Plain for usize {}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(bytes: &'static [u8]) -> Bytes {
        let start = bytes.as_ptr() as usize;
        // SAFETY: the bytes are static.
        unsafe { Bytes::new(start..start + bytes.len()) }
    }

    #[test]
    fn numbers_are_read_and_ends_are_kept() {
        assert_eq!(over(&[0xe5, 0x8e, 0x26]).uleb(), Some(624_485));
        assert_eq!(over(&[0x7f]).sleb(), Some(-1));
        assert_eq!(over(&[0xc0, 0xbb, 0x78]).sleb(), Some(-123_456));
        assert_eq!(over(&[0x80]).uleb(), None);
        assert_eq!(over(&[1, 2, 3]).value::<u32>(), None);
    }
}
