//! Allocations at known lines, in Rust: a box, a vector that grows, a closure that is inlined.

use std::hint::black_box;

#[inline(never)]
fn boxes(n: u64) -> Box<[u64; 32]> {
    Box::new([n; 32]) // HERE:boxed
}

#[inline(always)]
fn inlined(n: usize) -> Vec<u8> {
    Vec::with_capacity(n) // HERE:inlined
}

fn main() {
    let kept = (
        boxes(black_box(5)), // HERE:calls_boxed
        inlined(black_box(777)), // HERE:calls_inlined
        vec![1u16; black_box(99)], // HERE:vector
    );
    std::mem::forget(black_box(kept));
}
