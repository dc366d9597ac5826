//! What is known of each process, kept from question to question.
//!
//! A forked child has all that its parent had known when it was forked, with locks that other threads of the parent may
//! have held: nobody is left to release them. So each process has a node of its own in a list that only grows; a child
//! passes over its parent's and never touches it.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::failure::Answer;
use crate::host::{Host, Identity};
use crate::process::Process;

/// The list, the latest node first.
static FIRST: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());

/// The place of a process, which lives for ever.
struct Node {
    identity: Identity,
    /// `None` before the first question.
    process: Mutex<Option<Process>>,
    next: *const Node,
}

/// Asks this process as it is now. Threads ask one after the other.
///
/// # Errors
/// The recording cannot be read, or those of `ask`.
pub fn with_present<T>(host: &Host<'_>, ask: impl FnOnce(&mut Process) -> Answer<T>) -> Answer<T> {
    let mut place = node(host.identity()).process.lock().unwrap_or_else(PoisonError::into_inner);
    let process = match place.take() {
        Some(process) => process,
        None => Process::open(host)?,
    };
    let process = place.insert(process);
    process.catch_up(host)?;
    ask(process)
}

/// Finds the node of a process, or makes it.
fn node(identity: Identity) -> &'static Node {
    let mut made = None;
    loop {
        // Acquire: receives the nodes as they were made.
        let first = FIRST.load(Ordering::Acquire);
        if let Some(known) = nodes(first).find(|node| node.identity == identity) {
            return known;
        }
        let mut node = made
            .take()
            .unwrap_or_else(|| Box::new(Node { identity, process: Mutex::new(None), next: ptr::null() }));
        node.next = first;
        let node = Box::into_raw(node);
        // Release: publishes the node. Acquire is not needed to try again, which loads.
        if FIRST.compare_exchange(first, node, Ordering::Release, Ordering::Relaxed).is_ok() {
            // SAFETY: it is never freed.
            return unsafe { &*node };
        }
        // SAFETY: nobody else has seen it.
        made = Some(unsafe { Box::from_raw(node) });
    }
}

fn nodes(first: *const Node) -> impl Iterator<Item = &'static Node> {
    // SAFETY: NULL, or a node that is never freed.
    let node = |node: *const Node| unsafe { node.as_ref() };
    std::iter::successors(node(first), move |current| node(current.next))
}

/// A process is passed on from thread to thread.
const _: fn() = || {
    fn is_sent<T: Send>() {}
    is_sent::<Process>();
};

#[cfg(test)]
mod tests {
    use tm_common::ids::ProcessIndex;

    use super::*;

    #[test]
    fn threads_that_begin_together_share_one_node_for_each_process() {
        let identity = |process| Identity { file: (u64::MAX, 7), process: ProcessIndex(process) };
        let all: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let make = || (0..1000).map(|process| ptr::from_ref(node(identity(process))).addr()).collect();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|nodes| nodes == &all[0]));
        assert_eq!(all[0].iter().collect::<std::collections::HashSet<_>>().len(), 1000);
    }
}
