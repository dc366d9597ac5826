//! Objects that CPython takes from its free lists, whose memory no allocator hands out: since 3.13 it calls a function, one in the
//! process, for every object that is made or ends. The line that had the memory from the allocator is theirs no more.
//!
//! Others that want such calls too, as tracemalloc does, put a function of their own in the place of ours, or none: seen at the next
//! allocation of an object, when ours comes in front of that and hands on to it.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::wrappers;
use crate::hooks::caller;
use crate::hooks::stub::stub;
use crate::python::Interpreter;
use crate::recorder;

/// `PyRefTracer_GetTracer` and `PyRefTracer_SetTracer`; the functions are addresses, 0 for none.
type Get = unsafe extern "C" fn(*mut *mut c_void) -> usize;
type Set = unsafe extern "C" fn(usize, *mut c_void) -> c_int;
/// `PyThreadState_GetUnchecked`: null in a thread that does not have the interpreter's lock.
type State = unsafe extern "C" fn() -> usize;
/// `PyRefTracer`.
type Tracer = unsafe extern "C" fn(usize, c_int, *mut c_void) -> c_int;

/// `PyRefTracer_CREATE`: an object is made; `PyRefTracer_TRACKER_REMOVED`, since 3.15: another function takes the place. Between them
/// is the end of an object.
const CREATE: c_int = 0;
const REMOVED: c_int = 2;
/// `PyObject.ob_type` and `PyTypeObject.tp_flags`, in all versions with the global lock.
const TYPE: usize = 8;
const TYPE_FLAGS: usize = 168;
/// `Py_TPFLAGS_HAVE_GC`, `Py_TPFLAGS_MANAGED_DICT` and `Py_TPFLAGS_MANAGED_WEAKREF`: with the first, and with one of the others, two
/// words stand before the object.
const HAS_COLLECTOR_HEAD: usize = 1 << 14;
const HAS_POINTERS: usize = 1 << 4 | 1 << 3;
const HEAD_BYTES: usize = 16;

/// The interpreter's functions, 0 while they are not used.
static GET: AtomicUsize = AtomicUsize::new(0);
static SET: AtomicUsize = AtomicUsize::new(0);
static STATE: AtomicUsize = AtomicUsize::new(0);
/// What ours hands on to.
static NEXT: AtomicUsize = AtomicUsize::new(0);
static NEXT_DATA: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
/// Whether it is being called: it may hand on to ours, if it has come in front of that before.
static IS_HANDING_ON: AtomicBool = AtomicBool::new(false);

/// Begins to hear of objects, if `module` tells of them, with the next one that is allocated.
#[cold]
pub(super) fn begin(module: &Interpreter) {
    let names = [c"PyThreadState_GetUnchecked", c"PyRefTracer_SetTracer", c"PyRefTracer_GetTracer"];
    let functions = names.map(|name| module.function(name).unwrap_or(0));
    if functions.iter().all(|&function| function != 0) {
        for (place, function) in [&STATE, &SET, &GET].into_iter().zip(functions) {
            // Relaxed, here and below: the interpreter's lock is held where objects are made.
            place.store(function, Ordering::Relaxed);
        }
    }
}

/// Hears no more of them, and gives the place back with the next one that is made.
pub(super) fn end() {
    GET.store(0, Ordering::Relaxed);
}

/// Sees to it that the interpreter calls ours. Called where an object's memory is allocated.
#[inline(always)]
pub(super) fn keep() {
    let get = GET.load(Ordering::Relaxed);
    if get != 0 {
        let (present, data) = present(get);
        if present != ours() {
            come_in_front(present, data);
        }
    }
}

fn ours() -> usize {
    refers as *const () as usize
}

#[inline(always)]
fn present(get: usize) -> (usize, *mut c_void) {
    let mut data = core::ptr::null_mut();
    // SAFETY: the address is that function's.
    let present = unsafe { core::mem::transmute::<usize, Get>(get)(&raw mut data) };
    (present, data)
}

#[cold]
fn come_in_front(present: usize, data: *mut c_void) {
    NEXT_DATA.store(data, Ordering::Relaxed);
    NEXT.store(present, Ordering::Relaxed);
    set(ours(), core::ptr::null_mut());
}

#[cold]
fn give_back() {
    set(NEXT.load(Ordering::Relaxed), NEXT_DATA.load(Ordering::Relaxed));
}

fn set(function: usize, data: *mut c_void) {
    let (state, set) = (STATE.load(Ordering::Relaxed), SET.load(Ordering::Relaxed));
    // SAFETY: the addresses are those functions', and the arguments are ours, or what was there.
    unsafe {
        if core::mem::transmute::<usize, State>(state)() != 0 {
            // An exception that is on its way makes it fail since 3.15: the next call does not.
            core::mem::transmute::<usize, Set>(set)(function, data);
        }
    }
}

/// Returns where the block of the object begins.
fn block_of(object: usize) -> usize {
    // SAFETY: an object that has just been made, and its type.
    let flags = unsafe {
        let kind = ((object + TYPE) as *const usize).read();
        ((kind + TYPE_FLAGS) as *const usize).read()
    };
    let n_heads = usize::from(flags & HAS_COLLECTOR_HEAD != 0) + usize::from(flags & HAS_POINTERS != 0);
    object - n_heads * HEAD_BYTES
}

stub!(own refers, 3, on_reference);

extern "C" fn on_reference(
    object: usize,
    event: usize,
    _data: usize,
    pc: usize,
    sp: usize,
    fp: usize,
) -> c_int {
    // The upper half of an argument of 32 bits means nothing.
    let event = event as c_int;
    if GET.load(Ordering::Relaxed) == 0 && event != REMOVED {
        give_back();
    } else if event == CREATE
        && let block = block_of(object)
        && !wrappers::is_first_of(block)
        && let Some(space) = wrappers::recording()
        && !wrappers::is_hiding()
    {
        recorder::moved(space, block, caller!(pc, sp, fp));
    }
    hand_on(object, event)
}

#[inline(always)]
fn hand_on(object: usize, event: c_int) -> c_int {
    let next = NEXT.load(Ordering::Relaxed);
    if next == 0 || IS_HANDING_ON.load(Ordering::Relaxed) {
        return 0;
    }
    IS_HANDING_ON.store(true, Ordering::Relaxed);
    // SAFETY: the function that the interpreter would call, with its arguments.
    let result = unsafe {
        core::mem::transmute::<usize, Tracer>(next)(object, event, NEXT_DATA.load(Ordering::Relaxed))
    };
    IS_HANDING_ON.store(false, Ordering::Relaxed);
    result
}
