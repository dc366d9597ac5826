//! What is mapped where, as the kernel says. Asked when a stack or an object is seen for the first time, not per event.

use core::ops::Range;

use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall;
use crate::sys::text::{parse_hex, parse_number};

/// `PROCMAP_QUERY` of `/proc/PID/maps` (Linux 6.11), `include/uapi/linux/fs.h`.
#[repr(C)]
#[derive(Default)]
struct ProcmapQuery {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

const _: () = assert!(size_of::<ProcmapQuery>() == 104);
/// `_IOWR('f', 17, struct procmap_query)`.
const PROCMAP_QUERY: usize = 3 << 30 | size_of::<ProcmapQuery>() << 16 | (b'f' as usize) << 8 | 17;
/// The mapping that holds the address, or the next one.
const PROCMAP_QUERY_COVERING_OR_NEXT_VMA: u64 = 0x10;

/// A mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: usize,
    /// The first address behind it.
    pub end: usize,
    /// `PF_R`, `PF_W` and `PF_X`, as a program header has them.
    pub flags: u32,
    /// Where in the file it begins.
    pub offset: u64,
    /// The file: device and inode number, both 0 if there is none.
    pub file: (u64, u64),
}

impl Mapping {
    /// Returns its range of addresses.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// The process's mappings, open to be asked. No signal comes meanwhile: a handler that left by `siglongjmp` would leave
/// the descriptor open.
#[derive(Debug)]
pub struct Maps {
    fd: i32,
    _blocked: SignalsBlocked,
}

impl Drop for Maps {
    fn drop(&mut self) {
        syscall::close(self.fd);
    }
}

impl Maps {
    /// Opens the list; `None` if `/proc` is missing, or nothing may be opened.
    #[cold]
    pub fn open() -> Option<Maps> {
        let blocked = SignalsBlocked::now();
        let fd = syscall::open(c"/proc/self/maps", libc::O_RDONLY, 0).ok()?;
        Some(Maps { fd, _blocked: blocked })
    }

    /// Visits the mappings that end behind `from`, in the order of their addresses, until `visit` says false.
    pub fn each(&self, from: usize, visit: &mut dyn FnMut(&Mapping) -> bool) {
        let mut next = from;
        loop {
            match self.ask(next, &mut []) {
                Ok(mapping) if visit(&mapping) => next = mapping.end,
                Err(syscall::Errno(error)) if error != libc::ENOENT && next == from => {
                    return self.read_each(from, visit, &mut |_| {});
                }
                _ => return,
            }
        }
    }

    /// Returns the mapping that holds `address`.
    pub fn at(&self, address: usize) -> Option<Mapping> {
        let mut found = None;
        self.each(address, &mut |mapping| {
            found = Some(*mapping);
            false
        });
        found.filter(|mapping| mapping.range().contains(&address))
    }

    /// Returns the path of the file that is mapped at `address`, as far as it fits into `buffer`; empty if there is none.
    pub fn path_at<'a>(&self, address: usize, buffer: &'a mut [u8]) -> &'a [u8] {
        let mut len = 0;
        match self.ask(address, buffer) {
            Ok(mapping) if mapping.range().contains(&address) => {
                len = buffer.iter().position(|&byte| byte == 0).unwrap_or(0);
            }
            Ok(_) | Err(syscall::Errno(libc::ENOENT)) => {}
            Err(_) => {
                let mut holds = false;
                let is_wanted = &mut |mapping: &Mapping| {
                    holds = mapping.range().contains(&address);
                    false
                };
                self.read_each(address, is_wanted, &mut |byte| {
                    if let Some(slot) = buffer.get_mut(len) {
                        *slot = byte;
                        len += 1;
                    }
                });
                len = if holds { len } else { 0 };
            }
        }
        let path = buffer.get(..len).unwrap_or(&[]);
        if path.first() == Some(&b'/') { path } else { &[] }
    }

    /// Returns the mapping that holds `address` or the next one, with its name.
    fn ask(&self, address: usize, name: &mut [u8]) -> syscall::Result<Mapping> {
        let mut query = ProcmapQuery { size: size_of::<ProcmapQuery>() as u64, ..Default::default() };
        query.query_addr = address as u64;
        query.query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA;
        if !name.is_empty() {
            name.fill(0);
            (query.vma_name_addr, query.vma_name_size) = (name.as_mut_ptr() as u64, name.len() as u32);
        }
        syscall::ioctl(self.fd, PROCMAP_QUERY, &mut query)?;
        let flag = |bit: u64, flag: u32| if query.vma_flags & bit != 0 { flag } else { 0 };
        Ok(Mapping {
            start: query.vma_start as usize,
            end: query.vma_end as usize,
            flags: flag(1, libc::PF_R) | flag(2, libc::PF_W) | flag(4, libc::PF_X),
            offset: query.vma_offset,
            file: (u64::from(query.dev_major) << 32 | u64::from(query.dev_minor), query.inode),
        })
    }

    /// Does the work of [`Maps::each`] by the text: `start-end perms offset major:minor inode    path`. Where `visit`
    /// says false, `path` gets the line's.
    #[inline(never)]
    fn read_each(&self, from: usize, visit: &mut dyn FnMut(&Mapping) -> bool, path: &mut dyn FnMut(u8)) {
        let (mut line, mut at) = (Line::START, 0);
        let mut buffer = [0u8; 1024];
        let mut is_last = false;
        loop {
            let n = syscall::pread(self.fd, &mut buffer, at).unwrap_or(0);
            if n == 0 {
                return;
            }
            at += n as u64;
            for &byte in buffer.iter().take(n) {
                match line.take(byte) {
                    Taken::Mapping(mapping) if mapping.end > from => is_last = !visit(&mapping),
                    Taken::PathByte if is_last => path(byte),
                    Taken::End if is_last => return,
                    _ => {}
                }
            }
        }
    }
}

/// A line of which the numbers are collected.
struct Line {
    numbers: [u8; 96],
    len: usize,
    n_spaces: u32,
    in_path: bool,
}

/// What a byte of a line was.
enum Taken {
    Nothing,
    /// The last of the numbers.
    Mapping(Mapping),
    PathByte,
    End,
}

impl Line {
    const START: Line = Line { numbers: [0; 96], len: 0, n_spaces: 0, in_path: false };

    fn take(&mut self, byte: u8) -> Taken {
        let ends_numbers = self.n_spaces == 4 && (byte == b' ' || byte == b'\n');
        if byte == b'\n' && !ends_numbers {
            *self = Line::START;
            return Taken::End;
        }
        if self.n_spaces >= 5 {
            self.in_path |= byte != b' ';
            return if self.in_path { Taken::PathByte } else { Taken::Nothing };
        }
        self.n_spaces += u32::from(byte == b' ');
        if !ends_numbers {
            if let Some(slot) = self.numbers.get_mut(self.len) {
                *slot = byte;
                self.len += 1;
            }
            return Taken::Nothing;
        }
        let mapping = self.numbers.get(..self.len).and_then(parse_line);
        if byte == b'\n' {
            *self = Line::START;
        }
        mapping.map_or(Taken::Nothing, Taken::Mapping)
    }
}

fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut words = line.split(|&byte| byte == b' ');
    let mut ends = words.next()?.split(|&byte| byte == b'-');
    let (start, end) = (parse_hex(ends.next()?)?, parse_hex(ends.next()?)?);
    let permissions = words.next()?;
    let flag = |letter: u8, flag: u32| if permissions.contains(&letter) { flag } else { 0 };
    let flags = flag(b'r', libc::PF_R) | flag(b'w', libc::PF_W) | flag(b'x', libc::PF_X);
    let offset = parse_hex(words.next()?)?;
    let mut device = words.next()?.split(|&byte| byte == b':');
    let device = parse_hex(device.next()?)? << 32 | parse_hex(device.next()?)?;
    let file = (device, parse_number(words.next()?)?);
    Some(Mapping { start: start as usize, end: end as usize, flags, offset, file })
}

/// Returns the readable mapping that holds `address`; `None` if there is none or `/proc` is missing.
#[cold]
pub fn mapping_of(address: usize) -> Option<Range<usize>> {
    let mapping = Maps::open()?.at(address)?;
    (mapping.flags & libc::PF_R != 0).then(|| mapping.range())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_find_the_same_mapping() {
        let local = 0u8;
        let address = &raw const local as usize;
        assert!(mapping_of(address).expect("a stack is mapped").contains(&address));
        assert_eq!(mapping_of(1), None);
        let maps = Maps::open().expect("/proc is mounted");
        let (mut asked, mut read) = (std::vec::Vec::new(), std::vec::Vec::new());
        maps.each(0, &mut |mapping| {
            asked.push(*mapping);
            true
        });
        maps.read_each(
            0,
            &mut |mapping| {
                read.push(*mapping);
                true
            },
            &mut |_| {},
        );
        // Other tests map and unmap meanwhile; files stay.
        let of_files = |all: &[Mapping]| all.iter().filter(|mapping| mapping.file.1 != 0).count();
        assert!(of_files(&asked) > 3);
        assert_eq!(of_files(&asked), of_files(&read));
        assert!(read.iter().filter(|mapping| mapping.file.1 != 0).all(|mapping| asked.contains(mapping)));
    }

    #[test]
    fn the_path_at_an_address_is_that_of_its_file() {
        let maps = Maps::open().expect("/proc is mounted");
        let code = parse_line as *const () as usize;
        let mut buffer = [0; 4096];
        let own = std::env::current_exe().expect("/proc is mounted");
        assert_eq!(maps.path_at(code, &mut buffer), own.as_os_str().as_encoded_bytes());
        let local = 0u8;
        assert_eq!(maps.path_at(&raw const local as usize, &mut buffer), b"");
        let (mut path, mut holds) = (std::vec::Vec::new(), false);
        let is_wanted = &mut |mapping: &Mapping| {
            holds = mapping.range().contains(&code);
            false
        };
        maps.read_each(code, is_wanted, &mut |byte| path.push(byte));
        assert!(holds);
        assert_eq!(path, own.as_os_str().as_encoded_bytes());
    }
}
