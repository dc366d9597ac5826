//! What the functions of allocators do with their arguments: which one is the size, which the block.

use core::ffi::CStr;

use tm_common::functions::Function;

/// What a function does with its arguments. All are passed in registers, six at most.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Returns a new block.
    Allocate(Size),
    /// The same, unless this argument is a place to write to.
    AllocateUnless(usize),
    /// Stores a new block at its first argument and returns 0.
    Store(Size),
    /// Makes another block of that in this argument; if it fails, the block stays or (`true`) is freed.
    Reallocate(usize, Size, bool),
    /// jemalloc's `xallocx`: changes the size of its first argument in place and returns what it is then.
    Resize,
    /// Frees the block in this argument.
    Free(usize),
    /// Frees blocks that it does not name, if the arguments say so; with `true` it returns 0 if it has.
    FreeMany(fn(Function, &Arguments) -> bool, bool),
}

/// The number of bytes that are asked for.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Argument(usize),
    Product(usize, usize),
    /// The bytes of the string that is returned.
    Text,
}

pub(super) const fn arg(place: usize) -> Size {
    Size::Argument(place)
}

pub(super) const fn product(one: usize, other: usize) -> Size {
    Size::Product(one, other)
}

pub(super) const fn allocate(size: Size) -> Shape {
    Shape::Allocate(size)
}

pub(super) const fn allocate_unless(place: usize) -> Shape {
    Shape::AllocateUnless(place)
}

pub(super) const fn store(size: Size) -> Shape {
    Shape::Store(size)
}

pub(super) const fn reallocate(block: usize, size: Size) -> Shape {
    Shape::Reallocate(block, size, false)
}

pub(super) const fn reallocate_or_free(block: usize, size: Size) -> Shape {
    Shape::Reallocate(block, size, true)
}

pub(super) const fn free(block: usize) -> Shape {
    Shape::Free(block)
}

/// The arguments that are passed in registers.
pub(super) type Arguments = [usize; 6];

impl Size {
    /// Returns how many that is of a call that has returned `block`.
    pub fn bytes(self, arguments: &Arguments, block: usize) -> usize {
        let argument = |place: usize| arguments.get(place).copied().unwrap_or(0);
        match self {
            Size::Argument(place) => argument(place),
            // The real function has failed if it overflows.
            Size::Product(one, other) => argument(one).wrapping_mul(argument(other)),
            // SAFETY: the function has returned a string.
            Size::Text => unsafe { CStr::from_ptr(block as *const _) }.to_bytes_with_nul().len(),
        }
    }
}
