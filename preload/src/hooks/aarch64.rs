//! Stubs on aarch64. On entry `x30` is the return address, `sp` the caller's stack pointer, `x29` its own.
//!
//! Jumps to another function go by `x16`, which is for that: where branch targets are checked (BTI), one by another register must not
//! come to where calls do.
//!
//! Each has an unwind table, which a naked function gets only if it says so: a signal or a cancellation may come in it.

/// Exports `$name`, a function of `$n` integer arguments, which jumps to `$target` with three more: pc, sp, fp.
///
/// With `own`, it is not exported. With `or $function`, it jumps to that real function while nothing is recorded: what an idle process pays for a hook. Not
/// for functions that take blocks, which may be of the early arena.
///
/// With `recorded $recorded, counted $counted`, for functions that return a block, it calls the real function itself where that is all there
/// is to do: what a caller's frame is need not be kept over the call. It jumps to `$recorded` with the block, which is not null, its size,
/// pc, sp and fp, if every event is recorded; and to `$counted` with the block, its size and the [`Sampler`], if samples are, and the size
/// says that it will be none.
///
/// [`Sampler`]: crate::session::sampler::Sampler
macro_rules! stub {
    ($name:ident or $function:ident, $n:tt, $target:path) => {
        stub!(@idle $name or $function, $n, $target, ["b.ne 2f",] [] []);
    };
    ($name:ident or $function:ident, $n:tt, $target:path, recorded $recorded:path, counted $counted:path) => {
        stub!(@idle $name or $function, $n, $target, [
            // Below is 0: every event. Above is all but an idle process.
            "b.lo 4f",
            "b.hi 3f",
        ] [
            "3:",
            "adrp x12, :gottprel:tm_tls",
            "ldr x12, [x12, :gottprel_lo12:tm_tls]",
            "mrs x11, tpidr_el0",
            "add x12, x12, x11",
            "ldr w11, [x12, {depth}]",
            "cbnz w11, 2b",
            "ldr x11, [x12, {samplers}]",
            "cbz x11, 2b",
            "ldr w12, [x11, {quick}]",
            "cmp w12, w10",
            "b.ne 2b",
            stub!(@size $n),
            "cbz x9, 2b",
            "ldr x12, [x11, {left}]",
            "cmp x9, x12",
            "b.ge 2b",
            "adrp x16, {addresses}",
            "add x16, x16, :lo12:{addresses}",
            "ldr x16, [x16, {place}]",
            "stp x30, x9, [sp, -32]!",
            ".cfi_adjust_cfa_offset 32",
            ".cfi_rel_offset x30, 0",
            "str x11, [sp, 16]",
            "blr x16",
            "ldr x2, [sp, 16]",
            "ldp x30, x1, [sp], 32",
            ".cfi_adjust_cfa_offset -32",
            ".cfi_restore x30",
            "b {counted}",
            "4:",
            "adrp x16, {addresses}",
            "add x16, x16, :lo12:{addresses}",
            "ldr x16, [x16, {place}]",
            "cbz x16, 2b",
            stub!(@size $n),
            "stp x30, x9, [sp, -16]!",
            ".cfi_adjust_cfa_offset 16",
            ".cfi_rel_offset x30, 0",
            "blr x16",
            "ldp x30, x1, [sp], 16",
            ".cfi_adjust_cfa_offset -16",
            ".cfi_restore x30",
            "cbz x0, 5f",
            "mov x2, x30",
            "mov x3, sp",
            "mov x4, x29",
            "b {recorded}",
            "5:",
            "ret",
        ] [
            depth = const $crate::sys::tls::OFFSETS.0,
            samplers = const $crate::sys::tls::OFFSETS.1,
            quick = const $crate::session::sampler::Sampler::OFFSETS.0,
            left = const $crate::session::sampler::Sampler::OFFSETS.1,
            recorded = sym $recorded,
            counted = sym $counted,
        ]);
    };
    (@idle $name:ident or $function:ident, $n:tt, $target:path, [$($otherwise:tt)*] [$($more:tt)*] [$($operands:tt)*]) => {
        /// Hooks the C function of this name.
        #[unsafe(naked)]
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "bti c",
                "adrp x9, {session}",
                "add x9, x9, :lo12:{session}",
                "ldr x10, [x9, {control}]",
                "ldr w10, [x10]",
                "cmp w10, {idle}",
                $($otherwise)*
                // A forked child that has not noticed goes the long way.
                "ldr x10, [x9, {own}]",
                "ldr w10, [x10]",
                "cbz w10, 2f",
                "adrp x16, {addresses}",
                "add x16, x16, :lo12:{addresses}",
                "ldr x16, [x16, {place}]",
                "cbz x16, 2f",
                "br x16",
                "2:",
                stub!(@first $n),
                stub!(@second $n),
                stub!(@third $n),
                "b {target}",
                $($more)*
                ".cfi_endproc",
                session = sym $crate::session::SESSION,
                control = const $crate::session::CONTROL_OFFSETS.0,
                own = const $crate::session::CONTROL_OFFSETS.1,
                idle = const tm_common::metadata::control::IDLE,
                addresses = sym $crate::real::ADDRESSES,
                place = const 8 * tm_common::functions::Function::$function as usize,
                target = sym $target,
                $($operands)*
            )
        }
    };
    // The bytes that are asked for.
    (@size 1) => { "mov x9, x0" };
    // The real function fails if the product overflows.
    (@size 2) => { "mul x9, x0, x1" };
    (@first 1) => { "mov x1, x30" };
    (@second 1) => { "mov x2, sp" };
    (@third 1) => { "mov x3, x29" };
    (@first 2) => { "mov x2, x30" };
    (@second 2) => { "mov x3, sp" };
    (@third 2) => { "mov x4, x29" };
    (@first 3) => { "mov x3, x30" };
    (@second 3) => { "mov x4, sp" };
    (@third 3) => { "mov x5, x29" };
    (own $name:ident, $n:tt, $target:path) => {
        stub!(@define [] $name, $n, $target);
    };
    ($name:ident, $n:tt, $target:path) => {
        stub!(@define [#[cfg_attr(not(test), unsafe(no_mangle))]] $name, $n, $target);
    };
    (@define [$($attribute:tt)*] $name:ident, $n:tt, $target:path) => {
        /// Hooks the C function of this name.
        #[unsafe(naked)]
        $($attribute)*
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "bti c",
                stub!(@first $n),
                stub!(@second $n),
                stub!(@third $n),
                "b {target}",
                ".cfi_endproc",
                target = sym $target,
            )
        }
    };
}

/// Exports `$name`, a function of up to six integer arguments, variadic too, which calls `$target` with these six and, as
/// arguments seven to nine, pc, sp, fp. Its own frame is no part of the stack that is walked: the state is the caller's.
///
/// ```text
///  [sp + 16] x30     at the call; pc and sp go in x6 and x7
///  [sp]      fp
/// ```
macro_rules! stub_wide {
    (own $name:ident, $target:path) => {
        stub_wide!(@define [] $name, $target);
    };
    ($name:ident, $target:path) => {
        stub_wide!(@define [#[cfg_attr(not(test), unsafe(no_mangle))]] $name, $target);
    };
    (@define [$($attribute:tt)*] $name:ident, $target:path) => {
        /// The hook of the C function of this name.
        #[unsafe(naked)]
        $($attribute)*
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "bti c",
                "mov x6, x30",
                "mov x7, sp",
                "sub sp, sp, 32",
                ".cfi_def_cfa_offset 32",
                "str x29, [sp]",
                "str x30, [sp, 16]",
                ".cfi_offset x30, -16",
                "bl {target}",
                "ldr x30, [sp, 16]",
                ".cfi_restore x30",
                "add sp, sp, 32",
                ".cfi_def_cfa_offset 0",
                "ret",
                ".cfi_endproc",
                target = sym $target,
            )
        }
    };
}

/// Exports an `operator new` that must be able to throw: no frame of ours may be on the stack when the real one runs.
///
/// If the allocator's operators are not recorded, jumps to the real one. Else calls `$target` (three arguments, pc,
/// sp, fp); if that returns null, jumps to the real one too, which fails as it should.
macro_rules! stub_new {
    ($name:ident, $function:ident, $target:path) => {
        /// Hooks the C++ operator of this name.
        #[unsafe(naked)]
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "bti c",
                "adrp x9, {recorded}",
                "ldrb w9, [x9, :lo12:{recorded}]",
                "cbnz w9, 2f",
                "adrp x16, {addresses}",
                "add x16, x16, :lo12:{addresses}",
                "ldr x16, [x16, {place}]",
                "cbz x16, 2f",
                "br x16",
                "2:",
                "stp x0, x1, [sp, -48]!",
                ".cfi_def_cfa_offset 48",
                "stp x2, x30, [sp, 16]",
                ".cfi_offset x30, -24",
                "mov x3, x30",
                "add x4, sp, 48",
                "mov x5, x29",
                "bl {target}",
                "mov x9, x0",
                "ldp x2, x30, [sp, 16]",
                ".cfi_restore x30",
                "ldp x0, x1, [sp], 48",
                ".cfi_def_cfa_offset 0",
                "cbz x9, 3f",
                "mov x0, x9",
                "ret",
                "3:",
                "adrp x16, {addresses}",
                "add x16, x16, :lo12:{addresses}",
                "ldr x16, [x16, {place}]",
                "br x16",
                ".cfi_endproc",
                recorded = sym $crate::real::ALLOCATOR_DEFINES_NEW,
                addresses = sym $crate::real::ADDRESSES,
                place = const 8 * tm_common::functions::Function::$function as usize,
                target = sym $target,
            )
        }
    };
}

/// Defines `$name`, not exported, for a function of up to three arguments that must be able to throw: calls `$target` (three
/// arguments, pc, sp, fp); if that returns 0, jumps to the real one.
macro_rules! stub_own_new {
    ($name:ident, $function:ident, $target:path) => {
        /// Hooks the function.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "bti c",
                "stp x0, x1, [sp, -48]!",
                ".cfi_def_cfa_offset 48",
                "stp x2, x30, [sp, 16]",
                ".cfi_offset x30, -24",
                "mov x3, x30",
                "add x4, sp, 48",
                "mov x5, x29",
                "bl {target}",
                "mov x9, x0",
                "ldp x2, x30, [sp, 16]",
                ".cfi_restore x30",
                "ldp x0, x1, [sp], 48",
                ".cfi_def_cfa_offset 0",
                "cbz x9, 2f",
                "mov x0, x9",
                "ret",
                "2:",
                "adrp x16, {addresses}",
                "add x16, x16, :lo12:{addresses}",
                "ldr x16, [x16, {place}]",
                "br x16",
                ".cfi_endproc",
                addresses = sym $crate::real::ADDRESSES,
                place = const 8 * tm_common::functions::Function::$function as usize,
                target = sym $target,
            )
        }
    };
}

/// The arguments of a call, as `stub_before` has them on the stack: eight registers, the return address and a word unused,
/// and what the caller has pushed.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Arguments(*const usize);

impl Arguments {
    /// Returns the caller's stack pointer, and, where it stands in the word below that, the return address: here in a register.
    pub fn caller(self) -> (usize, Option<usize>) {
        (self.0.wrapping_add(10) as usize, None)
    }

    /// Returns the argument in place `n`, from 0; nothing is said of one that the caller has not passed.
    pub fn get(self, n: usize) -> usize {
        let at = if n < 8 { n } else { 10 + n - 8 };
        // SAFETY: the stack holds ten words of the stub's, and the caller's frame.
        unsafe { *self.0.add(at) }
    }
}

/// Exports `$name`, of any arguments, variadic too: calls `$target` with the [`Arguments`]; returns what that returns, or, if
/// it is 0, jumps to the real function. 0 if the process has none.
macro_rules! stub_before {
    ($name:ident, $function:ident, $target:path) => {
        /// Hooks the C function of this name.
        #[unsafe(naked)]
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "bti c",
                "stp x0, x1, [sp, -80]!",
                ".cfi_def_cfa_offset 80",
                "stp x2, x3, [sp, 16]",
                "stp x4, x5, [sp, 32]",
                "stp x6, x7, [sp, 48]",
                "str x30, [sp, 64]",
                ".cfi_offset x30, -16",
                "mov x0, sp",
                "bl {target}",
                "mov x16, x0",
                "ldr x30, [sp, 64]",
                ".cfi_restore x30",
                "ldp x6, x7, [sp, 48]",
                "ldp x4, x5, [sp, 32]",
                "ldp x2, x3, [sp, 16]",
                "ldp x0, x1, [sp], 80",
                ".cfi_def_cfa_offset 0",
                "cbnz x16, 2f",
                "adrp x16, {addresses}",
                "add x16, x16, :lo12:{addresses}",
                "ldr x16, [x16, {place}]",
                "cbz x16, 2f",
                "br x16",
                "2:",
                "mov x0, x16",
                "ret",
                ".cfi_endproc",
                addresses = sym $crate::real::ADDRESSES,
                place = const 8 * tm_common::functions::Function::$function as usize,
                target = sym $target,
            )
        }
    };
}
pub(crate) use stub;
pub(super) use {stub_before, stub_new, stub_own_new, stub_wide};
