//! A recursion that goes on to a new stack when there is little left of the last one, by the crate `stacker` as rustc and others
//! do: allocates on the way down and up, in the first thread and in another.

use std::hint::black_box;

#[inline(never)]
fn descend(depth: usize) -> usize {
    stacker::maybe_grow(32 << 10, 128 << 10, || {
        let room = black_box([depth as u8; 1024]);
        let held: Vec<u8> = black_box(Vec::with_capacity(100 + depth));
        let below = if depth == 0 { 0 } else { descend(depth - 1) };
        let again = black_box(Box::new([depth; 4]));
        below + again[0] + held.capacity() + usize::from(room[0])
    })
}

fn main() {
    let depth = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let other = std::thread::spawn(move || descend(depth / 2));
    println!("{} {}", descend(depth), other.join().expect("it does not panic"));
}
