//! Leads calls to us that symbols do not: it puts the hooks' addresses where loaded objects keep those of the functions.
//!
//! Needed for the functions that we do not export ([`crate::hooks::allocation::allocators`]), and for all in objects that
//! were opened with `RTLD_DEEPBIND`, which find the C library before us. Done for what is loaded at the start, and for what
//! `dlopen` brings before its constructors run, if the loader allocates between ([`super::opening`]), else when the program
//! next calls the loader.
//!
//! An object that is an allocator itself is left alone: what it calls of its own is its own business.
//!
//! In a process that tmtool has brought us into, no symbol leads here: all calls of all objects are led so ([`lead_all`]), and
//! can be led back. Those are the calls that symbols lead to a preloaded library: an allocator's are among them, and those
//! of functions that we do not export are not.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use tm_common::functions::Function;
use tm_common::metadata::NoteReason;

use super::known::Known;
use super::leading::{self, Wanted, function_named, hook};
use crate::hooks::python::tracks;
use crate::real::{self, Search};
use crate::session::SESSION;
use crate::sys::memory::maps::Maps;
use crate::sys::objects::elf;
use crate::sys::objects::link_map::{self, LinkMap};
use crate::sys::objects::loader::{self, Changes};
use crate::sys::objects::slots::Slots;
use crate::sys::tls;

/// Objects may have come since [`look_at_new`]; [`DEEP`] with a scope of their own. [`SHARED`]: several threads open objects,
/// so no look of one of them is known to be the last that is needed.
const NEW: u32 = 1;
const DEEP: u32 = 2;
const SHARED: u32 = 4;
/// The size of an array of one constructor: the compiler's own, which every library has.
const OWN_CONSTRUCTORS_BYTES: usize = 8;

static PENDING: AtomicU32 = AtomicU32::new(0);
/// The thread block of the thread that has opened them last: what it has opened before is whole.
static OPENER: AtomicUsize = AtomicUsize::new(0);
/// The number of objects that were looked at, from the first of the list on, and the [`Changes`] of that moment. All change
/// under the loader's lock.
static N_KNOWN: AtomicUsize = AtomicUsize::new(0);
static N_COME: AtomicUsize = AtomicUsize::new(0);
static N_GONE: AtomicUsize = AtomicUsize::new(0);
/// Tells whether all calls are led, since no symbol leads here.
static LEADS_ALL: AtomicBool = AtomicBool::new(false);
/// Tells whether a collector was noted.
static HAS_COLLECTOR: AtomicBool = AtomicBool::new(false);

/// Leads the calls of all that is loaded, once it is whole; none if other calls of the program do not reach us either.
#[cfg_attr(test, allow(dead_code, reason = "called by the constructor, which tests do not have"))]
pub(in crate::hooks) fn at_start() {
    if SESSION.is_process() && Search::here() == Search::AfterUs {
        loader::with_list_locked(|now| {
            look(0, false, Moment::Start, now);
        });
    }
}

/// Leads the calls of all that is loaded and of what will be; the number of slots. May be called again, for what another
/// thread has bound meanwhile. The caller may call the loader.
pub(in crate::hooks) fn lead_all() -> usize {
    // Relaxed, all: read by threads that look under the loader's lock.
    LEADS_ALL.store(true, Ordering::Relaxed);
    let before = leading::n_led();
    let mut all_whole = false;
    loader::with_list_locked(|now| all_whole = look(0, false, Moment::Attach, now));
    if !all_whole {
        look_again();
    }
    leading::n_led() - before
}

/// Leads all calls back to the real functions; the number of slots. The caller may call the loader.
pub(in crate::hooks) fn lead_back() -> usize {
    // Relaxed, all: as above.
    LEADS_ALL.store(false, Ordering::Relaxed);
    PENDING.store(0, Ordering::Relaxed);
    let before = leading::n_led();
    loader::with_list_locked(|_| LinkMap::all().filter(|map| !map.is_ours()).for_each(leading::lead_back));
    leading::n_led() - before
}

/// Tells whether all calls of all objects are led.
pub(super) fn leads_all() -> bool {
    // Relaxed: see `lead_all`.
    LEADS_ALL.load(Ordering::Relaxed)
}

/// Tells whether there are calls that symbols do not lead to us.
pub(super) fn leads_some() -> bool {
    leads_all() || real::has_interfaces()
}

/// Tells whether the calling thread is the last one that has begun to open objects.
pub(super) fn is_opener() -> bool {
    OPENER.load(Ordering::Relaxed) == tls::current().as_ptr() as usize
}

/// Notes that the calling thread is about to open objects.
pub(super) fn opening(deep: bool) {
    // Relaxed, all: whoever reads them early does less, and the opener itself reads what it wrote.
    let is_shared = PENDING.load(Ordering::Relaxed) != 0 && !is_opener();
    OPENER.store(tls::current().as_ptr() as usize, Ordering::Relaxed);
    let pending = if deep { DEEP } else { NEW } | if is_shared { SHARED } else { 0 };
    PENDING.fetch_or(pending, Ordering::Relaxed);
}

/// Leads the calls of objects that have come. Called where the loader is about to be called, so its lock may be taken.
#[inline]
pub(in crate::hooks) fn look_at_new() {
    // Relaxed: see `opening`.
    if PENDING.load(Ordering::Relaxed) != 0 {
        look_at_pending();
    }
}

/// Has all objects looked at again when the program next calls the loader.
pub(in crate::hooks) fn look_again() {
    // Relaxed, all: see `opening`. No number of objects that have come is that.
    N_KNOWN.store(0, Ordering::Relaxed);
    N_COME.store(usize::MAX, Ordering::Relaxed);
    PENDING.fetch_or(NEW | SHARED, Ordering::Relaxed);
}

#[cold]
fn look_at_pending() {
    if !SESSION.is_process() {
        return;
    }
    let pending = PENDING.load(Ordering::Relaxed);
    let is_opener = is_opener();
    // What one thread alone opens is its own to look at: it does so before the constructors run, if anybody can.
    if !is_opener && pending & SHARED == 0 {
        return;
    }
    // Another thread may be relocating what stands in the list.
    let moment = if is_opener { Moment::Late } else { Moment::Meanwhile };
    loader::with_list_locked(|now| {
        let is_known = now.n_come == N_COME.load(Ordering::Relaxed);
        let all_whole = is_known || look(first_unknown(now), pending & DEEP != 0, moment, now);
        // What another thread opens may not have come yet.
        if all_whole && is_opener && pending & SHARED == 0 {
            // Relaxed: as above.
            PENDING.fetch_and(!pending, Ordering::Relaxed);
        }
    });
}

/// Returns the first place of the list that may have an object which was not looked at: each that goes moves others forward by one.
fn first_unknown(now: Changes) -> usize {
    // Relaxed, both: under the loader's lock.
    let n_gone = now.n_gone.wrapping_sub(N_GONE.load(Ordering::Relaxed));
    N_KNOWN.load(Ordering::Relaxed).saturating_sub(n_gone)
}

/// Leads the calls of the objects from place `first` on, whose constructors have not run yet. `false` if there are none, or
/// the loader has not relocated them all.
pub(super) fn look_at_opened(first: usize, deep: bool) -> bool {
    // The one that is opened is the first in the list and the last to be relocated.
    let opened = LinkMap::all().nth(first);
    let maps = Maps::open();
    let is_whole =
        opened.is_some_and(|map| Slots::of(map).is_none_or(|slots| slots.are_relocated(maps.as_ref())));
    drop(maps);
    let mut all_whole = false;
    if is_whole {
        loader::with_list_locked(|now| all_whole = look(first, deep, Moment::Opening, now));
    }
    all_whole
}

/// The moments when objects are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before the program, when all are whole.
    Start,
    /// Before their constructors.
    Opening,
    /// After these, or in a function that is called while others are relocated.
    Late,
    /// While another thread may be relocating some.
    Meanwhile,
    /// The same, and all constructors that could be missed ran long ago.
    Attach,
}

/// Objects have gone.
pub(super) fn closed() {
    // The loader's lock is taken where there is a reason to: the program may hold locks that others wait for under it.
    if real::has_interfaces() {
        loader::with_list_locked(|_| {
            if real::remove_closed_interfaces() {
                real::find_interfaces(0);
            }
        });
    }
}

/// Leads the calls of the objects from place `first` on. `false` if some are not whole yet. Nobody changes the list.
fn look(first: usize, deep: bool, moment: Moment, now: Changes) -> bool {
    let is_new = real::find_interfaces(first);
    note_collector();
    let mut all_whole = true;
    let all = leads_all();
    if all || deep || real::has_interfaces() || tracks::are_led() {
        let maps = (moment != Moment::Start).then(Maps::open).flatten();
        // The loader expects pages that it has made writable to stay so.
        if moment == Moment::Meanwhile && maps.is_none() {
            return false;
        }
        let known = Known::now();
        // Who came before a new allocator may call it too, by a symbol that is looked up at the first call.
        let skipped = if is_new { 0 } else { first };
        let objects = LinkMap::all().enumerate().skip(skipped).filter(|(_, map)| !map.is_ours());
        for (place, map) in objects {
            let Some(wanted) = Wanted::of(map, all, deep) else { continue };
            let Some(slots) = Slots::of(map) else { continue };
            if moment != Moment::Start && !slots.are_relocated(maps.as_ref()) {
                all_whole = false;
                continue;
            }
            leading::lead_tracks(&slots);
            if all {
                leading::lend_table(&slots);
            }
            let led = leading::lead(&slots, wanted, &known);
            if !led.all {
                note(NoteReason::DeepBind, map.name().to_bytes());
            }
            if led.some
                && matches!(moment, Moment::Late | Moment::Meanwhile)
                && place >= first
                && has_constructors(map)
            {
                note(NoteReason::EarlyConstructors, map.name().to_bytes());
            }
        }
    }
    if all_whole && first <= first_unknown(now) {
        // Relaxed, all: under the loader's lock.
        N_KNOWN.store(LinkMap::all().count(), Ordering::Relaxed);
        N_COME.store(now.n_come, Ordering::Relaxed);
        N_GONE.store(now.n_gone, Ordering::Relaxed);
    }
    all_whole
}

/// Tells whether the library has constructors of its own.
fn has_constructors(map: &LinkMap) -> bool {
    elf::dynamic_number(map, elf::DT_INIT_ARRAYSZ).is_some_and(|bytes| bytes > OWN_CONSTRUCTORS_BYTES)
}

/// Tells whether a function of this name is hooked, but its symbol does not lead here.
pub(super) fn is_own(name: &CStr) -> bool {
    function_named(name, leads_all()).is_some()
}

/// Returns the hook of the function of this name at this address, which `dlsym` has found.
pub(super) fn hook_of_found(name: &CStr, address: usize) -> Option<usize> {
    let function = function_named(name, leads_all())?;
    if address == 0 || real::known(function) as usize != address {
        return None;
    }
    hook(function)
}

fn note_collector() {
    let is_here = !real::known(Function::GCMalloc).is_null();
    // Relaxed: once is enough.
    if is_here && !HAS_COLLECTOR.swap(true, Ordering::Relaxed) {
        let owner = LinkMap::all().find(|map| {
            link_map::image_of(map)
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
