//! report

pub mod info;
