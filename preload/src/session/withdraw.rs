//! Takes symbols back that this library exports only in case they are needed.

use tm_common::functions::{Family, Function};

use crate::real;
use crate::sys::objects::elf::Symbols;
use crate::sys::objects::link_map::LinkMap;
use crate::sys::text::Text;
use crate::sys::{process, syscall};

/// Takes the C++ operators out of this library's dynamic symbol table if they are not to be recorded. The loader passes
/// over symbols without a value.
pub fn withdraw_cxx_unless_needed() {
    if real::allocator_defines_new() {
        return;
    }
    let Some(ours) = LinkMap::all().find(|map| map.is_ours()).and_then(Symbols::of) else { return };
    let symbols =
        Function::ALL.iter().filter(|function| function.family() == Family::Cxx).filter_map(|function| {
            let mut name = Text::<64>::EMPTY;
            name.push(function.symbol().as_bytes());
            ours.find(name.as_c_str())
        });
    // All of them stand in one table of a few pages, which is made writable once.
    let ends = symbols.clone().map(|symbol| (symbol as usize, symbol.wrapping_add(1) as usize));
    let Some((first, end)) = ends.reduce(|one, two| (one.0.min(two.0), one.1.max(two.1))) else { return };
    let page_bytes = process::page_bytes();
    let start = first & !(page_bytes - 1);
    if syscall::mprotect(start, end - start, libc::PROT_READ | libc::PROT_WRITE).is_err() {
        return;
    }
    for symbol in symbols {
        // SAFETY: an entry of our own symbol table, writable now. Where there are other threads, as after `dlopen`, a lookup
        // reads the word as it was or as it is.
        unsafe { (*symbol).st_value = 0 };
    }
    let _ = syscall::mprotect(start, end - start, libc::PROT_READ);
}
