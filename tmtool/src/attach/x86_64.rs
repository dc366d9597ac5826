//! Registers, calls and system calls of another thread on x86_64.
//!
//! A call runs on a stack of its own. At its end the thread waits to have its state put back; if nobody comes, it goes back by
//! itself, by `rt_sigreturn` from a frame that holds its state, as the kernel makes one for a signal handler.
//!
//! ```text
//!  call r12             the function; arguments are in place
//!  mov [rbx], rax       its result
//!  mov [rbx + 8], 1     it is done
//!  ppoll(0, 0, rbx + 16, 0, 0)
//!  mov [r14], r15d      errno, as it was
//!  mov rsp, r13         the frame
//!  rt_sigreturn
//! ```
//!
//! A function that makes a system call of up to two arguments stands behind it; its result is that of the kernel.

use std::io;

/// The set of all registers of the vector and floating-point units, `NT_X86_XSTATE`.
pub const VECTORS: usize = 0x202;

/// See the module's text.
pub const CODE: [u8; 60] = [
    0x41, 0xff, 0xd4, // call r12
    0x48, 0x89, 0x03, // mov [rbx], rax
    0xc7, 0x43, 0x08, 1, 0, 0, 0, // mov dword [rbx + 8], 1
    0xb8, 0x0f, 0x01, 0, 0, // mov eax, 271
    0x31, 0xff, // xor edi, edi
    0x31, 0xf6, // xor esi, esi
    0x48, 0x8d, 0x53, 0x10, // lea rdx, [rbx + 16]
    0x45, 0x31, 0xd2, // xor r10d, r10d
    0x45, 0x31, 0xc0, // xor r8d, r8d
    0x0f, 0x05, // syscall
    0x45, 0x89, 0x3e, // mov [r14], r15d
    0x4c, 0x89, 0xec, // mov rsp, r13
    0xb8, 15, 0, 0, 0, // mov eax, 15
    0x0f, 0x05, // syscall
    0x0f, 0x0b, // ud2
    // The function.
    0x89, 0xf8, // mov eax, edi
    0x48, 0x89, 0xf7, // mov rdi, rsi
    0x48, 0x89, 0xd6, // mov rsi, rdx
    0x0f, 0x05, // syscall
    0xc3, // ret
];
/// Where a thread stands in it that waits to have its state put back.
const WAITS_AT: usize = 34;

/// Whether a thread whose next instructions are these waits there, for another tmtool.
pub fn waits_in_code(next: [u8; 13]) -> bool {
    CODE.get(WAITS_AT..).is_some_and(|rest| rest.starts_with(&next))
}

/// Where the function is that makes a system call.
pub const CALL_SYSTEM_AT: u64 = 49;
/// A system call.
pub const SYSTEM_CALL: [u8; 2] = [0x0f, 0x05];
/// A system call, and a return from the function.
pub const SYSTEM_CALL_AND_RETURN: [u8; 3] = [0x0f, 0x05, 0xc3];

/// Their numbers in unwind tables.
pub const STACK_POINTER: u16 = 7;
/// See [`STACK_POINTER`].
pub const RETURN_ADDRESS: u16 = 16;
/// `AUDIT_ARCH_X86_64`.
pub const AUDIT: u32 = 0xc000_003e;

/// The bytes below the stack pointer that a function may use.
const RED_ZONE_BYTES: u64 = 128;
/// The code segment of 64-bit programs.
const CODE_SEGMENT: u64 = 0x33;
const DIRECTION_AND_TRAP: u64 = 0x400 | 0x100;

/// The general registers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Registers(libc::user_regs_struct);

/// What a call is given.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Where [`CODE`] is.
    pub code: u64,
    /// The function.
    pub function: u64,
    /// Its arguments.
    pub arguments: [u64; 3],
    /// Where its result goes, then whether it is done, and how long it waits then (`struct timespec`).
    pub result: u64,
    /// The first address behind its stack.
    pub stack_end: u64,
    /// Where the frame is, see [`frame`].
    pub frame: u64,
    /// Where errno is, and what goes there at the end.
    pub errno: (u64, u32),
}

impl Registers {
    /// All zero.
    // SAFETY: numbers.
    pub const ZERO: Registers = Registers(unsafe { std::mem::zeroed() });

    /// The registers as the kernel has them.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: numbers without gaps.
        unsafe { std::slice::from_raw_parts_mut((&raw mut self.0).cast(), size_of::<Registers>()) }
    }

    /// The address of the next instruction.
    pub fn pc(&self) -> u64 {
        self.0.rip
    }

    /// The stack pointer.
    pub fn sp(&self) -> u64 {
        self.0.rsp
    }

    /// The base of the thread's own variables.
    pub fn thread_pointer(&self) -> u64 {
        self.0.fs_base
    }

    /// The register of this number in unwind tables, as far as functions preserve it.
    pub fn preserved(&self, number: u16) -> Option<u64> {
        let it = &self.0;
        match number {
            3 => Some(it.rbx),
            6 => Some(it.rbp),
            7 => Some(it.rsp),
            12 => Some(it.r12),
            13 => Some(it.r13),
            14 => Some(it.r14),
            15 => Some(it.r15),
            16 => Some(it.rip),
            _ => None,
        }
    }

    /// Whether it runs code of a 64-bit program.
    pub fn is_64_bit(&self) -> bool {
        self.0.cs == CODE_SEGMENT
    }

    /// The system call that the thread was in when it was interrupted, and its result so far.
    pub fn interrupted_call(&self) -> Option<(u64, i64)> {
        let result = self.0.rax as i64;
        // ERESTARTSYS to ERESTART_RESTARTBLOCK, which no program sees, and EINTR.
        let is_interrupted = (-516..=-512).contains(&result) || result == -i64::from(libc::EINTR);
        (self.0.orig_rax as i64 >= 0 && is_interrupted).then_some((self.0.orig_rax, result))
    }

    /// The result of a system call.
    pub fn result(&self) -> i64 {
        self.0.rax as i64
    }

    /// The same as if the thread had not been stopped: some system calls would fail for it.
    pub fn unnoticed(&self) -> Registers {
        match self.interrupted_call() {
            Some((number, result)) if result == -i64::from(libc::EINTR) && is_made_again(number) => {
                self.with_call_again()
            }
            _ => *self,
        }
    }

    /// The same with the interrupted system call made once more from its beginning.
    pub fn with_call_again(&self) -> Registers {
        let mut again = *self;
        again.0.rax = self.0.orig_rax;
        again.0.rip = self.0.rip - SYSTEM_CALL.len() as u64;
        again.0.orig_rax = u64::MAX;
        again
    }

    /// The first place below what the thread uses of its stack.
    pub fn below_stack(&self) -> u64 {
        self.0.rsp.saturating_sub(RED_ZONE_BYTES) & !15
    }

    /// The same in a system call by the instruction at `place`, with this stack pointer.
    pub fn for_system_call(&self, place: u64, stack: u64, number: u64, arguments: [u64; 6]) -> Registers {
        let mut at = self.undisturbed();
        at.0.rip = place;
        at.0.rax = number;
        [at.0.rdi, at.0.rsi, at.0.rdx, at.0.r10, at.0.r8, at.0.r9] = arguments;
        at.0.rsp = stack;
        at
    }

    /// The same at the beginning of a call.
    pub fn for_call(&self, call: &Call) -> Registers {
        let mut at = self.undisturbed();
        at.0.rip = call.code;
        at.0.rsp = call.stack_end & !15;
        (at.0.r12, at.0.rbx, at.0.r13) = (call.function, call.result, call.frame);
        (at.0.r14, at.0.r15) = (call.errno.0, call.errno.1.into());
        [at.0.rdi, at.0.rsi, at.0.rdx] = call.arguments;
        at.0.rax = 0;
        at
    }

    /// The same where no system call is under way, so that none is made again, and flags are as functions expect them.
    pub fn undisturbed(&self) -> Registers {
        let mut at = *self;
        at.0.orig_rax = u64::MAX;
        at.0.eflags &= !DIRECTION_AND_TRAP;
        at
    }
}

/// The parts of `struct rt_sigframe` and what it holds, from the place that the stack pointer has at `rt_sigreturn` on.
const CONTEXT: usize = 40;
const MASK: usize = CONTEXT + 256;
const FRAME_BYTES: usize = MASK + 8;
/// Where the vector registers are: they need 64 bytes of alignment.
const VECTORS_AT: usize = FRAME_BYTES.next_multiple_of(64);

/// The frame of a thread in this state, for a place that is a multiple of 64.
///
/// # Errors
/// The processor's vector registers are none that are known.
pub fn frame(at: u64, registers: &Registers, vectors: &[u8], mask: u64) -> io::Result<Vec<u8>> {
    /// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`.
    const FLAGS: u64 = 7;
    /// No flags of an alternate stack: so the thread's own stays as it is.
    const STACK_FLAGS: u32 = 0x10;
    let state = made_again(registers);
    let it = &state.0;
    let mut words = vec![0u8; VECTORS_AT];
    let mut put = |place: usize, word: u64| {
        if let Some(bytes) = words.get_mut(place..place + 8) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    };
    put(0, FLAGS);
    put(24, u64::from(STACK_FLAGS));
    let context = [
        it.r8, it.r9, it.r10, it.r11, it.r12, it.r13, it.r14, it.r15, it.rdi, it.rsi, it.rbp, it.rbx, it.rdx,
        it.rax, it.rcx, it.rsp, it.rip, it.eflags,
    ];
    for (n, register) in context.into_iter().enumerate() {
        put(CONTEXT + 8 * n, register);
    }
    put(CONTEXT + 144, it.cs & 0xffff | (it.ss & 0xffff) << 48);
    put(CONTEXT + 184, at + VECTORS_AT as u64);
    put(MASK, mask);
    words.extend(with_marks(vectors)?);
    Ok(words)
}

/// The vector registers with the marks by which the kernel knows how long they are.
fn with_marks(vectors: &[u8]) -> io::Result<Vec<u8>> {
    const MARK: u32 = 0x4650_5853;
    const END_MARK: u32 = 0x4650_5845;
    const SOFTWARE: usize = 464;
    let unknown = || io::Error::from_raw_os_error(libc::ENOTSUP);
    let mut bytes = vectors.to_vec();
    let len = u32::try_from(bytes.len()).map_err(|_| unknown())?;
    // The kernel says there which of them there are.
    let features = vectors.get(SOFTWARE..SOFTWARE + 8).ok_or_else(unknown)?.to_vec();
    let mut marks = Vec::new();
    marks.extend(MARK.to_le_bytes());
    marks.extend((len + 4).to_le_bytes());
    marks.extend(features);
    marks.extend(len.to_le_bytes());
    bytes.get_mut(SOFTWARE..SOFTWARE + marks.len()).ok_or_else(unknown)?.copy_from_slice(&marks);
    bytes.extend(END_MARK.to_le_bytes());
    Ok(bytes)
}

/// The state of a thread that goes on by itself: its system call is made again from its beginning. What the kernel would go on with,
/// as a sleep, begins anew: it may take longer, but it does not fail for a signal that the program never had.
fn made_again(registers: &Registers) -> Registers {
    let unnoticed = registers.unnoticed();
    match unnoticed.interrupted_call() {
        Some((_, result)) if result != -i64::from(libc::EINTR) => unnoticed.with_call_again(),
        _ => unnoticed,
    }
}

/// Where the kernel has put the register of this number of unwind tables, from the stack pointer of the function on that goes back
/// from a signal handler.
pub fn place_in_signal_frame(number: u16) -> Option<u64> {
    let word: u64 = match number {
        3 => 11,
        6 => 10,
        7 => 15,
        12..=15 => u64::from(number) - 8,
        16 => 16,
        _ => return None,
    };
    Some(CONTEXT as u64 + 8 * word)
}

/// Where a thread of the C library's has its own address.
pub fn own_address_at(thread_pointer: u64) -> u64 {
    thread_pointer + 16
}

/// The code that goes back from a signal handler: `mov rax, 15; syscall`.
pub const BACK_FROM_SIGNAL: [u8; 9] = [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05];

/// System calls that wait, and that other machines have not.
pub const OTHER_WAITS: [i64; 4] = [libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_wait, libc::SYS_pause];

/// System calls that fail with EINTR if a thread is looked at in them, which no handler has interrupted: those of sockets do where a
/// timeout is set. Never `close`, which has closed then.
fn is_made_again(number: u64) -> bool {
    /// `io_pgetevents`.
    const IO_PGETEVENTS: i64 = 333;
    let fail = [
        libc::SYS_epoll_wait,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_semop,
        libc::SYS_semtimedop,
        libc::SYS_rt_sigtimedwait,
        libc::SYS_io_getevents,
        IO_PGETEVENTS,
        libc::SYS_io_uring_enter,
        libc::SYS_msgrcv,
        libc::SYS_msgsnd,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_recvmmsg,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_connect,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_sendmmsg,
    ];
    fail.contains(&(number as i64))
}
