//! The copy of `libtm.so` that is brought into a process: the library with a word that says so.

use std::fs;
use std::path::Path;

use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};
use tm_common::attach::{Door, IS_BROUGHT, SYMBOL};

use crate::errors::{Error, Result};

/// The bytes of the copy.
///
/// # Errors
/// The library cannot be read, or has no such word.
pub fn of_library(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let place = place_of_word(&bytes).ok_or_else(|| {
        Error::Message(format!(
            "{} cannot be brought into a process: it is of another version than this tmtool; put the one beside it that was \
             built with it",
            path.display()
        ))
    })?;
    bytes
        .get_mut(place..place + 4)
        .map(|word| word.copy_from_slice(&IS_BROUGHT.to_le_bytes()))
        .ok_or_else(|| Error::Message(format!("{} is cut; build it again", path.display())))?;
    Ok(bytes)
}

/// Where in the file the word is.
fn place_of_word(bytes: &[u8]) -> Option<usize> {
    let elf = ElfFile64::<Endianness>::parse(bytes).ok()?;
    let symbol = elf.dynamic_symbols().find(|symbol| symbol.name() == Ok(SYMBOL))?;
    let address = symbol.address().checked_add(Door::BROUGHT as u64)?;
    let endian = elf.endian();
    elf.elf_program_headers().iter().find_map(|header| {
        let (_, file_bytes) = header.file_range(endian);
        let before = address.checked_sub(header.p_vaddr(endian))?;
        let is_load = header.p_type(endian) == object::elf::PT_LOAD && before + 4 <= file_bytes;
        is_load.then(|| (header.p_offset(endian) + before) as usize)
    })
}
