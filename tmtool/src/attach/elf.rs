//! Loaded ELF files of another process, as they are in its memory: files may be gone or replaced, or out of our sight.
//!
//! Reads what the loader has read to load them, and trusts none of it: each read may fail, and each loop ends.

use std::ops::Range;

use super::memory::{Mapping, Memory};

/// A loaded file.
#[derive(Clone, Debug)]
pub struct Module {
    /// Where the beginning of the file is.
    pub start: u64,
    /// The first address behind its last part.
    pub end: u64,
    /// Its path, as the kernel has it.
    pub path: String,
    /// What is added to the file's addresses.
    pub bias: u64,
    headers: Vec<Header>,
}

/// A program header.
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u32,
    address: u64,
    memory_bytes: u64,
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_PHDR: u32 = 6;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_DEBUG: u64 = 21;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const HEADER_BYTES: u64 = 56;
/// The most program headers, entries of a dynamic section, and steps along a chain of symbols that are looked at.
const N_MAX: u64 = 4096;

/// All loaded files of a process.
pub fn modules(memory: &Memory) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for mapping in memory.maps() {
        // The vDSO has no file.
        let is_file = !mapping.file.is_empty() || mapping.path == "[vdso]";
        let is_known = modules.last().is_some_and(|last| mapping.start < last.end);
        if is_file && mapping.offset == 0 && !is_known {
            modules.extend(Module::at(memory, mapping));
        }
    }
    modules
}

impl Module {
    fn at(memory: &Memory, mapping: &Mapping) -> Option<Module> {
        let start = mapping.start;
        if memory.read::<4>(start)? != *b"\x7fELF" {
            return None;
        }
        let at = memory.word(start + 32)?;
        let n = u16::from_le_bytes(memory.read(start + 56)?);
        Module::of_headers(memory, start.checked_add(at)?, u64::from(n), Some(start), &mapping.path)
    }

    /// The program itself, whose headers are where the kernel says so.
    pub fn of_program(memory: &Memory, headers_at: u64, n_headers: u64) -> Option<Module> {
        let path = memory.at(headers_at).map(|mapping| mapping.path.clone()).unwrap_or_default();
        Module::of_headers(memory, headers_at, n_headers, None, &path)
    }

    fn of_headers(memory: &Memory, at: u64, n: u64, start: Option<u64>, path: &str) -> Option<Module> {
        let headers: Vec<Header> = (0..n.min(N_MAX))
            .map_while(|n| {
                let at = at + n * HEADER_BYTES;
                let kind = memory.half(at)?;
                Some(Header { kind, address: memory.word(at + 16)?, memory_bytes: memory.word(at + 40)? })
            })
            .collect();
        let loads = || headers.iter().filter(|header| header.kind == PT_LOAD);
        let lowest = loads().map(|load| load.address).min()? & !0xfff;
        let highest = loads().map(|load| load.address.saturating_add(load.memory_bytes)).max()?;
        let own = headers.iter().find(|header| header.kind == PT_PHDR);
        let bias = match (start, own) {
            (Some(start), _) => start.wrapping_sub(lowest),
            (None, Some(own)) => at.wrapping_sub(own.address),
            (None, None) => 0,
        };
        let (start, end) = (bias.wrapping_add(lowest), bias.wrapping_add(highest));
        Some(Module { start, end, path: path.to_owned(), bias, headers })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether `address` is in it.
    pub fn has(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    fn part(&self, kind: u32) -> Option<u64> {
        let found = self.headers.iter().find(|header| header.kind == kind)?;
        Some(self.bias.wrapping_add(found.address))
    }

    /// The table of its unwind tables.
    pub fn unwind_header(&self) -> Option<u64> {
        self.part(PT_GNU_EH_FRAME)
    }

    fn dynamic(&self, memory: &Memory, tag: u64) -> Option<u64> {
        let at = self.part(PT_DYNAMIC)?;
        (0..N_MAX)
            .map_while(|n| Some((memory.word(at + 16 * n)?, memory.word(at + 16 * n + 8)?)))
            .take_while(|entry| entry.0 != 0)
            .find(|entry| entry.0 == tag)
            .map(|entry| entry.1)
    }

    /// The loader's structure for debuggers, which the program's dynamic section names.
    pub fn loader_state(&self, memory: &Memory) -> Option<LoaderState> {
        let at = self.dynamic(memory, DT_DEBUG).filter(|&at| at != 0)?;
        Some(LoaderState { at })
    }

    /// Where function or variable `name` is, and how long: that of its default version.
    pub fn symbol(&self, memory: &Memory, name: &str) -> Option<Range<u64>> {
        // The loader adds the bias except in the vDSO.
        let table = |tag| {
            let value = self.dynamic(memory, tag)?;
            Some(if value < self.start { self.bias.wrapping_add(value) } else { value })
        };
        let (symbols, strings, hashes) = (table(DT_SYMTAB)?, table(DT_STRTAB)?, table(DT_GNU_HASH)?);
        let hash = name.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
        let word = |n: u64| memory.half(hashes + 4 * n).map(u64::from);
        let (n_buckets, first, n_filters) = (word(0)?, word(1)?, word(2)?);
        let buckets = 4 + 2 * n_filters;
        let begin = word(buckets + u64::from(hash).checked_rem(n_buckets)?)?;
        for index in (begin..).take(N_MAX as usize) {
            let chained = word(buckets + n_buckets + index.checked_sub(first)?)?;
            if chained as u32 | 1 == hash | 1 {
                let at = symbols + 24 * index;
                let is_defined = u16::from_le_bytes(memory.read(at + 6)?) != 0;
                let text = memory.text(strings + u64::from(memory.half(at)?), name.len() + 1);
                let (value, size) = (memory.word(at + 8)?, memory.word(at + 16)?);
                if is_defined && value != 0 && text == name {
                    let start = self.bias.wrapping_add(value);
                    return Some(start..start.saturating_add(size));
                }
            }
            if chained & 1 != 0 {
                return None;
            }
        }
        None
    }
}

/// `struct r_debug` of `<link.h>`.
#[derive(Clone, Copy, Debug)]
pub struct LoaderState {
    at: u64,
}

impl LoaderState {
    /// Whether nobody loads or unloads anything.
    pub fn is_consistent(self, memory: &Memory) -> bool {
        memory.half(self.at + 24) == Some(0)
    }
}

/// The kernel's words for the program: where its headers are and how many.
pub fn program(memory: &Memory, pid: u32) -> Option<Module> {
    const AT_PHDR: u64 = 3;
    const AT_PHNUM: u64 = 5;
    let bytes = std::fs::read(format!("/proc/{pid}/auxv")).ok()?;
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes)).collect();
    let value = |key| words.chunks_exact(2).find(|entry| entry.first() == Some(&key))?.get(1).copied();
    Module::of_program(memory, value(AT_PHDR)?, value(AT_PHNUM)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_program_a_loader_and_a_c_library() {
        let pid = std::process::id();
        let memory = Memory::of(pid).unwrap();
        let program = program(&memory, pid).unwrap();
        assert!(program.has(Memory::of as *const () as u64));
        assert!(program.loader_state(&memory).unwrap().is_consistent(&memory));
        let modules = modules(&memory);
        let library = modules.iter().find(|module| module.name().starts_with("libc.so")).unwrap();
        let malloc = library.symbol(&memory, "malloc").unwrap();
        assert_eq!(malloc.start, libc::malloc as *const () as u64);
        assert!(library.has(malloc.end) && library.symbol(&memory, "no_such_function").is_none());
        assert!(modules.iter().any(|module| module.name().starts_with("ld-linux")));
        assert!(library.unwind_header().is_some_and(|at| library.has(at)));
    }
}
