//! The files that another process sees.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Whether process `pid` finds the same files by the same paths.
pub fn has_same_root(pid: u32) -> bool {
    let root = |pid: &str| fs::metadata(format!("/proc/{pid}/root")).ok().map(|it| (it.dev(), it.ino()));
    let mounts = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let pid = pid.to_string();
    root(&pid) == root("self") && mounts(&pid) == mounts("self")
}

/// The root folder of process `pid` as seen from here, if it is another one.
pub fn other_root(pid: u32) -> Option<PathBuf> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    // Without the right to look there, what is here is all that there is.
    (!has_same_root(pid) && fs::read_dir(&root).is_ok()).then_some(root)
}
