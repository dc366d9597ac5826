//! The locks on a recording that is kept within a limit, `docs/format.md` section "A recording within a limit". They belong to
//! the open file, and the kernel gives them back when it is closed, however its process ends. They are others than that of
//! requests, which is on the whole file.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// What is locked: a byte of the file, far behind all that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// The one keeper's. The file is open for writing.
    Keeper,
    /// A reader's, which all readers share.
    Reader,
    /// The keeper's against all readers. The file is open for writing.
    NoReader,
}

/// The byte of the keeper; that of the readers follows.
const KEEPER_AT: libc::off_t = 1 << 62;

impl Lock {
    /// Takes the lock, unless others hold one that is against it: whether it is held now. Where the file system knows no locks
    /// that of readers counts as held; a keeper is not certain to be the only one.
    ///
    /// # Errors
    /// What the system says.
    pub fn take(self, file: &File) -> io::Result<bool> {
        match self.set(file, if self == Lock::Reader { libc::F_RDLCK } else { libc::F_WRLCK }) {
            Ok(()) => Ok(true),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EACCES) => Ok(false),
                Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::ENOLCK | libc::EINVAL)
                    if self != Lock::Keeper =>
                {
                    Ok(true)
                }
                _ => Err(error),
            },
        }
    }

    /// Gives the lock back before the file is closed.
    pub fn give_back(self, file: &File) {
        // If that fails, closing the file does it.
        let _ = self.set(file, libc::F_UNLCK);
    }

    fn set(self, file: &File, kind: libc::c_int) -> io::Result<()> {
        let start = if self == Lock::Keeper { KEEPER_AT } else { KEEPER_AT + 1 };
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: start,
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: the descriptor is open, and `lock` is what this command takes.
        match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_keeper_and_it_is_alone_only_without_readers() {
        let path = tempfile::NamedTempFile::new().expect("a temporary file");
        let open = || File::options().read(true).write(true).open(path.path()).expect("it is there");
        let read_only = || File::open(path.path()).expect("it is there");
        let take = |lock: Lock, file: &File| lock.take(file).expect("locks are known here");
        let (keeper, other, reader) = (open(), open(), read_only());
        assert!(take(Lock::Keeper, &keeper) && !take(Lock::Keeper, &other));
        assert!(take(Lock::Reader, &reader) && take(Lock::Reader, &read_only()));
        assert!(!take(Lock::NoReader, &keeper));
        drop(reader);
        assert!(take(Lock::NoReader, &keeper) && !take(Lock::Reader, &read_only()));
        Lock::NoReader.give_back(&keeper);
        assert!(take(Lock::Reader, &read_only()));
        // A keeper that dies closes its file.
        drop(keeper);
        assert!(take(Lock::Keeper, &other));
        // It is no lock of requests.
        assert!(read_only().try_lock().is_ok());
    }
}
