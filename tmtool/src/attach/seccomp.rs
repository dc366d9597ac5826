//! Whether a process's seccomp filters let it do what a recording needs: the filters are read from the kernel and run here, since a
//! system call that they refuse may end the process.

use std::io;

/// An instruction of a filter, `struct sock_filter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

const GET_FILTER: libc::c_uint = 0x420c;
const ALLOW: u32 = 0x7fff_0000;
const LOG: u32 = 0x7ffc_0000;
const ACTION: u32 = 0xffff_0000;
/// The longest filter, and the most filters.
const N_INSTRUCTIONS_MAX: usize = 4096;

/// The system calls that bringing the library and recording take, and arguments that tell in filters.
const NEEDED: [(&str, i64, [u64; 6]); 42] = {
    const ANONYMOUS: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    const CODE: u64 = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    const DATA: u64 = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    const HERE: u64 = libc::AT_FDCWD as u64;
    [
        ("mmap", libc::SYS_mmap, [0, 4096, CODE, ANONYMOUS, u64::MAX, 0]),
        ("mmap", libc::SYS_mmap, [0, 4096, DATA, libc::MAP_SHARED as u64, 9, 0]),
        ("mmap", libc::SYS_mmap, [0, 4096, CODE, libc::MAP_PRIVATE as u64, 9, 0]),
        ("munmap", libc::SYS_munmap, [0; 6]),
        ("mprotect", libc::SYS_mprotect, [0, 4096, DATA, 0, 0, 0]),
        ("mremap", libc::SYS_mremap, [0; 6]),
        ("madvise", libc::SYS_madvise, [0, 4096, libc::MADV_WIPEONFORK as u64, 0, 0, 0]),
        ("openat", libc::SYS_openat, [HERE, 0, libc::O_RDONLY as u64, 0, 0, 0]),
        (
            "openat",
            libc::SYS_openat,
            [HERE, 0, (libc::O_RDWR | libc::O_CREAT | libc::O_EXCL) as u64, 0o600, 0, 0],
        ),
        ("read", libc::SYS_read, [9, 0, 0, 0, 0, 0]),
        ("pread64", libc::SYS_pread64, [9, 0, 0, 0, 0, 0]),
        ("pwrite64", libc::SYS_pwrite64, [9, 0, 0, 0, 0, 0]),
        ("close", libc::SYS_close, [9, 0, 0, 0, 0, 0]),
        ("fstat", libc::SYS_fstat, [9, 0, 0, 0, 0, 0]),
        ("newfstatat", libc::SYS_newfstatat, [9, 0, 0, libc::AT_EMPTY_PATH as u64, 0, 0]),
        ("ftruncate", libc::SYS_ftruncate, [9, 0, 0, 0, 0, 0]),
        ("fallocate", libc::SYS_fallocate, [9, 0, 0, 0, 0, 0]),
        ("readlinkat", libc::SYS_readlinkat, [HERE, 0, 0, 0, 0, 0]),
        ("getcwd", libc::SYS_getcwd, [0; 6]),
        ("renameat2", libc::SYS_renameat2, [HERE, 0, HERE, 0, 0, 0]),
        ("unlinkat", libc::SYS_unlinkat, [HERE, 0, 0, 0, 0, 0]),
        ("getpid", libc::SYS_getpid, [0; 6]),
        ("gettid", libc::SYS_gettid, [0; 6]),
        ("uname", libc::SYS_uname, [0; 6]),
        ("rt_sigprocmask", libc::SYS_rt_sigprocmask, [0; 6]),
        ("futex", libc::SYS_futex, [0; 6]),
        ("ppoll", libc::SYS_ppoll, [0; 6]),
        ("write", libc::SYS_write, [2, 0, 0, 0, 0, 0]),
        ("prctl", libc::SYS_prctl, [libc::PR_GET_NAME as u64, 0, 0, 0, 0, 0]),
        ("prctl", libc::SYS_prctl, [libc::PR_GET_TSC as u64, 0, 0, 0, 0, 0]),
        ("prctl", libc::SYS_prctl, [libc::PR_GET_SECCOMP as u64, 0, 0, 0, 0, 0]),
        ("clock_gettime", libc::SYS_clock_gettime, [libc::CLOCK_MONOTONIC as u64, 0, 0, 0, 0, 0]),
        ("nanosleep", libc::SYS_nanosleep, [0; 6]),
        ("rt_sigreturn", libc::SYS_rt_sigreturn, [0; 6]),
        ("sigaltstack", libc::SYS_sigaltstack, [0; 6]),
        ("linkat", libc::SYS_linkat, [HERE, 0, HERE, 0, 0, 0]),
        ("getppid", libc::SYS_getppid, [0; 6]),
        ("geteuid", libc::SYS_geteuid, [0; 6]),
        ("getegid", libc::SYS_getegid, [0; 6]),
        ("faccessat", libc::SYS_faccessat, [HERE, 0, 0, 0, 0, 0]),
        ("prlimit64", libc::SYS_prlimit64, [0; 6]),
        ("ioctl", libc::SYS_ioctl, [9, 0, 0, 0, 0, 0]),
    ]
};

/// The filters of a thread that stands still and was seized, each one's instructions.
///
/// # Errors
/// They may not be looked at: that takes rights that mostly root alone has.
pub fn filters(tid: u32) -> io::Result<Vec<Vec<Instruction>>> {
    let mut filters = Vec::new();
    loop {
        let mut buffer = vec![Instruction::default(); N_INSTRUCTIONS_MAX];
        // SAFETY: room for the longest filter.
        let n = unsafe { libc::ptrace(GET_FILTER, tid as libc::pid_t, filters.len(), buffer.as_mut_ptr()) };
        if n < 0 {
            let error = io::Error::last_os_error();
            // There is none of that number.
            return if error.raw_os_error() == Some(libc::ENOENT) { Ok(filters) } else { Err(error) };
        }
        buffer.truncate(n as usize);
        filters.push(buffer);
    }
}

/// The first needed system call that one of these filters refuses.
pub fn refused(filters: &[Vec<Instruction>]) -> Option<&'static str> {
    let is_allowed = |number: i64, arguments: &[u64; 6]| {
        filters.iter().all(|filter| {
            let action = run(filter, number as u32, arguments).map(|result| result & ACTION);
            matches!(action, Some(ALLOW | LOG))
        })
    };
    NEEDED.iter().find(|(_, number, arguments)| !is_allowed(*number, arguments)).map(|needed| needed.0)
}

/// Whether these filters let a file be made in memory.
pub fn allow_files_in_memory(filters: &[Vec<Instruction>]) -> bool {
    let number = libc::SYS_memfd_create as u32;
    filters
        .iter()
        .all(|filter| matches!(run(filter, number, &[0; 6]).map(|it| it & ACTION), Some(ALLOW | LOG)))
}

/// What a filter says to a system call; `None` if it is damaged. Filters have no loops.
fn run(filter: &[Instruction], number: u32, arguments: &[u64; 6]) -> Option<u32> {
    let mut data = [0u32; 16];
    (data[0], data[1]) = (number, super::arch::AUDIT);
    for (n, argument) in arguments.iter().enumerate() {
        (data[4 + 2 * n], data[5 + 2 * n]) = (*argument as u32, (*argument >> 32) as u32);
    }
    let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; 16]);
    let mut at = 0usize;
    loop {
        let Instruction { code, if_true, if_false, value } = *filter.get(at)?;
        at += 1;
        let operand = if code & 8 != 0 { x } else { value };
        match (code & 7, code & 0xf0) {
            // Loads, into A and X.
            (0 | 1, _) => {
                let loaded = match code & 0xe0 {
                    0x00 => value,
                    0x20 => *data.get(value as usize / 4)?,
                    0x60 => *memory.get(value as usize)?,
                    0x80 => 64,
                    _ => return None,
                };
                if code & 7 == 0 { a = loaded } else { x = loaded }
            }
            (2, _) => *memory.get_mut(value as usize)? = a,
            (3, _) => *memory.get_mut(value as usize)? = x,
            (4, operation) => a = calculated(a, operand, operation)?,
            (5, 0x00) => at += value as usize,
            (5, test) => {
                let is_true = match test {
                    0x10 => a == operand,
                    0x20 => a > operand,
                    0x30 => a >= operand,
                    0x40 => a & operand != 0,
                    _ => return None,
                };
                at += usize::from(if is_true { if_true } else { if_false });
            }
            (6, _) => return Some(if code & 0x18 == 0x10 { a } else { value }),
            (7, _) => {
                if code & 0x80 != 0 {
                    a = x
                } else {
                    x = a
                }
            }
            _ => return None,
        }
    }
}

fn calculated(a: u32, operand: u32, operation: u16) -> Option<u32> {
    Some(match operation {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => a.checked_div(operand)?,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.wrapping_shl(operand),
        0x70 => a.wrapping_shr(operand),
        0x80 => a.wrapping_neg(),
        0xa0 => a ^ operand,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(code: u16, if_true: u8, if_false: u8, value: u32) -> Instruction {
        Instruction { code, if_true, if_false, value }
    }

    /// `ld [0]; jeq #number, 0, 1; ret #action; ret ALLOW`
    fn refuses(number: i64, action: u32) -> Vec<Instruction> {
        vec![
            instruction(0x20, 0, 0, 0),
            instruction(0x15, 0, 1, number as u32),
            instruction(0x06, 0, 0, action),
            instruction(0x06, 0, 0, ALLOW),
        ]
    }

    #[test]
    fn filters_are_run_as_the_kernel_does() {
        const ERRNO_1: u32 = 0x5_0001;
        assert_eq!(refused(&[]), None);
        let unrelated = refuses(libc::SYS_ptrace, 0);
        assert_eq!(refused(std::slice::from_ref(&unrelated)), None);
        assert_eq!(refused(&[unrelated.clone(), refuses(libc::SYS_openat, 0)]), Some("openat"));
        assert_eq!(refused(&[refuses(libc::SYS_madvise, ERRNO_1)]), Some("madvise"));
        assert!(!allow_files_in_memory(&[unrelated, refuses(libc::SYS_memfd_create, ERRNO_1)]));
        // The protection: the lower half of the third argument. `ld [32]; jset #4, 0, 1; ret 0; ret ALLOW`
        let no_code = vec![
            instruction(0x20, 0, 0, 32),
            instruction(0x45, 0, 1, 4),
            instruction(0x06, 0, 0, 0),
            instruction(0x06, 0, 0, ALLOW),
        ];
        assert_eq!(refused(&[no_code]), Some("mmap"));
        // Damaged: refuses.
        assert_eq!(refused(&[vec![instruction(0x05, 0, 0, 9)]]), Some("mmap"));
    }
}
