//! The signals that end a program, noticed instead of obeyed, so that the terminal is as it was before it ends.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// The latest of them; 0 for none. Nothing is published with it.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

const SIGNALS: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

extern "C" fn note(signal: libc::c_int) {
    CAUGHT.store(signal, Relaxed);
}

/// From here on they are noticed.
pub fn notice() {
    for signal in SIGNALS {
        // SAFETY: the handler stores to an atomic, which is allowed in a handler.
        unsafe { libc::signal(signal, note as *const () as libc::sighandler_t) };
    }
}

/// The one that came, if any.
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
    // SAFETY: takes no pointer; the process is the calling one.
    unsafe { libc::raise(libc::SIGTSTP) };
}
