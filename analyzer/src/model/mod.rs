//! model

pub mod moment;
