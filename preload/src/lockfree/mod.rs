//! Layer 2: what threads and processes share without waiting for each other, each protocol alone: no file, no recording.
//!
//! Here stand the atomics whose order matters between two parties. Their users bring the memory, the system calls and
//! the content. So the same code is checked by [loom](https://docs.rs/loom) (`scripts/models`): it runs each model in
//! `loom_models` with every interleaving of its threads and every value that the orderings let a load see. In such a
//! build (`cfg(loom)`) this folder and `sys` are all there is.

pub mod addresses;
pub mod file_end;
pub mod free_list;
pub mod numbers;
pub mod pair;
pub mod places;
pub mod records;
pub mod room;
pub mod sampled;
pub mod slots;
pub mod try_lock;
pub mod words;
pub mod writers;

#[cfg(all(test, loom))]
mod loom_models;

#[cfg(not(loom))]
pub use core::sync::atomic;
#[cfg(loom)]
pub use loom::sync::atomic;

/// A `const fn`, because statics are made of these; loom's atomics are not made at compile time.
macro_rules! const_fn {
    ($(#[$attribute:meta])* pub fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        pub const fn $($rest)*
        #[cfg(loom)]
        $(#[$attribute])*
        pub fn $($rest)*
    };
}
use const_fn;

/// Odd numbers without a pattern in their bits, by which hashes multiply.
const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];

/// Returns a sum of products: every bit of both words reaches its upper half.
#[inline(always)]
pub const fn sum_of_products(one: u64, other: u64) -> u64 {
    one.wrapping_mul(FACTORS[0]).wrapping_add(other.wrapping_mul(FACTORS[1]))
}

/// Takes memory of its own for `count` values, each of them all zeros, which is its default; null if there is none. Its
/// addresses are never given back.
#[cfg(not(loom))]
fn fresh<T: Default>(count: usize) -> *mut T {
    crate::sys::memory::pages::zeroed(count)
}

#[cfg(loom)]
fn fresh<T: Default>(count: usize) -> *mut T {
    let values: std::vec::Vec<T> = (0..count).map(|_| T::default()).collect();
    values.leak().as_mut_ptr()
}

/// Gives the memory of values back that [`fresh`] made: they are all zeros from now on, if that is seen at all.
#[cfg(not(loom))]
fn discard<T>(values: *const T, count: usize) {
    crate::sys::memory::pages::discard(values.cast_mut(), count);
}

#[cfg(loom)]
fn discard<T>(_: *const T, _: usize) {}

/// Puts a value where it stays for good; `None` if there is no memory.
#[cfg(not(loom))]
fn keep<T>(value: T) -> Option<&'static T> {
    let place: *mut T = crate::sys::memory::pages::zeroed(1);
    // SAFETY: fresh memory of the right size that is never unmapped, or null.
    unsafe {
        let place = place.cast::<core::mem::MaybeUninit<T>>().as_mut()?;
        Some(place.write(value))
    }
}

#[cfg(loom)]
fn keep<T>(value: T) -> Option<&'static T> {
    Some(std::boxed::Box::leak(std::boxed::Box::new(value)))
}
