//! What is to be known of CPython: which line an instruction of a code object is of.

mod lines;

pub use lines::Lines;
