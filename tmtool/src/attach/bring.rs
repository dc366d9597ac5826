//! Brings the copy of the library into a process by one of its threads: as a file in memory, which needs no path that the process
//! can see; where that cannot be, as a file in its own `/tmp`, removed at once.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::time::Duration;

use super::borrowed::{Borrowed, Failed};
use super::fitness::Code;
use super::folder::Folder;
use super::memory::Memory;

/// Why the library was not brought.
#[derive(Debug)]
pub enum NotBrought {
    /// The thread could not do it.
    Failed(Failed),
    /// The process has no function for it.
    NoLoader,
    /// The loader's reason.
    Loader(String),
    /// There is no place for the copy.
    NoPlace(io::Error),
}

impl From<Failed> for NotBrought {
    fn from(failed: Failed) -> NotBrought {
        NotBrought::Failed(failed)
    }
}

const NAME: &str = "libtm.so";
/// Folders of the process that may take the copy.
const FOLDERS: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/"];
/// `RTLD_NOW`; local.
const MODE: u64 = 2;
/// `__RTLD_DLOPEN` of glibc, which its inner function wants.
const MODE_OF_DLOPEN: u64 = 0x8000_0000;
const REASON_BYTES_MAX: usize = 400;

/// Loads the copy.
///
/// # Errors
/// It cannot be.
pub fn bring(
    borrowed: &mut Borrowed<'_>,
    memory: &Memory,
    code: &Code,
    copy: &[u8],
    pid: u32,
    has_files_in_memory: bool,
    patience: Duration,
) -> Result<(), NotBrought> {
    let loader = Loader::of(memory, code).ok_or(NotBrought::NoLoader)?;
    let in_memory = if has_files_in_memory { in_memory(borrowed, copy, pid)? } else { None };
    if let Some(fd) = in_memory {
        let loaded = loader.open(borrowed, memory, &format!("/proc/self/fd/{fd}"), patience);
        // Not if the call goes on: it may be about to open it.
        if !matches!(loaded, Err(NotBrought::Failed(Failed::GoesOn | Failed::Ended))) {
            borrowed.system_call(libc::SYS_close, [fd, 0])?;
        }
        return loaded;
    }
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for place in FOLDERS {
        match Folder::make(pid, place, NAME, copy) {
            Ok(folder) => return loader.open(borrowed, memory, &folder.path, patience),
            Err(error) => refused = error,
        }
    }
    Err(NotBrought::NoPlace(refused))
}

/// Makes a file in the process's memory; its descriptor there. `None` if it cannot have one, or no name for it.
fn in_memory(borrowed: &mut Borrowed<'_>, copy: &[u8], pid: u32) -> Result<Option<u64>, Failed> {
    // Without /proc in its root the file has no path.
    if fs::metadata(format!("/proc/{pid}/root/proc/version")).is_err() {
        return Ok(None);
    }
    borrowed.write(borrowed.own_place(), format!("{NAME}\0").as_bytes())?;
    let arguments = [borrowed.own_place(), u64::from(libc::MFD_CLOEXEC)];
    let fd = match borrowed.system_call(libc::SYS_memfd_create, arguments) {
        Ok(fd) => fd,
        Err(Failed::System(..)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let file = OpenOptions::new().write(true).open(format!("/proc/{pid}/fd/{fd}"));
    if file.and_then(|mut file| file.write_all(copy)).is_ok() {
        return Ok(Some(fd));
    }
    borrowed.system_call(libc::SYS_close, [fd, 0])?;
    Ok(None)
}

/// The functions of the process that load libraries.
struct Loader {
    open: u64,
    mode: u64,
    /// Tells why that has failed.
    reason: Option<u64>,
}

impl Loader {
    /// glibc 2.34 has them itself; before, they are in libdl, if the process has that, and the library has an inner one.
    fn of(memory: &Memory, code: &Code) -> Option<Loader> {
        let libdl = code.modules.iter().find(|module| module.name().starts_with("libdl"));
        let libraries = [Some(&code.c_library), libdl];
        let find = |name| {
            libraries
                .into_iter()
                .flatten()
                .find_map(|library| library.symbol(memory, name))
                .map(|it| it.start)
        };
        match find("dlopen") {
            Some(open) => Some(Loader { open, mode: MODE, reason: find("dlerror") }),
            None => {
                let open = find("__libc_dlopen_mode")?;
                Some(Loader { open, mode: MODE | MODE_OF_DLOPEN, reason: None })
            }
        }
    }

    fn open(
        &self,
        borrowed: &mut Borrowed<'_>,
        memory: &Memory,
        path: &str,
        patience: Duration,
    ) -> Result<(), NotBrought> {
        let place = borrowed.own_place();
        borrowed.write(place, format!("{path}\0").as_bytes())?;
        if borrowed.call_to_open(self.open, [place, self.mode, 0], patience)? != 0 {
            return Ok(());
        }
        let reason = match self.reason {
            Some(function) => {
                let text = borrowed.call(function, [0; 3], patience)?;
                memory.text(text, REASON_BYTES_MAX)
            }
            None => "it gives no reason".to_owned(),
        };
        Err(NotBrought::Loader(reason))
    }
}
