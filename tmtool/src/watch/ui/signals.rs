//! The signals that end or stop a program, noticed instead of obeyed, so that the terminal is as it was before that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use signal_hook::{flag, low_level};

use crate::signals;

const ENDING: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// What has come. Nothing is published with it.
pub struct Signals {
    /// The latest of those that end the program; 0 for none.
    caught: Arc<AtomicUsize>,
    /// Whether the one that stops it came: what `kill -TSTP` sends. The keyboard's Ctrl-Z is a key here.
    is_to_stop: Arc<AtomicBool>,
}

impl Signals {
    /// Installs the handlers. Signals inherited as ignored (`nohup`) stay ignored.
    pub fn notice() -> Signals {
        let noticed = Signals { caught: Arc::default(), is_to_stop: Arc::default() };
        signals::handle(ENDING, |signal| {
            flag::register_usize(signal, Arc::clone(&noticed.caught), signal as usize)
        });
        signals::handle([libc::SIGTSTP], |signal| flag::register(signal, Arc::clone(&noticed.is_to_stop)));
        noticed
    }

    /// Whether this process has been told to stop since this was asked last.
    pub fn is_to_stop(&self) -> bool {
        self.is_to_stop.swap(false, Relaxed)
    }

    /// The one that is to end it and came, if any.
    pub fn caught(&self) -> Option<libc::c_int> {
        match self.caught.load(Relaxed) {
            0 => None,
            signal => Some(signal as libc::c_int),
        }
    }
}

/// Does what `signal` does to programs that do not care: its end.
pub fn obey(signal: libc::c_int) {
    // It does not return: the default of these signals ends the process.
    let _ = low_level::emulate_default_handler(signal);
}

/// Stops this process until the user lets it go on; not at all where stopping is ignored, or nobody could let it go on.
pub fn stop() {
    if signals::is_ignored(libc::SIGTSTP) {
        return;
    }
    // SAFETY: sigaction is plain data, for which zeros are valid: the default action.
    let (mut before, default): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    // SAFETY: both are ours; what was there is put back, and the kernel decides whether the default stops us.
    unsafe {
        libc::sigaction(libc::SIGTSTP, &default, &mut before);
        libc::raise(libc::SIGTSTP);
        libc::sigaction(libc::SIGTSTP, &before, std::ptr::null_mut());
    }
}
