//! The checksum that `.gnu_debuglink` holds of the debug file: CRC-32 as in zlib, polynomial 0xedb88320.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const TABLE: [u32; 256] = table();

/// The checksum of a whole file, which may be large: it is read piece by piece.
pub(super) fn of_file(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut crc = !0;
    loop {
        let n_bytes = file.read(&mut buffer)?;
        if n_bytes == 0 {
            return Ok(!crc);
        }
        crc = buffer.iter().take(n_bytes).fold(crc, add);
    }
}

fn add(crc: u32, byte: &u8) -> u32 {
    TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8)
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = one_byte(n as u32);
        n += 1;
    }
    table
}

const fn one_byte(mut crc: u32) -> u32 {
    let mut bit = 0;
    while bit < 8 {
        crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        bit += 1;
    }
    crc
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
