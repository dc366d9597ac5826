//! Begins and ends the recording of events.

use crate::error::{Error, Result};
use crate::table::{function, loaded};

/// Tells whether `libtm.so` is in this process.
#[inline(always)]
pub fn is_loaded() -> bool {
    loaded().is_some()
}

/// Begins to record events, with at most `nframe` (1 to 16384) frames of each stack; with 1 no stack is walked.
///
/// While tracing it does nothing, and the number stays as it was. Blocks from before are unknown: their frees are
/// ignored, and a realloc of one starts tracking it. Programs under `libtm.so` are traced from their start unless
/// `TM_START=0`. For signal handlers too.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Failed`] if the process has no recording; [`Error::NotLoaded`].
pub fn start(nframe: u32) -> Result<()> {
    let start = function!(start).ok_or(Error::NotLoaded)?;
    // SAFETY: takes any number.
    Error::check(unsafe { start(nframe) }).map(|_| ())
}

/// Begins as [`start`] does, and records samples: one in `mean_bytes` on average, to the nearest power of two; 0 for every event. While
/// tracing at another rate it begins anew, as after [`stop`]. For signal handlers too.
///
/// # Errors
/// As [`start`]; [`Error::Invalid`] for more than 1 TiB.
pub fn start_sampled(nframe: u32, mean_bytes: u64) -> Result<()> {
    let start_sampled = function!(start_sampled).ok_or(Error::NotLoaded)?;
    // SAFETY: takes any numbers.
    Error::check(unsafe { start_sampled(nframe, mean_bytes) }).map(|_| ())
}

/// Ends recording, and forgets what lives: traced memory and peak are 0 until the next start. Does nothing if it is not
/// tracing. The recording keeps what came before. For signal handlers too.
///
/// # Errors
/// [`Error::NotLoaded`].
pub fn stop() -> Result<()> {
    let stop = function!(stop).ok_or(Error::NotLoaded)?;
    // SAFETY: may be called at any time.
    Error::check(unsafe { stop() }).map(|_| ())
}

/// Tells whether events are recorded now; not without `libtm.so`. For signal handlers too.
pub fn is_tracing() -> bool {
    // SAFETY: may be called at any time.
    function!(is_tracing).is_some_and(|is_tracing| unsafe { is_tracing() } == 1)
}

/// Returns how many frames of a stack are kept, or were when it was tracing; 0 without `libtm.so`. For signal handlers too.
pub fn traceback_limit() -> u32 {
    // SAFETY: may be called at any time.
    function!(get_traceback_limit).map_or(0, |limit| unsafe { limit() })
}

/// Forgets what lives, and goes on recording: traced memory and peak become 0. For signal handlers too.
///
/// # Errors
/// [`Error::NotLoaded`].
pub fn clear_traces() -> Result<()> {
    let clear = function!(clear_traces).ok_or(Error::NotLoaded)?;
    // SAFETY: may be called at any time.
    Error::check(unsafe { clear() }).map(|_| ())
}
