//! Blocks that the program tells of.

use core::ffi::{c_char, c_int, c_uint};

use tm_common::api::result;
use tm_common::ids::{Domain, Space};

use super::name;
use crate::hooks::{caller, stub};
use crate::recorder;
use crate::session::SESSION;

/// A block is smaller: no process has more address space.
const SIZE_END: usize = 1 << 48;

stub!(tm_track, 3, on_track);

extern "C" fn on_track(domain: usize, ptr: usize, size: usize, pc: usize, sp: usize, fp: usize) -> c_int {
    // The upper half of an argument of 32 bits means nothing.
    let domain = Domain(domain as u32);
    if ptr == 0 || size >= SIZE_END || domain == Domain::MAPPINGS {
        return result::INVALID;
    }
    if !SESSION.is_recording() {
        return result::NOT_TRACING;
    }
    let Some(space) = SESSION.names.space(&SESSION, domain) else { return result::NO_MEMORY };
    recorded(recorder::tracked(space, ptr, size, caller!(pc, sp, fp)))
}

/// Implements `tm_untrack`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_untrack(domain: c_uint, ptr: usize) -> c_int {
    let domain = Domain(domain);
    if domain == Domain::MAPPINGS {
        return result::INVALID;
    }
    if !SESSION.is_recording() {
        return result::NOT_TRACING;
    }
    // What is in no known domain was never tracked.
    let space = SESSION.names.known_space(domain).filter(|_| ptr != 0);
    space.map_or(result::OK, |space| recorded(recorder::untracked(space, ptr)))
}

/// Returns the result code of a record; an event that is lost is counted besides.
fn recorded(is_recorded: bool) -> c_int {
    match is_recorded {
        true => result::OK,
        // Another thread has stopped it meanwhile.
        false if !SESSION.is_recording() => result::NOT_TRACING,
        false => result::NO_MEMORY,
    }
}

/// Implements `tm_name_domain`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_name_domain(domain: c_uint, text: *const c_char) -> c_int {
    // SAFETY: the caller's.
    let (domain, name) = (Domain(domain), unsafe { name(text) });
    if name.is_empty() || [Domain::HEAP, Domain::MAPPINGS].contains(&domain) {
        return result::INVALID;
    }
    if !SESSION.is_process() {
        return result::FAILED;
    }
    SESSION.names.name_space(&SESSION, domain, name).map_or(result::NO_MEMORY, |()| result::OK)
}

const _: () = assert!(Space::HEAP.0 == 0, "blocks of the heap may be tracked by hand too");
