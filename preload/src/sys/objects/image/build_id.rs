//! The build id of an object, in one of its notes.

use super::{Image, ProgramHeader};

const NT_GNU_BUILD_ID: u32 = 3;

impl Image {
    /// Returns the build id; empty if the object has none. It stays as long as the object is loaded.
    pub fn build_id(&self) -> &'static [u8] {
        let found = self.of_type(libc::PT_NOTE).find_map(|header| {
            let by_address = self.bias.wrapping_add(header.p_vaddr as usize);
            // Where its part of the file is mapped, should its address be none.
            let places = [Some(by_address), self.address_of(header.p_offset)];
            places.into_iter().flatten().find_map(|at| self.build_id_at(at, header))
        });
        found.unwrap_or(&[])
    }

    fn build_id_at(&self, start: usize, note: &ProgramHeader) -> Option<&'static [u8]> {
        let readable = self.readable_around(start);
        let end = start.checked_add(note.p_memsz as usize)?;
        if !readable.contains(&start) || end > readable.end {
            return None;
        }
        // SAFETY: in segments that are mapped as long as the object is loaded, as far as they can be read.
        let bytes = unsafe { core::slice::from_raw_parts(start as *const u8, note.p_memsz as usize) };
        find_build_id(bytes, note.p_align)
    }
}

/// Finds the build id in notes: name length, content length, type, then name and content, each padded to `align` (4 or
/// 8).
fn find_build_id(mut notes: &[u8], align: u64) -> Option<&[u8]> {
    let align = if align == 8 { 8 } else { 4 };
    loop {
        let word = |place: usize| {
            let bytes = notes.get(place * 4..place * 4 + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let (name_len, content_len, kind) = (word(0)? as usize, word(1)? as usize, word(2)?);
        let content_at = (12 + name_len).next_multiple_of(align);
        let content = notes.get(content_at..content_at + content_len)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..12 + name_len)? == b"GNU\0" {
            return Some(content);
        }
        notes = notes.get((content_at + content_len).next_multiple_of(align)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_is_found_behind_another_note() {
        let mut notes = std::vec::Vec::new();
        for (name, kind, content) in [(b"GNU\0", 1u32, &[1u8, 2, 3, 4][..]), (b"GNU\0", 3, &[9, 8, 7, 6][..])]
        {
            notes.extend(4u32.to_le_bytes());
            notes.extend((content.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(name);
            notes.extend(content);
        }
        assert_eq!(find_build_id(&notes, 4), Some(&[9, 8, 7, 6][..]));
        assert_eq!(find_build_id(&notes[..24], 4), None);
    }
}
