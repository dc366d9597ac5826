//! The clock that a recording's stamps are read from, read here: for what happens now to a process on this machine.

use tm_common::header::{Clock, ClockKind};
use tm_common::ids::Stamp;

/// This moment as a stamp of `clock`; `None` if this machine has no such clock.
pub fn now(clock: &Clock) -> Option<Stamp> {
    let counter = match clock.kind? {
        ClockKind::Tsc => time_stamp_counter()?,
        ClockKind::VirtualCounter => virtual_counter()?,
        ClockKind::Monotonic => monotonic_ns()?,
    };
    Some(Stamp(counter >> (clock.shift & 63)))
}

#[cfg(target_arch = "x86_64")]
fn time_stamp_counter() -> Option<u64> {
    // SAFETY: rdtsc has no preconditions.
    Some(unsafe { std::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
fn time_stamp_counter() -> Option<u64> {
    None
}

#[cfg(target_arch = "aarch64")]
fn virtual_counter() -> Option<u64> {
    let value;
    // SAFETY: Linux lets user space read CNTVCT_EL0.
    unsafe {
        std::arch::asm!("mrs {}, cntvct_el0", out(reg) value, options(nostack, nomem, preserves_flags))
    };
    Some(value)
}

#[cfg(not(target_arch = "aarch64"))]
fn virtual_counter() -> Option<u64> {
    None
}

fn monotonic_ns() -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the structure that it is given.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (result == 0).then_some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
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
        let monotonic = |shift| {
            now(&Clock { kind: Some(ClockKind::Monotonic), shift, first: (0, 0), latest: (0, 0) })
                .expect("Linux has it")
        };
        let (whole, shifted) = (monotonic(0), monotonic(5));
        assert!(shifted.0 >= whole.0 >> 5 && shifted.0 - (whole.0 >> 5) < 1 << 30);
    }
}
