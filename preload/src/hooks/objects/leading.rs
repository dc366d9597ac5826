//! Leads calls of a loaded object to us and back: puts the addresses of hooks into its slots in place of those of functions.

use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

use tm_common::functions::Function;

use super::known::Known;
use crate::hooks::allocation::allocators;
use crate::hooks::python::tracks;
use crate::real;
use crate::sys::objects::elf::Symbols;
use crate::sys::objects::link_map::{self, LinkMap};
use crate::sys::objects::slots::Slots;

/// The number of slots that were led, and led back.
static N_LED: AtomicUsize = AtomicUsize::new(0);

/// The calls of an object that are to be led.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those of functions that we do not export.
    Others,
    /// All, of an object that may find others before us.
    Deep,
    /// All, of an object that finds the same as all others.
    All,
    /// Those of functions that we export.
    Exported,
}

impl Wanted {
    /// `None` if the object is left alone.
    pub fn of(map: &'static LinkMap, all: bool, deep: bool) -> Option<Wanted> {
        match (real::is_allocator(map), all, deep) {
            (false, _, true) => Some(Wanted::Deep),
            (false, true, false) => Some(Wanted::All),
            (false, false, false) => Some(Wanted::Others),
            (true, true, _) => Some(Wanted::Exported),
            (true, false, _) => None,
        }
    }

    /// Tells whether the lookup of a function that was not called yet will find the real one.
    fn will_find(self, function: Function) -> bool {
        match self {
            Wanted::All | Wanted::Exported => !real::known(function).is_null(),
            Wanted::Deep | Wanted::Others => real::is_only_definition(function),
        }
    }

    /// Returns the hooked function of this name, if its calls are to be led.
    fn function_named(self, name: &CStr) -> Option<Function> {
        let found = function_named(name, self != Wanted::Others);
        found.filter(|function| self != Wanted::Exported || function.family().is_exported())
    }
}

/// What became of an object's calls.
pub(super) struct Led {
    /// All that should be led are.
    pub all: bool,
    /// Some were not before.
    pub some: bool,
}

/// Leads the calls of an object.
pub(super) fn lead(slots: &Slots, wanted: Wanted, known: &Known) -> Led {
    let mut led = Led { all: true, some: false };
    for slot in slots.iter() {
        let value = slot.value();
        let unbound = slots.is_unbound(slot);
        if !(unbound || known.has(value)) {
            continue;
        }
        let Some(function) = wanted.function_named(slot.name()) else { continue };
        let is_real = value == real::known(function) as usize && value != 0;
        if is_real || unbound && wanted.will_find(function) {
            let Some(hook) = hook(function).filter(|hook| *hook != value) else { continue };
            let is_set = slots.set(slot, hook);
            // Relaxed: a number.
            N_LED.fetch_add(usize::from(is_set), Ordering::Relaxed);
            led = Led { all: led.all && is_set, some: led.some || is_set };
        }
    }
    led
}

/// Gives an object that calls the functions of `tm.h` our table, which nobody had when it was loaded.
pub(super) fn lend_table(slots: &Slots) {
    let ours = || LinkMap::all().find(|map| map.is_ours()).and_then(Symbols::of);
    for slot in slots.iter().filter(|slot| slot.value() == 0 && slot.name() == c"tm_api") {
        if let Some(table) = ours().and_then(|ours| ours.variable(slot.name())) {
            slots.set(slot, table.start);
        }
    }
}

/// Leads the calls by which an object tells an interpreter of its blocks.
pub(super) fn lead_tracks(slots: &Slots) {
    if !tracks::are_led() {
        return;
    }
    for slot in slots.iter() {
        let present = Some(slot.value()).filter(|_| !slots.is_unbound(slot));
        if let Some(hook) = tracks::hook(slot.name(), present) {
            slots.set(slot, hook);
        }
    }
}

/// Leads the calls of an object back to the real functions.
pub(super) fn lead_back(map: &'static LinkMap) {
    let ours = LinkMap::all().find(|map| map.is_ours()).and_then(link_map::image_of);
    let (Some(slots), Some(ours)) = (Slots::of(map), ours) else { return };
    for slot in slots.iter().filter(|slot| ours.range().contains(&slot.value())) {
        let Some(function) = function_named(slot.name(), true) else { continue };
        let real = real::known(function) as usize;
        if real != 0 && hook(function) == Some(slot.value()) && slots.set(slot, real) {
            // Relaxed: a number.
            N_LED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Returns how many slots were led and led back so far.
pub(super) fn n_led() -> usize {
    // Relaxed: a number.
    N_LED.load(Ordering::Relaxed)
}

/// Returns the hooked function of this name: of all if `deep`, else of those that are not exported.
pub(super) fn function_named(name: &CStr, deep: bool) -> Option<Function> {
    let name = name.to_bytes();
    Function::ALL
        .iter()
        .copied()
        .find(|function| (deep || !function.family().is_exported()) && function.symbol().as_bytes() == name)
}

/// Returns where the calls of `function` are to be led: its hook, unless that was taken back.
pub(super) fn hook(function: Function) -> Option<usize> {
    if !function.family().is_exported() {
        return allocators::hook(function);
    }
    let ours = LinkMap::all().find(|map| map.is_ours())?;
    Symbols::of(ours)?.function(real::symbol(function).as_c_str())
}
