//! A program with an allocator built in that never calls the C library's; `TmAlloc` tells tm of its blocks. For each line that it reads it makes 100 blocks of 7,777 bytes, has them grow to 8,888, drops 60, and answers.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

const BYTES: usize = 64 << 20;

/// Hands out a part of its memory after the other, and takes none back.
struct Own {
    memory: UnsafeCell<[u8; BYTES]>,
    used: AtomicUsize,
}

// SAFETY: each part is handed out once.
unsafe impl Sync for Own {}

// SAFETY: as above.
unsafe impl GlobalAlloc for Own {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let at = self.used.fetch_add(layout.size() + layout.align(), Ordering::Relaxed);
        if at + layout.size() + layout.align() > BYTES {
            return std::ptr::null_mut();
        }
        let start = self.memory.get().cast::<u8>();
        // SAFETY: within the memory.
        let place = unsafe { start.add(at) };
        // SAFETY: as above, since the alignment was added.
        unsafe { place.add(place.align_offset(layout.align())) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: tm::TmAlloc<Own> =
    tm::TmAlloc(Own { memory: UnsafeCell::new([0; BYTES]), used: AtomicUsize::new(0) });

fn main() {
    println!("ready");
    let mut kept = Vec::new();
    for line in std::io::stdin().lines() {
        let mut blocks: Vec<Vec<u8>> = (0..100).map(|_| Vec::with_capacity(7_777)).collect();
        blocks.iter_mut().for_each(|block| {
            block.push(1);
            block.reserve_exact(8_887);
        });
        kept.extend(blocks.drain(..40));
        drop(blocks);
        println!("{}", line.expect("it is text"));
    }
    println!("{} blocks are kept", kept.len());
}
