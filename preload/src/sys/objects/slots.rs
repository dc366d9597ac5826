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

use super::elf::{self, Symbols};
use super::link_map::LinkMap;
use crate::sys::memory::maps::Maps;
use crate::sys::{process, syscall};

const DT_PLTRELSZ: i64 = 2;
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

/// No hooked function has a longer name.
const NAME_BYTES_MAX: usize = 64;

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
    name: &'static CStr,
    is_jump: bool,
    /// Stays 0 if nobody defines the function.
    is_weak: bool,
}

impl Slot {
    /// Returns what stands there.
    pub fn value(self) -> usize {
        // SAFETY: in a segment that can be written. Relaxed: the address of code that is loaded.
        unsafe { (*self.place).load(Ordering::Relaxed) }
    }

    /// Returns the name of the function.
    pub fn name(self) -> &'static CStr {
        self.name
    }
}

/// An object whose slots can be read and changed.
#[derive(Debug)]
pub struct Slots {
    tables: [&'static [Relocation]; 2],
    symbols: Symbols,
    /// Made read-only by the loader after it had written there.
    protected: Range<usize>,
}

impl core::fmt::Debug for Relocation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x}", self.offset)
    }
}

impl Slots {
    /// Finds the slots of `map`; `None` if it has none that we can read.
    pub fn of(map: &'static LinkMap) -> Option<Slots> {
        let symbols = Symbols::of(map)?;
        let image = symbols.image();
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
            protected: image.protected(),
            symbols,
        })
    }

    /// Returns all of them, as far as their names can be ones of hooked functions.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.tables.iter().flat_map(|table| table.iter()).filter_map(|relocation| {
            let (symbol, kind) = ((relocation.info >> 32) as usize, relocation.info as u32);
            let is_jump = kind == JUMP_SLOT;
            if symbol == 0 || relocation.addend != 0 || !(is_jump || OTHER_SLOTS.contains(&kind)) {
                return None;
            }
            let name = self.symbols.name(symbol, NAME_BYTES_MAX)?;
            let is_weak = self.symbols.is_weak(symbol);
            let place = self.symbols.image().bias().wrapping_add(relocation.offset as usize);
            let is_word = place.is_multiple_of(align_of::<usize>()) && self.is_writable(place);
            is_word.then_some(Slot { place: place as *const AtomicUsize, name, is_jump, is_weak })
        })
    }

    /// Tells whether the loader could write a word at `place`.
    fn is_writable(&self, place: usize) -> bool {
        self.symbols.image().segment_with(libc::PF_W, place..place.saturating_add(size_of::<usize>()))
    }

    /// Tells whether the loader has not looked the function of `slot` up yet: it leads to the object's own code.
    pub fn is_unbound(&self, slot: Slot) -> bool {
        slot.is_jump && self.symbols.image().range().contains(&slot.value())
    }

    /// Tells whether the loader has done with the object: it has taken back the permission to write where it will not write any
    /// more, or, if there is no such place or nobody to ask, has written to each slot.
    pub fn are_relocated(&self, maps: Option<&Maps>) -> bool {
        if let Some(maps) = maps.filter(|_| !self.protected.is_empty()) {
            return maps.at(self.protected.start).is_some_and(|mapping| mapping.flags & libc::PF_W == 0);
        }
        let (range, bias) = (self.symbols.image().range(), self.symbols.image().bias());
        // Before, a jump slot has an address of the object as the file has it. (The function itself may be before the object as
        // well as behind it.)
        let is_as_in_file = |value: usize| bias != 0 && range.contains(&value.wrapping_add(bias));
        self.iter()
            .filter(|slot| !slot.is_weak)
            .all(|slot| slot.value() != 0 && !(slot.is_jump && is_as_in_file(slot.value())))
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
        store(slot, address);
        true
    }
}

fn store(slot: Slot, address: usize) {
    // SAFETY: the object's own word, aligned and writable now. Relaxed: either function may be called meanwhile.
    unsafe { (*slot.place).store(address, Ordering::Relaxed) };
}
