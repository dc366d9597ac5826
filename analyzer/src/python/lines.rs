//! The line tables of code objects, in the forms of all versions of CPython, each as its own `PyCode_Addr2Line` reads it.
//!
//! ```text
//! 3.9   co_lnotab (Objects/lnotab_notes.txt): pairs of (bytes of code u8, lines i8), each before what it is of
//! 3.10  co_linetable (PEP 626): pairs of (bytes of code u8, lines i8), each of what it covers; -128 lines: of none
//! 3.11  co_linetable (PEP 657, Objects/locations.md): entries of (1:1 kind:4 units-1:3) and bytes without the highest bit
//!         kind 0-9     the line of the entry before        13, 14   lines of a signed varint
//!         kind 10-12   0 to 2 lines further                15       of no line
//! ```
//!
//! Columns are passed over. Instructions are counted in code units of 2 bytes.

use tm_common::metadata::LineTableKind;

/// Bytes of a code unit.
const UNIT_BYTES: u32 = 2;

/// The lines of one code object's instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    first_line: i32,
    /// Ranges of code units, in order and without gaps: where each ends, and its line.
    ranges: Vec<(u32, Option<i32>)>,
    /// The line of what comes after all ranges.
    beyond: Option<i32>,
}

impl Lines {
    /// Reads a line table.
    pub fn read(kind: LineTableKind, table: &[u8], first_line: i32) -> Lines {
        let mut lines = Lines { first_line, ranges: Vec::new(), beyond: None };
        match kind {
            LineTableKind::Lnotab => lines.read_lnotab(table),
            LineTableKind::Pairs => lines.read_pairs(table),
            LineTableKind::Locations => lines.read_locations(table),
            LineTableKind::Other => {}
        }
        lines
    }

    /// The line of an instruction, as CPython says it: that of one that has not begun is the first line of all; 0 for one that
    /// is of no line.
    pub fn line(&self, instruction: Option<u32>) -> u32 {
        let line = match instruction {
            None => Some(self.first_line),
            Some(instruction) => {
                let place = self.ranges.partition_point(|&(end, _)| end <= instruction);
                self.ranges.get(place).map_or(self.beyond, |&(_, line)| line)
            }
        };
        line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
    }

    /// The address of an instruction is that of its first byte, so a range ends at the first unit that begins at its end or
    /// later.
    fn push(&mut self, end_bytes: u32, line: Option<i32>) {
        self.ranges.push((end_bytes.div_ceil(UNIT_BYTES), line));
    }

    fn read_lnotab(&mut self, table: &[u8]) {
        let (mut line, mut address) = (self.first_line, 0_u32);
        for pair in table.chunks_exact(2) {
            let &[bytes, lines] = pair else { continue };
            address = address.saturating_add(bytes.into());
            self.push(address, Some(line));
            line = line.saturating_add(i32::from(lines.cast_signed()));
        }
        self.beyond = Some(line);
    }

    fn read_pairs(&mut self, table: &[u8]) {
        let (mut line, mut address) = (self.first_line, 0_u32);
        for pair in table.chunks_exact(2) {
            let &[bytes, lines] = pair else { continue };
            address = address.saturating_add(bytes.into());
            let of_this = match lines.cast_signed() {
                i8::MIN => None,
                lines => {
                    line = line.saturating_add(i32::from(lines));
                    Some(line)
                }
            };
            self.push(address, of_this);
        }
    }

    fn read_locations(&mut self, table: &[u8]) {
        let (mut line, mut unit) = (self.first_line, 0_u32);
        let mut entries = table;
        while let Some((&head, rest)) = entries.split_first() {
            let len = rest.iter().position(|byte| byte & 0x80 != 0).unwrap_or(rest.len());
            let (body, after) = rest.split_at(len);
            entries = after;
            unit = unit.saturating_add(u32::from(head & 7) + 1);
            let lines = match head >> 3 & 15 {
                11 => 1,
                12 => 2,
                13 | 14 => signed_varint(body),
                _ => 0,
            };
            line = line.saturating_add(lines);
            self.ranges.push((unit, (head >> 3 & 15 != 15).then_some(line)));
        }
    }
}

/// The number at the start of `bytes`, six bits each from the lowest on, the sign in the lowest of all; bit 6 says that another
/// follows.
fn signed_varint(bytes: &[u8]) -> i32 {
    let (mut value, mut shift) = (0_u32, 0);
    for &byte in bytes {
        value |= u32::from(byte & 63).checked_shl(shift).unwrap_or(0);
        shift += 6;
        if byte & 64 == 0 {
            break;
        }
    }
    let size = (value >> 1).cast_signed();
    if value & 1 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests;
