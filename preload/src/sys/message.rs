//! The one way to speak to the user: a line `tm: ...` on standard error; or, in a process that tmtool has brought us into, a
//! message to tmtool as long as that listens, and then none.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::text::Text;
use super::tls::ThreadBlock;
use super::{syscall, tls};

/// Device and inode of standard error at the start: later, descriptor 2 may be one of the program's own files.
static STANDARD_ERROR: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// Notes what standard error is. Called once, at the start.
pub fn remember_standard_error() {
    if let Ok(status) = syscall::status(2) {
        // Relaxed: the process has one thread yet.
        STANDARD_ERROR[0].store(status.identity.0, Ordering::Relaxed);
        STANDARD_ERROR[1].store(status.identity.1, Ordering::Relaxed);
    }
}

/// The thread block of the thread that tmtool listens to; null for none.
static LISTENED_TO: AtomicPtr<ThreadBlock> = AtomicPtr::new(core::ptr::null_mut());
static HEARD: Heard = Heard(UnsafeCell::new(Text::EMPTY));

struct Heard(UnsafeCell<Text<512>>);
// SAFETY: the thread that is listened to alone has it, and there is one such thread.
unsafe impl Sync for Heard {}

/// Runs `run`; what the calling thread says meanwhile is given to `hear`, without the `tm: `. Only one thread at a time may do so.
pub fn listen<R>(run: impl FnOnce() -> R, hear: impl FnOnce(&[u8])) -> R {
    // SAFETY: this thread's, see `Heard`.
    unsafe { *HEARD.0.get() = Text::EMPTY };
    // Relaxed, both: the thread itself reads it.
    LISTENED_TO.store(tls::current().as_ptr(), Ordering::Relaxed);
    let result = run();
    LISTENED_TO.store(core::ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: as above.
    hear(unsafe { (*HEARD.0.get()).as_bytes() });
    result
}

fn is_standard_error_still() -> bool {
    let known = STANDARD_ERROR.each_ref().map(|number| number.load(Ordering::Relaxed));
    syscall::status(2).is_ok_and(|status| <[u64; 2]>::from(status.identity) == known)
}

/// A line that is being put together; [`Message::say`] writes it.
#[derive(Debug)]
pub struct Message(Text<512>);

impl Message {
    /// Begins a line `tm: text`.
    pub fn start(text: &str) -> Message {
        let mut line = Text::EMPTY;
        line.push(b"tm: ").push(text.as_bytes());
        Message(line)
    }

    /// Appends text.
    pub fn text(mut self, text: &str) -> Message {
        self.0.push(text.as_bytes());
        self
    }

    /// Appends bytes of the user's: a path, a value.
    pub fn bytes(mut self, bytes: &[u8]) -> Message {
        self.0.push(bytes);
        self
    }

    /// Appends a number.
    pub fn number(mut self, number: u64) -> Message {
        self.0.push_number(number);
        self
    }

    /// Appends what an error number means.
    pub fn error(mut self, error: syscall::Errno) -> Message {
        let meaning = match error.0 {
            libc::EACCES | libc::EPERM => "permission denied",
            libc::ENOENT => "no such file or directory",
            libc::EEXIST => "a file of that name is in the way",
            libc::ENOSPC => "no space left on device",
            libc::EDQUOT => "disk quota exceeded",
            libc::EROFS => "read-only file system",
            libc::ENOTDIR => "not a directory",
            libc::EISDIR => "is a directory",
            libc::ELOOP => "is a symbolic link",
            libc::EMFILE | libc::ENFILE => "too many open files",
            libc::ENODEV => "the file system cannot map files shared",
            libc::ENOMEM => "out of memory",
            libc::EAGAIN => "limit of locked memory reached",
            libc::EFBIG => "file size limit reached",
            _ => "",
        };
        if meaning.is_empty() {
            self.0.push(b"error ").push_number(error.0 as u64);
        } else {
            self.0.push(meaning.as_bytes());
        }
        self
    }

    /// Writes the line. If standard error is closed or has become something else, nothing is said.
    pub fn say(mut self) {
        // Relaxed: see `listen`.
        if LISTENED_TO.load(Ordering::Relaxed) == tls::current().as_ptr() {
            let line = self.0.as_bytes();
            // SAFETY: this thread's, see `Heard`.
            unsafe { (*HEARD.0.get()).push(line.strip_prefix(b"tm: ").unwrap_or(line)) };
            return;
        }
        if is_standard_error_still() {
            self.0.push(b"\n");
            syscall::write_quietly(2, self.0.as_bytes());
        }
    }
}
