//! The calling thread's signals, blocked for a while.

use crate::sys::syscall;

/// All signals of the thread, blocked until this is dropped.
#[derive(Debug)]
pub struct SignalsBlocked(u64);

impl SignalsBlocked {
    /// Blocks all of them, also those that libc keeps for itself.
    #[cold]
    pub fn now() -> SignalsBlocked {
        SignalsBlocked(syscall::set_signal_mask(u64::MAX))
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        syscall::set_signal_mask(self.0);
    }
}
