//! Stamps, and the calibrations that let a reader turn them into nanoseconds.

use core::sync::atomic::{AtomicU64, Ordering};

use tm_common::header::ClockKind;
use tm_common::ids::Stamp;

use super::Recording;
use crate::lockfree::pair;
use crate::sys::{arch, coarse, syscall};

/// The time that a calibration is good for: 1 ms at 2 to 4 GHz, so that a process which dies early still has a second
/// one.
const RECALIBRATE_TICKS: u64 = 3_000_000;

/// The readings where the counter may not be read any more: a process may forbid itself to (`PR_SET_TSC`), and a thread
/// that tries gets SIGSEGV. From there the coarse clock, for which neither the counter nor the kernel is asked, is put
/// on the counter's scale; in between its ticks of some ms, each reading is one stamp later than the last one of any
/// thread.
#[derive(Debug)]
pub struct Withheld {
    /// The counter at the switch.
    counter: AtomicU64,
    /// The coarse clock then; 0 if the counter may be read.
    coarse_ns: AtomicU64,
    /// The counts that took ...
    counts: AtomicU64,
    /// ... this number of ns.
    ns: AtomicU64,
    /// The last reading.
    latest: AtomicU64,
}

/// Over how long the rate of the counter is measured at least, before it is gone.
const RATE_NS_MIN: u64 = 1_000_000;

impl Withheld {
    /// Makes one of a counter that may be read.
    pub const fn no() -> Withheld {
        Withheld {
            counter: AtomicU64::new(0),
            coarse_ns: AtomicU64::new(0),
            counts: AtomicU64::new(1),
            ns: AtomicU64::new(1),
            latest: AtomicU64::new(0),
        }
    }

    fn is_so(&self) -> bool {
        // Acquire: receives the rest.
        self.coarse_ns.load(Ordering::Acquire) != 0
    }

    fn begin(&self, counter: u64, counts: u64, ns: u64) {
        // Relaxed: published below.
        self.counter.store(counter, Ordering::Relaxed);
        self.latest.fetch_max(counter, Ordering::Relaxed);
        self.counts.store(counts, Ordering::Relaxed);
        self.ns.store(ns.max(1), Ordering::Relaxed);
        // Release: publishes the scale.
        self.coarse_ns.store(coarse::monotonic_ns().max(1), Ordering::Release);
    }

    /// Returns where the counter would be at `coarse_ns`.
    fn at(&self, coarse_ns: u64) -> u64 {
        // Relaxed: constant since `begin`, whose end the caller has seen.
        let [counter, begin_ns, counts, ns] = [&self.counter, &self.coarse_ns, &self.counts, &self.ns]
            .map(|number| number.load(Ordering::Relaxed));
        let elapsed = u128::from(coarse_ns.saturating_sub(begin_ns)) * u128::from(counts);
        counter.wrapping_add((elapsed / u128::from(ns.max(1))) as u64)
    }

    /// Returns the next reading, at least `step` after the last one.
    fn next(&self, step: u64) -> u64 {
        let now = self.at(coarse::monotonic_ns());
        // Relaxed: one place, whose readings have one order for all.
        let mut latest = self.latest.load(Ordering::Relaxed);
        loop {
            let next = now.max(latest.wrapping_add(step));
            match self.latest.compare_exchange_weak(latest, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(other) => latest = other,
            }
        }
    }
}

impl Recording {
    /// Decides what stamps count: the processor's counter if it runs at a constant rate and may be read.
    pub fn choose_clock(&self) -> (ClockKind, u8) {
        const NANOSECONDS: (ClockKind, u8) = (ClockKind::Monotonic, 3);
        let is_withheld = syscall::counter_is_withheld();
        let counter = arch::counter_kind().filter(|_| !is_withheld);
        if is_withheld {
            self.withheld.begin(coarse::monotonic_ns(), 1, 1);
        }
        let (kind, shift) = counter.unwrap_or(NANOSECONDS);
        // Relaxed: set before the recording is published.
        self.clock_is_counter.store(kind != ClockKind::Monotonic, Ordering::Relaxed);
        self.clock_shift.store(u32::from(shift), Ordering::Relaxed);
        (kind, shift)
    }

    /// Returns the moment, as the counter counts it.
    #[inline]
    pub fn counter(&self) -> u64 {
        // Relaxed: the thread that forbids itself to read the counter has changed it before.
        if self.clock_is_counter.load(Ordering::Relaxed) { arch::counter() } else { self.without_counter() }
    }

    #[cold]
    fn without_counter(&self) -> u64 {
        if self.withheld.is_so() {
            // Relaxed: constant since the start.
            return self.withheld.next(1 << (self.clock_shift.load(Ordering::Relaxed) & 63));
        }
        syscall::clock_ns(libc::CLOCK_MONOTONIC)
    }

    /// Notes that the calling thread, and those that it starts from now on, will not be able to read the counter, or to
    /// ask the kernel for the time. No thread does any more.
    #[cold]
    pub fn withhold_counter(&self) {
        let Some(header) = self.header() else { return };
        if self.withheld.is_so() {
            return;
        }
        let (counts, ns) = loop {
            let ns = syscall::clock_ns(libc::CLOCK_MONOTONIC).saturating_sub(header.first_monotonic_ns);
            if ns >= RATE_NS_MIN {
                break (self.counter().wrapping_sub(header.first_counter), ns);
            }
            syscall::pause_ns(100_000);
        };
        self.calibrate_now();
        self.withheld.begin(self.counter(), counts, ns);
        // Relaxed: seen by this thread and those it starts; others may still read the counter.
        self.clock_is_counter.store(false, Ordering::Relaxed);
    }

    /// Returns the moment, as a stamp.
    #[inline]
    pub fn now(&self) -> Stamp {
        self.stamp_at(self.counter())
    }

    /// Returns the stamp of what the counter has counted.
    #[inline(always)]
    fn stamp_at(&self, counter: u64) -> Stamp {
        // Relaxed: constant since the start.
        Stamp(counter >> (self.clock_shift.load(Ordering::Relaxed) & 63))
    }

    /// Returns the same if the clock is the processor's counter.
    #[inline(always)]
    pub fn now_by_counter(&self) -> Option<Stamp> {
        // Relaxed: as in `counter`.
        let is_counter = self.clock_is_counter.load(Ordering::Relaxed);
        is_counter.then(|| self.stamp_at(arch::counter()))
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

    /// Calibrates like [`Recording::calibrate`], always.
    #[cold]
    pub fn calibrate_now(&self) {
        let Some(header) = self.header() else { return };
        let Some(_held) = self.calibrating.take() else { return };
        let (counter, monotonic_ns) = if self.withheld.is_so() {
            let coarse_ns = coarse::monotonic_ns();
            (self.withheld.at(coarse_ns), coarse_ns)
        } else {
            let monotonic_ns = syscall::clock_ns(libc::CLOCK_MONOTONIC);
            (self.counter(), monotonic_ns)
        };
        pair::write(
            &header.calibration_version,
            [(&header.latest_counter, counter), (&header.latest_monotonic_ns, monotonic_ns)],
        );
        self.last_calibration.store(counter, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_counter_stamps_go_on_at_its_rate_and_each_is_another() {
        let withheld = Withheld::no();
        assert!(!withheld.is_so());
        // 2.5 counts a ns.
        withheld.begin(1_000_000, 5_000, 2_000);
        assert!(withheld.is_so());
        let begin_ns = withheld.coarse_ns.load(Ordering::Relaxed);
        assert_eq!(withheld.at(begin_ns), 1_000_000);
        assert_eq!(withheld.at(begin_ns + 1_000_000_000), 1_000_000 + 2_500_000_000);
        let mut latest = withheld.next(32);
        for _ in 0..1_000 {
            let next = withheld.next(32);
            assert!(next >= latest + 32);
            latest = next;
        }
        let far = withheld.at(begin_ns + 3_600_000_000_000);
        assert!(latest < far);
    }
}
