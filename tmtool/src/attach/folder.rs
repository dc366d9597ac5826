//! A folder of its own in a process's file system that takes a copy of the library for a moment. The process may have put links
//! there that lead elsewhere, so none is followed out of its root, and only what was made here is removed.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

/// Such a folder with the copy in it; removed when this is dropped.
#[derive(Debug)]
pub struct Folder {
    /// The folder that it is in, and it itself.
    outer: File,
    inner: Option<File>,
    name: String,
    file: &'static str,
    /// The path of the copy, as the process sees it.
    pub path: String,
}

impl Folder {
    /// Makes one in `place`, a path of process `pid`'s, with `copy` as `file`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(pid: u32, place: &str, file: &'static str, copy: &[u8]) -> io::Result<Folder> {
        let outer = open_in_root(pid, place)?;
        let random = RandomState::new().build_hasher().finish();
        let name = format!(".tm-attach-{random:016x}");
        let path = format!("{}/{name}/{file}", place.trim_end_matches('/'));
        fs::DirBuilder::new().mode(0o755).create(within(&outer, &name))?;
        // From here on it is ours, and removed.
        let mut folder = Folder { outer, inner: None, name, file, path };
        let kind = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let inner =
            OpenOptions::new().read(true).custom_flags(kind).open(within(&folder.outer, &folder.name))?;
        inner.set_permissions(fs::Permissions::from_mode(0o755))?;
        let inner = folder.inner.insert(inner);
        let mut written =
            OpenOptions::new().write(true).create_new(true).mode(0o755).open(within(inner, file))?;
        written.write_all(copy)?;
        written.set_permissions(fs::Permissions::from_mode(0o755))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(inner) = &self.inner {
            let _ = fs::remove_file(within(inner, self.file));
        }
        let _ = fs::remove_dir(within(&self.outer, &self.name));
    }
}

/// A path of what stands in an open folder.
fn within(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

/// Opens a folder by a path of process `pid`'s, whose links lead where they do for that process.
fn open_in_root(pid: u32, path: &str) -> io::Result<File> {
    let root = File::open(format!("/proc/{pid}/root"))?;
    let path = std::ffi::CString::new(path)?;
    // SAFETY: numbers.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    let bytes = size_of::<libc::open_how>();
    // SAFETY: an open folder, a path that ends, and the structure with its length.
    let fd =
        unsafe { libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &raw const how, bytes) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_is_removed_and_links_are_followed_in_the_root() {
        let place = tempfile::tempdir().unwrap();
        let text = place.path().display().to_string();
        let own = std::process::id();
        let folder = Folder::make(own, &text, "x.so", b"copy").unwrap();
        assert_eq!(fs::read(&folder.path).unwrap(), b"copy");
        let beside = place.path().join(&folder.name).join("of somebody else");
        fs::write(&beside, b"").unwrap();
        drop(folder);
        assert!(beside.exists() && !beside.with_file_name("x.so").exists());
        let link = place.path().join("link");
        std::os::unix::fs::symlink("/nowhere", &link).unwrap();
        assert!(Folder::make(own, &link.display().to_string(), "x.so", b"copy").is_err());
    }
}
