//! Puts wrappers in front of CPython's allocators, and takes them away.

use core::ffi::c_int;

use tm_common::header::Loss;
use tm_common::ids::Domain;

use super::wrappers::{self, Allocator, N_DOMAINS};
use crate::lockfree::try_lock::TryLock;
use crate::python::{self, PYTHON};
use crate::session::SESSION;
use crate::sys::objects::{elf, loader};

/// Why Python's blocks are not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The process has no recording.
    NoRecording,
    /// It has no CPython, or one that does not let its allocators be wrapped.
    NoInterpreter,
    /// The recording cannot grow, or there are too many allocators.
    NoSpace,
    /// Another thread is at it.
    Busy,
}

/// Held while the wrappers are changed.
static CHANGING: TryLock = TryLock::new();

/// The functions of `<cpython/pymem.h>` that read and set an allocator.
#[derive(Clone, Copy)]
struct Functions {
    get: unsafe extern "C" fn(c_int, *mut Allocator),
    set: unsafe extern "C" fn(c_int, *const Allocator),
}

impl Functions {
    /// Finds them in `module`, or in what is loaded.
    fn find(module: Option<&python::Interpreter>) -> Option<Functions> {
        let names = [c"PyMem_GetAllocator", c"PyMem_SetAllocator"];
        let mut found = [0; 2];
        match module {
            Some(module) => found = names.map(|name| module.function(name).unwrap_or(0)),
            None => loader::with_list_locked(|_| found = elf::first_of(names)),
        }
        let [get, set] = found;
        if get == 0 || set == 0 {
            return None;
        }
        // SAFETY: the addresses are those functions'.
        Some(unsafe { Functions { get: core::mem::transmute(get), set: core::mem::transmute(set) } })
    }

    fn allocator(self, domain: usize) -> Allocator {
        let mut allocator = Allocator::NONE;
        // SAFETY: a domain's number, and a place for an allocator.
        unsafe { (self.get)(domain as c_int, &raw mut allocator) };
        allocator
    }

    fn set_allocator(self, domain: usize, allocator: &Allocator) {
        // SAFETY: a domain's number, and an allocator that hands on to the one that was there, or that one.
        unsafe { (self.set)(domain as c_int, allocator) };
    }
}

/// Begins to record the blocks of CPython's allocators. Called where no other thread changes them: by one that has the
/// interpreter's lock.
pub fn begin() -> Result<(), Refused> {
    begin_in(PYTHON.interpreter())
}

/// Begins with the first Python code of the process, of `interpreter`.
#[cfg_attr(test, allow(dead_code, reason = "given away by the constructor, which tests do not have"))]
pub(in crate::hooks) fn see_first_frame(interpreter: &'static python::Interpreter) {
    if begin_in(Some(interpreter)).is_err() {
        SESSION.recording.lose(Loss::NoSpace);
    }
}

fn begin_in(module: Option<&python::Interpreter>) -> Result<(), Refused> {
    if !SESSION.is_process() {
        return Err(Refused::NoRecording);
    }
    let _held = CHANGING.take().ok_or(Refused::Busy)?;
    let functions = Functions::find(module).ok_or(Refused::NoInterpreter)?;
    if wrappers::is_on() {
        return Ok(());
    }
    let names = &SESSION.names;
    names.name_space(&SESSION, Domain::PYTHON, b"python").ok_or(Refused::NoSpace)?;
    let space = names.space(&SESSION, Domain::PYTHON).ok_or(Refused::NoSpace)?;
    for domain in 0..N_DOMAINS {
        let allocator = functions.allocator(domain);
        if wrappers::unwrap(domain, allocator).is_none() {
            let wrapper = wrappers::wrap(domain, allocator).ok_or(Refused::NoSpace)?;
            functions.set_allocator(domain, &wrapper);
        }
    }
    wrappers::begin(space);
    SESSION.is_called_otherwise();
    Ok(())
}

/// Ends it, and with it all blocks, as tracemalloc does. Wrappers that others have wrapped stay and hand on. Called as
/// [`begin`].
pub fn end() -> Result<(), Refused> {
    if !SESSION.is_process() {
        return Err(Refused::NoRecording);
    }
    let _held = CHANGING.take().ok_or(Refused::Busy)?;
    let functions = Functions::find(PYTHON.interpreter()).ok_or(Refused::NoInterpreter)?;
    for domain in 0..N_DOMAINS {
        if let Some(wrapped) = wrappers::unwrap(domain, functions.allocator(domain)) {
            functions.set_allocator(domain, &wrapped);
        }
    }
    wrappers::end();
    Ok(())
}
