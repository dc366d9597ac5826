//! Stubs on x86_64. On entry `[rsp]` is the return address, `rsp + 8` the caller's stack pointer, `rbp` its own.
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
        stub!(@idle $name or $function, $n, $target, ["jne 2f",] [] []);
    };
    ($name:ident or $function:ident, $n:tt, $target:path, recorded $recorded:path, counted $counted:path) => {
        stub!(@idle $name or $function, $n, $target, [
            // Below is 0: every event. Above is all but an idle process.
            "jb 4f",
            "ja 3f",
        ] [
            "3:",
            "mov r10, [rip + tm_tls@GOTTPOFF]",
            "cmp dword ptr fs:[r10 + {depth}], 0",
            "jne 2b",
            "mov r8, fs:[r10 + {samplers}]",
            "test r8, r8",
            "jz 2b",
            "mov eax, [rax]",
            "cmp [r8 + {quick}], eax",
            "jne 2b",
            stub!(@size $n),
            "test r9, r9",
            "jz 2b",
            "cmp r9, [r8 + {left}]",
            "jge 2b",
            "push r9",
            ".cfi_adjust_cfa_offset 8",
            "push r8",
            ".cfi_adjust_cfa_offset 8",
            "sub rsp, 8",
            ".cfi_adjust_cfa_offset 8",
            "call [rip + {addresses} + {place}]",
            "add rsp, 8",
            ".cfi_adjust_cfa_offset -8",
            "pop rdx",
            ".cfi_adjust_cfa_offset -8",
            "pop rsi",
            ".cfi_adjust_cfa_offset -8",
            "mov rdi, rax",
            "jmp {counted}",
            "4:",
            "mov rax, [rip + {addresses} + {place}]",
            "test rax, rax",
            "jz 2b",
            stub!(@size $n),
            "push r9",
            ".cfi_adjust_cfa_offset 8",
            "call rax",
            "pop rsi",
            ".cfi_adjust_cfa_offset -8",
            "test rax, rax",
            "jz 5f",
            "mov rdi, rax",
            "mov rdx, [rsp]",
            "lea rcx, [rsp + 8]",
            "mov r8, rbp",
            "jmp {recorded}",
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
                "endbr64",
                "mov rax, [rip + {session} + {control}]",
                "cmp dword ptr [rax], {idle}",
                $($otherwise)*
                // A forked child that has not noticed goes the long way.
                "mov rax, [rip + {session} + {own}]",
                "cmp dword ptr [rax], 0",
                "je 2f",
                "mov rax, [rip + {addresses} + {place}]",
                "test rax, rax",
                "jz 2f",
                "jmp rax",
                "2:",
                stub!(@first $n),
                stub!(@second $n),
                stub!(@third $n),
                "jmp {target}",
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
    (@size 1) => { "mov r9, rdi" };
    // The real function fails if the product overflows.
    (@size 2) => { "mov r9, rdi\nimul r9, rsi" };
    (@first 1) => { "mov rsi, [rsp]" };
    (@second 1) => { "lea rdx, [rsp + 8]" };
    (@third 1) => { "mov rcx, rbp" };
    (@first 2) => { "mov rdx, [rsp]" };
    (@second 2) => { "lea rcx, [rsp + 8]" };
    (@third 2) => { "mov r8, rbp" };
    (@first 3) => { "mov rcx, [rsp]" };
    (@second 3) => { "lea r8, [rsp + 8]" };
    (@third 3) => { "mov r9, rbp" };
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
                "endbr64",
                stub!(@first $n),
                stub!(@second $n),
                stub!(@third $n),
                "jmp {target}",
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
///  [rsp + 16] fp     at the call; the three words keep it aligned
///  [rsp +  8] sp
///  [rsp]      pc
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
                "endbr64",
                "mov rax, [rsp]",
                "lea r10, [rsp + 8]",
                "push rbp",
                ".cfi_adjust_cfa_offset 8",
                "push r10",
                ".cfi_adjust_cfa_offset 8",
                "push rax",
                ".cfi_adjust_cfa_offset 8",
                "call {target}",
                "add rsp, 24",
                ".cfi_adjust_cfa_offset -24",
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
                "endbr64",
                "cmp byte ptr [rip + {recorded}], 0",
                "jne 2f",
                "mov rax, [rip + {addresses} + {place}]",
                "test rax, rax",
                "jz 2f",
                "jmp rax",
                "2:",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "push rsi",
                ".cfi_adjust_cfa_offset 8",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "mov rcx, [rsp + 24]",
                "lea r8, [rsp + 32]",
                "mov r9, rbp",
                "call {target}",
                "pop rdx",
                ".cfi_adjust_cfa_offset -8",
                "pop rsi",
                ".cfi_adjust_cfa_offset -8",
                "pop rdi",
                ".cfi_adjust_cfa_offset -8",
                "test rax, rax",
                "jz 3f",
                "ret",
                "3:",
                "jmp qword ptr [rip + {addresses} + {place}]",
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
                "endbr64",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "push rsi",
                ".cfi_adjust_cfa_offset 8",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "mov rcx, [rsp + 24]",
                "lea r8, [rsp + 32]",
                "mov r9, rbp",
                "call {target}",
                "pop rdx",
                ".cfi_adjust_cfa_offset -8",
                "pop rsi",
                ".cfi_adjust_cfa_offset -8",
                "pop rdi",
                ".cfi_adjust_cfa_offset -8",
                "test rax, rax",
                "jz 2f",
                "ret",
                "2:",
                "jmp qword ptr [rip + {addresses} + {place}]",
                ".cfi_endproc",
                addresses = sym $crate::real::ADDRESSES,
                place = const 8 * tm_common::functions::Function::$function as usize,
                target = sym $target,
            )
        }
    };
}

/// The arguments of a call, as `stub_before` has them on the stack: `rax` and six registers, the return address, and what
/// the caller has pushed.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Arguments(*const usize);

impl Arguments {
    /// Returns the caller's stack pointer, and, where it stands in the word below that, the return address.
    pub fn caller(self) -> (usize, Option<usize>) {
        let place = self.0.wrapping_add(7);
        // SAFETY: as in `get`.
        (place.wrapping_add(1) as usize, Some(unsafe { *place }))
    }

    /// Returns the argument in place `n`, from 0; nothing is said of one that the caller has not passed.
    pub fn get(self, n: usize) -> usize {
        let at = if n < 6 { 6 - n } else { 8 + n - 6 };
        // SAFETY: the stack holds seven words of the stub's, the return address, and the caller's frame.
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
                "endbr64",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "push rsi",
                ".cfi_adjust_cfa_offset 8",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "push rcx",
                ".cfi_adjust_cfa_offset 8",
                "push r8",
                ".cfi_adjust_cfa_offset 8",
                "push r9",
                ".cfi_adjust_cfa_offset 8",
                "push rax",
                ".cfi_adjust_cfa_offset 8",
                "mov rdi, rsp",
                "call {target}",
                "mov r11, rax",
                "pop rax",
                ".cfi_adjust_cfa_offset -8",
                "pop r9",
                ".cfi_adjust_cfa_offset -8",
                "pop r8",
                ".cfi_adjust_cfa_offset -8",
                "pop rcx",
                ".cfi_adjust_cfa_offset -8",
                "pop rdx",
                ".cfi_adjust_cfa_offset -8",
                "pop rsi",
                ".cfi_adjust_cfa_offset -8",
                "pop rdi",
                ".cfi_adjust_cfa_offset -8",
                "test r11, r11",
                "jnz 2f",
                "mov r11, [rip + {addresses} + {place}]",
                "test r11, r11",
                "jz 2f",
                "jmp r11",
                "2:",
                "mov rax, r11",
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
