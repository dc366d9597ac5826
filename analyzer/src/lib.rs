//! Reads recordings and answers from them.
//!
//! ```text
//! recording -> reader -> events -> replay -> snapshot (model) -> analysis
//!                                               ^
//!                                          symbolize
//! ```

pub mod allocator;
pub mod analysis;
pub mod error;
pub mod events;
pub mod files;
pub mod follow;
pub mod host;
pub mod inspect;
pub mod model;
pub mod reader;
pub mod replay;
pub mod snapshot;
pub mod symbolize;
pub mod text;
