//! A time in which the terminal and the shell do not end or stop tmtool, since it holds a thread of another process: what they ask for
//! comes at its end.

use std::mem::MaybeUninit;

/// Such a time, until this is dropped.
#[derive(Debug)]
pub struct Undisturbed {
    before: libc::sigset_t,
}

const PUT_OFF: [i32; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP];

impl Undisturbed {
    /// Begins it.
    pub fn begin() -> Undisturbed {
        let (mut put_off, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: sets of signals of this thread; both are written before they are read.
        unsafe {
            libc::sigemptyset(put_off.as_mut_ptr());
            libc::sigemptyset(before.as_mut_ptr());
            for signal in PUT_OFF {
                libc::sigaddset(put_off.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, put_off.as_ptr(), before.as_mut_ptr());
            Undisturbed { before: before.assume_init() }
        }
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        // SAFETY: the set from before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}
