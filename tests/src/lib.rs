//! The harness of the end-to-end tests: real programs under libtm.so, and what their recordings say.
//!
//! ```text
//! products (libtm.so, tmtool)   programs (compiled on the spot)
//!                         \       /
//!                          run (with and without libtm.so) -> recordings -> info
//!                                                                       \-> recorded, against notes
//! ```
//!
//! The oracles are not here: they are the programs' own knowledge and preloads in `programs/oracle`.

pub mod attached;
pub mod products;
pub mod programs;
pub mod soak;
pub mod source_tree;
pub mod wait;

pub mod real;
pub mod roots;
pub mod run;
pub mod terminal;

pub mod info;

pub mod counting;
pub mod elf;
pub mod exported;
pub mod fixtures;
pub mod fuzz;
pub mod hostile;

pub mod python;
pub mod python_notes;

pub mod exact_stacks;
pub mod gdb;
pub mod notes;
pub mod recorded;
