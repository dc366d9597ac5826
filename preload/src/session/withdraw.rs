//! Takes symbols back that this library exports only in case they are needed.

use tm_common::functions::{Family, Function};

use crate::real;
use crate::sys::link_map::LinkMap;
use crate::sys::text::Text;
use crate::sys::{elf, process, syscall};

/// Takes the C++ operators out of this library's dynamic symbol table if they are not to be recorded. The loader passes
/// over symbols without a value.
pub fn withdraw_cxx_unless_needed() {
    if real::allocator_defines_new() {
        return;
    }
    let Some(ours) = LinkMap::all().find(|map| map.is_ours()) else { return };
    let page_bytes = process::InitialStack::current().auxiliary(libc::AT_PAGESZ).unwrap_or(4096);
    for &function in Function::ALL.iter().filter(|function| function.family() == Family::Cxx) {
        let mut name = Text::<64>::EMPTY;
        name.push(function.symbol().as_bytes());
        let Some(symbol) = elf::find_symbol(ours, name.as_c_str()) else { continue };
        let page = symbol as usize & !(page_bytes - 1);
        // Two pages: the entry may straddle them.
        if syscall::mprotect(page, 2 * page_bytes, libc::PROT_READ | libc::PROT_WRITE).is_err() {
            return;
        }
        // SAFETY: an entry of our own symbol table, writable now; the process has one thread yet.
        unsafe { (*symbol).st_value = 0 };
        let _ = syscall::mprotect(page, 2 * page_bytes, libc::PROT_READ);
    }
}
