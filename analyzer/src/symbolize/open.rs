//! Opens modules and looks up what is wanted of them, several at a time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::ModuleImage;
use super::module::{Module, Places};
use super::names::Names;

/// A module that is to be opened.
pub(super) struct Wanted {
    pub image: ModuleImage,
    /// Addresses of the file itself.
    pub offsets: Vec<u64>,
}

impl Wanted {
    fn open(&self, places: Places<'_>, names: &Names, may_spawn: bool) -> Module {
        let mut module = Module::of(&self.image, places, may_spawn, names);
        module.look_up(&self.offsets, names);
        module
    }
}

/// Opens all of `wanted` and looks up what is wanted of them, with up to `n_threads_max` threads, of which the calling one is the first; in their order.
pub(super) fn open_all(
    wanted: &[Wanted],
    places: Places<'_>,
    names: &Names,
    n_threads_max: usize,
) -> Vec<Module> {
    let next = AtomicUsize::new(0);
    let opened: Vec<Mutex<Option<Module>>> = wanted.iter().map(|_| Mutex::new(None)).collect();
    let open_next = || {
        while let Some((wanted, place)) = next_of(&next, wanted, &opened) {
            let module = wanted.open(places, names, n_threads_max > 1);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(module);
        }
    };
    thread::scope(|scope| {
        for _ in 1..n_threads_max.min(wanted.len()) {
            // Without the thread the others do its part.
            let _ = thread::Builder::new().spawn_scoped(scope, open_next);
        }
        open_next();
    });
    let done = opened.into_iter().map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner));
    done.flatten().collect()
}

/// What nobody has begun yet, and the place of its result.
fn next_of<'a, T, U>(next: &AtomicUsize, wanted: &'a [T], results: &'a [U]) -> Option<(&'a T, &'a U)> {
    // Relaxed: it publishes nothing but the number itself.
    let place = next.fetch_add(1, Relaxed);
    Some((wanted.get(place)?, results.get(place)?))
}
