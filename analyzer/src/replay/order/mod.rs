//! The order of an address's events: by stamp, and where that cannot have been, by what fits.

mod repair;
mod window;

pub(in crate::replay) use repair::solve;
pub(in crate::replay) use window::{Reach, Window};
