//! The checksum that `.gnu_debuglink` holds of the debug file: CRC-32 as in zlib.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The checksum of a whole file, which may be large: it is read piece by piece.
pub(super) fn of_file(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut crc = crc32fast::Hasher::new();
    loop {
        let n_bytes = file.read(&mut buffer)?;
        if n_bytes == 0 {
            return Ok(crc.finalize());
        }
        crc.update(buffer.get(..n_bytes).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_standard_comes_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"123456789").unwrap();
        assert_eq!(of_file(file.path()).unwrap(), 0xcbf4_3926);
    }
}
