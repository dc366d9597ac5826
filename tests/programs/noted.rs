//! A Rust program that notes its stacks as `noted.h` does for debuggers alone: boxes in generic and inlined code, in closures,
//! in trait objects, in a recursion, in a thread, while a panic unwinds and in the code that catches it.

use std::ffi::{c_char, c_void};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Debuggers stop here for the two arguments.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn take_note(name: *const c_char, block: *const c_void) {
    black_box((name, block));
}

// The second `black_box` keeps the call from being the function's last act.
macro_rules! noted {
    ($size:expr) => {{
        let held: Box<[u8; $size]> = Box::new(black_box([1; $size]));
        take_note(c"box".as_ptr(), Box::leak(held).as_ptr().cast());
        black_box(());
    }};
}

trait Shape {
    fn draw(&self, depth: u32) -> u32;
}
struct Round(u32);
struct Square<const N: usize>;

impl Shape for Round {
    #[inline(never)]
    fn draw(&self, depth: u32) -> u32 {
        noted!(24);
        if depth == 0 { self.0 } else { black_box(Square::<3>.draw(depth - 1)) + 1 }
    }
}

impl<const N: usize> Shape for Square<N> {
    #[inline(never)]
    fn draw(&self, depth: u32) -> u32 {
        let room = black_box([depth; N]);
        noted!(40);
        if depth == 0 { room[0] } else { black_box(Round(depth).draw(depth - 1)) + room[N - 1] }
    }
}

struct NotesWhenDropped;
impl Drop for NotesWhenDropped {
    fn drop(&mut self) {
        noted!(56);
    }
}

#[inline(never)]
fn panics(depth: u32) -> u32 {
    let _held = NotesWhenDropped;
    if depth == 0 { panic!("on purpose") } else { black_box(panics(depth - 1)) + 1 }
}

fn all() {
    let shapes: [Box<dyn Shape>; 2] = [Box::new(Round(1)), Box::new(Square::<7>)];
    for shape in &shapes {
        black_box(shape.draw(black_box(5)));
    }
    let mut numbers = black_box([5, 3, 4, 1, 2]);
    numbers.sort_by_key(|number| {
        noted!(72);
        *number
    });
    black_box(&numbers);
    for depth in 0..4 {
        let caught = catch_unwind(AssertUnwindSafe(|| panics(depth)));
        assert!(black_box(caught).is_err());
        noted!(88);
    }
}

fn main() {
    std::panic::set_hook(Box::new(|_| {
        noted!(104);
    }));
    all();
    std::thread::spawn(all).join().expect("it catches its panics");
}
