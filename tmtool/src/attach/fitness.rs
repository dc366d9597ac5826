//! Judges which threads of a process may be made to call the loader: none that is inside of an allocator, the loader, or libtm.so,
//! and if it is inside of the C library only one that waits in the kernel for something to happen.
//!
//! ```text
//! waits in the kernel:  [C library]*  program ...     no frame in malloc, the loader, another allocator
//! runs:                 program ...                   none in front that are the C library's
//! a signal handler:     the same of what it has interrupted
//! no unwind tables:     no word further out on the stack that could be a return address in those places
//! ```

use std::ops::Range;

use super::arch::Registers;
use super::elf::{LoaderState, Module, modules, program};
use super::memory::Memory;
use super::unwind::{Frame, unwind};

/// What is known of a process's code.
#[derive(Debug)]
pub struct Code {
    /// All loaded files.
    pub modules: Vec<Module>,
    /// The C library.
    pub c_library: Module,
    /// Where the C library has the instruction of a system call, and of a return behind it.
    pub system_call: u64,
    /// The function to which a signal handler returns.
    pub back_from_signal: u64,
    /// Where the C library's code is: up to glibc 2.33 a part of it is in files of its own.
    of_c_library: Vec<Range<u64>>,
    loader_state: LoaderState,
    loader: Range<u64>,
    /// Where no frame may be: allocators, the loader, libtm.so.
    forbidden: Vec<Range<u64>>,
}

/// Why no thread can be made to call the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It runs code of the C library.
    InCLibrary,
    /// It is inside of an allocator, the loader or libtm.so.
    InAllocator,
    /// It is no thread of the C library's, or not of a 64-bit program.
    Strange,
    /// Something is being loaded or unloaded.
    Loading,
}

impl Unfit {
    /// What such threads do.
    pub fn clause(self) -> &'static str {
        match self {
            Unfit::InCLibrary => "runs code of the C library",
            Unfit::InAllocator => "is inside of an allocator or the loader",
            Unfit::Strange => "is not one of the C library's own",
            Unfit::Loading => "is there while a library is loaded",
        }
    }
}

/// malloc's inner functions stand beside those that others call.
const BESIDE_MALLOC_BYTES: u64 = 24 * 1024;
/// What others call of malloc.
const OF_MALLOC: [&str; 12] = [
    "malloc",
    "calloc",
    "realloc",
    "free",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "malloc_trim",
    "mallopt",
    "malloc_usable_size",
];
/// The files of the C library that have become parts of `libc.so.6` with glibc 2.34, by how their names begin.
const PARTS_ONCE: [&str; 3] = ["libpthread", "librt", "libdl"];
/// A stack is looked at so far where there are no unwind tables.
const STACK_BYTES_MAX: usize = 256 * 1024;

impl Code {
    /// What is loaded now; `None` if there is no glibc in the process or no loader.
    pub fn of(memory: &Memory, pid: u32) -> Option<Code> {
        let modules = modules(memory);
        let named = |start: &str| modules.iter().find(|module| module.name().starts_with(start));
        let (c_library, loader) = (named("libc.so.6").or_else(|| named("libc-2."))?.clone(), named("ld-"));
        let loader_state = program(memory, pid)?.loader_state(memory)?;
        let functions: Vec<Range<u64>> =
            OF_MALLOC.iter().filter_map(|name| c_library.symbol(memory, name)).collect();
        let first = functions.iter().map(|function| function.start).min()?;
        let end = functions.iter().map(|function| function.end).max()?;
        let own_malloc = first.saturating_sub(BESIDE_MALLOC_BYTES)..end.saturating_add(BESIDE_MALLOC_BYTES);
        let loader = loader.map_or(0..0, |loader| loader.start..loader.end);
        let mut forbidden = vec![own_malloc, loader.clone()];
        let others = modules.iter().filter(|module| module.start != c_library.start);
        forbidden.extend(others.filter(|it| is_allocator(memory, it)).map(|it| it.start..it.end));
        let system_call = find_code(memory, &c_library, &super::arch::SYSTEM_CALL_AND_RETURN)?;
        let back_from_signal = find_code(memory, &c_library, &super::arch::BACK_FROM_SIGNAL)?;
        let is_part = |module: &&Module| {
            module.start == c_library.start || PARTS_ONCE.iter().any(|name| module.name().starts_with(name))
        };
        let of_c_library = modules.iter().filter(is_part).map(|part| part.start..part.end).collect();
        Some(Code {
            modules,
            c_library,
            system_call,
            back_from_signal,
            of_c_library,
            loader_state,
            loader,
            forbidden,
        })
    }

    /// Whether something is being loaded or unloaded.
    pub fn is_loading(&self, memory: &Memory) -> bool {
        !self.loader_state.is_consistent(memory)
    }

    /// Whether code at `address` is the C library's.
    pub fn is_c_library_s(&self, address: u64) -> bool {
        self.of_c_library.iter().any(|range| range.contains(&address))
    }

    fn is_forbidden(&self, address: u64) -> bool {
        self.forbidden.iter().any(|range| range.contains(&address))
    }

    /// Whether a thread that stands still in `dlopen` waits for the loader's lock, and so holds none yet: the loader's function that
    /// others call waits, not one further in, and no other allocator has a part in it.
    pub fn waits_for_first_lock(&self, memory: &Memory, registers: &Registers) -> bool {
        let is_futex =
            registers.interrupted_call().is_some_and(|(number, _)| number as i64 == libc::SYS_futex);
        let stack = unwind(memory, &self.modules, registers);
        let in_loader = |frame: &&Frame| self.loader.contains(&frame.pc);
        let n_of_loader = stack
            .frames
            .iter()
            .skip_while(|frame| self.is_c_library_s(frame.pc) && !self.is_forbidden(frame.pc))
            .take_while(in_loader)
            .count();
        let is_elsewhere = |frame: &Frame| self.is_forbidden(frame.pc) && !self.loader.contains(&frame.pc);
        is_futex && n_of_loader == 1 && !stack.frames.iter().any(is_elsewhere)
    }

    /// Judges a thread that stands still.
    ///
    /// # Errors
    /// It is not fit.
    pub fn judge(&self, memory: &Memory, registers: &Registers) -> Result<(), Unfit> {
        let thread = registers.thread_pointer();
        // Each thread of the C library's has its own address there.
        if !registers.is_64_bit()
            || thread == 0
            || memory.word(super::arch::own_address_at(thread)) != Some(thread)
        {
            return Err(Unfit::Strange);
        }
        if self.is_loading(memory) || memory.read(registers.pc()).is_some_and(super::arch::waits_in_code) {
            return Err(Unfit::Loading);
        }
        let waits = registers.interrupted_call().is_some_and(|(number, _)| waits_harmlessly(number));
        let stack = unwind(memory, &self.modules, registers);
        let mut may_be_c_library = waits;
        let mut is_front = true;
        for (n, frame) in stack.frames.iter().enumerate() {
            if self.is_forbidden(frame.pc) {
                return Err(Unfit::InAllocator);
            }
            // What a signal has interrupted runs.
            if n > 0 && frame.is_interrupted {
                (is_front, may_be_c_library) = (true, false);
            }
            is_front = is_front && self.is_c_library_s(frame.pc);
            if is_front && !may_be_c_library {
                return Err(Unfit::InCLibrary);
            }
        }
        let last = stack.frames.last().copied().filter(|_| !stack.is_whole);
        match last {
            Some(last) => self.scan(memory, last),
            None => Ok(()),
        }
    }

    /// Looks at the stack beyond a frame without unwind tables.
    fn scan(&self, memory: &Memory, frame: Frame) -> Result<(), Unfit> {
        let mut bytes = vec![0; STACK_BYTES_MAX];
        let len = memory.read_some(frame.sp & !7, &mut bytes);
        let words = bytes.get(..len).unwrap_or(&[]).chunks_exact(8);
        let back = super::arch::BACK_FROM_SIGNAL;
        for word in words.map(|word| word.try_into().map_or(0, u64::from_le_bytes)) {
            if self.is_forbidden(word) && memory.at(word).is_some_and(|mapping| mapping.is_code) {
                return Err(Unfit::InAllocator);
            }
            // A signal may have interrupted anything.
            if self.is_c_library_s(word) && memory.read(word) == Some(back) {
                return Err(Unfit::InCLibrary);
            }
        }
        Ok(())
    }
}

/// The place of these instructions in the C library.
fn find_code(memory: &Memory, c_library: &Module, wanted: &[u8]) -> Option<u64> {
    let code = memory.maps().iter().find(|mapping| mapping.is_code && c_library.has(mapping.start))?;
    let mut bytes = vec![0; (code.end - code.start) as usize];
    let len = memory.read_some(code.start, &mut bytes);
    let found = bytes.get(..len)?.windows(wanted.len()).position(|window| window == wanted)?;
    Some(code.start + found as u64)
}

/// Whether a library has an allocator that threads could be inside of. The program itself is judged before.
fn is_allocator(memory: &Memory, module: &Module) -> bool {
    let names = ["malloc", "mallocx", "mi_malloc", "tc_malloc", "scalable_malloc", "tm_door"];
    names.iter().any(|name| module.symbol(memory, name).is_some())
}

/// Whether a thread in this system call waits for something that others do, and holds no lock of the C library's for it.
fn waits_harmlessly(number: u64) -> bool {
    let waiting = [
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_recvmmsg,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_connect,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_ppoll,
        libc::SYS_pselect6,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_nanosleep,
        libc::SYS_clock_nanosleep,
        libc::SYS_futex,
        libc::SYS_wait4,
        libc::SYS_waitid,
        libc::SYS_rt_sigsuspend,
        libc::SYS_rt_sigtimedwait,
        libc::SYS_io_getevents,
        libc::SYS_semop,
        libc::SYS_semtimedop,
        libc::SYS_msgrcv,
        libc::SYS_flock,
        libc::SYS_fcntl,
        libc::SYS_restart_syscall,
    ];
    let number = number as i64;
    waiting.contains(&number) || super::arch::OTHER_WAITS.contains(&number)
}
