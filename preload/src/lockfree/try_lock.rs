//! A lock that nobody waits for, and that cannot be left locked.
//!
//! While it is held, all signals of the thread are blocked: a handler that leaves by `siglongjmp` and a cancellation
//! would leave it locked for ever, and whatever it guards undone for the rest of the program.

use super::atomic::{AtomicBool, Ordering};
use super::const_fn;
use crate::sys::process::signals::SignalsBlocked;

/// The lock.
#[derive(Debug)]
pub struct TryLock(AtomicBool);

/// Has the lock until it is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    lock: &'a TryLock,
    _signals: SignalsBlocked,
}

impl TryLock {
    const_fn! {
        /// Makes a lock that nobody holds.
        pub fn new() -> TryLock {
            TryLock(AtomicBool::new(false))
        }
    }

    /// Takes the lock, unless somebody has it.
    #[cold]
    pub fn take(&self) -> Option<Held<'_>> {
        let signals = SignalsBlocked::now();
        // Acquire: receives what the last holder did.
        let taken = self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        // Made only if it was taken: to drop one is to unlock.
        taken.ok().map(|_| Held { lock: self, _signals: signals })
    }

    /// Unlocks what a forked child has inherited locked from a thread that it does not have.
    pub fn after_fork(&self) {
        // Relaxed: the process has one thread now.
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Release: publishes what was done under the lock. The signals come back afterwards.
        self.lock.0.store(false, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::syscall;

    #[test]
    fn one_holder_at_a_time_and_no_signals_meanwhile() {
        let lock = TryLock::new();
        let before = syscall::set_signal_mask(u64::MAX);
        // The kernel leaves SIGKILL and SIGSTOP out, and an emulator those that it has need of.
        let all = syscall::set_signal_mask(0);
        let unblockable = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);
        assert!(all == !unblockable || cfg!(target_arch = "aarch64") && all != 0, "{all:x}");
        let held = lock.take();
        assert!(held.is_some() && lock.take().is_none() && lock.take().is_none());
        assert_eq!(syscall::set_signal_mask(u64::MAX), all);
        drop(held);
        assert!(lock.take().is_some());
        assert_eq!(syscall::set_signal_mask(before), 0);
    }
}
