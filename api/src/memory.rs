//! How much is live, and was at most.

use std::ffi::c_int;

use crate::error::{Error, Result};
use crate::table::function;
use crate::tracking::Domain;

/// Returns (bytes now, bytes at most): of all live traced blocks in all domains but [`Domain::MMAP`], and the most that
/// they were since the start, the latest clear or [`reset_peak`]. Exact for everything that this thread knows to have
/// happened. Both are 0 while it is not tracing.
///
/// # Errors
/// [`Error::Busy`], [`Error::Failed`], [`Error::NotLoaded`].
pub fn traced_memory() -> Result<(u64, u64)> {
    let traced_memory = function!(get_traced_memory).ok_or(Error::NotLoaded)?;
    // SAFETY: two places to write to.
    pair(|current, peak| unsafe { traced_memory(current, peak) })
}

/// Returns the figures of [`traced_memory`] for one domain, [`Domain::MMAP`] too. The peak is that of [`Domain::MMAP`]
/// for that domain; for all others it is what the domain had when the traced memory was at its peak.
///
/// # Errors
/// As [`traced_memory`].
pub fn domain_memory(domain: Domain) -> Result<(u64, u64)> {
    let domain_memory = function!(get_domain_memory).ok_or(Error::NotLoaded)?;
    // SAFETY: two places to write to.
    pair(|current, peak| unsafe { domain_memory(domain.0, current, peak) })
}

fn pair(ask: impl FnOnce(*mut u64, *mut u64) -> c_int) -> Result<(u64, u64)> {
    let (mut current, mut peak) = (0, 0);
    Error::check(ask(&raw mut current, &raw mut peak))?;
    Ok((current, peak))
}

/// Makes the peak what is live now. Snapshots are not changed by it, nor are tmtool's reports.
///
/// # Errors
/// As [`traced_memory`].
pub fn reset_peak() -> Result<()> {
    let reset_peak = function!(reset_peak).ok_or(Error::NotLoaded)?;
    // SAFETY: may be called at any time.
    Error::check(unsafe { reset_peak() }).map(|_| ())
}

/// Bytes of memory that tm itself uses in this process: its tables, the part of the recording that is mapped, and what
/// questions have allocated. 0 without `libtm.so`.
pub fn tracemalloc_memory() -> usize {
    // SAFETY: may be called at any time.
    function!(get_tracemalloc_memory).map_or(0, |memory| unsafe { memory() })
}
