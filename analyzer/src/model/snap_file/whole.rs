//! A file that is there as a whole or not at all: it is written beside its place, and then put there.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Makes `parts`, one after the other, the contents of the file at `path`. What is no file, as a terminal or a pipe, is
/// written to, and so is a file in a folder that may not be written to.
///
/// # Errors
/// What the system says. The file is as it was then, if it could be replaced.
pub fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let write_parts = |mut file: File| parts.iter().try_for_each(|part| file.write_all(part));
    let Some(path) = place(path) else { return write_parts(File::create(path)?) };
    let beside = beside(&path);
    // Fails if it is there, be it as a link.
    let file = match File::create_new(&beside) {
        Err(error) if is_forbidden(&error) && path.is_file() => return write_parts(File::create(path)?),
        file => file?,
    };
    let written =
        keep_mode(&path, &file).and_then(|()| write_parts(file)).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // The first error is the one to be told.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Where the file is, or will be; of a link, what it leads to. `None` for what cannot be replaced: no file, a file without
/// a name (`/dev/stdout` may be one), a link that leads nowhere yet.
fn place(path: &Path) -> Option<PathBuf> {
    match fs::metadata(path) {
        Ok(status) if status.is_file() => fs::canonicalize(path).ok(),
        Ok(_) => None,
        Err(_) => (!path.is_symlink()).then(|| path.to_owned()),
    }
}

/// A name in the same folder that nobody can have foreseen: in a folder of all users, there would be a link of that name.
fn beside(path: &Path) -> PathBuf {
    // The hasher's keys are random numbers of the system's. A forked process has the same keys, and another id.
    let random = RandomState::new().hash_one(process::id());
    path.with_file_name(format!(".tm-{random:016x}.tmp"))
}

/// Who may not read the file that was there may not read the new one.
fn keep_mode(path: &Path, file: &File) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(status) => file.set_permissions(status.permissions()),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_new_file_takes_the_place_and_the_mode_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, lost] = ["a.snap", "link", "lost"].map(|name| folder.path().join(name));
        write(&file, &[b"one"]).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
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
    fn what_is_no_file_stays_what_it_is_and_failures_leave_nothing() {
        write(Path::new("/dev/null"), &[b"x"]).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write(folder.path(), &[b"x"]).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let missing = folder.path().join("no/such.snap");
        assert_eq!(write(&missing, &[b"x"]).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn names_beside_are_in_the_folder_and_not_used_again() {
        let names: Vec<_> = (0..100).map(|_| beside(Path::new("folder/a.snap"))).collect();
        assert!(names.iter().all(|name| name.parent() == Some(Path::new("folder"))));
        assert!(names.iter().enumerate().all(|(place, name)| !names[..place].contains(name)));
    }
}
