//! What the unit tests of several crates share. Only a dev-dependency: no product is built with it.

mod random;
mod recording;

pub use random::Random;
pub use recording::{RecordingBuilder, file_of, header_bytes, words32, words64};
