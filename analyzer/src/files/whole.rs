//! A file that is there as a whole or as it was: it is written beside its place, and then put there. Where that would change
//! more than the contents (somebody else's file, one with several names, what is no file), it is written to in place.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;

/// Makes `parts`, one after the other, the contents of the file at `path`.
///
/// # Errors
/// What the system says. The file is as it was then, unless it had to be written to in place.
pub fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let is_done = match place(path)? {
        Some(path) => replace(&path, |file| write_to(file, parts))?,
        None => false,
    };
    if is_done { Ok(()) } else { write_to(&File::create(path)?, parts) }
}

/// Makes what `write` writes the contents of the file at `path`, however much it is. A file that is there is replaced by a
/// whole one or stays as it is; only what is no file, as a pipe, or is open already (`/dev/stdout`), is written to in place.
///
/// # Errors
/// Those of `write`, what the system says, and a file that cannot be replaced: another user's, or one with several names.
pub fn stream<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let buffered = |file: &File| -> Result<(), E> {
        let mut buffer = BufWriter::with_capacity(BUFFER_BYTES, file);
        write(&mut buffer)?;
        Ok(buffer.flush()?)
    };
    let in_place =
        || io::Error::new(ErrorKind::PermissionDenied, "it could only be written over, not replaced");
    match place(path)? {
        Some(path) => match replace(&path, buffered)? {
            true => Ok(()),
            false => Err(in_place().into()),
        },
        None if path.is_file() && !is_of_system(path) => Err(in_place().into()),
        None => {
            let is_new = !path.exists();
            let written = buffered(&File::create(path)?);
            if written.is_err() && is_new {
                // A link to nowhere leads somewhere now. The first error is the one to be told.
                let _ = fs::canonicalize(path).and_then(fs::remove_file);
            }
            written
        }
    }
}

/// Enough for one system call to be nothing beside what it writes.
const BUFFER_BYTES: usize = 256 << 10;

fn write_to(mut file: &File, parts: &[&[u8]]) -> io::Result<()> {
    parts.iter().try_for_each(|part| file.write_all(part))
}

/// Where the file is, or will be; of a link, what it leads to. `None` for what is not to be replaced: no file, one with
/// several names, an open one (`/dev/stdout`), a link that leads nowhere yet.
///
/// # Errors
/// It may not be written to.
fn place(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(_) if is_of_system(path) => Ok(None),
        Ok(status) if status.is_file() && status.nlink() == 1 => {
            OpenOptions::new().write(true).open(path)?;
            fs::canonicalize(path).map(Some)
        }
        Ok(_) => Ok(None),
        Err(_) => Ok((!path.is_symlink()).then(|| path.to_owned())),
    }
}

fn is_of_system(path: &Path) -> bool {
    ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder))
}

/// Puts a new file, which `write` fills, in the place of the one at `path`, which may not exist; `false`, and nothing is changed, if the old one
/// is another user's, or if that is forbidden: in a folder that may not be written to, or of a file that is mounted.
///
/// # Errors
/// What else the system says.
fn replace<E: From<io::Error>>(path: &Path, write: impl FnOnce(&File) -> Result<(), E>) -> Result<bool, E> {
    let old = fs::metadata(path).ok();
    let beside = beside(path);
    // Fails if it is there, be it as a link.
    let file = match File::create_new(&beside) {
        Err(error) if old.is_some() && is_forbidden(&error) => return Ok(false),
        file => file?,
    };
    let put = || -> Result<bool, E> {
        let new = file.metadata()?;
        if let Some(old) = &old {
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                return Ok(false);
            }
            // Who may not read the file that was there may not read the new one.
            file.set_permissions(old.permissions())?;
        }
        write(&file)?;
        // The old one is not given up for one that is not on the disk yet.
        file.sync_all()?;
        match fs::rename(&beside, path) {
            Err(error) if old.is_some() && is_forbidden(&error) => Ok(false),
            renamed => Ok(renamed.map(|()| true)?),
        }
    };
    let outcome = put();
    if !matches!(outcome, Ok(true)) {
        // The first error is the one to be told.
        let _ = fs::remove_file(&beside);
    }
    outcome
}

fn is_forbidden(error: &io::Error) -> bool {
    use ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

/// A name in the same folder that nobody can have foreseen: in a folder of all users, there would be a link of that name.
fn beside(path: &Path) -> PathBuf {
    // The hasher's keys are random numbers of the system's. A forked process has the same keys, and another id.
    let random = RandomState::new().hash_one(process::id());
    path.with_file_name(format!(".tm-{random:016x}.tmp"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn the_new_file_takes_the_place_and_the_mode_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, lost] = ["a.snap", "link", "lost"].map(|name| folder.path().join(name));
        write(&file, &[b"o", b"ne"]).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let mut opened = File::open(&file).unwrap();
        symlink("a.snap", &link).unwrap();
        write(&link, &[b"another"]).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"another");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.is_symlink());
        // Whoever had it open has it as it was.
        assert_eq!(io::read_to_string(&mut opened).unwrap(), "one");
        symlink("b.snap", &lost).unwrap();
        write(&lost, &[b"three"]).unwrap();
        assert!(lost.is_symlink() && fs::read(folder.path().join("b.snap")).unwrap() == b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left");
    }

    #[test]
    fn what_would_lose_more_than_its_contents_is_written_to_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let [file, name] = ["a.snap", "b.snap"].map(|name| folder.path().join(name));
        fs::write(&file, "old and long").unwrap();
        let inode = || fs::metadata(&file).unwrap().ino();
        let before = inode();
        fs::hard_link(&file, &name).unwrap();
        write(&name, &[b"new"]).unwrap();
        assert_eq!((inode(), fs::read(&file).unwrap()), (before, b"new".to_vec()), "two names");
        fs::remove_file(&name).unwrap();

        let opened = OpenOptions::new().append(true).open(&file).unwrap();
        write(Path::new(&format!("/proc/self/fd/{}", opened.as_raw_fd())), &[b"again"]).unwrap();
        (&opened).write_all(b" and more").unwrap();
        assert_eq!((inode(), fs::read(&file).unwrap()), (before, b"again and more".to_vec()), "an open one");

        // Only root may give files away.
        if chown(&file, Some(12), Some(34)).is_ok() {
            write(&file, &[b"theirs"]).unwrap();
            assert_eq!((inode(), fs::read(&file).unwrap()), (before, b"theirs".to_vec()), "another's");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_is_no_file_stays_what_it_is_and_failures_leave_nothing() {
        write(Path::new("/dev/null"), &[b"x"]).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write(folder.path(), &[b"x"]).unwrap_err().kind(), ErrorKind::IsADirectory);
        let missing = folder.path().join("no/such.snap");
        assert_eq!(write(&missing, &[b"x"]).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_stream_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let [file, name, link] = ["a.json", "b.json", "link"].map(|name| folder.path().join(name));
        let write = |path: &Path, text: &'static str| {
            stream(path, |out| {
                out.write_all(text.as_bytes())?;
                if text == "half" { Err(io::Error::other("full")) } else { Ok(()) }
            })
        };
        let kept = |n_files: usize| {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), n_files, "nothing else is left");
        };
        assert!(write(&file, "half").is_err());
        kept(0);
        write(&file, "whole").unwrap();
        assert!(write(&file, "half").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"whole");
        kept(1);
        symlink("c.json", &link).unwrap();
        assert!(write(&link, "half").is_err());
        kept(2);
        fs::hard_link(&file, &name).unwrap();
        assert_eq!(write(&name, "new").unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&file).unwrap(), b"whole");
        let opened = OpenOptions::new().append(true).open(&file).unwrap();
        write(Path::new(&format!("/proc/self/fd/{}", opened.as_raw_fd())), "open").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"open");
        kept(3);
    }

    #[test]
    fn names_beside_are_in_the_folder_and_not_used_again() {
        let names: Vec<_> = (0..100).map(|_| beside(Path::new("folder/a.snap"))).collect();
        assert!(names.iter().all(|name| name.parent() == Some(Path::new("folder"))));
        assert!(names.iter().enumerate().all(|(place, name)| !names[..place].contains(name)));
    }
}
