//! The loader's list of loaded objects, and what it knows of an address.
//!
//! The list is only walked where no other thread can be closing a library: at start, and from a frame of the object
//! that is looked for. `dl_iterate_phdr` would take the loader's lock, which a thread that waits for us may hold.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::elf::Dynamic;

/// One loaded object: the public head of the loader's `struct link_map`, `<link.h>`.
#[repr(C)]
#[derive(Debug)]
pub struct LinkMap {
    /// What is added to the file's virtual addresses.
    pub bias: usize,
    name: *const c_char,
    dynamic: *const Dynamic,
    next: *const LinkMap,
    previous: *const LinkMap,
}

#[repr(C)]
struct Debug {
    version: i32,
    map: *const LinkMap,
}

unsafe extern "C" {
    /// The loader's rendezvous with debuggers, `<link.h>`.
    static _r_debug: Debug;
    /// This library's own dynamic section.
    static _DYNAMIC: Dynamic;
}

impl LinkMap {
    /// The objects in the order in which the loader searches them, the program first.
    pub fn all() -> impl Iterator<Item = &'static LinkMap> {
        // SAFETY: set by the loader before any code of a library runs.
        let first = unsafe { _r_debug.map };
        // SAFETY: each entry is valid as long as its object is loaded, see the module's text.
        core::iter::successors(unsafe { first.as_ref() }, |map| unsafe { map.next.as_ref() })
    }

    /// The objects that the loader searches after this library: what `RTLD_NEXT` means here.
    pub fn after_us() -> impl Iterator<Item = &'static LinkMap> {
        LinkMap::all().skip_while(|map| !map.is_ours()).skip(1)
    }

    /// Whether this is `libtm.so`.
    pub fn is_ours(&self) -> bool {
        self.dynamic == &raw const _DYNAMIC
    }

    /// The path as the loader has it; empty for the program itself.
    pub fn name(&self) -> &CStr {
        if self.name.is_null() {
            return c"";
        }
        // SAFETY: a C string of the loader's.
        unsafe { CStr::from_ptr(self.name) }
    }

    /// The dynamic section.
    pub fn dynamic(&self) -> *const Dynamic {
        self.dynamic
    }
}

/// `struct dl_find_object`, `<dlfcn.h>`, glibc 2.35.
#[repr(C)]
#[derive(Clone, Copy)]
struct DlFindObject {
    flags: u64,
    map_start: usize,
    map_end: usize,
    link_map: *const LinkMap,
    eh_frame: usize,
    reserved: [u64; 7],
}

type FindObject = unsafe extern "C" fn(usize, *mut DlFindObject) -> i32;

/// `_dl_find_object`: lock-free and safe in signal handlers. Null where the C library has none.
static FIND_OBJECT: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// Looks `_dl_find_object` up. Called once at start.
pub fn initialise() {
    let found = LinkMap::all().find_map(|map| super::elf::lookup(map, c"_dl_find_object"));
    // Relaxed: the function's code is visible as any library's; nothing else is published.
    FIND_OBJECT.store(found.unwrap_or(0) as *mut u8, Ordering::Relaxed);
}

/// The object whose mapping holds `address`, and where it is mapped.
pub fn object_at(address: usize) -> Option<(&'static LinkMap, core::ops::Range<usize>)> {
    // Relaxed: see `initialise`.
    let function = FIND_OBJECT.load(Ordering::Relaxed);
    if function.is_null() {
        return LinkMap::all().find_map(|map| {
            let range = super::elf::Image::of(map, None)?.range();
            range.contains(&address).then_some((map, range))
        });
    }
    // SAFETY: FIND_OBJECT holds nothing else than this function.
    let function: FindObject = unsafe { core::mem::transmute(function) };
    // SAFETY: plain data, all zeros is a value of it.
    let mut found: DlFindObject = unsafe { core::mem::zeroed() };
    // SAFETY: any address may be asked for.
    if unsafe { function(address, &mut found) } != 0 {
        return None;
    }
    // SAFETY: the object is loaded; it stays so while a frame of it is on the stack.
    unsafe { found.link_map.as_ref() }.map(|map| (map, found.map_start..found.map_end))
}
