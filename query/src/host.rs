//! What `libtm.so` tells of the process and lends to it, checked once.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::query::QueryHost;

use crate::failure::{Answer, Failure};

/// The host of a question.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    host: &'a QueryHost,
    path: &'a CStr,
}

/// The identity of a process: a number in a recording. A forked child has another number than its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The recording's file: device and inode number.
    pub file: (u64, u64),
    /// The process's number in it.
    pub process: ProcessIndex,
}

impl<'a> Host<'a> {
    /// # Safety
    /// `host` is NULL or points to a host that stays as it is for `'a`.
    ///
    /// # Errors
    /// It is none of this version.
    pub unsafe fn new(host: *const QueryHost) -> Answer<Host<'a>> {
        let wrong = || Failure::Failed("libtm.so and libtm_query.so are of different versions".to_owned());
        // SAFETY: the caller's. The size comes first in every version.
        let size = unsafe { host.cast::<usize>().as_ref() };
        if size != Some(&size_of::<QueryHost>()) {
            return Err(wrong());
        }
        // SAFETY: the caller's.
        let host = unsafe { host.as_ref() }.filter(|host| !host.path.is_null()).ok_or_else(wrong)?;
        // SAFETY: a host's path is a C string.
        Ok(Host { host, path: unsafe { CStr::from_ptr(host.path) } })
    }

    /// Returns which process asks.
    pub fn identity(&self) -> Identity {
        Identity { file: (self.host.device, self.host.inode), process: ProcessIndex(self.host.process) }
    }

    /// Returns the recording.
    pub fn path(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.path.to_bytes()))
    }

    /// Returns the present moment.
    pub fn now(&self) -> Stamp {
        Stamp((self.host.now)())
    }

    /// Calls the program, whose events are recorded meanwhile.
    #[inline]
    pub fn unmuted<T>(&self, call: impl FnOnce() -> T) -> T {
        (self.host.unmute)();
        let result = call();
        (self.host.mute)();
        result
    }
}
