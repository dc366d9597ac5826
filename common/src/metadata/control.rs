//! The bits of [`MappedProcess::control`](super::MappedProcess::control). Everybody who has the file mapped may change it.

use crate::sampling::SampleRate;

/// Nothing is recorded.
pub const IDLE: u32 = 1;
/// There are [`crate::header::MappedRequest`]s for the process.
pub const ATTEND: u32 = 2;
/// Samples are recorded, at the rate of [`sampling`].
pub const SAMPLE: u32 = 4;

/// Returns the word of a process that samples.
///
/// ```text
///  bit 0    8                         24          30
///      | 4  | which time it began to  | rate code |
/// ```
#[must_use]
pub const fn sampling(rate: SampleRate, time: u16) -> u32 {
    SAMPLE | (time as u32) << 8 | (rate.code() as u32) << 24
}

/// Returns the rate of a process that samples.
#[must_use]
pub const fn sample_rate(word: u32) -> SampleRate {
    match SampleRate::from_code((word >> 24) as u8 & 0x3f) {
        Some(rate) => rate,
        None => SampleRate::EVERY,
    }
}
