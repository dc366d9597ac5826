//! The places in a loaded object where the addresses of functions of other objects stand, and how to change one.
//!
//! ```text
//!  call f@plt --> jmp *slot      JUMP_SLOT   the object's own PLT until f is looked up, then f
//!  &f, weak f --> load slot      GLOB_DAT    f, or 0 if nobody has it
//!  static fn  --> load slot      64          f, in initialised data
//! ```
//!
//! Reads the relocations that the loader has applied to the object, and nothing of its file.

use core::ffi::CStr;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::elf;
use super::image::Image;
use super::link_map::{self, LinkMap};
use super::{process, syscall};

const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;

#[cfg(target_arch = "x86_64")]
const JUMP_SLOT: u32 = 7;
#[cfg(target_arch = "x86_64")]
const OTHER_SLOTS: [u32; 2] = [6, 1];
#[cfg(target_arch = "aarch64")]
const JUMP_SLOT: u32 = 1026;
#[cfg(target_arch = "aarch64")]
const OTHER_SLOTS: [u32; 2] = [1025, 257];

/// An entry of a relocation table, `Elf64_Rela`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Relocation {
    offset: u64,
    info: u64,
    addend: i64,
}

/// A place that holds the address of a function of a name.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    place: *const AtomicUsize,
    name: *const core::ffi::c_char,
    is_jump: bool,
}

impl Slot {
    /// Returns what stands there.
    pub fn value(self) -> usize {
        // SAFETY: the loader has written there. Relaxed: the address of code that is loaded.
        unsafe { (*self.place).load(Ordering::Relaxed) }
    }

    /// Returns the name of the function.
    pub fn name(self) -> &'static CStr {
        // SAFETY: a name of the object's string table, which the loader has looked up by it.
        unsafe { CStr::from_ptr(self.name) }
    }
}

/// An object whose slots can be read and changed.
#[derive(Debug)]
pub struct Slots {
    tables: [&'static [Relocation]; 2],
    symbols: *const libc::Elf64_Sym,
    strings: usize,
    bias: usize,
    /// Made read-only by the loader after it had written there.
    protected: Range<usize>,
    image: Image,
}

impl core::fmt::Debug for Relocation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x}", self.offset)
    }
}

impl Slots {
    /// Finds the slots of `map`; `None` if it has none that we can read.
    pub fn of(map: &'static LinkMap) -> Option<Slots> {
        let image = Image::of(&link_map::object_of(map))?;
        let table = |address: i64, size: i64| -> &'static [Relocation] {
            let (Some(at), Some(bytes)) = (elf::dynamic_value(map, address), elf::dynamic_number(map, size))
            else {
                return &[];
            };
            let readable = image.readable_around(at);
            if !readable.contains(&at)
                || bytes > readable.end - at
                || !at.is_multiple_of(align_of::<Relocation>())
            {
                return &[];
            }
            // SAFETY: the loader has read this table to load the object, and it can be read.
            unsafe { core::slice::from_raw_parts(at as *const Relocation, bytes / size_of::<Relocation>()) }
        };
        Some(Slots {
            tables: [table(DT_JMPREL, DT_PLTRELSZ), table(DT_RELA, DT_RELASZ)],
            symbols: elf::dynamic_value(map, DT_SYMTAB)? as *const libc::Elf64_Sym,
            strings: elf::dynamic_value(map, DT_STRTAB)?,
            bias: map.bias,
            protected: image.protected(),
            image,
        })
    }

    /// Returns all slots.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.tables.iter().flat_map(|table| table.iter()).filter_map(|relocation| {
            let (symbol, kind) = ((relocation.info >> 32) as usize, relocation.info as u32);
            let is_jump = kind == JUMP_SLOT;
            if symbol == 0 || relocation.addend != 0 || !(is_jump || OTHER_SLOTS.contains(&kind)) {
                return None;
            }
            // SAFETY: an index of the object's symbol table, which the loader has used.
            let symbol = unsafe { &*self.symbols.add(symbol) };
            let place = self.bias.wrapping_add(relocation.offset as usize);
            let name = (self.strings + symbol.st_name as usize) as *const core::ffi::c_char;
            place.is_multiple_of(align_of::<usize>()).then_some(Slot {
                place: place as *const AtomicUsize,
                name,
                is_jump,
            })
        })
    }

    /// Tells whether the loader has not looked the function of `slot` up yet: it leads to the object's own code.
    pub fn is_unbound(&self, slot: Slot) -> bool {
        slot.is_jump && self.image.range().contains(&slot.value())
    }

    /// Makes `slot` hold `address`. `false` if its page cannot be written.
    pub fn set(&self, slot: Slot, address: usize) -> bool {
        let place = slot.place as usize;
        if self.protected.contains(&place) {
            let page_bytes = process::page_bytes();
            let page = place & !(page_bytes - 1);
            if syscall::mprotect(page, page_bytes, libc::PROT_READ | libc::PROT_WRITE).is_err() {
                return false;
            }
            store(slot, address);
            let _ = syscall::mprotect(page, page_bytes, libc::PROT_READ);
            return true;
        }
        let is_writable = self.image.loads().any(|load| {
            let start = self.bias.wrapping_add(load.p_vaddr as usize);
            load.p_flags & libc::PF_W != 0
                && (start..start.wrapping_add(load.p_memsz as usize)).contains(&place)
        });
        if is_writable {
            store(slot, address);
        }
        is_writable
    }
}

fn store(slot: Slot, address: usize) {
    // SAFETY: the object's own word, aligned and writable now. Relaxed: either function may be called meanwhile.
    unsafe { (*slot.place).store(address, Ordering::Relaxed) };
}
