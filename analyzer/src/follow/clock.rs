//! Whether a recording's clock is this machine's.

use tm_common::header::{Clock, ClockKind};

use crate::process::Stat;
use crate::reader::Process;
use crate::reader::clock::{counter, monotonic_ns};

/// How far the counter's pace and that of `CLOCK_MONOTONIC` may be apart since the start: 1 ms, and a part of the time
/// that is more than clocks are ever slewed by.
const APART_NS: f64 = 1e6;
const APART_PART: f64 = 1e-3;

/// Whether `clock` is this machine's, and has not been set back by a boot since: the process that it is of runs here, or
/// its pace since the recording's start is that of the clock here.
pub(super) fn is_ours(clock: &Clock, process: &Process) -> bool {
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
fn runs_here(process: &Process) -> bool {
    let start = Stat::of(process.pid).map(|stat| stat.start_ticks);
    let is_self = process.pid == std::process::id();
    start == Some(process.process_start) || is_self && (start.is_none() || process.process_start == 0)
}

#[cfg(test)]
mod tests {
    use tm_common::ids::ProcessIndex;

    use super::*;
    use crate::reader::clock::{calibrate, now};

    #[test]
    fn a_clock_is_ours_if_its_process_runs_here() {
        let clock = Clock { kind: Some(ClockKind::Monotonic), shift: 3, first: (7, 7), latest: (7, 7) };
        let pid = std::process::id();
        let process_start = Stat::of(pid).expect("this process runs").start_ticks;
        let process = Process { pid, process_start, ..Process::unknown(ProcessIndex(0)) };
        assert!(is_ours(&clock, &process));
        assert!(!is_ours(&clock, &Process { process_start: 1, ..process.clone() }));
        assert!(!is_ours(&Clock { kind: None, ..clock }, &process));
        let (first, then) = (now(&clock), now(&clock));
        assert!(first.is_some() && first <= then);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_clock_of_another_boot_is_not_ours() {
        let process = Process { pid: u32::MAX, ..Process::unknown(ProcessIndex(0)) };
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
