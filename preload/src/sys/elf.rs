//! Symbols of loaded ELF objects, by their hash tables.
//!
//! Reads only what the loader reads itself when it looks for a symbol; files are never opened. Where an object's segments
//! are says [`super::image`].

use core::ffi::CStr;

use super::link_map::LinkMap;

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
const DT_GNU_HASH: i64 = 0x6fff_fef5;
const DT_VERSYM: i64 = 0x6fff_fff0;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
/// A version that is not the default one: old programs only.
const VERSION_HIDDEN: u16 = 0x8000;

/// Returns the address of function `name` if `map` defines it; an indirect function is resolved.
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

/// Returns the entry of function `name` in the dynamic symbol table of `map`, if it is defined there.
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

/// Returns the absolute address that entry `tag` gives. The loader has added the bias to it except in the vDSO.
pub(super) fn dynamic_value(map: &LinkMap, tag: i64) -> Option<usize> {
    let value = dynamic_number(map, tag)?;
    Some(if value < map.bias { map.bias + value } else { value })
}

/// Returns the number that entry `tag` gives.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
