//! The lock on a recording, held while a request is made. The kernel gives it back for one that dies.

use crate::errors::{Error, Result};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long another one is waited for. It takes some µs unless it was stopped meanwhile, or has no processor.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub struct Lock<'a>(&'a File);

impl<'a> Lock<'a> {
    /// Takes the lock on `file`, which is called `name`.
    ///
    /// # Errors
    /// Somebody holds it and does not give it back.
    pub fn take(file: &'a File, name: &Path) -> Result<Lock<'a>> {
        Lock::take_within(PATIENCE, file, name)
    }

    fn take_within(patience: Duration, file: &'a File, name: &Path) -> Result<Lock<'a>> {
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                // Some file systems know no locks; two who ask at once are rare.
                Err(TryLockError::Error(error)) if is_unknown(&error) => return Ok(Lock(file)),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", name, error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(BETWEEN_TRIES),
                Err(TryLockError::WouldBlock) => {
                    let what = "is locked by another process, perhaps a tmtool that was stopped";
                    let what = format!("{} {what}; let that one go on or end it", name.display());
                    return Err(Error::Message(what));
                }
            }
        }
    }
}

fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::ENOLCK))
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // If that fails, closing the file does it.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_dead_hold_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let (first, second) = (open(), open());
        let take = |file| Lock::take_within(Duration::from_millis(10), file, Path::new("a.bin")).map(drop);
        let held = Lock::take(&first, Path::new("a.bin")).unwrap();
        let error = take(&second).unwrap_err().to_string();
        assert!(error.starts_with("a.bin is locked by another process"), "{error}");
        drop(held);
        take(&second).unwrap();
        // What a process that is killed has is closed.
        std::mem::forget(Lock::take(&first, Path::new("a.bin")).unwrap());
        drop(first);
        take(&second).unwrap();
    }
}
