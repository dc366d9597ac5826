//! Models: a few threads with a few steps each, in every interleaving that matters.
//!
//! What stands in a [`loom::cell::UnsafeCell`] is what the orderings must publish: loom fails the model when one thread
//! touches it and another one's write did not happen before.

mod addresses;
mod file_end;
mod free_list;
mod numbers;
mod places;
mod records;
mod room;
mod sampled;
mod slots;
mod small;
mod writers;

use std::boxed::Box;
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;

/// What a thread of a model does.
type Thread<T> = Box<dyn FnOnce() -> T>;

/// Runs a model with at most `preemptions` of threads that could go on; with any number if `TM_SOAK` is set.
///
/// Nearly all errors need one or two, and each one more is some ten times the work. Each model runs twice, with its
/// threads begun in either order: loom tries to take a step before another thread's look at the same place only if
/// that was the last look, so a thread that looks itself before it writes hides that others may be later than that.
fn check(preemptions: usize, model: impl Fn(Order) + Send + Sync + 'static) {
    let model = std::sync::Arc::new(model);
    for order in [Order::Given, Order::Reversed] {
        let model = model.clone();
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 100_000;
        builder.preemption_bound = std::env::var_os("TM_SOAK").is_none().then_some(preemptions);
        builder.check(move || model(order));
    }
}

/// The order in which threads begin.
#[derive(Clone, Copy)]
enum Order {
    Given,
    Reversed,
}

impl Order {
    /// Runs all threads to their ends: their results, in the order given.
    fn run<T: 'static>(self, threads: impl IntoIterator<Item = Thread<T>>) -> Vec<T> {
        let mut threads: Vec<_> = threads.into_iter().collect();
        self.turn(&mut threads);
        let running: Vec<_> = threads.into_iter().map(loom::thread::spawn).collect();
        let mut results: Vec<T> =
            running.into_iter().map(|thread| thread.join().expect("no thread panics")).collect();
        self.turn(&mut results);
        results
    }

    fn turn<T>(self, list: &mut [T]) {
        if matches!(self, Order::Reversed) {
            list.reverse();
        }
    }
}

/// Starts a thread that does `work` with what it shares with others.
fn thread<S: 'static, T>(shared: &Arc<S>, work: impl FnOnce(&S) -> T + 'static) -> Thread<T> {
    let shared = shared.clone();
    Box::new(move || work(&shared))
}

/// Makes `count` cells of plain memory that hold 0.
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
