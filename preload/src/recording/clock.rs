//! Stamps, and the calibrations that let a reader turn them into nanoseconds.

use core::sync::atomic::Ordering;

use tm_common::header::ClockKind;
use tm_common::ids::Stamp;

use super::Recording;
use crate::lockfree::pair;
use crate::sys::{arch, syscall};

/// How long a calibration is good: 1 ms at 2 to 4 GHz, so that a process which dies early still has a second one.
const RECALIBRATE_TICKS: u64 = 3_000_000;

impl Recording {
    /// Decides what stamps count: the processor's counter if it runs at a constant rate.
    pub fn choose_clock(&self) -> (ClockKind, u8) {
        let (kind, shift) = arch::counter_kind().unwrap_or((ClockKind::Monotonic, 3));
        // Relaxed: set before the recording is published.
        self.clock_is_counter.store(kind != ClockKind::Monotonic, Ordering::Relaxed);
        self.clock_shift.store(u32::from(shift), Ordering::Relaxed);
        (kind, shift)
    }

    /// The moment, as the counter counts it.
    #[inline]
    pub fn counter(&self) -> u64 {
        // Relaxed: constant since the start.
        if self.clock_is_counter.load(Ordering::Relaxed) {
            arch::counter()
        } else {
            syscall::clock_ns(libc::CLOCK_MONOTONIC)
        }
    }

    /// The moment, as a stamp.
    #[inline]
    pub fn now(&self) -> Stamp {
        // Relaxed: constant since the start.
        Stamp(self.counter() >> (self.clock_shift.load(Ordering::Relaxed) & 63))
    }

    /// Brings the latest calibration in the header up to date, unless it was done a moment ago.
    ///
    /// Called from cold paths only, which are frequent early in a program's life and rare later.
    #[cold]
    pub fn calibrate(&self) {
        let now = self.counter();
        // Relaxed: skipping or doing a calibration too many is harmless.
        if now.wrapping_sub(self.last_calibration.load(Ordering::Relaxed)) < RECALIBRATE_TICKS {
            return;
        }
        self.calibrate_now();
    }

    /// As [`Recording::calibrate`], always.
    #[cold]
    pub fn calibrate_now(&self) {
        let Some(header) = self.header() else { return };
        let Some(_held) = self.calibrating.take() else { return };
        let monotonic_ns = syscall::clock_ns(libc::CLOCK_MONOTONIC);
        let counter = self.counter();
        pair::write(
            &header.calibration_version,
            [(&header.latest_counter, counter), (&header.latest_monotonic_ns, monotonic_ns)],
        );
        self.last_calibration.store(counter, Ordering::Relaxed);
    }
}
