//! What the unit tests of several crates share. Only a dev-dependency: no product is built with it.

mod layout;
mod random;
mod recording;

pub use layout::{file_of, header_bytes, words32, words64};
pub use random::Random;
pub use recording::RecordingBuilder;
