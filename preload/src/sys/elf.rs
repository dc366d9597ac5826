//! Loaded ELF objects in memory: symbols by the GNU hash table, program headers, the build id.
//!
//! Reads only what the loader itself has read and found well-formed; files are never opened.

use core::ffi::CStr;
use core::ops::Range;

use super::link_map::LinkMap;
use super::process::InitialStack;

/// An entry of a dynamic section.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Dynamic {
    tag: i64,
    value: usize,
}

type Symbol = libc::Elf64_Sym;
type ProgramHeader = libc::Elf64_Phdr;

const DT_HASH: i64 = 4;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_GNU_HASH: i64 = 0x6fff_fef5;
const DT_VERSYM: i64 = 0x6fff_fff0;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
/// A version that is not the default one: old programs only.
const VERSION_HIDDEN: u16 = 0x8000;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const PT_GNU_RELRO: u32 = 0x6474_e552;
/// The smallest page that there is.
const PAGE_BYTES_MIN: usize = 4096;
const NT_GNU_BUILD_ID: u32 = 3;

/// The address of function `name` if `map` defines it; an indirect function is resolved.
pub fn lookup(map: &LinkMap, name: &CStr) -> Option<usize> {
    let symbol = find_symbol(map, name)?;
    // SAFETY: `find_symbol` returns entries of the object's symbol table.
    let symbol = unsafe { &*symbol };
    let address = map.bias + symbol.st_value as usize;
    if symbol.st_info & 0xf != STT_GNU_IFUNC {
        return Some(address);
    }
    // SAFETY: an indirect function's value is its resolver, which takes no arguments on x86_64 that matter to it.
    let resolver: extern "C" fn() -> usize = unsafe { core::mem::transmute(address) };
    Some(resolver())
}

/// The entry of function `name` in the dynamic symbol table of `map`, if it is defined there.
pub fn find_symbol(map: &LinkMap, name: &CStr) -> Option<*mut Symbol> {
    let symbols = dynamic_value(map, DT_SYMTAB)? as *mut Symbol;
    let strings = dynamic_value(map, DT_STRTAB)?;
    let versions = dynamic_value(map, DT_VERSYM).map(|table| table as *const u16);
    let matches = |index: u32| {
        // SAFETY: the hash tables hold indices of the symbol table, which has a name and a version for each.
        unsafe {
            let symbol = &*symbols.add(index as usize);
            let visible = versions.is_none_or(|table| *table.add(index as usize) & VERSION_HIDDEN == 0);
            let function = matches!(symbol.st_info & 0xf, STT_FUNC | STT_GNU_IFUNC);
            let defined = symbol.st_shndx != 0 && symbol.st_value != 0;
            visible
                && function
                && defined
                && CStr::from_ptr((strings + symbol.st_name as usize) as *const _) == name
        }
    };
    let index = match (dynamic_value(map, DT_GNU_HASH), dynamic_value(map, DT_HASH)) {
        // SAFETY: the table is the loaded object's own.
        (Some(table), _) => unsafe { search_gnu_hash(table as *const u32, name, matches) },
        // SAFETY: as above.
        (None, Some(table)) => unsafe { search_sysv_hash(table as *const u32, matches) },
        (None, None) => None,
    }?;
    // SAFETY: `matches` has read this entry.
    Some(unsafe { symbols.add(index as usize) })
}

/// The absolute address that entry `tag` gives. The loader has added the bias to it except in the vDSO.
pub(super) fn dynamic_value(map: &LinkMap, tag: i64) -> Option<usize> {
    let mut entry = map.dynamic();
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: the section ends with an entry of tag 0.
        let found = unsafe { *entry };
        match found.tag {
            0 => return None,
            found_tag if found_tag == tag => {
                let relative = found.value < map.bias;
                return Some(if relative { map.bias + found.value } else { found.value });
            }
            // SAFETY: this entry was not the last.
            _ => entry = unsafe { entry.add(1) },
        }
    }
}

/// The number that entry `tag` gives.
pub(super) fn dynamic_number(map: &LinkMap, tag: i64) -> Option<usize> {
    let mut entry = map.dynamic();
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: the section ends with an entry of tag 0.
        let found = unsafe { *entry };
        match found.tag {
            0 => return None,
            found_tag if found_tag == tag => return Some(found.value),
            // SAFETY: this entry was not the last.
            _ => entry = unsafe { entry.add(1) },
        }
    }
}

/// Walks the chain of `name` in a GNU hash table: header, bloom filter, buckets, chains; a chain's last hash is odd.
///
/// # Safety
/// `table` is a well-formed GNU hash table.
unsafe fn search_gnu_hash(table: *const u32, name: &CStr, matches: impl Fn(u32) -> bool) -> Option<u32> {
    let hash =
        name.to_bytes().iter().fold(5381u32, |hash, &byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
    // SAFETY: the caller's; indices stay within what the header gives.
    unsafe {
        let (n_buckets, first, bloom_words) = (*table, *table.add(1), *table.add(2));
        let buckets = table.add(4 + 2 * bloom_words as usize);
        let chains = buckets.add(n_buckets as usize);
        if n_buckets == 0 {
            return None;
        }
        let mut index = *buckets.add((hash % n_buckets) as usize);
        if index < first {
            return None;
        }
        loop {
            let chained = *chains.add((index - first) as usize);
            if chained | 1 == hash | 1 && matches(index) {
                return Some(index);
            }
            if chained & 1 != 0 {
                return None;
            }
            index += 1;
        }
    }
}

/// Tries all symbols of an object that has only the old hash table, whose second word is their number.
///
/// # Safety
/// `table` is a well-formed System V hash table.
unsafe fn search_sysv_hash(table: *const u32, matches: impl Fn(u32) -> bool) -> Option<u32> {
    // SAFETY: the caller's.
    let n_symbols = unsafe { *table.add(1) };
    (1..n_symbols).find(|&index| matches(index))
}

/// The program headers of a loaded object.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    bias: usize,
    headers: &'static [ProgramHeader],
}

impl Image {
    /// Those of `map`, whose file header stands at `map_start` (by default at its bias, where it is in every object
    /// but a program that is not position-independent).
    pub fn of(map: &LinkMap, map_start: Option<usize>) -> Option<Image> {
        if map.name().is_empty()
            && let Some(program) = Image::of_program(map.bias)
        {
            return Some(program);
        }
        let header_at = map_start.unwrap_or(map.bias);
        if header_at == 0 {
            return None;
        }
        // SAFETY: the start of an object's mapping is readable; checked to be an ELF header before more is read.
        unsafe {
            let header = header_at as *const libc::Elf64_Ehdr;
            if (*header).e_ident.get(..4)? != b"\x7fELF" {
                return None;
            }
            let first = (header_at + (*header).e_phoff as usize) as *const ProgramHeader;
            let headers = core::slice::from_raw_parts(first, usize::from((*header).e_phnum));
            Some(Image { bias: map.bias, headers })
        }
    }

    /// The program's, as the kernel told it, which is added `bias` to. The loader takes each segment of a program with
    /// holes between them for itself, so that the file header cannot be found from any. `None` if what the kernel
    /// started is a loader, which has loaded the program then.
    fn of_program(bias: usize) -> Option<Image> {
        let stack = InitialStack::current();
        let first = stack.auxiliary(libc::AT_PHDR)? as *const ProgramHeader;
        let count = stack.auxiliary(libc::AT_PHNUM)?;
        // SAFETY: the headers are part of a loadable segment of what the kernel has started.
        let headers = unsafe { core::slice::from_raw_parts(first, count) };
        let own = headers.iter().find(|header| header.p_type == libc::PT_PHDR)?;
        (bias.wrapping_add(own.p_vaddr as usize) == first as usize).then_some(Image { bias, headers })
    }

    /// What is added to virtual addresses.
    pub fn bias(&self) -> usize {
        self.bias
    }

    /// The loadable segments.
    pub fn loads(&self) -> impl Iterator<Item = &'static ProgramHeader> {
        self.headers.iter().filter(|header| header.p_type == libc::PT_LOAD)
    }

    /// From the lowest to the highest address of the loadable segments.
    pub fn range(&self) -> Range<usize> {
        let starts = self.loads().map(|header| header.p_vaddr as usize);
        let ends = self.loads().map(|header| (header.p_vaddr + header.p_memsz) as usize);
        self.bias.wrapping_add(starts.min().unwrap_or(0))..self.bias.wrapping_add(ends.max().unwrap_or(0))
    }

    /// What can be read around `address`: the segments from its own on, to both sides, as far as they follow each other
    /// without a hole, where nothing is mapped.
    pub fn readable_around(&self, address: usize) -> Range<usize> {
        let pages = |header: &ProgramHeader| {
            let start = self.bias.wrapping_add(header.p_vaddr as usize);
            let end = start.wrapping_add(header.p_memsz as usize);
            start / PAGE_BYTES_MIN * PAGE_BYTES_MIN..end.next_multiple_of(PAGE_BYTES_MIN)
        };
        let mut found = address..address;
        // Segments are in the order of their addresses: one pass goes on upward, and one a segment downward.
        for _ in 0..self.headers.len() {
            let readable = self.loads().filter(|header| header.p_flags & libc::PF_R != 0);
            for segment in readable.map(pages) {
                if segment.start <= found.end && found.start <= segment.end {
                    found = found.start.min(segment.start)..found.end.max(segment.end);
                }
            }
        }
        found
    }

    /// What the loader has made read-only after it had written there, whole pages as it counts them.
    pub fn protected(&self) -> Range<usize> {
        let Some(header) = self.headers.iter().find(|header| header.p_type == PT_GNU_RELRO) else {
            return 0..0;
        };
        let page_bytes = super::process::page_bytes();
        let start = self.bias.wrapping_add(header.p_vaddr as usize);
        let end = start.wrapping_add(header.p_memsz as usize);
        start & !(page_bytes - 1)..end & !(page_bytes - 1)
    }

    /// The address of `.eh_frame_hdr`.
    pub fn eh_frame_header(&self) -> Option<usize> {
        let header = self.headers.iter().find(|header| header.p_type == PT_GNU_EH_FRAME)?;
        Some(self.bias.wrapping_add(header.p_vaddr as usize))
    }

    /// The build id; empty if the object has none.
    pub fn build_id(&self) -> &'static [u8] {
        let notes = self.headers.iter().filter(|header| header.p_type == libc::PT_NOTE);
        let found = notes.filter_map(|header| {
            let start = self.bias.wrapping_add(header.p_vaddr as usize);
            // SAFETY: notes are part of a loadable segment, which is mapped.
            let bytes = unsafe { core::slice::from_raw_parts(start as *const u8, header.p_memsz as usize) };
            find_build_id(bytes, header.p_align)
        });
        found.into_iter().next().unwrap_or(&[])
    }
}

/// Notes: name length, content length, type, then name and content, each padded to `align` (4 or 8).
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

    #[test]
    fn functions_of_libc_are_found_where_dlsym_finds_them() {
        for name in [c"malloc", c"free", c"memcpy", c"posix_memalign"] {
            // SAFETY: dlsym takes any name.
            let expected = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) } as usize;
            let found = LinkMap::all().find_map(|map| lookup(map, name));
            assert_eq!(found, Some(expected), "{name:?}");
        }
        assert_eq!(LinkMap::all().find_map(|map| lookup(map, c"no_such_function_anywhere")), None);
    }

    #[test]
    fn addresses_of_code_belong_to_an_image_with_unwind_tables() {
        super::super::link_map::initialise();
        let (map, range) =
            super::super::link_map::object_at(find_build_id as *const () as usize).expect("our own code");
        let image = Image::of(map, Some(range.start)).expect("an ELF image");
        assert!(image.range().contains(&(find_build_id as *const () as usize)));
        assert!(image.eh_frame_header().is_some());
    }
}
