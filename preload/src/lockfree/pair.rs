//! Two values that belong together, beside a version that tells whether a reader has seen them so.

use super::atomic::{AtomicU64, Ordering};

/// Writes both; only one thread at a time does. The version is odd meanwhile, and for ever if the writer dies.
pub fn write(version: &AtomicU64, values: [(&AtomicU64, u64); 2]) {
    // Release, in this order: a reader that sees a value sees the odd version, one that sees the even version both.
    let before = version.load(Ordering::Relaxed);
    version.store(before | 1, Ordering::Release);
    for (place, value) in values {
        place.store(value, Ordering::Release);
    }
    version.store((before | 1) + 1, Ordering::Release);
}
