//! The memory of another process, through `/proc/PID/mem`: what it may not write itself can be written this way, as debuggers do.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

/// The memory of a process.
#[derive(Debug)]
pub struct Memory {
    file: File,
    maps: Vec<Mapping>,
}

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first address, and the first one behind it.
    pub start: u64,
    /// See `start`.
    pub end: u64,
    /// It may be executed.
    pub is_code: bool,
    /// Where in its file it begins.
    pub offset: u64,
    /// Its file, as the kernel has it: device and inode; empty for none.
    pub file: String,
    /// The path, a name in brackets, or nothing.
    pub path: String,
}

impl Memory {
    /// The memory of process `pid`.
    ///
    /// # Errors
    /// It may not be looked at.
    pub fn of(pid: u32) -> io::Result<Memory> {
        let file = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
        let text = std::fs::read(format!("/proc/{pid}/maps"))?;
        let maps = String::from_utf8_lossy(&text).lines().filter_map(Mapping::parse).collect();
        Ok(Memory { file, maps })
    }

    /// What was mapped when this was made, in the order of the addresses.
    pub fn maps(&self) -> &[Mapping] {
        &self.maps
    }

    /// Whether the same code was mapped when `other` was made.
    pub fn has_same_code(&self, other: &Memory) -> bool {
        let code = |memory: &'_ Memory| -> Vec<Mapping> {
            memory.maps.iter().filter(|mapping| mapping.is_code).cloned().collect()
        };
        code(self) == code(other)
    }

    /// The part that holds `address`.
    pub fn at(&self, address: u64) -> Option<&Mapping> {
        self.maps.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))
    }

    /// Reads what is at `address` into `bytes`; the number of bytes that can be read.
    pub fn read_some(&self, address: u64, bytes: &mut [u8]) -> usize {
        self.file.read_at(bytes, address).unwrap_or(0)
    }

    /// Reads all of it.
    pub fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }

    /// Reads a word.
    pub fn word(&self, address: u64) -> Option<u64> {
        self.read(address).map(u64::from_le_bytes)
    }

    /// Reads half a word.
    pub fn half(&self, address: u64) -> Option<u32> {
        self.read(address).map(u32::from_le_bytes)
    }

    /// Reads text up to a NUL, at most `len_max` bytes.
    pub fn text(&self, address: u64, len_max: usize) -> String {
        let mut bytes = vec![0; len_max];
        let len = self.read_some(address, &mut bytes);
        let text = bytes.get(..len).unwrap_or(&[]).split(|&byte| byte == 0).next().unwrap_or(&[]);
        String::from_utf8_lossy(text).into_owned()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// It is not mapped.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, address)
    }
}

impl Mapping {
    /// `START-END PERMISSIONS OFFSET DEVICE INODE   PATH`.
    fn parse(line: &str) -> Option<Mapping> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?;
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let (device, inode) = (fields.next()?, fields.next()?);
        // The path is the rest of the line, blanks and all.
        let path = line.splitn(6, ' ').nth(5).unwrap_or("").trim_start();
        let file = if inode == "0" { String::new() } else { format!("{device} {inode}") };
        let number = |text| u64::from_str_radix(text, 16).ok();
        let is_code = permissions.as_bytes().get(2) == Some(&b'x');
        Some(Mapping {
            start: number(start)?,
            end: number(end)?,
            is_code,
            offset,
            file,
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_found_read_and_written() {
        let mut word = Box::new(0x1122_3344_5566_7788_u64);
        let memory = Memory::of(std::process::id()).unwrap();
        let place = &raw mut *word as u64;
        assert_eq!((memory.word(place), memory.half(place)), (Some(*word), Some(0x5566_7788)));
        memory.write(place, &7u64.to_le_bytes()).unwrap();
        // SAFETY: the box's own; read anew, since the compiler does not know of the writing.
        assert_eq!(unsafe { (place as *const u64).read_volatile() }, 7);
        assert_eq!((memory.word(8), memory.text(8, 4)), (None, String::new()));
        let code = memory.at(Memory::of as *const () as u64).unwrap();
        assert!(code.is_code && code.path.starts_with('/') && !code.file.is_empty());
        *word = 0;
    }

    #[test]
    fn paths_with_blanks_are_whole() {
        let line = "7f10-7f20 r-xp 00001000 fd:01 123                        /tmp/a b.bin";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!((mapping.path.as_str(), mapping.file.as_str()), ("/tmp/a b.bin", "fd:01 123"));
        assert_eq!(
            (mapping.start, mapping.end, mapping.offset, mapping.is_code),
            (0x7f10, 0x7f20, 0x1000, true)
        );
    }
}
