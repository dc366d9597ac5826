//! Models: a few threads with a few steps each, in every interleaving that matters.
//!
//! What stands in a [`loom::cell::UnsafeCell`] is what the orderings must publish: loom fails the model when one thread
//! touches it and another one's write did not happen before.

mod file_end;
mod places;
mod room;
mod slots;
mod small;
mod writers;

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::thread::JoinHandle;

/// Runs a model with at most `preemptions` of threads that could go on; with any number if `TM_SOAK` is set.
///
/// Nearly all errors need one or two, and each one more is some ten times the work.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.preemption_bound = std::env::var_os("TM_SOAK").is_none().then_some(preemptions);
    builder.check(model);
}

/// `count` cells of plain memory that hold 0.
fn cells(count: usize) -> Vec<UnsafeCell<u64>> {
    (0..count).map(|_| UnsafeCell::new(0)).collect()
}

fn read(cell: &UnsafeCell<u64>) -> u64 {
    // SAFETY: valid memory; loom fails the model if another thread may be writing.
    cell.with(|value| unsafe { *value })
}

fn write(cell: &UnsafeCell<u64>, new: u64) {
    // SAFETY: valid memory; loom fails the model if another thread may be using it.
    cell.with_mut(|value| unsafe { *value = new });
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
}
