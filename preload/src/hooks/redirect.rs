//! Leads calls to us that symbols do not: it puts the hooks' addresses where loaded objects keep those of the functions.
//!
//! Needed for the functions that we do not export ([`super::allocators`]), and for all in objects that were opened with
//! `RTLD_DEEPBIND`, which find the C library before us. Done for what is loaded at the start, and for what `dlopen` brings
//! when the program next calls the loader: that is the earliest moment at which it is known to be whole.
//!
//! An object that is an allocator itself is left alone: what it calls of its own is its own business.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use tm_common::functions::{Family, Function};
use tm_common::metadata::NoteReason;

use super::allocators;
use crate::real::{self, Search};
use crate::session::SESSION;
use crate::sys::elf;
use crate::sys::image::Image;
use crate::sys::link_map::{self, LinkMap};
use crate::sys::slots::Slots;
use crate::sys::{loader, tls};

/// Objects may have come since [`look_at_new`]; [`DEEP`] with a scope of their own.
const NEW: u32 = 1;
const DEEP: u32 = 2;

static PENDING: AtomicU32 = AtomicU32::new(0);
/// The thread block of the thread that has opened them: only what it has opened before is known to be whole.
static OPENER: AtomicUsize = AtomicUsize::new(0);
/// The number of objects that were looked at.
static N_KNOWN: AtomicUsize = AtomicUsize::new(0);
/// Tells whether a collector was noted.
static HAS_COLLECTOR: AtomicBool = AtomicBool::new(false);

/// Leads the calls of all that is loaded, once it is whole; none if other calls of the program do not reach us either.
#[cfg_attr(test, allow(dead_code, reason = "called by the constructor, which tests do not have"))]
pub(super) fn at_start() {
    if SESSION.is_process() && Search::here() == Search::AfterUs {
        loader::with_list_locked(|| {
            look(0, false);
        });
    }
}

/// Notes that the calling thread is about to open objects.
pub(super) fn opening(deep: bool) {
    OPENER.store(tls::current().as_ptr() as usize, Ordering::Relaxed);
    // Relaxed, both: whoever reads them early does less, and the opener itself reads what it wrote.
    PENDING.fetch_or(if deep { DEEP } else { NEW }, Ordering::Relaxed);
}

/// Leads the calls of objects that have come. Called where the loader is about to be called, so its lock may be taken.
#[inline]
pub(super) fn look_at_new() {
    // Relaxed: see `opening`.
    if PENDING.load(Ordering::Relaxed) != 0 {
        look_at_pending();
    }
}

#[cold]
fn look_at_pending() {
    if !SESSION.is_process() {
        return;
    }
    // Nobody else: the loader may still be relocating, on the opener's thread, what stands in its list, and expects pages that
    // it has made writable to stay so.
    if OPENER.load(Ordering::Relaxed) != tls::current().as_ptr() as usize {
        return;
    }
    let pending = PENDING.load(Ordering::Relaxed);
    loader::with_list_locked(|| {
        let n_objects = look(N_KNOWN.load(Ordering::Relaxed), pending & DEEP != 0);
        // Relaxed: as above.
        N_KNOWN.store(n_objects, Ordering::Relaxed);
        PENDING.fetch_and(!pending, Ordering::Relaxed);
    });
}

/// Objects have gone, so those that are left have other places in the list.
pub(super) fn closed() {
    // Relaxed: see `opening`. All are looked at again when some have come.
    N_KNOWN.store(0, Ordering::Relaxed);
    // The loader's lock is taken where there is a reason to: the program may hold locks that others wait for under it.
    if real::has_interfaces() {
        loader::with_list_locked(|| {
            if real::remove_closed_interfaces() {
                real::find_interfaces(0);
            }
        });
    }
}

/// Leads the calls of the objects from place `first` on; returns how many objects there are. Nobody changes the list.
fn look(first: usize, deep: bool) -> usize {
    let is_new = real::find_interfaces(first);
    note_collector();
    // Who came before a new allocator may call it too, by a symbol that is looked up at the first call.
    let first = if is_new { 0 } else { first };
    if deep || real::has_interfaces() {
        for map in LinkMap::all().skip(first).filter(|map| !map.is_ours() && !is_allocator(map)) {
            if !lead(map, deep) {
                note(NoteReason::DeepBind, map.name().to_bytes());
            }
        }
    }
    let n_objects = LinkMap::all().count();
    // Relaxed: see `opening`.
    N_KNOWN.fetch_max(n_objects, Ordering::Relaxed);
    n_objects
}

/// Tells whether the object defines `malloc` or an allocator's own functions.
fn is_allocator(map: &LinkMap) -> bool {
    let keys = Family::INTERFACES.into_iter().filter_map(Family::key);
    core::iter::once(Function::Malloc)
        .chain(keys)
        .any(|function| elf::find_symbol(map, real::symbol(function).as_c_str()).is_some())
}

/// Leads the calls of `map`. `false` if some cannot be led.
fn lead(map: &'static LinkMap, deep: bool) -> bool {
    let Some(slots) = Slots::of(map) else { return true };
    let mut all_led = true;
    for slot in slots.iter() {
        let value = slot.value();
        let unbound = slots.is_unbound(slot);
        if !(unbound || deep || real::is_interface(value)) {
            continue;
        }
        let Some(function) = function_named(slot.name(), deep) else { continue };
        let is_real = value == real::known(function) as usize && value != 0;
        if is_real || unbound && real::is_only_definition(function) {
            all_led &= hook(function).is_none_or(|hook| hook == value || slots.set(slot, hook));
        }
    }
    all_led
}

/// Returns the hooked function of this name: of all if `deep`, else of those that are not exported.
fn function_named(name: &CStr, deep: bool) -> Option<Function> {
    let name = name.to_bytes();
    Function::ALL
        .iter()
        .copied()
        .find(|function| (deep || !function.family().is_exported()) && function.symbol().as_bytes() == name)
}

/// Returns where the calls of `function` are to be led: its hook, unless that was taken back.
fn hook(function: Function) -> Option<usize> {
    if !function.family().is_exported() {
        return allocators::hook(function);
    }
    let ours = LinkMap::all().find(|map| map.is_ours())?;
    elf::lookup(ours, real::symbol(function).as_c_str())
}

/// Tells whether a function of this name is hooked, but not exported.
pub(super) fn is_own(name: &CStr) -> bool {
    function_named(name, false).is_some()
}

/// Returns the hook of the function of this name at this address, which `dlsym` has found.
pub(super) fn hook_of_found(name: &CStr, address: usize) -> Option<usize> {
    let function = function_named(name, false)?;
    if address == 0 || real::known(function) as usize != address {
        return None;
    }
    allocators::hook(function)
}

fn note_collector() {
    let is_here = !real::known(Function::GCMalloc).is_null();
    // Relaxed: once is enough.
    if is_here && !HAS_COLLECTOR.swap(true, Ordering::Relaxed) {
        let owner = LinkMap::all().find(|map| {
            Image::of(&link_map::object_of(map))
                .is_some_and(|image| image.range().contains(&(real::known(Function::GCMalloc) as usize)))
        });
        note(NoteReason::Collector, owner.map_or(b"GC_malloc", |map| map.name().to_bytes()));
    }
}

/// The most different notes that a process makes here: they are bounded, whatever it loads and executes.
const NOTES_MAX: usize = 64;

/// Notes something, once. The last note that there is room for says that there were more.
pub(crate) fn note(reason: NoteReason, text: &[u8]) {
    /// Hashes of what was noted; 0 for none.
    static NOTED: [AtomicU64; NOTES_MAX] = [const { AtomicU64::new(0) }; NOTES_MAX];
    let start = 0xcbf2_9ce4_8422_2325 ^ reason as u64;
    let hash = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let hash = text.iter().fold(start, hash) | 1;
    for (n, place) in NOTED.iter().enumerate() {
        // Relaxed: only numbers.
        match place.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) if n + 1 == NOTES_MAX => return SESSION.recording.add_note(reason, b"and others"),
            Ok(_) => return SESSION.recording.add_note(reason, text),
            Err(found) if found == hash => return,
            Err(_) => {}
        }
    }
}
