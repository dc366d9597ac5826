//! The clock that a recording's stamps are read from, read here and now: for processes of this machine.

use std::path::Path;

use tm_common::header::{Clock, ClockKind};
use tm_common::ids::Stamp;

use crate::error::Error;

/// The present moment by a clock of this kind, if this machine has one; not shifted.
pub(crate) fn counter(kind: Option<ClockKind>) -> Option<u64> {
    match kind? {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: rdtsc has no preconditions; a process that forbids it (PR_SET_TSC) is not one that reads recordings.
        ClockKind::Tsc => Some(unsafe { std::arch::x86_64::_rdtsc() }),
        #[cfg(target_arch = "aarch64")]
        ClockKind::VirtualCounter => {
            let counter: u64;
            // SAFETY: reads a register that Linux lets every process read.
            unsafe {
                std::arch::asm!("mrs {}, cntvct_el0", out(reg) counter, options(nomem, nostack, preserves_flags));
            }
            Some(counter)
        }
        ClockKind::Monotonic => Some(monotonic_ns()),
        #[allow(unreachable_patterns, reason = "the other architecture's")]
        _ => None,
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the structure that is passed to it; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The present moment as a stamp of `clock`, which is this machine's; `None` if there is no such clock here.
pub fn now(clock: &Clock) -> Option<Stamp> {
    counter(clock.kind).map(|counter| Stamp(counter >> clock.shift))
}

/// The recording at `path` has a clock that [`now`] cannot read.
pub fn not_here(path: &Path) -> Error {
    let what = "counts time by a clock that this tmtool cannot read";
    let next = "use the tmtool that came with the libtm.so of its process";
    Error::Message(format!("{} {what}; {next}", path.display()))
}

/// Gives a clock of ours that was read once only a second reading.
pub fn calibrate(clock: &mut Clock) {
    if clock.latest == clock.first
        && let Some(counter) = counter(clock.kind)
    {
        let latest = (counter, monotonic_ns());
        if latest.0 > clock.first.0 && latest.1 > clock.first.1 {
            clock.latest = latest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_of_this_machine_goes_on() {
        for kind in [Some(ClockKind::Tsc), Some(ClockKind::VirtualCounter), Some(ClockKind::Monotonic), None]
        {
            let clock = Clock { kind, shift: 3, first: (0, 0), latest: (0, 0) };
            let before = now(&clock);
            std::thread::sleep(std::time::Duration::from_millis(2));
            assert!(before.is_none() || before < now(&clock), "{kind:?}");
        }
        let clock = Clock { kind: Some(ClockKind::Monotonic), shift: 5, first: (0, 0), latest: (0, 0) };
        let shifted = now(&clock).expect("Linux has it").0;
        assert!((monotonic_ns() >> 5) - shifted < 1 << 30);
    }
}
