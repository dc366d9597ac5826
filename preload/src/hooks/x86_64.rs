//! Stubs on x86_64. On entry `[rsp]` is the return address, `rsp + 8` the caller's stack pointer, `rbp` its own.
//!
//! Each has an unwind table, which a naked function gets only if it says so: a signal or a cancellation may come in it.

/// Exports `$name`, a function of `$n` integer arguments, which jumps to `$target` with three more: pc, sp, fp.
macro_rules! stub {
    ($name:ident, 1, $target:path) => {
        stub!(@ $name, $target, "mov rsi, [rsp]", "lea rdx, [rsp + 8]", "mov rcx, rbp");
    };
    ($name:ident, 2, $target:path) => {
        stub!(@ $name, $target, "mov rdx, [rsp]", "lea rcx, [rsp + 8]", "mov r8, rbp");
    };
    ($name:ident, 3, $target:path) => {
        stub!(@ $name, $target, "mov rcx, [rsp]", "lea r8, [rsp + 8]", "mov r9, rbp");
    };
    (@ $name:ident, $target:path, $($line:literal),*) => {
        /// The hook of the C function of this name.
        #[unsafe(naked)]
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "endbr64",
                $($line,)*
                "jmp {target}",
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
        /// The hook of the C++ operator of this name.
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

/// Exports `$name`, of any arguments, variadic too: calls `$target`, which takes none, and jumps to the real function.
macro_rules! stub_before {
    ($name:ident, $function:ident, $target:path) => {
        /// The hook of the C function of this name.
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
                "call {target}",
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
                "jmp qword ptr [rip + {addresses} + {place}]",
                ".cfi_endproc",
                addresses = sym $crate::real::ADDRESSES,
                place = const 8 * tm_common::functions::Function::$function as usize,
                target = sym $target,
            )
        }
    };
}
pub(crate) use stub;
pub(super) use {stub_before, stub_new};
