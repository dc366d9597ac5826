//! Damages recordings and snapshots at random and judges what is read of them.
//!
//! ```text
//! seed, number of the case -> random -> damage (knows the layout)  -> file -> verdict: what is read is consistent
//!                                    -> forged (snapshots)        /          guard: in bounded time and memory
//! ```
//!
//! A case follows from its base, the seed and its number. When it fails, the latter are named and its file is kept.

pub mod base;
pub mod damage;
pub mod events;
pub mod forged;
pub mod guard;
pub mod layout;
pub mod metadata;
pub mod random;
pub mod runner;
pub mod verdict;
