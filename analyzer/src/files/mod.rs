//! The files that a user names: opened to be read, and written as a whole or not at all.

pub mod input;
pub mod whole;
