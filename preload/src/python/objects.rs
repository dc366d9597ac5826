//! Reads CPython's objects: words, strings, bytes, code. What stands there is taken as a number; a length is bounded.

use core::ffi::c_void;

use super::layout::Layout;

/// `PyObject.ob_type` and `PyVarObject.ob_size`, in all versions with the global lock.
const TYPE: usize = 8;
const SIZE: usize = 16;
/// `PyBytesObject.ob_sval`.
const BYTES: usize = 32;
/// `PyASCIIObject.length` and `state`.
pub const TEXT_LEN: usize = 16;
pub const TEXT_STATE: usize = 32;
/// The most bytes of a name that are kept. File names are shorter, and so are names of functions.
pub const NAME_BYTES_MAX: usize = 4096;
/// The longest line table that is kept. A function of 100,000 lines has a tenth of it.
pub const LINE_TABLE_BYTES_MAX: usize = 16 << 20;
/// Addresses of programs end here, on every processor that this runs on.
const ADDRESS_BITS: u32 = 48;

/// Reads a word.
///
/// # Safety
/// It can be read.
#[inline(always)]
pub unsafe fn word(address: usize) -> usize {
    // SAFETY: the caller's. Volatile, as the interpreter may be changing it: each word is read once.
    unsafe { (address as *const usize).read_volatile() }
}

/// Tells whether `address` may be that of something with words in it.
#[inline(always)]
pub fn is_plausible(address: usize) -> bool {
    const PAGE_BYTES: usize = 4096;
    address.is_multiple_of(8) && address >= PAGE_BYTES && address >> ADDRESS_BITS == 0
}

/// Tells whether the object at `address` is of the type at `of`.
///
/// # Safety
/// If the address is plausible, its words can be read.
pub unsafe fn is_of_type(address: usize, of: usize) -> bool {
    // SAFETY: the caller's.
    is_plausible(address) && unsafe { word(address + TYPE) } == of
}

/// The characters of a string: all of 1, 2 or 4 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    start: usize,
    len: usize,
    char_bytes: usize,
}

impl Text {
    const NONE: Text = Text { start: 0, len: 0, char_bytes: 1 };

    /// Finds the characters of the string at `address`; none if it is no string that can be read.
    ///
    /// # Safety
    /// There is a string, or the address is not plausible.
    pub unsafe fn of(address: usize, layout: &Layout) -> Text {
        if !is_plausible(address) {
            return Text::NONE;
        }
        // SAFETY: the caller's.
        let (state, len) = unsafe { (word(address + TEXT_STATE) as u32, word(address + TEXT_LEN)) };
        let (char_bytes, is_compact, is_ascii) =
            ((state >> 2 & 7) as usize, state >> 5 & 1 != 0, state >> 6 & 1 != 0);
        let start = match (is_compact, is_ascii) {
            (true, true) => address + layout.ascii_bytes,
            (true, false) => address + layout.compact_bytes,
            // SAFETY: the caller's: a string that is not compact is longer than that by a word.
            (false, _) => unsafe { word(address + layout.compact_bytes) },
        };
        if !matches!(char_bytes, 1 | 2 | 4) || start == 0 || len > isize::MAX as usize / 4 {
            return Text::NONE;
        }
        Text { start, len: len.min(NAME_BYTES_MAX), char_bytes }
    }

    /// Returns the characters as UTF-8 has them, up to [`NAME_BYTES_MAX`] bytes; surrogates as if they were characters.
    pub fn chars(self) -> impl Iterator<Item = ([u8; 4], usize)> + Clone {
        let code = move |place: usize| {
            let at = self.start + place * self.char_bytes;
            // SAFETY: a character of the string, which lives while the code that it belongs to runs.
            unsafe {
                match self.char_bytes {
                    1 => u32::from((at as *const u8).read()),
                    2 => u32::from((at as *const u16).read()),
                    _ => (at as *const u32).read(),
                }
            }
        };
        let mut n_bytes = 0;
        (0..self.len).map(move |place| utf8(code(place))).take_while(move |&(_, len)| {
            n_bytes += len;
            n_bytes <= NAME_BYTES_MAX
        })
    }
}

/// Encodes a code point, whatever it is, and returns how many of the bytes it takes.
fn utf8(code: u32) -> ([u8; 4], usize) {
    let last = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
    match code {
        0..0x80 => ([code as u8, 0, 0, 0], 1),
        0x80..0x800 => ([0xc0 | (code >> 6) as u8, last(0), 0, 0], 2),
        0x800..0x1_0000 => ([0xe0 | (code >> 12) as u8, last(6), last(0), 0], 3),
        _ => ([0xf0 | (code >> 18 & 7) as u8, last(12), last(6), last(0)], 4),
    }
}

/// A code object, as far as a recording tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `co_filename`.
    pub file: Text,
    /// `co_qualname`.
    pub name: Text,
    /// `co_firstlineno`.
    pub first_line: i32,
    /// Where its line table is, ...
    line_table: usize,
    /// ... and its length.
    line_table_len: usize,
}

impl Code {
    /// Reads the code object at `address`.
    ///
    /// # Safety
    /// There is one, and it lives.
    pub unsafe fn of(address: usize, layout: &Layout) -> Code {
        let shape = &layout.code;
        // SAFETY: the caller's; the parts of a code object live as long as it does.
        unsafe {
            let line_table = word(address + shape.line_table);
            let has_lines = is_plausible(line_table);
            let len = if has_lines { word(line_table + SIZE) } else { 0 };
            Code {
                file: Text::of(word(address + shape.file), layout),
                name: Text::of(word(address + shape.name), layout),
                first_line: ((address + shape.first_line) as *const i32).read(),
                line_table: line_table.wrapping_add(BYTES),
                line_table_len: if len <= LINE_TABLE_BYTES_MAX { len } else { 0 },
            }
        }
    }

    /// Returns the line table.
    ///
    /// # Safety
    /// The code object lives.
    pub unsafe fn line_table(&self) -> &[u8] {
        if self.line_table_len == 0 {
            return &[];
        }
        // SAFETY: the caller's.
        unsafe { core::slice::from_raw_parts(self.line_table as *const u8, self.line_table_len) }
    }

    /// Returns a number that two code objects have in common if all that a recording says of them is the same.
    ///
    /// # Safety
    /// As for [`Code::line_table`].
    pub unsafe fn hash(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let of_text = |hash: u64, text: Text| {
            let all = text
                .chars()
                .fold(hash, |hash, (bytes, len)| bytes.iter().take(len).fold(hash, |h, &b| step(h, b)));
            // What no UTF-8 has stands between the two.
            step(all, 0xff)
        };
        let names = of_text(of_text(0xcbf2_9ce4_8422_2325, self.file), self.name);
        let lines = self.first_line.to_le_bytes().iter().fold(names, |hash, &byte| step(hash, byte));
        // SAFETY: the caller's.
        unsafe { self.line_table() }.iter().fold(lines, |hash, &byte| step(hash, byte))
    }
}

/// `tp_dealloc`.
pub type Dealloc = unsafe extern "C" fn(*mut c_void);
