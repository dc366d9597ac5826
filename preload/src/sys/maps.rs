//! Which mapping an address is in. Asked when a stack is seen for the first time, not per event.

use core::ops::Range;

use super::signals::SignalsBlocked;
use super::syscall;
use super::text::parse_hex;

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

const PROCMAP_QUERY_VMA_READABLE: u64 = 1;

/// The readable mapping that holds `address`; `None` if there is none or `/proc` is missing.
#[cold]
pub fn mapping_of(address: usize) -> Option<Range<usize>> {
    // A handler that left by siglongjmp would leave the descriptor open.
    let _blocked = SignalsBlocked::now();
    let fd = syscall::open(c"/proc/self/maps", libc::O_RDONLY, 0).ok()?;
    let mut query = ProcmapQuery { size: size_of::<ProcmapQuery>() as u64, ..Default::default() };
    query.query_addr = address as u64;
    query.query_flags = PROCMAP_QUERY_VMA_READABLE;
    let found = match syscall::ioctl(fd, PROCMAP_QUERY, &mut query) {
        Ok(_) => Some(query.vma_start as usize..query.vma_end as usize),
        Err(syscall::Errno(libc::ENOENT)) => None,
        Err(_) => search(address, |buffer| syscall::read(fd, buffer).unwrap_or(0)),
    };
    syscall::close(fd);
    found
}

/// Reads lines `start-end perms ...` until one holds `address`. Not inlined: its buffers are for old kernels only.
#[inline(never)]
fn search(address: usize, mut read: impl FnMut(&mut [u8]) -> usize) -> Option<Range<usize>> {
    // Only the first 40 bytes of a line matter; longer ones are passed over byte by byte.
    let mut line = [0u8; 40];
    let mut len = 0;
    let mut buffer = [0u8; 1024];
    loop {
        let n = read(&mut buffer);
        if n == 0 {
            return None;
        }
        for &byte in buffer.iter().take(n) {
            if byte != b'\n' {
                if let Some(slot) = line.get_mut(len) {
                    *slot = byte;
                    len += 1;
                }
                continue;
            }
            if let Some(range) = line.get(..len).and_then(parse_line).filter(|range| range.contains(&address))
            {
                return Some(range);
            }
            len = 0;
        }
    }
}

fn parse_line(line: &[u8]) -> Option<Range<usize>> {
    let mut words = line.split(|&byte| byte == b' ');
    let mut ends = words.next()?.split(|&byte| byte == b'-');
    let (start, end) = (parse_hex(ends.next()?)?, parse_hex(ends.next()?)?);
    (words.next()?.first() == Some(&b'r')).then_some(start as usize..end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_find_the_same_mapping() {
        let local = 0u8;
        let address = &raw const local as usize;
        let range = mapping_of(address).expect("a stack is mapped");
        assert!(range.contains(&address));
        let fd = syscall::open(c"/proc/self/maps", libc::O_RDONLY, 0).expect("/proc is mounted");
        let by_text = search(address, |buffer| syscall::read(fd, buffer).unwrap_or(0));
        syscall::close(fd);
        assert_eq!(by_text.map(|range| range.contains(&address)), Some(true));
        assert_eq!(mapping_of(1), None);
    }
}
