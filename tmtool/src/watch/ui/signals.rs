//! The signals that end or stop a program, noticed instead of obeyed, so that the terminal is as it was before that.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

/// The latest of those that end it; 0 for none. Nothing is published with it.
static CAUGHT: AtomicI32 = AtomicI32::new(0);
/// Whether the one that stops it came: what `kill -TSTP` sends. The keyboard's Ctrl-Z is a key here.
static IS_TO_STOP: AtomicBool = AtomicBool::new(false);

const SIGNALS: [libc::c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP];

extern "C" fn note(signal: libc::c_int) {
    match signal {
        libc::SIGTSTP => IS_TO_STOP.store(true, Relaxed),
        _ => CAUGHT.store(signal, Relaxed),
    }
}

/// Installs the handlers. Signals that this process inherited as ignored (nohup) stay ignored.
pub fn notice() {
    for signal in SIGNALS {
        // SAFETY: the handler stores to atomics, which is allowed in a handler.
        unsafe {
            if libc::signal(signal, note as *const () as libc::sighandler_t) == libc::SIG_IGN {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
}

/// Whether this process has been told to stop since this was asked last.
pub fn is_to_stop() -> bool {
    IS_TO_STOP.swap(false, Relaxed)
}

/// The one that is to end it and came, if any.
pub fn caught() -> Option<libc::c_int> {
    match CAUGHT.load(Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// Does what `signal` does to programs that do not care: its end.
pub fn obey(signal: libc::c_int) {
    // SAFETY: neither takes a pointer; the default of these signals ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Stops this process, until the user lets it go on.
pub fn stop() {
    // SAFETY: none takes a pointer but to the handler that was there; the process is the calling one.
    unsafe {
        let noticed = libc::signal(libc::SIGTSTP, libc::SIG_DFL);
        if noticed != libc::SIG_IGN {
            libc::raise(libc::SIGTSTP);
        }
        libc::signal(libc::SIGTSTP, noticed);
    }
}
