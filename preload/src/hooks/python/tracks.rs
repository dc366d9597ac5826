//! `PyTraceMalloc_Track` and `PyTraceMalloc_Untrack`, by which extension modules tell tracemalloc of blocks: recorded while
//! Python's own blocks are, and handed on.
//!
//! Not exported: where the program is the interpreter, its own functions come before ours, and a program without one must
//! not find any. [`crate::hooks::objects::redirect`] leads the calls of loaded objects here.

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tm_common::ids::{Domain, Space};

use super::wrappers;
use crate::hooks::caller;
use crate::hooks::stub::stub;
use crate::recorder;
use crate::session::SESSION;

const NAMES: [&CStr; 2] = [c"PyTraceMalloc_Track", c"PyTraceMalloc_Untrack"];
/// The functions of these names; 0 where nothing is led.
static REAL: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
/// The spaces that blocks were recorded in, a bit each.
static SPACES: [AtomicU64; Space::COUNT_MAX / 64] = [const { AtomicU64::new(0) }; Space::COUNT_MAX / 64];
/// A block is smaller: no process has more address space.
const SIZE_END: usize = 1 << 48;

/// Has the calls of loaded objects led here: the functions are those that `find` finds. Returns whether that is new.
pub(super) fn begin(find: impl Fn(&CStr) -> usize) -> bool {
    let functions = NAMES.map(find);
    // Relaxed, here and below: addresses of code that is loaded.
    functions.iter().all(|&function| function != 0)
        && functions
            .iter()
            .zip(&REAL)
            .all(|(&function, real)| real.swap(function, Ordering::Relaxed) != function)
}

/// Records the end of all blocks.
pub(super) fn end() {
    for (number, bits) in SPACES.iter().enumerate() {
        let bits = bits.swap(0, Ordering::Relaxed);
        for bit in (0..64).filter(|bit| bits >> bit & 1 != 0) {
            recorder::all_untracked(Space((64 * number + bit) as u8));
        }
    }
}

/// Tells whether calls are to be led here.
pub(in crate::hooks) fn are_led() -> bool {
    REAL[0].load(Ordering::Relaxed) != 0
}

/// Returns where the calls of the function of this name are led, if a slot has the interpreter's or (`None`) none yet.
pub(in crate::hooks) fn hook(name: &CStr, present: Option<usize>) -> Option<usize> {
    let number = NAMES.iter().position(|known| *known == name)?;
    let real = REAL[number].load(Ordering::Relaxed);
    let hook = [track as *const () as usize, untrack as *const () as usize][number];
    (real != 0 && present.is_none_or(|address| address == real)).then_some(hook)
}

/// Returns the space of a domain of tracemalloc's: 0 is that of Python's own blocks.
fn space_of(domain: u32) -> Option<Space> {
    if !wrappers::is_on() || !SESSION.is_recording() || Domain(domain) == Domain::MAPPINGS {
        return None;
    }
    let domain = if domain == 0 { Domain::PYTHON } else { Domain(domain) };
    SESSION.names.space(&SESSION, domain)
}

stub!(own track, 3, on_track);

extern "C" fn on_track(domain: usize, ptr: usize, size: usize, pc: usize, sp: usize, fp: usize) -> c_int {
    // SAFETY: the address is that function's; only objects whose calls were led come here.
    let real: unsafe extern "C" fn(u32, usize, usize) -> c_int =
        unsafe { core::mem::transmute(REAL[0].load(Ordering::Relaxed)) };
    // The upper half of an argument of 32 bits means nothing.
    let domain = domain as u32;
    if let Some(space) = space_of(domain).filter(|_| ptr != 0 && size < SIZE_END) {
        let bits = &SPACES[usize::from(space.0) / 64];
        bits.fetch_or(1 << (space.0 % 64), Ordering::Relaxed);
        recorder::tracked(space, ptr, size, caller!(pc, sp, fp));
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real(domain, ptr, size) }
}

unsafe extern "C" fn untrack(domain: u32, ptr: usize) -> c_int {
    // SAFETY: as in `on_track`.
    let real: unsafe extern "C" fn(u32, usize) -> c_int =
        unsafe { core::mem::transmute(REAL[1].load(Ordering::Relaxed)) };
    if let Some(space) = space_of(domain).filter(|_| ptr != 0) {
        recorder::untracked(space, ptr);
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real(domain, ptr) }
}
