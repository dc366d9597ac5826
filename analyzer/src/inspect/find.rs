//! The file that a program's name means, as `execvp` decides it.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Result, refuse};

/// Where programs are looked for if `PATH` is not set, as in glibc.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What stands at a path.
enum Found {
    Program,
    Nothing,
    Unreachable,
    Folder,
    Special,
    NotExecutable,
}

/// The file that `program` means: itself if it has a slash, else the first of that name in `path_env` that may be
/// executed.
///
/// # Errors
/// A refusal if there is none.
pub(super) fn find(program: &OsStr, path_env: Option<&OsStr>) -> Result<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return match look(&path) {
            Found::Program => Ok(path),
            found => refuse(why_not(&path, &found)),
        };
    }
    let name = Path::new(program).display();
    if program.is_empty() {
        return refuse("the program's name is empty; name the program that is to be run".to_owned());
    }
    let folders = path_env.map_or_else(|| OsString::from(DEFAULT_PATH), OsStr::to_owned);
    let mut seen = None;
    for folder in folders.as_bytes().split(|&byte| byte == b':') {
        let folder = if folder.is_empty() { b"." } else { folder };
        let path = Path::new(OsStr::from_bytes(folder)).join(program);
        match look(&path) {
            Found::Program => return Ok(path),
            Found::Nothing => {}
            found => seen = seen.or(Some(why_not(&path, &found))),
        }
    }
    if let Some(reason) = seen {
        return refuse(reason);
    }
    if matches!(look(Path::new(program)), Found::Program) {
        return refuse(format!("{name} is not in PATH; the one in this folder is started as ./{name}"));
    }
    refuse(format!("{name} is not in PATH; install it or give its path"))
}

/// Whether `path` can be executed.
///
/// # Errors
/// Why not.
pub(super) fn check_executable(path: &Path) -> std::result::Result<(), String> {
    match look(path) {
        Found::Program => Ok(()),
        found => Err(why_not(path, &found)),
    }
}

fn look(path: &Path) -> Found {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Found::Unreachable,
        Err(_) => return Found::Nothing,
    };
    if metadata.is_dir() {
        Found::Folder
    } else if !metadata.is_file() {
        Found::Special
    } else if may_execute(path) {
        Found::Program
    } else {
        Found::NotExecutable
    }
}

/// Whether the system would let us.
fn may_execute(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: `path` ends in a zero byte and lives until the call is over.
    unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
}

fn why_not(path: &Path, found: &Found) -> String {
    let path = path.display();
    match found {
        Found::Program => format!("{path} can be executed"),
        Found::Nothing => format!("{path} does not exist; check the program's name"),
        Found::Unreachable => {
            format!("{path} cannot be reached: you have no permission for one of its folders")
        }
        Found::Folder => format!("{path} is a folder; name the program in it"),
        Found::Special => format!("{path} is not a regular file; name the program that is to be run"),
        Found::NotExecutable => format!("{path} is not executable; chmod +x it, or name its interpreter"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn find_in(folders: &[&Path], name: &str) -> std::result::Result<PathBuf, String> {
        let joined = std::env::join_paths(folders).unwrap();
        find(OsStr::new(name), Some(&joined)).map_err(|refusal| refusal.0)
    }

    #[test]
    fn the_first_executable_of_the_name_is_taken() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [first.path(), second.path()];
        assert_eq!(
            find_in(&folders, "tool").unwrap_err(),
            "tool is not in PATH; install it or give its path"
        );

        fs::write(first.path().join("tool"), "").unwrap();
        assert!(find_in(&folders, "tool").unwrap_err().contains("is not executable"));

        let tool = second.path().join("tool");
        fs::write(&tool, "").unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_in(&folders, "tool"), Ok(tool));
    }

    #[test]
    fn without_path_the_system_folders_are_searched() {
        assert!(find(OsStr::new("sh"), None).unwrap().ends_with("sh"));
    }
}
