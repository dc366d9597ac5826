//! Contents of files that stay where they are, for what refers to them.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Contents that are kept as long as this is.
#[derive(Default)]
pub(super) struct Storage(RefCell<Vec<Stored>>);

enum Stored {
    Map(Mmap),
    Bytes(Vec<u8>),
}

impl Storage {
    /// The contents of the file at `path`.
    ///
    /// # Errors
    /// It cannot be opened, or is no regular file.
    pub(super) fn map(&self, path: &Path) -> io::Result<&[u8]> {
        // Opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"));
        }
        let file = File::open(path)?;
        // SAFETY: the bytes are only read; that others may change the file meanwhile is as it is in every debugger.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(self.keep(Stored::Map(map)))
    }

    /// `bytes`, kept.
    pub(super) fn bytes(&self, bytes: Vec<u8>) -> &[u8] {
        self.keep(Stored::Bytes(bytes))
    }

    fn keep(&self, stored: Stored) -> &[u8] {
        let bytes: *const [u8] = match &stored {
            Stored::Map(map) => &raw const **map,
            Stored::Bytes(bytes) => &raw const **bytes,
        };
        self.0.borrow_mut().push(stored);
        // SAFETY: neither a mapping nor the contents of a vector move when their owners do, and nothing is taken out of
        // the list, nor changed in it, while `self` is borrowed.
        unsafe { &*bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays() {
        let (storage, file) = (Storage::default(), tempfile::NamedTempFile::new().unwrap());
        std::fs::write(file.path(), b"mapped").unwrap();
        let mapped = storage.map(file.path()).unwrap();
        let kept: Vec<&[u8]> = (0..100).map(|n| storage.bytes(vec![n; 3])).collect();
        assert_eq!(mapped, b"mapped");
        assert!(kept.iter().zip(0u8..).all(|(bytes, n)| **bytes == [n; 3]));
        assert!(storage.map(Path::new("/dev/null")).is_err());
    }
}
