//! The functions that allocators have beside `malloc`: those of the first object that has a family's key function.

use core::sync::atomic::{AtomicUsize, Ordering};

use tm_common::functions::{Family, Function};

use super::{held, known, place};
use crate::sys::objects::elf::Symbols;
use crate::sys::objects::link_map::LinkMap;
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
    for map in LinkMap::all().skip(first).filter(|map| !map.is_ours()) {
        let unknown = |family: &Family| family.key().is_some_and(|key| known(key).is_null());
        let mut missing = Family::INTERFACES.into_iter().filter(unknown).peekable();
        if missing.peek().is_none() {
            break;
        }
        let Some(symbols) = Symbols::of(map) else { continue };
        for family in missing.filter(|family| defines_key(&symbols, *family)) {
            is_new = true;
            held::note_family(&symbols, family);
            for &function in Function::ALL.iter().filter(|function| function.family() == family) {
                let Some(address) = symbols.function(symbol(function).as_c_str()) else { continue };
                // Relaxed, here and below: addresses of code that is loaded.
                place(function).store(address as *mut _, Ordering::Relaxed);
                LOWEST.fetch_min(address, Ordering::Relaxed);
                HIGHEST.fetch_max(address, Ordering::Relaxed);
            }
        }
    }
    is_new
}

fn defines_key(symbols: &Symbols, family: Family) -> bool {
    family.key().is_some_and(|key| symbols.find(symbol(key).as_c_str()).is_some())
}

/// Tells whether the object defines `malloc` or an allocator's own functions.
pub fn is_allocator(map: &'static LinkMap) -> bool {
    Symbols::of(map).is_some_and(|symbols| {
        symbols.find(symbol(Function::Malloc).as_c_str()).is_some()
            || Family::INTERFACES.into_iter().any(|family| defines_key(&symbols, family))
    })
}

/// Forgets the families whose object has gone; whether there were any.
pub fn remove_closed_interfaces() -> bool {
    let mut have_gone = false;
    for family in Family::INTERFACES {
        let Some(key) = family.key() else { continue };
        let address = known(key) as usize;
        let name = symbol(key);
        let is_it = |symbols: Symbols| symbols.function(name.as_c_str()) == Some(address);
        if address == 0 || LinkMap::all().filter_map(Symbols::of).any(is_it) {
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
    let (name, real) = (symbol(function), known(function) as usize);
    let others = LinkMap::all().filter(|map| !map.is_ours() && !is_loader(map));
    let mut found = others.filter_map(Symbols::of).filter_map(|symbols| symbols.function(name.as_c_str()));
    real != 0 && found.all(|address| address == real)
}

/// Tells whether this is the loader.
pub fn is_loader(map: &LinkMap) -> bool {
    map.name()
        .to_bytes()
        .rsplit(|&byte| byte == b'/')
        .next()
        .is_some_and(|name| name.starts_with(b"ld-linux"))
}
