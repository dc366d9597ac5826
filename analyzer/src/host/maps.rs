//! `/proc/PID/maps`: the files that a process has mapped shared, to write to, and those whose code it runs. See proc_pid_maps(5).

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::process::unreadable;
use crate::error::Result;

/// A file that is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// Its first mapping, as `/proc/PID/map_files` calls it.
    range: String,
    device: (u32, u32),
    inode: u64,
    /// Its path, with what the kernel adds if it was deleted.
    pub path: String,
}

/// The files that process `pid` has mapped, each once, and whether libtm.so is one of them.
///
/// # Errors
/// They may not be looked at, or the process has gone.
pub fn of_process(pid: u32) -> Result<(Vec<MappedFile>, bool)> {
    Ok(parse(&text(pid)?))
}

/// The files whose code process `pid` has mapped, each once.
///
/// # Errors
/// They may not be looked at, or the process has gone.
pub fn code_of_process(pid: u32) -> Result<Vec<MappedFile>> {
    let text = text(pid)?;
    let mut seen = BTreeSet::new();
    let code = text.lines().filter_map(line).filter(|(permissions, _)| permissions.contains('x'));
    Ok(code.map(|(_, file)| file).filter(|file| seen.insert(file.identity())).collect())
}

/// Whether process `pid` may be looked at and has a file mapped of whose path `is_it` says so.
pub(super) fn has_mapped(pid: u32, is_it: impl Fn(&str) -> bool) -> bool {
    text(pid).is_ok_and(|text| text.lines().filter_map(line).any(|(_, file)| is_it(&file.path)))
}

/// Whether another process that may be looked at has the file at `path` mapped: also one that was forked a moment ago and has
/// done nothing yet.
pub fn is_mapped(path: &Path) -> bool {
    let Ok((inode, path)) =
        path.metadata().map(|file| file.ino()).and_then(|inode| Ok((inode, path.canonicalize()?)))
    else {
        return false;
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut pids = pids.filter(|&pid| pid != std::process::id());
    // The device has one number here and another in the file's status on some file systems, so the path must do.
    let is_it = |file: &MappedFile| file.inode == inode && Path::new(&file.path) == path;
    pids.any(|pid| of_process(pid).is_ok_and(|(files, _)| files.iter().any(is_it)))
}

fn text(pid: u32) -> Result<String> {
    let text = fs::read(format!("/proc/{pid}/maps")).map_err(|error| unreadable(pid, error))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn parse(text: &str) -> (Vec<MappedFile>, bool) {
    let (mut files, mut seen, mut has_library) = (Vec::new(), BTreeSet::new(), false);
    for (permissions, file) in text.lines().filter_map(line) {
        has_library |= is_library(&file.path);
        if permissions.starts_with("rw") && permissions.ends_with('s') && seen.insert(file.identity()) {
            files.push(file);
        }
    }
    (files, has_library)
}

/// Whether this is libtm.so: a file, or what `tmtool attach` has made of it.
fn is_library(path: &str) -> bool {
    let path = path.trim_end_matches(DELETED);
    path.ends_with("/libtm.so") || path == "/memfd:libtm.so"
}

/// `START-END PERMISSIONS OFFSET MAJOR:MINOR INODE   PATH`; `None` for memory that is no file's.
fn line(line: &str) -> Option<(&str, MappedFile)> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.trim_start().split_once(' ')?;
        rest = after;
        Some(field)
    };
    let (range, permissions, _offset) = (field()?, field()?, field()?);
    let (major, minor) = field()?.split_once(':')?;
    let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let inode = field()?.parse().ok()?;
    // The one character that is escaped.
    let path = rest.trim_start().replace("\\012", "\n");
    let is_file = inode != 0 && path.starts_with('/');
    is_file.then(|| (permissions, MappedFile { range: range.to_owned(), device, inode, path }))
}

/// What the kernel adds to the path of a file that was deleted, or replaced by another of its name.
const DELETED: &str = " (deleted)";

impl MappedFile {
    /// What tells it from all other files that are mapped now: device and inode.
    #[must_use]
    pub fn identity(&self) -> ((u32, u32), u64) {
        (self.device, self.inode)
    }

    /// Its path, if it has one: without what the kernel adds if it was deleted.
    #[must_use]
    pub fn recorded_path(&self) -> &Path {
        Path::new(self.path.strip_suffix(DELETED).unwrap_or(&self.path))
    }

    /// The file itself, whatever its path means by now, read-only.
    ///
    /// # Errors
    /// What the system says, if it is a file like others and cannot be opened.
    pub fn open(&self, pid: u32) -> io::Result<Option<File>> {
        let path = self.path.strip_suffix(DELETED).unwrap_or(&self.path);
        let ways = [
            // As the process sees it; as this one does (a process that has changed its root); by the mapping, which
            // takes rights that mostly root alone has.
            format!("/proc/{pid}/root{}", self.path),
            format!("/proc/{pid}/root{path}"),
            self.path.clone(),
            path.to_owned(),
            format!("/proc/{pid}/map_files/{}", self.range),
        ];
        let mut refused = io::Error::from(io::ErrorKind::NotFound);
        for way in ways.map(PathBuf::from) {
            let found = fs::metadata(&way);
            match found {
                // A look first: opening a device can have effects.
                Ok(found) if self.is(&found) && !found.is_file() => return Ok(None),
                Ok(found) if self.is(&found) => {
                    match OpenOptions::new().read(true).custom_flags(libc::O_CLOEXEC).open(&way) {
                        Ok(file) if self.is(&file.metadata()?) => return Ok(Some(file)),
                        Ok(_) => {}
                        Err(error) => refused = error,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => refused = error,
                _ => {}
            }
        }
        Err(refused)
    }

    /// Asks whether `found` is this file. Where a file system gives files a device number that mappings do not show (btrfs,
    /// overlayfs), the inode has to do: a recording says besides whose it is.
    pub(super) fn is(&self, found: &Metadata) -> bool {
        let device = found.dev();
        let is_same_device = self.device == (libc::major(device), libc::minor(device));
        // Anonymous devices have major number 0.
        found.ino() == self.inode && (is_same_device || libc::major(device) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
7f10-7f20 rw-s 00001000 fd:01 123                        /tmp/a b.bin
7f20-7f30 rw-s 00011000 fd:01 123                        /tmp/a b.bin
7f30-7f40 r--s 00000000 fd:01 9                          /tmp/read only
7f40-7f50 rw-p 00000000 00:1a 7                          /usr/lib/libtm.so
7f50-7f60 rw-s 00000000 00:05 8                          /dev/zero (deleted)
7f60-7f70 rw-p 00000000 00:00 0                          [heap]
7f70-7f80 rw-p 00000000 00:00 0\x20
ffff-fff0 rw-s 00000000 00:00 0                          anon_inode:[x]
";

    #[test]
    fn files_that_are_shared_and_written_count_once() {
        let (files, has_library) = parse(MAPS);
        let found: Vec<_> = files.iter().map(|file| (file.range.as_str(), file.path.as_str())).collect();
        assert_eq!(found, [("7f10-7f20", "/tmp/a b.bin"), ("7f50-7f60", "/dev/zero (deleted)")]);
        assert_eq!((files[0].device, files[0].inode, has_library), ((0xfd, 1), 123, true));
        assert!(!parse("").1);
    }

    #[test]
    fn code_of_this_process_is_that_of_its_program() {
        let program = std::env::current_exe().unwrap().canonicalize().unwrap();
        let files = code_of_process(std::process::id()).unwrap();
        let own: Vec<_> = files.iter().filter(|file| file.recorded_path() == program).collect();
        assert!(own.len() == 1 && files.len() > 1, "{files:?}");
        assert!(code_of_process(u32::MAX).is_err());
    }

    #[test]
    fn a_file_is_found_under_its_path_and_no_other_of_that_name_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, "x").unwrap();
        let found = fs::metadata(&path).unwrap();
        let mapped = MappedFile {
            range: "0-0".to_owned(),
            device: (libc::major(found.dev()), libc::minor(found.dev())),
            inode: found.ino(),
            path: path.display().to_string(),
        };
        let pid = std::process::id();
        assert!(mapped.open(pid).unwrap().is_some());
        let other = MappedFile { inode: found.ino() + 1, ..mapped.clone() };
        assert_eq!(other.open(pid).unwrap_err().kind(), io::ErrorKind::NotFound);
        let device = fs::metadata("/dev/zero").unwrap();
        let device = MappedFile {
            device: (libc::major(device.dev()), libc::minor(device.dev())),
            inode: device.ino(),
            path: "/dev/zero".to_owned(),
            ..mapped
        };
        assert!(device.open(pid).unwrap().is_none());
    }
}
