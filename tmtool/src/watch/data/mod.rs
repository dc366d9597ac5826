//! What the live view shows: a recording that is followed, added up and given names, as one sample after the other.

mod place;

pub mod history;
pub mod sums;

pub mod names;

pub mod sites;

pub mod sample;

pub mod source;

pub mod worker;
