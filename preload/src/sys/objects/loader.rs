//! The program's own `dlopen` and `dlsym`, and where this library came from: what it takes to load a library beside it.
//!
//! Nothing here is called on the event path: these functions allocate, lock and set `errno`, as the program's own calls
//! of them do.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::link_map::LinkMap;
use crate::sys::text::Text;

/// The longest path that the kernel takes, `PATH_MAX`.
const PATH_BYTES: usize = 4096;

/// What is remembered at the start, when nobody else can be changing the loader's list.
struct Loader {
    folder: UnsafeCell<Text<PATH_BYTES>>,
    dlopen: AtomicPtr<c_void>,
    dlsym: AtomicPtr<c_void>,
    set_cancel_state: AtomicPtr<c_void>,
    /// What is added to the mode of `dlopen`.
    mode: AtomicI32,
}

// SAFETY: `folder` is written by `remember` alone, before other threads have reason to read it.
unsafe impl Sync for Loader {}

static LOADER: Loader = Loader {
    folder: UnsafeCell::new(Text::EMPTY),
    dlopen: AtomicPtr::new(core::ptr::null_mut()),
    dlsym: AtomicPtr::new(core::ptr::null_mut()),
    set_cancel_state: AtomicPtr::new(core::ptr::null_mut()),
    mode: AtomicI32::new(0),
};

/// The C library's own `dlopen` and `dlsym` before glibc 2.34, in a process without libdl.
pub const INNER_FUNCTIONS: [&CStr; 2] = [c"__libc_dlopen_mode", c"__libc_dlsym"];
/// `__RTLD_DLOPEN`, which the inner `dlopen` wants.
const INNER_MODE: c_int = c_int::MIN;

/// Notes this library's folder, `working_directory` being the present one, and where `pthread_setcancelstate`, `dlopen`, `dlsym`
/// and the inner ones are, of which those are called if the process has no `dlopen`. Called once, at the start.
pub fn remember(working_directory: &[u8], functions: [usize; 5], has_dlopen: bool) {
    let [set_cancel_state, dlopen, dlsym, inner_dlopen, inner_dlsym] = functions;
    let (dlopen, dlsym) = if has_dlopen { (dlopen, dlsym) } else { (inner_dlopen, inner_dlsym) };
    let places = [&LOADER.dlopen, &LOADER.dlsym, &LOADER.set_cancel_state];
    for (place, address) in places.into_iter().zip([dlopen, dlsym, set_cancel_state]) {
        // Relaxed: published with the session.
        place.store(address as *mut c_void, Ordering::Relaxed);
    }
    LOADER.mode.store(if has_dlopen { 0 } else { INNER_MODE }, Ordering::Relaxed);
    let Some(ours) = LinkMap::all().find(|map| map.is_ours()) else { return };
    let path = ours.name().to_bytes();
    let Some(end) = path.iter().rposition(|&byte| byte == b'/') else { return };
    // SAFETY: nobody reads it before the session is published.
    let folder = unsafe { &mut *LOADER.folder.get() };
    if path.first() != Some(&b'/') {
        folder.push(working_directory).push(b"/");
    }
    folder.push(path.get(..=end).unwrap_or(path));
}

/// Returns the path of the file `name` beside this library.
pub fn beside(name: &str) -> Text<PATH_BYTES> {
    // SAFETY: not written after the start.
    let mut path = unsafe { &*LOADER.folder.get() }.clone();
    path.push(name.as_bytes());
    path
}

/// How many objects have come to the loader's list, and have gone from it, since the program began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Those that have come.
    pub n_come: usize,
    /// Those that have gone.
    pub n_gone: usize,
}

/// Runs `look` while nobody else changes the loader's list. Takes the loader's lock: only for callers that are about to
/// call the loader anyway, or are called by it.
pub fn with_list_locked(look: impl FnOnce(Changes)) {
    struct Once<F>(Option<F>);
    unsafe extern "C" fn run<F: FnOnce(Changes)>(
        info: *mut libc::dl_phdr_info,
        _: usize,
        once: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader's; glibc has had the numbers since 2.4.
        let info = unsafe { &*info };
        let changes = Changes { n_come: info.dlpi_adds as usize, n_gone: info.dlpi_subs as usize };
        // SAFETY: what was passed below, and nobody else has it.
        if let Some(look) = unsafe { &mut *once.cast::<Once<F>>() }.0.take() {
            look(changes);
        }
        1
    }
    fn callback<F: FnOnce(Changes)>(
        _: &Once<F>,
    ) -> unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int {
        run::<F>
    }
    let mut once = Once(Some(look));
    // SAFETY: the callback gets `once`, which lives until this returns.
    unsafe { libc::dl_iterate_phdr(Some(callback(&once)), (&raw mut once).cast()) };
}

/// `PTHREAD_CANCEL_DISABLE`, `<pthread.h>`.
const CANCEL_DISABLE: c_int = 1;

/// Makes the calling thread one that is not cancelled: what it was before. 0, cancelled, where the process has no threads.
pub fn disable_cancellation() -> c_int {
    let mut before = 0;
    set_cancel_state(CANCEL_DISABLE, &mut before);
    before
}

/// Makes it what it was.
pub fn restore_cancellation(state: c_int) {
    set_cancel_state(state, &mut 0);
}

fn set_cancel_state(state: c_int, before: &mut c_int) {
    // Relaxed: see `remember`.
    let address = LOADER.set_cancel_state.load(Ordering::Relaxed);
    if !address.is_null() {
        // SAFETY: the address is that function's.
        let set: unsafe extern "C" fn(c_int, *mut c_int) -> c_int = unsafe { core::mem::transmute(address) };
        // SAFETY: a number, and a place for one.
        unsafe { set(state, before) };
    }
}

/// Has the loaded object of this name stay loaded for good. Only for callers that are about to call the loader.
pub fn keep(name: &CStr) -> bool {
    Library::open_as(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE).is_some()
}

/// A library that was loaded and stays.
#[derive(Clone, Copy, Debug)]
pub struct Library(*mut c_void);

impl Library {
    /// Calls `dlopen` of `path`, with its names hidden from others; `None` if it fails.
    pub fn open(path: &CStr) -> Option<Library> {
        Library::open_as(path, libc::RTLD_NOW | libc::RTLD_LOCAL)
    }

    fn open_as(path: &CStr, mode: c_int) -> Option<Library> {
        // Relaxed: see `remember`.
        let address = LOADER.dlopen.load(Ordering::Relaxed);
        if address.is_null() {
            return None;
        }
        // SAFETY: the address is that function's.
        let dlopen: unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void =
            unsafe { core::mem::transmute(address) };
        // SAFETY: a C string; the library's constructors are its own business.
        let handle = unsafe { dlopen(path.as_ptr(), mode | LOADER.mode.load(Ordering::Relaxed)) };
        (!handle.is_null()).then_some(Library(handle))
    }

    /// Calls `dlsym` of `name`; null if it has none.
    pub fn symbol(self, name: &CStr) -> *mut c_void {
        // Relaxed: see `remember`.
        let address = LOADER.dlsym.load(Ordering::Relaxed);
        if address.is_null() {
            return address;
        }
        // SAFETY: the address is that function's.
        let dlsym: unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void =
            unsafe { core::mem::transmute(address) };
        // SAFETY: a handle of `dlopen`'s and a C string.
        unsafe { dlsym(self.0, name.as_ptr()) }
    }
}
