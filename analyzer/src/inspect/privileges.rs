//! Whether executing a file raises privileges: the loader then ignores `LD_PRELOAD` (`AT_SECURE`).

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Result, refuse};

const SET_USER_ID: u32 = 0o4000;
/// Set-group-ID counts only together with execution by the group.
const SET_GROUP_ID: u32 = 0o2010;

/// Checks the program at `path` for the user who runs us.
///
/// # Errors
/// A refusal if it would run as another user or group, or with capabilities that we do not have.
pub(super) fn check(path: &Path) -> Result<()> {
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    // SAFETY: these take nothing and cannot fail.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    let mode = metadata.mode();
    if mode & SET_USER_ID != 0 && metadata.uid() != user {
        return refuse(format!(
            "{shown} is set-user-ID, so the system ignores preloaded libraries; run tmtool as its owner (user {})",
            metadata.uid()
        ));
    }
    if mode & SET_GROUP_ID == SET_GROUP_ID && metadata.gid() != group {
        return refuse(format!(
            "{shown} is set-group-ID, so the system ignores preloaded libraries; run tmtool with its group (sg)"
        ));
    }
    if user != 0 && has_capabilities(path) {
        return refuse(format!(
            "{shown} has file capabilities, so the system ignores preloaded libraries; record a copy of it, or as root"
        ));
    }
    Ok(())
}

fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: both names end in a zero byte, and with a size of 0 nothing is written.
    let n_bytes =
        unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0) };
    n_bytes > 0
}
