//! The one list of functions that `libtm.so` puts itself in front of.
//!
//! Its exported symbols are exactly these (a test holds them against the library), its resolver looks the real ones
//! up by these names, and the reader names an event's function from it.

/// What a hook does with the call, and what the event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Returns a new block.
    Allocate,
    /// Changes a block's size and may move it.
    Reallocate,
    /// Gives a block back.
    Free,
    /// Handed on as it is: only there so that blocks of our own early arena are understood.
    Query,
    /// Maps or unmaps memory: an event of a space of its own, which names no function.
    Map,
    /// May change which module stands at an address; no event.
    Module,
    /// Ends the process without running destructors; no event.
    Exit,
    /// Makes the process another program; no event.
    Exec,
    /// Takes something from the process that the recorder uses, or would take it for itself; no event.
    Restrict,
    /// Names a thread; no event.
    Name,
}

/// Where a function comes from, which decides whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The C library or whatever replaces its allocator. Always recorded.
    C,
    /// C++ `operator new` and `delete`. Recorded only where the allocator defines them in the object that defines
    /// `malloc` too (jemalloc, tcmalloc, mimalloc); elsewhere they call `malloc`, which is recorded.
    Cxx,
    /// The C library's ways to get memory from the kernel. Always recorded, apart from the heap, which lies in it.
    Mapping,
    /// The loader, the unwinder's registry, process exit and execution. Never an event.
    System,
}

macro_rules! functions {
    ($($id:literal $variant:ident $symbol:literal $name:literal $role:ident $family:ident;)*) => {
        /// A hooked function. The number is what recordings hold: never reused, never changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the variants are the symbols of the table below")]
        pub enum Function { $($variant = $id,)* }

        impl Function {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Function] = &[$(Function::$variant,)*];

            /// The function with number `id`, if there is one.
            #[must_use]
            pub const fn from_id(id: u8) -> Option<Function> {
                match id { $($id => Some(Function::$variant),)* _ => None }
            }

            /// The symbol that is interposed, as in the dynamic symbol table.
            #[must_use]
            pub const fn symbol(self) -> &'static str {
                match self { $(Function::$variant => $symbol,)* }
            }

            /// The name that people know it by.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Function::$variant => $name,)* }
            }

            /// What its hook does.
            #[must_use]
            pub const fn role(self) -> Role {
                match self { $(Function::$variant => Role::$role,)* }
            }

            /// Where it comes from.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Function::$variant => Family::$family,)* }
            }
        }
    };
}

functions! {
    0  Malloc              "malloc"                                    "malloc"                          Allocate   C;
    1  Calloc              "calloc"                                    "calloc"                          Allocate   C;
    2  Realloc             "realloc"                                   "realloc"                         Reallocate C;
    3  Reallocarray        "reallocarray"                              "reallocarray"                    Reallocate C;
    4  Free                "free"                                      "free"                            Free       C;
    5  PosixMemalign       "posix_memalign"                            "posix_memalign"                  Allocate   C;
    6  AlignedAlloc        "aligned_alloc"                             "aligned_alloc"                   Allocate   C;
    7  Memalign            "memalign"                                  "memalign"                        Allocate   C;
    8  Valloc              "valloc"                                    "valloc"                          Allocate   C;
    9  Pvalloc             "pvalloc"                                   "pvalloc"                         Allocate   C;
    10 Cfree               "cfree"                                     "cfree"                           Free       C;
    11 FreeSized           "free_sized"                                "free_sized"                      Free       C;
    12 FreeAlignedSized    "free_aligned_sized"                        "free_aligned_sized"              Free       C;
    13 MallocUsableSize    "malloc_usable_size"                        "malloc_usable_size"              Query      C;
    14 New                 "_Znwm"                                     "operator new"                    Allocate   Cxx;
    15 NewArray            "_Znam"                                     "operator new[]"                  Allocate   Cxx;
    16 NewNothrow          "_ZnwmRKSt9nothrow_t"                       "operator new(nothrow)"           Allocate   Cxx;
    17 NewArrayNothrow     "_ZnamRKSt9nothrow_t"                       "operator new[](nothrow)"         Allocate   Cxx;
    18 NewAligned          "_ZnwmSt11align_val_t"                      "operator new(align)"             Allocate   Cxx;
    19 NewArrayAligned     "_ZnamSt11align_val_t"                      "operator new[](align)"           Allocate   Cxx;
    20 NewAlignedNothrow   "_ZnwmSt11align_val_tRKSt9nothrow_t"        "operator new(align, nothrow)"    Allocate   Cxx;
    21 NewArrayAlignedNothrow "_ZnamSt11align_val_tRKSt9nothrow_t"     "operator new[](align, nothrow)"  Allocate   Cxx;
    22 Delete              "_ZdlPv"                                    "operator delete"                 Free       Cxx;
    23 DeleteArray         "_ZdaPv"                                    "operator delete[]"               Free       Cxx;
    24 DeleteSized         "_ZdlPvm"                                   "operator delete(size)"           Free       Cxx;
    25 DeleteArraySized    "_ZdaPvm"                                   "operator delete[](size)"         Free       Cxx;
    26 DeleteNothrow       "_ZdlPvRKSt9nothrow_t"                      "operator delete(nothrow)"        Free       Cxx;
    27 DeleteArrayNothrow  "_ZdaPvRKSt9nothrow_t"                      "operator delete[](nothrow)"      Free       Cxx;
    28 DeleteAligned       "_ZdlPvSt11align_val_t"                     "operator delete(align)"          Free       Cxx;
    29 DeleteArrayAligned  "_ZdaPvSt11align_val_t"                     "operator delete[](align)"        Free       Cxx;
    30 DeleteSizedAligned  "_ZdlPvmSt11align_val_t"                    "operator delete(size, align)"    Free       Cxx;
    31 DeleteArraySizedAligned "_ZdaPvmSt11align_val_t"                "operator delete[](size, align)"  Free       Cxx;
    32 DeleteAlignedNothrow "_ZdlPvSt11align_val_tRKSt9nothrow_t"      "operator delete(align, nothrow)" Free       Cxx;
    33 DeleteArrayAlignedNothrow "_ZdaPvSt11align_val_tRKSt9nothrow_t" "operator delete[](align, nothrow)" Free     Cxx;
    34 Dlclose             "dlclose"                                   "dlclose"                         Module     System;
    35 RegisterFrame       "__register_frame"                          "__register_frame"                Module     System;
    36 DeregisterFrame     "__deregister_frame"                        "__deregister_frame"              Module     System;
    37 UnderscoreExit      "_exit"                                     "_exit"                           Exit       System;
    38 UnderscoreExitC99   "_Exit"                                     "_Exit"                           Exit       System;
    39 Execve              "execve"                                    "execve"                          Exec       System;
    40 Execv               "execv"                                     "execv"                           Exec       System;
    41 Execvp              "execvp"                                    "execvp"                          Exec       System;
    42 Execvpe             "execvpe"                                   "execvpe"                         Exec       System;
    43 Execl               "execl"                                     "execl"                           Exec       System;
    44 Execlp              "execlp"                                    "execlp"                          Exec       System;
    45 Execle              "execle"                                    "execle"                          Exec       System;
    46 Fexecve             "fexecve"                                   "fexecve"                         Exec       System;
    47 QuickExit           "quick_exit"                                "quick_exit"                      Exit       System;
    48 Mmap                "mmap"                                      "mmap"                            Map        Mapping;
    49 Mmap64              "mmap64"                                    "mmap64"                          Map        Mapping;
    50 Munmap              "munmap"                                    "munmap"                          Map        Mapping;
    51 Mremap              "mremap"                                    "mremap"                          Map        Mapping;
    52 Brk                 "brk"                                       "brk"                             Map        Mapping;
    53 Sbrk                "sbrk"                                      "sbrk"                            Map        Mapping;
    54 Prctl               "prctl"                                     "prctl"                           Restrict   System;
    55 Mlockall            "mlockall"                                  "mlockall"                        Restrict   System;
    56 PthreadSetnameNp   "pthread_setname_np"                        "pthread_setname_np"              Name       System;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_order_and_have_one_meaning() {
        assert!(Function::ALL.is_sorted_by(|one, next| (*one as u8) < *next as u8));
        for &function in Function::ALL {
            assert_eq!(Function::from_id(function as u8), Some(function));
        }
        assert_eq!((0..=u8::MAX).filter_map(Function::from_id).count(), Function::ALL.len());
    }

    #[test]
    fn symbols_are_distinct() {
        for (place, function) in Function::ALL.iter().enumerate() {
            assert!(!Function::ALL[..place].iter().any(|other| other.symbol() == function.symbol()));
        }
    }
}
