//! Puts wrappers in front of CPython's allocators, and takes them away.

use core::ffi::{CStr, c_int};

use tm_common::ids::Domain;

use super::wrappers::{self, Allocator, N_DOMAINS};
use super::{references, tracks};
use crate::hooks::objects::redirect;
use crate::python::{self, PYTHON};
use crate::real::Search;
use crate::session::SESSION;
use crate::sys::objects::{elf, loader};
use crate::sys::syscall;

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

/// `PyMem_GetAllocator`, `PyMem_SetAllocator`.
type Get = unsafe extern "C" fn(c_int, *mut Allocator);
type Set = unsafe extern "C" fn(c_int, *const Allocator);

/// The functions of `<cpython/pymem.h>` that read and set an allocator.
#[derive(Clone, Copy)]
struct Functions {
    get: Get,
    set: Set,
}

impl Functions {
    fn find(module: Option<&python::Interpreter>) -> Option<Functions> {
        let [get, set] = [c"PyMem_GetAllocator", c"PyMem_SetAllocator"].map(|name| function(module, name));
        if get == 0 || set == 0 {
            return None;
        }
        // SAFETY: the addresses are those functions'.
        let (get, set) =
            unsafe { (core::mem::transmute::<usize, Get>(get), core::mem::transmute::<usize, Set>(set)) };
        Some(Functions { get, set })
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

/// Returns the address of the function of this name in `module`, or else in what is loaded; 0 for none.
fn function(module: Option<&python::Interpreter>, name: &CStr) -> usize {
    let mut found = [0];
    match module {
        Some(module) => found = [module.function(name).unwrap_or(0)],
        None => loader::with_list_locked(|_| found = elf::first_of([name])),
    }
    let [address] = found;
    address
}

/// Begins to record the blocks of CPython's allocators. Called where no other thread changes them: by one that has the
/// interpreter's lock.
pub fn begin() -> Result<(), Refused> {
    begin_in(PYTHON.interpreter())?;
    redirect::look_at_new();
    Ok(())
}

/// Begins with the first Python code of the process, of `interpreter`.
#[cfg_attr(test, allow(dead_code, reason = "given away by the constructor, which tests do not have"))]
pub(in crate::hooks) fn see_first_frame(interpreter: &'static python::Interpreter) {
    if begin_in(Some(interpreter)).is_err() {
        SESSION.recording.lose_for_want_of_room();
    }
}

fn begin_in(module: Option<&python::Interpreter>) -> Result<(), Refused> {
    if !SESSION.is_process() {
        return Err(Refused::NoRecording);
    }
    let _held = PYTHON.changing.take().ok_or(Refused::Busy)?;
    let functions = Functions::find(module).ok_or(Refused::NoInterpreter)?;
    if wrappers::is_on() {
        if (0..N_DOMAINS).all(|domain| is_reached(domain, functions.allocator(domain))) {
            return Ok(());
        }
        // Who had begun before us has put back what was there before: nobody has seen what ended since.
        wrappers::end();
        tracks::end();
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
    if let Some(module) = module {
        references::begin(module);
    }
    // Elsewhere calls are not led to us in any way.
    if Search::here() == Search::AfterUs && tracks::begin(|name| function(module, name)) {
        redirect::look_again();
    }
    Ok(())
}

/// The most wrappers that are looked through.
const DEPTH_MAX: usize = 4;

/// Tells whether calls of `allocator` come to our wrapper: it is that, or hands on to it as CPython's own wrappers do. Their
/// context is the allocator that they hand on to (tracemalloc's), or has it behind a word (the debug hooks').
fn is_reached(domain: usize, allocator: Allocator) -> bool {
    let mut outer = allocator;
    for _ in 0..DEPTH_MAX {
        if wrappers::unwrap(domain, outer).is_some() {
            return true;
        }
        let context = outer.context as usize;
        let end = context.wrapping_add(size_of::<usize>() + size_of::<Allocator>() - 1);
        let is_there = context.is_multiple_of(align_of::<Allocator>())
            && syscall::is_readable(context)
            && syscall::is_readable(end);
        if !is_there {
            return false;
        }
        // SAFETY: the kernel could read both ends, which are in one page or two neighbours.
        let [first, second] =
            unsafe { [context, context + size_of::<usize>()].map(|at| (at as *const Allocator).read()) };
        outer = if wrappers::unwrap(domain, second).is_some() { second } else { first };
    }
    false
}

/// Ends it, and with it all blocks, as tracemalloc does. Wrappers that others have wrapped stay and hand on. Called as
/// [`begin`].
pub fn end() -> Result<(), Refused> {
    if !SESSION.is_process() {
        return Err(Refused::NoRecording);
    }
    let _held = PYTHON.changing.take().ok_or(Refused::Busy)?;
    let functions = Functions::find(PYTHON.interpreter()).ok_or(Refused::NoInterpreter)?;
    references::end();
    for domain in 0..N_DOMAINS {
        if let Some(wrapped) = wrappers::unwrap(domain, functions.allocator(domain)) {
            functions.set_allocator(domain, &wrapped);
        }
    }
    wrappers::end();
    tracks::end();
    Ok(())
}
