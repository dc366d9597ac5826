//! The argument of a start: how deep stacks are, and the rate of samples.

use crate::sampling::SampleRate;

/// Returns the argument of a [`CommandKind::Start`](super::CommandKind::Start): `TM_NFRAME` from here on, and the rate at which events are sampled; `None` for
/// the one that the process has.
///
/// ```text
///  bit 0            24      32
///      | TM_NFRAME  | rate  |     rate: 0 that of the process, else one more than its code
/// ```
#[must_use]
pub const fn start_argument(n_frames_max: u32, sample_rate: Option<SampleRate>) -> u32 {
    let rate = match sample_rate {
        Some(rate) => rate.code() as u32 + 1,
        None => 0,
    };
    n_frames_max & N_FRAMES_MASK | rate << N_FRAMES_BITS
}

/// Returns the `TM_NFRAME` of a [`start_argument`].
#[must_use]
pub const fn started_frames(argument: u32) -> u32 {
    argument & N_FRAMES_MASK
}

/// Returns the rate of a [`start_argument`], if it has one.
#[must_use]
pub const fn started_rate(argument: u32) -> Option<SampleRate> {
    match argument >> N_FRAMES_BITS {
        0 => None,
        rate => SampleRate::from_code((rate - 1) as u8),
    }
}

const N_FRAMES_BITS: u32 = 24;
const N_FRAMES_MASK: u32 = (1 << N_FRAMES_BITS) - 1;
