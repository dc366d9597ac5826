//! The functions that allocators have beside `malloc`: those of the first object that has a family's key function.

use core::sync::atomic::{AtomicUsize, Ordering};

use tm_common::functions::{Family, Function};

use super::place;
use crate::sys::elf;
use crate::sys::link_map::LinkMap;
use crate::sys::text::Text;

/// The lowest address of any, and the highest. The first is the larger one while there are none.
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

/// Returns the symbol of `function` as a C string.
pub(crate) fn symbol(function: Function) -> Text<64> {
    let mut name = Text::EMPTY;
    name.push(function.symbol().as_bytes());
    name
}

/// Looks for families that are not known yet in the objects from place `first` on; whether there are any. Nobody changes
/// the loader's list.
#[cold]
pub fn find_interfaces(first: usize) -> bool {
    let mut is_new = false;
    for family in Family::INTERFACES {
        let Some(key) = family.key() else { continue };
        // Relaxed, here and below: addresses of code that is loaded.
        if !place(key).load(Ordering::Relaxed).is_null() {
            continue;
        }
        let key = symbol(key);
        let mut objects = LinkMap::all().skip(first).filter(|map| !map.is_ours());
        let Some(owner) = objects.find(|map| elf::find_symbol(map, key.as_c_str()).is_some()) else {
            continue;
        };
        is_new = true;
        for &function in Function::ALL.iter().filter(|function| function.family() == family) {
            let Some(address) = elf::lookup(owner, symbol(function).as_c_str()) else { continue };
            place(function).store(address as *mut _, Ordering::Relaxed);
            LOWEST.fetch_min(address, Ordering::Relaxed);
            HIGHEST.fetch_max(address, Ordering::Relaxed);
        }
    }
    is_new
}

/// Forgets the families whose object has gone; whether there were any.
pub fn remove_closed_interfaces() -> bool {
    let mut have_gone = false;
    for family in Family::INTERFACES {
        let Some(key) = family.key() else { continue };
        let address = place(key).load(Ordering::Relaxed) as usize;
        let name = symbol(key);
        let is_here = || LinkMap::all().any(|map| elf::lookup(map, name.as_c_str()) == Some(address));
        if address == 0 || is_here() {
            continue;
        }
        have_gone = true;
        for &function in Function::ALL.iter().filter(|function| function.family() == family) {
            place(function).store(core::ptr::null_mut(), Ordering::Relaxed);
        }
    }
    have_gone
}

/// Tells whether the process has any.
#[inline]
pub fn has_interfaces() -> bool {
    HIGHEST.load(Ordering::Relaxed) != 0
}

/// Tells whether `address` may be one of theirs.
pub fn is_interface(address: usize) -> bool {
    (LOWEST.load(Ordering::Relaxed)..=HIGHEST.load(Ordering::Relaxed)).contains(&address)
}

/// Tells whether nobody but us and the owner of the real function defines one of its name, so that every lookup finds
/// that one. The loader's own is for itself.
pub fn is_only_definition(function: Function) -> bool {
    let (name, real) = (symbol(function), place(function).load(Ordering::Relaxed) as usize);
    let mut others = LinkMap::all().filter(|map| !map.is_ours() && !is_loader(map));
    real != 0 && others.all(|map| elf::lookup(map, name.as_c_str()).is_none_or(|address| address == real))
}

fn is_loader(map: &LinkMap) -> bool {
    map.name()
        .to_bytes()
        .rsplit(|&byte| byte == b'/')
        .next()
        .is_some_and(|name| name.starts_with(b"ld-linux"))
}
