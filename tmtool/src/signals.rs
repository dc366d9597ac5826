//! Signals: what this process was started with ignored (`nohup`) stays ignored, for it and its children.

use std::io;

use signal_hook::SigId;

/// Whether `signal` is ignored.
pub fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: sigaction is plain data, for which zeros are valid.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `now` is ours to be written to; without a new action nothing changes.
    let is_known = unsafe { libc::sigaction(signal, std::ptr::null(), &mut now) } == 0;
    is_known && now.sa_sigaction == libc::SIG_IGN
}

/// Does `register` for each of `signals` that is not ignored. One that cannot be handled keeps its default.
pub fn handle(
    signals: impl IntoIterator<Item = libc::c_int>,
    register: impl Fn(libc::c_int) -> io::Result<SigId>,
) {
    for signal in signals.into_iter().filter(|&signal| !is_ignored(signal)) {
        // The signals that cannot be handled at all are none of those that anybody asks for.
        let _ = register(signal);
    }
}
