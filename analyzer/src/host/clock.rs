//! The clock that a recording's stamps are read from, read here and now: for processes of this machine. Whether it is
//! this machine's.

use tm_common::header::{Clock, ClockKind};
use tm_common::ids::Stamp;

use super::{Liveness, Stat};

/// How far the counter's pace and that of `CLOCK_MONOTONIC` may be apart since the start: 1 ms, and a part of the time
/// that is more than clocks are ever slewed by.
const APART_NS: f64 = 1e6;
const APART_PART: f64 = 1e-3;

/// The present moment by a clock of this kind, if this machine has one; not shifted.
fn counter(kind: Option<ClockKind>) -> Option<u64> {
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
fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the structure that is passed to it; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The present moment as a stamp of `clock`, which is this machine's; `None` if there is no such clock here.
pub fn now(clock: &Clock) -> Option<Stamp> {
    counter(clock.kind).map(|counter| Stamp(counter >> clock.shift))
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

/// Whether `clock` is this machine's, and has not been set back by a boot since: the process that it is of runs here, or
/// its pace since the recording's start is that of the clock here.
pub(crate) fn is_ours(clock: &Clock, process: &Liveness) -> bool {
    let Some(counter) = counter(clock.kind) else { return false };
    if runs_here(process) {
        return true;
    }
    let monotonic_ns = monotonic_ns();
    if clock.latest == clock.first || counter < clock.latest.0 || monotonic_ns < clock.latest.1 {
        return false;
    }
    let elapsed_ns = (monotonic_ns - clock.first.1) as f64;
    let counted_ns = (counter - clock.first.0) as f64 * clock.ns_per_tick();
    // Of a clock that is nanoseconds anyway nothing can be told.
    clock.kind != Some(ClockKind::Monotonic)
        && (elapsed_ns - counted_ns).abs() <= APART_NS + elapsed_ns * APART_PART
}

/// Whether the process is this one, or its pid and start are those of one that runs.
fn runs_here(process: &Liveness) -> bool {
    let start = Stat::of(process.pid()).map(|stat| stat.start_ticks);
    let is_self = process.pid() == std::process::id();
    let is_known = start.is_some() && process.start_ticks().is_some();
    if is_known { start == process.start_ticks() } else { is_self }
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

    #[test]
    fn a_clock_is_ours_if_its_process_runs_here() {
        let clock = Clock { kind: Some(ClockKind::Monotonic), shift: 3, first: (7, 7), latest: (7, 7) };
        let pid = std::process::id();
        let process_start = Stat::of(pid).expect("this process runs").start_ticks;
        let process = Liveness::new(pid, Some(process_start), None);
        assert!(is_ours(&clock, &process));
        assert!(!is_ours(&clock, &Liveness::new(pid, Some(1), None)));
        assert!(!is_ours(&Clock { kind: None, ..clock }, &process));
        let (first, then) = (now(&clock), now(&clock));
        assert!(first.is_some() && first <= then);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_clock_of_another_boot_is_not_ours() {
        let process = Liveness::new(u32::MAX, None, None);
        let counter = counter(Some(ClockKind::Tsc)).expect("there is one");
        let mut clock =
            Clock { kind: Some(ClockKind::Tsc), shift: 5, first: (counter, monotonic_ns()), latest: (0, 0) };
        clock.latest = clock.first;
        assert!(!is_ours(&clock, &process), "its pace is not known");
        std::thread::sleep(std::time::Duration::from_millis(20));
        calibrate(&mut clock);
        assert!(clock.latest.0 > clock.first.0 && is_ours(&clock, &process));
        // As if the counter had begun anew at a boot an hour later.
        clock.first.1 = clock.first.1.saturating_sub(10_000_000_000);
        clock.latest.1 = clock.latest.1.saturating_sub(10_000_000_000);
        assert!(!is_ours(&clock, &process));
    }
}
