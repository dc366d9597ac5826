//! A `dlopen` under way: the calls of the objects that it brings are led to us before their constructors run.
//!
//! No function of ours stands between the loader's relocating and the constructors. But the loader allocates there: glibc
//! since 2.35 always does, for `_dl_find_object`. So the calls of hooks are watched as long as it may still come to that;
//! each time, the kernel is asked whether the new objects are relocated.
//!
//! ```text
//!  dlopen ── maps ──────── relocates ──────── malloc ── constructors ── returns
//!   begin     mallocs: not relocated yet       led: the watch is over
//! ```

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::redirect;
use crate::hooks::stub::Arguments;
use crate::real;
use crate::session::SESSION;
use crate::sys::objects::link_map::{self, LinkMap};
use crate::sys::objects::loader;
use crate::sys::{arch, syscall};

/// The stack pointer of the caller of `dlopen`, and the return address in the word below it, 0 if that is in no such place: as
/// long as it stands there, and the stack reaches further inward, the call has not returned.
static CALLER: AtomicUsize = AtomicUsize::new(0);
static RETURN_ADDRESS: AtomicUsize = AtomicUsize::new(0);
/// How many objects there were before.
static N_BEFORE: AtomicUsize = AtomicUsize::new(0);
static IS_DEEP: AtomicBool = AtomicBool::new(false);
/// How many more calls are watched.
static N_CALLS: AtomicU32 = AtomicU32::new(0);
/// A thread that opens something and then does nothing more must not keep the others' calls watched for ever.
const N_CALLS_MAX: u32 = 100_000;

/// Notes that the calling thread is about to open objects, in the call with these arguments.
pub(super) fn begin(arguments: Arguments, deep: bool) {
    redirect::opening(deep);
    if !(deep || redirect::leads_some()) || !SESSION.is_process() {
        return;
    }
    loader::with_list_locked(|_| N_BEFORE.store(LinkMap::all().count(), Ordering::Relaxed));
    let (stack_pointer, return_address) = arguments.caller();
    // Relaxed, all: published with the watch, and only the thread that has opened goes by them.
    CALLER.store(stack_pointer, Ordering::Relaxed);
    RETURN_ADDRESS.store(return_address.unwrap_or(0), Ordering::Relaxed);
    IS_DEEP.store(deep, Ordering::Relaxed);
    N_CALLS.store(N_CALLS_MAX, Ordering::Relaxed);
    SESSION.watch_calls(watch);
}

/// Sees a hook called from `pc`. Whether there is no more to be seen.
fn watch(pc: usize) -> bool {
    if !redirect::is_opener() {
        return N_CALLS.fetch_sub(1, Ordering::Relaxed) <= 1;
    }
    // What else the thread calls comes before the loader, a free, or after it.
    if pc == 0 {
        return false;
    }
    let is_of_loader = link_map::object_at(pc).and_then(|object| object.map).is_some_and(real::is_loader);
    let look = || redirect::look_at_opened(N_BEFORE.load(Ordering::Relaxed), IS_DEEP.load(Ordering::Relaxed));
    !is_of_loader || !is_inside() || look()
}

/// Tells whether the call of `dlopen` has not returned: then the calling thread holds the loader's lock.
fn is_inside() -> bool {
    let place = CALLER.load(Ordering::Relaxed) - size_of::<usize>();
    let return_address = RETURN_ADDRESS.load(Ordering::Relaxed);
    if arch::stack_pointer() >= place {
        return false;
    }
    // It may have been on a stack that is gone. SAFETY: the kernel could read it.
    return_address == 0
        || syscall::is_readable(place) && unsafe { (place as *const usize).read() } == return_address
}
