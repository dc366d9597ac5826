//! The thread-local block: the little that a hook must know of its thread before anything else.

use core::arch::global_asm;
use core::ptr::NonNull;

use super::arch;

// 80 bytes in the initial-exec model: reading them is one or two instructions and never allocates. `#[thread_local]` is
// not stable, and `thread_local!` in a shared library calls `__tls_get_addr`, which may call us.
global_asm!(
    ".section .tbss.tm_tls,\"awT\",@nobits",
    ".hidden tm_tls",
    ".globl tm_tls",
    ".type tm_tls, @object",
    ".size tm_tls, 80",
    ".p2align 4",
    "tm_tls:",
    ".zero 80",
    ".text",
);

/// What is kept for each thread, all zero in a new one. No destructor: a thread's last frees come after those.
#[repr(C)]
#[derive(Debug)]
pub struct ThreadBlock {
    /// The thread's recorder state, null before its first event. Typed by `session::threads`.
    pub thread: *mut u8,
    /// The number of recorder calls that are under way: 1 while an event is recorded, 2 while a signal handler that
    /// interrupted it records one. With [`MUTED`], nothing of the thread's is recorded; with [`COVERED`], no block of the heap; with
    /// [`OPERATING`], not the block of an operator.
    pub depth: u32,
    /// One more than the number of the process that `thread` belongs to: a forked child's threads start anew.
    pub process: u32,
    /// The block that a recorded `operator delete` gives back right now, null outside of one.
    pub deleting: *mut u8,
    /// One more than the bytes that a recorded `operator new` asks for right now, 0 outside of one. With [`COVERED`], the
    /// stack pointer of the call that covers others.
    pub allocating: usize,
    /// Where each recorder call that is under way has its frame, see `recorder::lane::recover`.
    pub entries: [usize; 2],
    /// The tag that the thread's events carry, 0 for none.
    pub tag: u32,
    /// 1 while the thread has a question answered.
    pub asking: u16,
    /// 1 while blocks of CPython's allocators that come are left out; those that go are not.
    pub is_hiding: u16,
    /// The thread's signal mask outside of the question.
    pub signal_mask: u64,
    /// What the thread samples by, by space, once it does; null before. Typed by `session::sampler`.
    pub samplers: *mut u8,
    /// 0.
    pub reserved: u64,
}

/// Added to [`ThreadBlock::depth`] while tm itself works in the thread.
pub const MUTED: u32 = 1 << 31;
/// Added to [`ThreadBlock::depth`] while an allocator that has the heap's blocks for its own is called: what it hands out is
/// recorded as its own, once.
pub const COVERED: u32 = 1 << 30;
/// Added to [`ThreadBlock::depth`] while a recorded operator of the allocator's runs, which may call another function for the same block.
pub const OPERATING: u32 = 1 << 29;
/// What is added to [`ThreadBlock::depth`] for calls of others that are under way.
pub const CALLS: u32 = COVERED | OPERATING;

/// Where the depth and the samplers stand, for the stubs.
pub const OFFSETS: (usize, usize) =
    (core::mem::offset_of!(ThreadBlock, depth), core::mem::offset_of!(ThreadBlock, samplers));

const _: () = assert!(size_of::<ThreadBlock>() == 80, "the block that the assembly reserves");

/// Returns the calling thread's block. Valid until the thread ends; only the thread itself may use it.
#[inline]
pub fn current() -> NonNull<ThreadBlock> {
    let block = arch::thread_block().cast::<ThreadBlock>();
    // SAFETY: the address of a thread-local variable is not null.
    unsafe { NonNull::new_unchecked(block) }
}
