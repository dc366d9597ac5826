//! The door for `tmtool attach` and `detach` ([`tm_common::attach`]): functions that tmtool has a thread of the process call, one at a
//! time, where that thread may call the loader.
//!
//! A library that tmtool has brought starts nothing by itself and says nothing to the program: its settings, and where its
//! messages go, come through here. Once attached it is as if preloaded, except that calls come through slots.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicU32, Ordering};

use tm_common::attach::{Door, Request, SETTINGS_BYTES_MAX, State, result};
use tm_common::metadata::NoteReason;

use crate::hooks::objects::redirect;
use crate::hooks::python::allocators;
use crate::python::PYTHON;
use crate::session::commands::{self, Refused};
use crate::session::{SESSION, finish, start};
use crate::sys::text::{Text, parse_number};
use crate::sys::{files, message, process};

/// The door. tmtool finds it by its symbol, and writes [`Door::brought`] into the copy that it brings.
#[allow(non_upper_case_globals, reason = "the name is the symbol")]
#[cfg_attr(not(test), unsafe(no_mangle))]
pub static tm_door: Door = Door {
    size: size_of::<Door>() as u64,
    brought: AtomicU32::new(0),
    state: AtomicU32::new(State::Apart as u32),
    attach,
    begin,
    detach,
};

/// Tells whether tmtool has brought this library.
pub fn is_brought() -> bool {
    // Relaxed: written in the file.
    tm_door.brought.load(Ordering::Relaxed) != 0
}

/// Takes the settings, has a recording begun that is idle, and leads all calls. One that there is already goes on.
unsafe extern "C" fn attach(request: *mut Request) -> c_int {
    // SAFETY: tmtool's, which lives as long as the call.
    let Some(request) = (unsafe { of_this_build(request) }) else { return result::REFUSED };
    let settings = keep(request);
    let is_ready = message::listen(|| SESSION.enter_brought(entries(settings)), |said| answer(request, said));
    if !is_ready {
        return result::NO_RECORDING;
    }
    PYTHON.on_first_frame(allocators::see_first_frame);
    request.n_led = redirect::lead_all() as u64;
    // Relaxed: for tmtool, which stops the thread before it looks.
    tm_door.state.store(State::Attached as u32, Ordering::Relaxed);
    result::OK
}

/// Leads what has escaped, and records from now on, as the settings say.
unsafe extern "C" fn begin(request: *mut Request) -> c_int {
    // SAFETY: as in `attach`.
    let Some(request) = (unsafe { of_this_build(request) }) else { return result::REFUSED };
    request.n_led = redirect::lead_all() as u64;
    let mut resident = Text::<64>::EMPTY;
    resident.push_number(resident_bytes() >> 20).push(b" MiB were resident then");
    redirect::note(NoteReason::Attached, resident.as_bytes());
    code(start::begin_brought(&SESSION, entries(keep(request))))
}

/// Records no more, leads all calls back, and leaves the recording as one that has ended.
unsafe extern "C" fn detach(request: *mut Request) -> c_int {
    // SAFETY: as in `attach`.
    let Some(request) = (unsafe { of_this_build(request) }) else { return result::REFUSED };
    let stopped = commands::stop(&SESSION);
    if stopped == Err(Refused::Busy) {
        return result::BUSY;
    }
    request.n_led = redirect::lead_back() as u64;
    // Relaxed: as in `attach`.
    tm_door.state.store(State::Apart as u32, Ordering::Relaxed);
    finish::give_back(&SESSION);
    code(stopped)
}

/// # Safety
/// Null, or a request that lives as long as the result.
unsafe fn of_this_build<'a>(request: *mut Request) -> Option<&'a mut Request> {
    // SAFETY: the caller's; its first word is its size in every build.
    let request = unsafe { request.as_mut() }?;
    (is_brought() && request.size == size_of::<Request>() as u64).then_some(request)
}

/// The settings of the latest request, and at least one NUL.
struct Settings(UnsafeCell<[u8; SETTINGS_BYTES_MAX]>);
// SAFETY: tmtool has one thread at a time call the functions of the door.
unsafe impl Sync for Settings {}

static SETTINGS: Settings = Settings(UnsafeCell::new([0; SETTINGS_BYTES_MAX]));

/// Returns a copy of the settings, which stays until the next request.
fn keep(request: &Request) -> &'static [u8] {
    // SAFETY: see `Settings`; nothing of an earlier request is looked at any more.
    let copy = unsafe { &mut *SETTINGS.0.get() };
    let len = (request.settings_bytes as usize).min(SETTINGS_BYTES_MAX - 1);
    if !request.settings.is_null() {
        // SAFETY: tmtool's, of that length, and a copy of the same.
        unsafe { core::ptr::copy_nonoverlapping(request.settings, copy.as_mut_ptr(), len) };
    }
    copy.iter_mut().skip(len).for_each(|byte| *byte = 0);
    copy
}

/// Returns the strings of the block, which ends with an empty one.
fn entries(mut rest: &'static [u8]) -> impl Iterator<Item = &'static CStr> {
    core::iter::from_fn(move || {
        let entry = CStr::from_bytes_until_nul(rest).ok().filter(|entry| !entry.is_empty())?;
        rest = rest.get(entry.count_bytes() + 1..)?;
        Some(entry)
    })
}

/// Writes what was said into the request, cut to its room.
fn answer(request: &mut Request, said: &[u8]) {
    let room = request.message.len() - 1;
    request.message.iter_mut().zip(said.iter().take(room)).for_each(|(to, &from)| *to = from);
}

fn code(done: Result<(), Refused>) -> c_int {
    match done {
        Ok(()) => result::OK,
        Err(Refused::Busy) => result::BUSY,
        Err(Refused::NoSpace) => result::NO_SPACE,
        Err(_) => result::NO_RECORDING,
    }
}

/// Returns the bytes of the process that are in memory; 0 if `/proc` does not say.
fn resident_bytes() -> u64 {
    let mut buffer = [0; 128];
    let mut fields = files::read_start(c"/proc/self/statm", &mut buffer).split(|&byte| byte == b' ');
    let n_pages = fields.nth(1).and_then(parse_number).unwrap_or(0);
    n_pages * process::page_bytes() as u64
}
