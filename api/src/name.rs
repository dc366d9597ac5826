//! A name as C wants it, made without allocating: commands may be given where nothing can be allocated.

use std::ffi::c_char;

/// `TM_NAME_MAX`: the longest name in bytes; what is longer is cut.
const BYTES_MAX: usize = 255;

/// A name with its final NUL.
pub struct Name([u8; BYTES_MAX + 1]);

impl Name {
    /// Takes `text` up to its first NUL or to its longest allowed length, whichever comes first; never in the middle of
    /// a character.
    pub fn new(text: &str) -> Name {
        let text = text.split('\0').next().unwrap_or_default();
        let text = &text[..text.floor_char_boundary(BYTES_MAX)];
        let mut bytes = [0; BYTES_MAX + 1];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Name(bytes)
    }

    /// Returns the name for a call; the pointer lives as long as the name.
    pub fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn names_end_at_a_nul_and_between_characters() {
        let long = "é".repeat(200);
        for (text, expected) in
            [("", ""), ("round 1", "round 1"), ("a\0b", "a"), (long.as_str(), &long[..254])]
        {
            let name = Name::new(text);
            // SAFETY: the name lives, and ends with a NUL.
            let read = unsafe { CStr::from_ptr(name.as_ptr()) };
            assert_eq!(read.to_str(), Ok(expected));
        }
    }
}
