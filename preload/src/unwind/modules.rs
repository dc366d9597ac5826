//! The loaded objects that stacks have led into: where their unwind tables are, and that the recording names each.

use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::lockfree::try_lock::TryLock;
use crate::recording::{PATH_BYTES, Recording};
use crate::sys::elf::Image;
use crate::sys::link_map::{self, LinkMap};
use crate::sys::{pages, process};

/// How many objects are remembered. One more is looked up at each miss, and recorded again: slower, not wrong.
const MODULES_MAX: usize = 4096;

/// Where a module is and where its unwind tables are.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// Its first mapped address.
    pub start: usize,
    /// The first address behind it.
    pub end: usize,
    /// The address of `.eh_frame_hdr`, 0 if it has none.
    pub eh_frame_header: usize,
    /// What can be read around it: a module's segments may have holes between them.
    tables: (usize, usize),
    map: *const LinkMap,
    dynamic: usize,
}

impl Module {
    /// Whether it is what is loaded at its addresses now. The loader may use a `LinkMap` again.
    fn is_loaded(&self) -> bool {
        link_map::object_at(self.start)
            .is_some_and(|(map, _)| core::ptr::eq(map, self.map) && map.dynamic() as usize == self.dynamic)
    }

    /// Where its unwind tables may be read.
    pub fn tables(&self) -> Range<usize> {
        self.tables.0..self.tables.1
    }

    /// Its addresses.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

const READY: u32 = 1;
const GONE: u32 = 2;

#[derive(Debug)]
struct Place {
    state: AtomicU32,
    module: UnsafeCell<Module>,
}

/// The table, append-only. A place is written once, before its state says so.
#[derive(Debug)]
pub struct Modules {
    /// [`MODULES_MAX`] places in memory of their own; null before the start.
    places: AtomicPtr<Place>,
    count: AtomicU32,
    adding: TryLock,
}

// SAFETY: a place's module is written by the thread that holds `adding`, before `state` is READY; others read it then.
unsafe impl Sync for Modules {}

impl Modules {
    /// None known.
    pub const fn new() -> Modules {
        Modules {
            places: AtomicPtr::new(core::ptr::null_mut()),
            count: AtomicU32::new(0),
            adding: TryLock::new(),
        }
    }

    fn place(&self, index: usize) -> Option<&Place> {
        // Acquire: receives the memory.
        let places = self.places.load(Ordering::Acquire);
        // SAFETY: inside the table, which is never unmapped and for which all zeros is a place that is not READY.
        (index < MODULES_MAX && !places.is_null()).then(|| unsafe { &*places.add(index) })
    }

    fn known(&self) -> impl Iterator<Item = (&Place, Module)> {
        // Acquire: receives the places up to the count.
        let count = self.count.load(Ordering::Acquire) as usize;
        let places = (0..count).map_while(|index| self.place(index));
        let ready = places.filter(|place| place.state.load(Ordering::Acquire) == READY);
        // SAFETY: READY places are not written any more.
        ready.map(|place| (place, unsafe { *place.module.get() }))
    }

    /// Whether `address` is in a module that is not loaded any more: the C library unloads some without `dlclose`.
    #[cold]
    pub fn is_stale(&self, address: usize) -> bool {
        self.known().any(|(_, module)| module.range().contains(&address) && !module.is_loaded())
    }

    /// The module that holds `address`, which must be code that is on the stack or else cannot be unloaded now.
    #[cold]
    #[inline(never)]
    pub fn find(&self, recording: &Recording, address: usize) -> Option<Module> {
        if let Some((_, module)) = self.known().find(|(_, module)| module.range().contains(&address)) {
            return Some(module);
        }
        let (map, range) = link_map::object_at(address)?;
        let (module, image) = describe(map, Some(range.start))?;
        self.add(recording, module, &image);
        module.range().contains(&address).then_some(module)
    }

    /// Learns of everything that is loaded. Called at start, when no other thread can unload anything.
    pub fn learn_all(&self, recording: &Recording) {
        // Release: publishes the memory.
        self.places.store(pages::zeroed(MODULES_MAX), Ordering::Release);
        for map in LinkMap::all() {
            let start = link_map::object_at(map.dynamic() as usize).map(|(_, range)| range.start);
            if let Some((module, image)) = describe(map, start) {
                self.add(recording, module, &image);
            }
        }
    }

    /// Remembers and records a module, unless another thread is adding one: then the next miss will.
    fn add(&self, recording: &Recording, module: Module, image: &Image) {
        let Some(_held) = self.adding.take() else { return };
        let is_new = !self.known().any(|(_, known)| known.start == module.start);
        let count = self.count.load(Ordering::Relaxed);
        if let Some(place) = self.place(count as usize).filter(|_| is_new) {
            // SAFETY: a place beyond the count is nobody else's while we hold the lock.
            unsafe { *place.module.get() = module };
            // Release: publishes the module.
            place.state.store(READY, Ordering::Release);
            self.count.store(count + 1, Ordering::Release);
            record(recording, module, image);
        }
    }

    /// Looks which modules are not loaded any more. If there are any, an epoch begins without them, and true is
    /// returned: rules that were found for their addresses are void.
    #[cold]
    #[inline(never)]
    pub fn forget_unloaded(&self, recording: &Recording) -> bool {
        let mut begun = false;
        for (place, module) in self.known() {
            let still =
                link_map::object_at(module.start).is_some_and(|(map, _)| core::ptr::eq(map, module.map));
            if still {
                continue;
            }
            if !begun {
                let previous = recording.begin_epoch();
                recording.add_epoch(previous);
                begun = true;
            }
            // Release: whoever sees the place gone sees the new epoch.
            if place.state.swap(GONE, Ordering::Release) == READY {
                recording.add_module_gone(module.start);
            }
        }
        begun
    }

    /// Releases the try-lock that a forked child may have inherited locked.
    pub fn after_fork(&self) {
        self.adding.after_fork();
    }
}

#[inline(never)]
fn describe(map: &'static LinkMap, start: Option<usize>) -> Option<(Module, Image)> {
    let image = Image::of(map, start)?;
    let range = image.range();
    let eh_frame_header = image.eh_frame_header().unwrap_or(0);
    let tables = image.readable_around(eh_frame_header);
    let module = Module {
        start: range.start,
        end: range.end,
        eh_frame_header,
        tables: (tables.start, tables.end),
        map: core::ptr::from_ref(map),
        dynamic: map.dynamic() as usize,
    };
    Some((module, image))
}

/// Writes the module's metadata. The program itself has no name in the loader's list.
#[cold]
fn record(recording: &Recording, module: Module, image: &Image) {
    // SAFETY: the object is loaded.
    match unsafe { &*module.map }.name().to_bytes() {
        b"" => record_program(recording, image),
        name => recording.add_module(image, name),
    }
}

/// Apart, so that its buffer is on the stack at the start only: later modules may be met on a small signal stack.
#[cold]
#[inline(never)]
fn record_program(recording: &Recording, image: &Image) {
    recording.add_module(image, process::executable::<PATH_BYTES>().as_bytes());
}
