//! Symbols of loaded ELF objects, by their hash tables.
//!
//! Reads what the loader reads itself when it looks for a symbol; files are never opened. But the loader looks for other
//! names than this, so it may never have come to a damaged part: every number is held against the loadable segments, whose
//! place says [`super::image`].

use core::ffi::CStr;
use core::ops::Range;

use super::image::Image;
use super::link_map::{self, LinkMap};
use crate::sys::arch;

/// An entry of a dynamic section.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Dynamic {
    tag: i64,
    value: usize,
}

type Symbol = libc::Elf64_Sym;

const DT_HASH: i64 = 4;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
/// The size of the array of constructors.
pub const DT_INIT_ARRAYSZ: i64 = 27;
const DT_GNU_HASH: i64 = 0x6fff_fef5;
const DT_VERSYM: i64 = 0x6fff_fff0;
const STB_WEAK: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
/// The types of symbols that are functions, and of those that are variables.
const FUNCTIONS: [u8; 2] = [2, STT_GNU_IFUNC];
const VARIABLES: [u8; 2] = [1, 1];
/// A version that is not the default one: old programs only.
const VERSION_HIDDEN: u16 = 0x8000;

/// Bytes that can be read, from the beginning of a table on. Where the table ends is said nowhere.
#[derive(Clone, Copy, Debug)]
struct Table {
    start: usize,
    end: usize,
}

impl Table {
    /// Reads entry `index`, if it can be read.
    fn get<T: Copy>(self, index: usize) -> Option<T> {
        let at = self.start.checked_add(index.checked_mul(size_of::<T>())?)?;
        // SAFETY: in segments that stay mapped as long as the object is loaded. All values are numbers.
        (at.checked_add(size_of::<T>())? <= self.end).then(|| unsafe { (at as *const T).read_unaligned() })
    }

    /// Reads at most `len_max` bytes from `offset` on.
    fn bytes(self, offset: usize, len_max: usize) -> Option<&'static [u8]> {
        let start = self.start.checked_add(offset).filter(|&start| start < self.end)?;
        // SAFETY: as above.
        Some(unsafe { core::slice::from_raw_parts(start as *const u8, len_max.min(self.end - start)) })
    }
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Gnu(Table),
    SystemV(Table),
}

/// The dynamic symbols of a loaded object.
#[derive(Debug)]
pub struct Symbols {
    image: Image,
    entries: Table,
    strings: Table,
    versions: Option<Table>,
    hash: Hash,
}

impl Symbols {
    /// Finds the symbols of `map`; `None` if it has none that can be read.
    pub fn of(map: &'static LinkMap) -> Option<Symbols> {
        let image = link_map::image_of(map)?;
        let mut readable = 0..0;
        let mut table = |tag| {
            let start = dynamic_value(map, tag)?;
            if !readable.contains(&start) {
                readable = image.readable_segment(start);
            }
            readable.contains(&start).then_some(Table { start, end: readable.end })
        };
        let (entries, strings, versions) = (table(DT_SYMTAB)?, table(DT_STRTAB)?, table(DT_VERSYM));
        let hash = match table(DT_GNU_HASH) {
            Some(table) => Hash::Gnu(table),
            None => Hash::SystemV(table(DT_HASH)?),
        };
        Some(Symbols { image, entries, strings, versions, hash })
    }

    /// Returns the segments of the object.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Returns the entry of function `name`, if it is defined there.
    pub fn find(&self, name: &CStr) -> Option<*mut Symbol> {
        self.find_typed(name, FUNCTIONS)
    }

    fn find_typed(&self, name: &CStr, types: [u8; 2]) -> Option<*mut Symbol> {
        let index = match self.hash {
            Hash::Gnu(table) => self.search_gnu(table, name, types),
            Hash::SystemV(table) => self.search_system_v(table, name, types),
        }?;
        // `defines` has read this entry.
        Some((self.entries.start as *mut Symbol).wrapping_add(index as usize))
    }

    /// Returns the address of function `name`, if it is defined there; an indirect function is resolved.
    pub fn function(&self, name: &CStr) -> Option<usize> {
        // SAFETY: `find` returns entries of the symbol table, which can be read.
        let symbol = unsafe { self.find(name)?.read() };
        let address = self.image.bias().wrapping_add(symbol.st_value as usize);
        if !self.image.segment_with(libc::PF_X, address..address.saturating_add(1)) {
            return None;
        }
        if symbol.st_info & 0xf != STT_GNU_IFUNC {
            return Some(address);
        }
        // SAFETY: an indirect function's value is its resolver.
        Some(unsafe { arch::call_resolver(address) })
    }

    /// Returns where variable `name` is, if it is defined there and can be read.
    pub fn variable(&self, name: &CStr) -> Option<Range<usize>> {
        // SAFETY: as in `function`.
        let symbol = unsafe { self.find_typed(name, VARIABLES)?.read() };
        let start = self.image.bias().wrapping_add(symbol.st_value as usize);
        let place = start..start.checked_add(symbol.st_size as usize)?;
        self.image.segment_with(libc::PF_R, place.clone()).then_some(place)
    }

    /// Returns the name of the symbol in place `index`, if it is shorter than `len_max` bytes.
    pub fn name(&self, index: usize, len_max: usize) -> Option<&'static CStr> {
        let symbol: Symbol = self.entries.get(index)?;
        CStr::from_bytes_until_nul(self.strings.bytes(symbol.st_name as usize, len_max)?).ok()
    }

    /// Tells whether the symbol in place `index` need not be defined by anybody.
    pub fn is_weak(&self, index: usize) -> bool {
        self.entries.get::<Symbol>(index).is_none_or(|symbol| symbol.st_info >> 4 == STB_WEAK)
    }

    /// Tells whether the symbol in place `index` is the definition of `name`, as something of these types.
    fn defines(&self, index: u32, name: &CStr, types: [u8; 2]) -> bool {
        let index = index as usize;
        let version = || match self.versions {
            Some(table) => table.get::<u16>(index),
            None => Some(0),
        };
        let Some((symbol, version)) = self.entries.get::<Symbol>(index).zip(version()) else { return false };
        let is_wanted = types.contains(&(symbol.st_info & 0xf));
        let is_defined = symbol.st_shndx != 0 && symbol.st_value != 0;
        let name = name.to_bytes_with_nul();
        version & VERSION_HIDDEN == 0
            && is_wanted
            && is_defined
            && self.strings.bytes(symbol.st_name as usize, name.len()) == Some(name)
    }

    /// Goes along the chain of `name` in a GNU hash table: header, bloom filter, buckets, chains; a chain's last hash is odd.
    fn search_gnu(&self, table: Table, name: &CStr, types: [u8; 2]) -> Option<u32> {
        let step = |hash: u32, &byte: &u8| hash.wrapping_mul(33).wrapping_add(byte.into());
        let hash = name.to_bytes().iter().fold(5381, step);
        let word = |at: usize| table.get::<u32>(at);
        let (n_buckets, first, bloom_words, shift) = (word(0)?, word(1)?, word(2)? as usize, word(3)?);
        let filter = table.get::<u64>(2 + ((hash / 64) as usize & bloom_words.checked_sub(1)?))?;
        if filter >> (hash % 64) & filter >> (hash.wrapping_shr(shift) % 64) & 1 == 0 {
            return None;
        }
        let buckets = 4 + 2 * bloom_words;
        let mut index = word(buckets + hash.checked_rem(n_buckets)? as usize)?;
        // The table's end, if not the chain's, ends this.
        loop {
            let chained = word(buckets + n_buckets as usize + index.checked_sub(first)? as usize)?;
            if chained | 1 == hash | 1 && self.defines(index, name, types) {
                return Some(index);
            }
            if chained & 1 != 0 {
                return None;
            }
            index = index.checked_add(1)?;
        }
    }

    /// Goes along the chain of `name` in a System V hash table: the numbers of buckets and of symbols, buckets, and for each
    /// symbol the next one of its chain; 0 ends it.
    fn search_system_v(&self, table: Table, name: &CStr, types: [u8; 2]) -> Option<u32> {
        let step = |hash: u32, &byte: &u8| {
            let hash = (hash << 4).wrapping_add(byte.into());
            (hash ^ (hash >> 24 & 0xf0)) & 0x0fff_ffff
        };
        let hash = name.to_bytes().iter().fold(0, step);
        let word = |at: usize| table.get::<u32>(at);
        let (n_buckets, n_symbols) = (word(0)?, word(1)?);
        let mut index = word(2 + hash.checked_rem(n_buckets)? as usize)?;
        // A chain has no more steps than there are symbols, and these no more than the table has words.
        for _ in 0..n_symbols.min(((table.end - table.start) / size_of::<u32>()) as u32) {
            if index == 0 {
                return None;
            }
            if self.defines(index, name, types) {
                return Some(index);
            }
            index = word(2 + n_buckets as usize + index as usize)?;
        }
        None
    }
}

/// Returns the addresses of the first function of each name in the order of the list, 0 for none.
pub fn first_of<const N: usize>(names: [&CStr; N]) -> [usize; N] {
    let mut found = [0; N];
    for symbols in LinkMap::all().filter_map(Symbols::of) {
        for (address, name) in found.iter_mut().zip(names).filter(|(address, _)| **address == 0) {
            *address = symbols.function(name).unwrap_or(0);
        }
        if !found.contains(&0) {
            break;
        }
    }
    found
}

/// Returns the absolute address that entry `tag` gives. The loader has added the bias to it except in the vDSO.
pub(super) fn dynamic_value(map: &LinkMap, tag: i64) -> Option<usize> {
    let value = dynamic_number(map, tag)?;
    Some(if value < map.bias { map.bias + value } else { value })
}

/// Returns the number that entry `tag` gives.
pub fn dynamic_number(map: &LinkMap, tag: i64) -> Option<usize> {
    let mut entry = map.dynamic();
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: the section ends with an entry of tag 0: the loader has read it up to there.
        let found = unsafe { *entry };
        match found.tag {
            0 => return None,
            found_tag if found_tag == tag => return Some(found.value),
            // SAFETY: this entry was not the last.
            _ => entry = unsafe { entry.add(1) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Symbols> {
        LinkMap::all().filter_map(Symbols::of)
    }

    #[test]
    fn functions_of_libc_are_found_where_dlsym_finds_them() {
        let names = [c"malloc", c"free", c"memcpy", c"posix_memalign"];
        // SAFETY: dlsym takes any name.
        let expected = names.map(|name| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) } as usize);
        assert_eq!(first_of(names), expected);
        assert_eq!(first_of([c"malloc", c"no_such_function_anywhere"])[1], 0);
    }

    /// Returns a table as no linker makes it, for the symbols of the C library.
    fn with_hash(hash: fn(Table) -> Hash, words: &[u32]) -> Symbols {
        let libc = all().find(|symbols| symbols.find(c"posix_memalign").is_some()).expect("it is loaded");
        let start = words.as_ptr() as usize;
        Symbols { hash: hash(Table { start, end: start + size_of_val(words) }), ..libc }
    }

    #[test]
    fn chains_without_an_end_end() {
        const ALL: u32 = u32::MAX;
        // Bucket 0 leads to symbol 1; the chain goes on as far as there are words.
        for words in [&[1, 1, 1, 0, ALL, ALL, 1, 2, 2, 2, 2][..], &[1, 0, 1, 0, ALL, ALL, ALL]] {
            assert_eq!(with_hash(Hash::Gnu, words).find(c"malloc"), None);
        }
        for words in [&[0, 0, 0, 0][..], &[1, 1, 0, 0, 0], &[1, 0, 1 << 31, 0], &[ALL; 9], &[1], &[]] {
            assert_eq!(with_hash(Hash::Gnu, words).find(c"malloc"), None, "{words:?}");
            assert_eq!(with_hash(Hash::SystemV, words).find(c"malloc"), None, "{words:?}");
        }
        // Symbol 1 is followed by symbol 1.
        assert_eq!(with_hash(Hash::SystemV, &[1, ALL, 1, 0, 1]).find(c"malloc"), None);
    }

    #[test]
    fn both_kinds_of_tables_lead_to_a_symbol() {
        let gnu = all().find(|symbols| symbols.find(c"posix_memalign").is_some()).expect("it is loaded");
        let wanted = gnu.find(c"posix_memalign").expect("it is there");
        let index = (wanted as usize - gnu.entries.start) / size_of::<Symbol>();
        let words = [1, u32::MAX, index as u32];
        assert_eq!(with_hash(Hash::SystemV, &words).find(c"posix_memalign"), Some(wanted));
        assert_eq!(gnu.name(index, 64), Some(c"posix_memalign"));
        assert_eq!((gnu.name(index, 8), gnu.name(usize::MAX / 8, 64)), (None, None));
    }
}
