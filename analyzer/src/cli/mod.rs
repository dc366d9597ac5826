//! cli

pub mod info;
