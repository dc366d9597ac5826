//! The loader's list of loaded objects, and what it knows of an address.
//!
//! The list is only walked where no other thread can be closing a library: at start, and from a frame of the object
//! that is looked for. `dl_iterate_phdr` would take the loader's lock, which a thread that waits for us may hold.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::elf::Dynamic;
use super::image::Image;
use crate::sys::c_library;
use crate::sys::memory::maps::Maps;

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

unsafe extern "C" {
    /// This library's own dynamic section.
    static _DYNAMIC: Dynamic;
}

impl LinkMap {
    /// Returns the objects in the order in which the loader searches them, the program first.
    pub fn all() -> impl Iterator<Item = &'static LinkMap> {
        let first: *const LinkMap = c_library::first_object().cast();
        // SAFETY: each entry is valid as long as its object is loaded, see the module's text.
        core::iter::successors(unsafe { first.as_ref() }, |map| unsafe { map.next.as_ref() })
    }

    /// Tells whether this is `libtm.so`.
    pub fn is_ours(&self) -> bool {
        self.dynamic == &raw const _DYNAMIC
    }

    /// Returns the path as the loader has it; empty for the program itself.
    pub fn name(&self) -> &CStr {
        if self.name.is_null() {
            return c"";
        }
        // SAFETY: a C string of the loader's.
        unsafe { CStr::from_ptr(self.name) }
    }

    /// Returns the dynamic section.
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

/// Makes the loader be asked by this function from now on, `_dl_find_object`, if it is not 0. Called once at start.
pub fn initialise(find_object: usize) {
    // Relaxed: the function's code is visible as any library's; nothing else is published.
    FIND_OBJECT.store(find_object as *mut u8, Ordering::Relaxed);
}

/// A loaded object: what the loader knows of it, or the kernel where that cannot be asked.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// The loader's entry; `None` where only the kernel was asked.
    pub map: Option<&'static LinkMap>,
    /// The first mapped address.
    pub start: usize,
    /// The first address behind it.
    pub end: usize,
    /// Where the loader has its `.eh_frame_hdr`, 0 if it has none; `None` if it was not asked.
    pub eh_frame_header: Option<usize>,
    /// What tells it from another one at the same address, while it is loaded: the loader's entry and its dynamic section,
    /// or its file.
    pub identity: (usize, usize),
}

impl Object {
    /// Tells whether it is the program, which has no name in the loader's list.
    pub fn is_program(&self) -> bool {
        let program = LinkMap::all().next();
        self.map.is_some_and(|map| program.is_some_and(|program| core::ptr::eq(map, program)))
    }
}

/// Returns the object whose mapping holds `address`.
pub fn object_at(address: usize) -> Option<Object> {
    match find_object() {
        Some(function) => object_by_loader(function, address),
        None => object_by_mappings(address),
    }
}

/// Returns the object of an entry of the list, which cannot be unloaded now.
pub fn object_of(map: &'static LinkMap) -> Object {
    let found = object_at(map.dynamic() as usize);
    found.map_or(unknown(map), |found| Object { map: Some(map), ..found })
}

/// Returns the segments of an entry of the list, which cannot be unloaded now.
pub fn image_of(map: &'static LinkMap) -> Option<Image> {
    // The beginning of the file is mostly at the bias, so that nobody needs to be asked where it is.
    Image::in_memory(&unknown(map)).or_else(|| Image::of(&object_of(map)))
}

/// Returns what an entry says of its object by itself, if the beginning of its file is at the bias.
fn unknown(map: &'static LinkMap) -> Object {
    Object { map: Some(map), start: map.bias, end: usize::MAX, eh_frame_header: None, identity: (0, 0) }
}

fn find_object() -> Option<FindObject> {
    // Relaxed: see `initialise`.
    let function = FIND_OBJECT.load(Ordering::Relaxed);
    // SAFETY: FIND_OBJECT holds nothing else than this function.
    (!function.is_null()).then(|| unsafe { core::mem::transmute::<*mut u8, FindObject>(function) })
}

fn object_by_loader(function: FindObject, address: usize) -> Option<Object> {
    // SAFETY: plain data, all zeros is a value of it.
    let mut found: DlFindObject = unsafe { core::mem::zeroed() };
    // SAFETY: any address may be asked for.
    if unsafe { function(address, &mut found) } != 0 {
        return None;
    }
    // SAFETY: the object is loaded; it stays so while a frame of it is on the stack.
    let map = unsafe { found.link_map.as_ref() }?;
    Some(Object {
        map: Some(map),
        start: found.map_start,
        end: found.map_end,
        eh_frame_header: Some(found.eh_frame),
        identity: (core::ptr::from_ref(map) as usize, map.dynamic() as usize),
    })
}

/// Returns the object at `address` by what the kernel says is mapped: C libraries before glibc 2.35 have no function that may be
/// called here, and their list changes while it is read.
pub fn object_by_mappings(address: usize) -> Option<Object> {
    let maps = Maps::open()?;
    let here = maps.at(address)?;
    if here.file.1 == 0 {
        return None;
    }
    let identity = (here.file.0 as usize, here.file.1 as usize);
    let (mut found, mut passed) = (None, 0);
    // Its first mapping has the beginning of the file; others may have that too, and there may be more than one copy.
    maps.each(0, &mut |mapping| {
        if mapping.file == here.file && mapping.offset == 0 && mapping.start >= passed {
            let (start, end) = (mapping.start, usize::MAX);
            let object = Object { map: None, start, end, eh_frame_header: None, identity };
            let range = Image::by_mappings(&object, &maps).map_or(mapping.range(), |image| image.range());
            passed = range.end;
            found = range.contains(&address).then_some(Object { end: range.end, ..object });
        }
        found.is_none() && mapping.start < here.start
    });
    found
}

/// Asks which objects are loaded still.
#[derive(Debug)]
pub struct Loaded(Option<Maps>);

impl Loaded {
    /// Asks as of now.
    pub fn now() -> Loaded {
        Loaded(if find_object().is_some() { None } else { Maps::open() })
    }

    /// Tells whether the object that begins at `start` is the one of this identity. True if that cannot be known.
    pub fn has(&self, start: usize, identity: (usize, usize)) -> bool {
        match (find_object(), &self.0) {
            (Some(function), _) => {
                object_by_loader(function, start).is_some_and(|object| object.identity == identity)
            }
            (None, Some(maps)) => maps
                .at(start)
                .is_some_and(|mapping| (mapping.file.0 as usize, mapping.file.1 as usize) == identity),
            (None, None) => true,
        }
    }
}
