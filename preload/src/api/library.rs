//! The query library, which stands beside this one: loaded for the first question.

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use tm_common::query::{FILE_NAME, QueryApi, SYMBOL};

use crate::sys::c_library;
use crate::sys::message::Message;
use crate::sys::objects::loader::{self, Library};

static API: AtomicPtr<QueryApi> = AtomicPtr::new(core::ptr::null_mut());
static SAID: AtomicBool = AtomicBool::new(false);

/// Returns the functions of the query library, which is loaded for them. `None`, said once, if it cannot be loaded or is another version's.
///
/// Two threads may load it at once, which is one load to the loader. Called muted.
pub fn api() -> Option<&'static QueryApi> {
    if let Some(api) = known() {
        return Some(api);
    }
    if !c_library::is_glibc() {
        // Relaxed: decides who speaks.
        if !SAID.swap(true, Ordering::Relaxed) {
            let message = Message::start(
                "this process has no glibc, so tm's questions have no answers in it: ask tmtool",
            );
            message.text(", of its recording").say();
        }
        return None;
    }
    let path = loader::beside(FILE_NAME);
    let library = Library::open(path.as_c_str());
    let api: *mut QueryApi = library.map_or(core::ptr::null_mut(), |library| library.symbol(SYMBOL)).cast();
    // SAFETY: null, or the table of that name, whose first field is its size in every version.
    let is_fit = unsafe { api.as_ref() }.is_some_and(|api| api.size == size_of::<QueryApi>());
    // Relaxed: decides who speaks.
    if !is_fit && !SAID.swap(true, Ordering::Relaxed) {
        let what = if api.is_null() {
            " cannot be loaded, so tm's questions have no answers: put it beside libtm.so"
        } else {
            " is of another version than libtm.so: put the one beside it that was built with it"
        };
        Message::start("").bytes(path.as_bytes()).text(what).say();
    }
    if is_fit {
        // Release: publishes the table.
        API.store(api, Ordering::Release);
    }
    known()
}

fn known() -> Option<&'static QueryApi> {
    // Acquire: receives the table.
    // SAFETY: null, or a static of a library that is never unloaded.
    unsafe { API.load(Ordering::Acquire).as_ref() }
}

/// Returns the bytes that the query library has allocated, if it was ever loaded.
pub fn memory_bytes() -> usize {
    known().map_or(0, |api| (api.memory_bytes)())
}
