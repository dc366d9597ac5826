//! Moments of the recording, and what was live then.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::name::Name;
use crate::table::function;

/// Marks this moment in the recording: `tmtool stats FILE --at mark:NAME` shows what was live, `tmtool diff FILE@mark:A
/// FILE@mark:B` what grew between two. If several marks have the name, the first is meant. For signal handlers too.
///
/// # Errors
/// [`Error::Invalid`] (an empty name), [`Error::NotTracing`], [`Error::NoMemory`], [`Error::NotLoaded`].
pub fn take_snapshot(name: &str) -> Result<()> {
    let take_snapshot = function!(take_snapshot).ok_or(Error::NotLoaded)?;
    // SAFETY: the name lives during the call.
    Error::check(unsafe { take_snapshot(Name::new(name).as_ptr()) }).map(|_| ())
}

/// Writes what is live now, with all names, to the file `path`: a `.snap` file for `tmtool stats` and `tmtool diff` on any
/// machine. Takes long: the program's debug information is read.
///
/// # Errors
/// [`Error::Invalid`] (a path with a NUL), [`Error::NotTracing`], [`Error::Busy`], [`Error::Failed`],
/// [`Error::NotLoaded`].
pub fn dump_snapshot(path: impl AsRef<Path>) -> Result<()> {
    let dump_snapshot = function!(dump_snapshot).ok_or(Error::NotLoaded)?;
    let path = CString::new(path.as_ref().as_os_str().as_bytes()).map_err(|_| Error::Invalid)?;
    // SAFETY: the path lives during the call.
    Error::check(unsafe { dump_snapshot(path.as_ptr()) }).map(|_| ())
}
