//! The loaded objects that stacks have led into: where their unwind tables are, and that the recording names each.

use core::ops::Range;

use super::eh_frame;
use crate::lockfree::records::Records;
use crate::lockfree::try_lock::TryLock;
use crate::python::{PYTHON, Stay};
use crate::recording::{PATH_BYTES, Recording};
use crate::sys::memory::maps::Maps;
use crate::sys::memory::pages;
use crate::sys::objects::image::Image;
use crate::sys::objects::link_map::{self, LinkMap, Loaded, Object};
use crate::sys::{process, syscall};

/// Where a module is and where its unwind tables are.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// The first mapped address.
    pub start: usize,
    /// The first address behind it.
    pub end: usize,
    /// The address of `.eh_frame_hdr`, 0 if it has none that can be read.
    pub eh_frame_header: usize,
    /// What can be read around it: a module's segments may have holes between them.
    tables: (usize, usize),
    /// See [`Object::identity`].
    identity: (usize, usize),
}

const WORDS: usize = 7;

impl Module {
    fn to_words(self) -> [usize; WORDS] {
        let ((first, last), (one, other)) = (self.tables, self.identity);
        [self.start, self.end, self.eh_frame_header, first, last, one, other]
    }

    fn from_words([start, end, eh_frame_header, first, last, one, other]: [usize; WORDS]) -> Module {
        Module { start, end, eh_frame_header, tables: (first, last), identity: (one, other) }
    }

    /// Tells whether it is what is loaded at its addresses now. The loader may use a `LinkMap` again.
    fn is_among(&self, loaded: &Loaded) -> bool {
        loaded.has(self.start, self.identity)
    }

    /// Returns where its unwind tables may be read.
    pub fn tables(&self) -> Range<usize> {
        self.tables.0..self.tables.1
    }

    /// Returns its range of addresses.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// The table.
#[derive(Debug)]
pub struct Modules {
    known: Records<WORDS>,
    adding: TryLock,
}

impl Modules {
    /// Makes an empty list.
    pub const fn new() -> Modules {
        Modules { known: Records::new(), adding: TryLock::new() }
    }

    fn known(&self) -> impl Iterator<Item = Module> {
        self.known.all().map(|(_, words)| Module::from_words(words))
    }

    /// Tells whether `address` is in a module that is not loaded any more: the C library unloads some without `dlclose`.
    #[cold]
    pub fn is_stale(&self, address: usize) -> bool {
        self.known().any(|module| module.range().contains(&address) && !module.is_among(&Loaded::now()))
    }

    /// Returns the module that holds `address`, which must be code that is on the stack or else cannot be unloaded now.
    #[cold]
    #[inline(never)]
    pub fn find(&self, recording: &Recording, address: usize) -> Option<Module> {
        if let Some(module) = self.known().find(|module| module.range().contains(&address)) {
            return Some(module);
        }
        let object = link_map::object_at(address)?;
        let (module, image) = describe(&object)?;
        self.add(recording, module, &image, &object, Stay::Unknown);
        module.range().contains(&address).then_some(module)
    }

    /// Learns of everything that is loaded. Called at start, when no other thread can unload anything.
    pub fn learn_all(&self, recording: &Recording) {
        for map in LinkMap::all() {
            let object = link_map::object_of(map);
            if let Some((module, image)) = describe(&object) {
                self.add(recording, module, &image, &object, Stay::ForGood);
            }
        }
    }

    /// Remembers and records a module, unless another thread is adding one: then the next miss will.
    fn add(&self, recording: &Recording, module: Module, image: &Image, object: &Object, stay: Stay) {
        let Some(_held) = self.adding.take() else { return };
        let is_new = !self.known().any(|known| known.start == module.start);
        // Without memory for it, it is looked up and recorded at each miss: slower, not wrong.
        if is_new {
            self.known.add(module.to_words());
            record(recording, image, object);
            if let Some(map) = object.map {
                let function_at = |address| {
                    eh_frame::find(module.tables(), module.eh_frame_header, address)
                        .map(|entry| entry.range())
                };
                PYTHON.look_at(recording, map, image, stay, function_at);
            }
        }
    }

    /// Looks which modules are not loaded any more. If there are any, an epoch begins without them, and true is
    /// returned: rules that were found for their addresses are void.
    #[cold]
    #[inline(never)]
    pub fn remove_unloaded(&self, recording: &Recording) -> bool {
        let mut begun = false;
        let loaded = Loaded::now();
        for (key, words) in self.known.all() {
            let module = Module::from_words(words);
            if module.is_among(&loaded) {
                continue;
            }
            if !begun {
                let previous = recording.begin_epoch();
                recording.add_epoch(previous);
                begun = true;
            }
            // Whoever sees the place free sees the new epoch.
            if self.known.remove(key) {
                PYTHON.leave(module.start);
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
fn describe(object: &Object) -> Option<(Module, Image)> {
    let image = Image::of(object)?;
    let range = image.range();
    let eh_frame_header = image.eh_frame_header().unwrap_or(0);
    let tables = image.readable_around(eh_frame_header);
    let module = Module {
        start: range.start,
        end: range.end,
        eh_frame_header,
        tables: (tables.start, tables.end),
        identity: object.identity,
    };
    Some((module, image))
}

/// Writes the module's metadata. The program itself has no name in the loader's list.
#[cold]
fn record(recording: &Recording, image: &Image, object: &Object) {
    let name = object.map.map_or(&[][..], |map| map.name().to_bytes());
    match name {
        _ if object.is_program() => record_program(recording, image),
        [b'/', ..] => recording.add_module(image, &[name]),
        name => record_by_mapping(recording, image, object, name),
    }
}

/// Records the program. Not inlined, so that its buffer is on the stack at the start only: later modules may be met on
/// a small signal stack.
#[cold]
#[inline(never)]
fn record_program(recording: &Recording, image: &Image) {
    recording.add_module(image, &[process::executable::<PATH_BYTES>().as_bytes()]);
}

/// Writes the metadata of a module whose name is no absolute path: one that was opened as `./plugins/x.so` is to be found
/// from any folder later. Its path is that of its file; where `/proc` is missing, the name from the working directory. The
/// kernel's own (`linux-vdso.so.1`) has no path.
#[cold]
#[inline(never)]
fn record_by_mapping(recording: &Recording, image: &Image, object: &Object, name: &[u8]) {
    let buffers: *mut [[u8; PATH_BYTES]; 2] = pages::zeroed(1);
    // SAFETY: fresh memory of ours, or null.
    let Some([path, folder]) = (unsafe { buffers.as_mut() }) else {
        return recording.add_module(image, &[name]);
    };
    let folder_len = syscall::getcwd(folder).unwrap_or(0);
    let folder = folder.get(..folder_len).filter(|_| name.contains(&b'/'));
    let by_kernel = Maps::open().map_or(&[][..], |maps| maps.path_at(object.start, path));
    match (by_kernel, folder) {
        ([_, ..], _) => recording.add_module(image, &[by_kernel]),
        (_, Some(folder)) => recording.add_module(image, &[folder, b"/", name]),
        (_, None) => recording.add_module(image, &[name]),
    }
    // SAFETY: made above, and not used any more.
    unsafe { syscall::munmap(buffers.cast(), size_of::<[[u8; PATH_BYTES]; 2]>()) };
}
