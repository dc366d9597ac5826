//! The one list of functions that `libtm.so` puts itself in front of.
//!
//! Its exported symbols are exactly these (a test holds them against the library), its resolver looks the real ones
//! up by these names, and the reader names an event's function from it.

/// The use of a call to its hook, and what the event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Returns a new block.
    Allocate,
    /// Changes a block's size and may move it.
    Reallocate,
    /// Gives a block back.
    Free,
    /// Frees blocks that it does not name; no event, but a note.
    FreeMany,
    /// Handed on as it is: only there so that blocks of our own early arena are understood, or to be asked.
    Query,
    /// Maps or unmaps memory: an event of a space of its own, which names no function.
    Map,
    /// Changes, perhaps, which module stands at an address; no event.
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

/// The origin of a function, which decides whether it is recorded.
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
    /// jemalloc's own functions, under their usual names.
    Jemalloc,
    /// The same with the prefix that jemalloc has where it is not to replace `malloc`.
    JemallocPrefixed,
    /// mimalloc's own functions.
    Mimalloc,
    /// tcmalloc's (gperftools') own functions.
    Tcmalloc,
    /// The scalable allocator of oneTBB.
    Tbb,
    /// Boehm's garbage collector: its blocks have a domain of their own, [`crate::ids::Domain::COLLECTOR`].
    Collector,
}

impl Family {
    /// The families of functions that allocators have beside `malloc`. Not exported: a program that looks whether it has
    /// such an allocator must not find us. Its calls are led to us where it has one.
    pub const INTERFACES: [Family; 6] = [
        Family::Jemalloc,
        Family::JemallocPrefixed,
        Family::Mimalloc,
        Family::Tcmalloc,
        Family::Tbb,
        Family::Collector,
    ];

    /// Returns the function that every library of the family defines, for one of [`Family::INTERFACES`].
    #[must_use]
    pub const fn key(self) -> Option<Function> {
        match self {
            Family::C | Family::Cxx | Family::Mapping | Family::System => None,
            Family::Jemalloc => Some(Function::Mallocx),
            Family::JemallocPrefixed => Some(Function::JeMalloc),
            Family::Mimalloc => Some(Function::MiMalloc),
            Family::Tcmalloc => Some(Function::TcMalloc),
            Family::Tbb => Some(Function::ScalableMalloc),
            Family::Collector => Some(Function::GCMalloc),
        }
    }

    /// Tells whether `libtm.so` exports its functions, so that the loader finds them first.
    #[must_use]
    pub const fn is_exported(self) -> bool {
        self.key().is_none()
    }
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

            /// Returns the function with number `id`, if there is one.
            #[must_use]
            pub const fn from_id(id: u8) -> Option<Function> {
                match id { $($id => Some(Function::$variant),)* _ => None }
            }

            /// Returns the symbol that is interposed, as in the dynamic symbol table.
            #[must_use]
            pub const fn symbol(self) -> &'static str {
                match self { $(Function::$variant => $symbol,)* }
            }

            /// Returns the name that people know it by.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Function::$variant => $name,)* }
            }

            /// Returns what its hook does.
            #[inline(always)]
            #[must_use]
            pub const fn role(self) -> Role {
                match self { $(Function::$variant => Role::$role,)* }
            }

            /// Returns where it comes from.
            #[inline(always)]
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
    54 Dlopen              "dlopen"                                    "dlopen"                          Module     System;
    55 Dlmopen             "dlmopen"                                   "dlmopen"                         Module     System;
    56 Dlsym               "dlsym"                                     "dlsym"                           Module     System;
    57 Dlvsym              "dlvsym"                                    "dlvsym"                          Module     System;
    58 PosixSpawn          "posix_spawn"                               "posix_spawn"                     Exec       System;
    59 PosixSpawnp         "posix_spawnp"                              "posix_spawnp"                    Exec       System;
    60  Mallocx                      "mallocx"                         "mallocx"                         Allocate   Jemalloc;
    61  Rallocx                      "rallocx"                         "rallocx"                         Reallocate Jemalloc;
    62  Xallocx                      "xallocx"                         "xallocx"                         Reallocate Jemalloc;
    63  Dallocx                      "dallocx"                         "dallocx"                         Free       Jemalloc;
    64  Sdallocx                     "sdallocx"                        "sdallocx"                        Free       Jemalloc;
    65  JeMalloc                     "je_malloc"                       "je_malloc"                       Allocate   JemallocPrefixed;
    66  JeCalloc                     "je_calloc"                       "je_calloc"                       Allocate   JemallocPrefixed;
    67  JeRealloc                    "je_realloc"                      "je_realloc"                      Reallocate JemallocPrefixed;
    68  JeFree                       "je_free"                         "je_free"                         Free       JemallocPrefixed;
    69  JePosixMemalign              "je_posix_memalign"               "je_posix_memalign"               Allocate   JemallocPrefixed;
    70  JeAlignedAlloc               "je_aligned_alloc"                "je_aligned_alloc"                Allocate   JemallocPrefixed;
    71  JeMemalign                   "je_memalign"                     "je_memalign"                     Allocate   JemallocPrefixed;
    72  JeValloc                     "je_valloc"                       "je_valloc"                       Allocate   JemallocPrefixed;
    73  JeMallocx                    "je_mallocx"                      "je_mallocx"                      Allocate   JemallocPrefixed;
    74  JeRallocx                    "je_rallocx"                      "je_rallocx"                      Reallocate JemallocPrefixed;
    75  JeXallocx                    "je_xallocx"                      "je_xallocx"                      Reallocate JemallocPrefixed;
    76  JeDallocx                    "je_dallocx"                      "je_dallocx"                      Free       JemallocPrefixed;
    77  JeSdallocx                   "je_sdallocx"                     "je_sdallocx"                     Free       JemallocPrefixed;
    78  MiMalloc                     "mi_malloc"                       "mi_malloc"                       Allocate   Mimalloc;
    79  MiMallocSmall                "mi_malloc_small"                 "mi_malloc_small"                 Allocate   Mimalloc;
    80  MiZalloc                     "mi_zalloc"                       "mi_zalloc"                       Allocate   Mimalloc;
    81  MiZallocSmall                "mi_zalloc_small"                 "mi_zalloc_small"                 Allocate   Mimalloc;
    82  MiValloc                     "mi_valloc"                       "mi_valloc"                       Allocate   Mimalloc;
    83  MiPvalloc                    "mi_pvalloc"                      "mi_pvalloc"                      Allocate   Mimalloc;
    84  MiNewNothrow                 "mi_new_nothrow"                  "mi_new_nothrow"                  Allocate   Mimalloc;
    85  MiMallocAligned              "mi_malloc_aligned"               "mi_malloc_aligned"               Allocate   Mimalloc;
    86  MiMallocAlignedAt            "mi_malloc_aligned_at"            "mi_malloc_aligned_at"            Allocate   Mimalloc;
    87  MiZallocAligned              "mi_zalloc_aligned"               "mi_zalloc_aligned"               Allocate   Mimalloc;
    88  MiZallocAlignedAt            "mi_zalloc_aligned_at"            "mi_zalloc_aligned_at"            Allocate   Mimalloc;
    89  MiNewAlignedNothrow          "mi_new_aligned_nothrow"          "mi_new_aligned_nothrow"          Allocate   Mimalloc;
    90  MiCalloc                     "mi_calloc"                       "mi_calloc"                       Allocate   Mimalloc;
    91  MiMallocn                    "mi_mallocn"                      "mi_mallocn"                      Allocate   Mimalloc;
    92  MiCallocAligned              "mi_calloc_aligned"               "mi_calloc_aligned"               Allocate   Mimalloc;
    93  MiCallocAlignedAt            "mi_calloc_aligned_at"            "mi_calloc_aligned_at"            Allocate   Mimalloc;
    94  MiMemalign                   "mi_memalign"                     "mi_memalign"                     Allocate   Mimalloc;
    95  MiAlignedAlloc               "mi_aligned_alloc"                "mi_aligned_alloc"                Allocate   Mimalloc;
    96  MiPosixMemalign              "mi_posix_memalign"               "mi_posix_memalign"               Allocate   Mimalloc;
    97  MiNew                        "mi_new"                          "mi_new"                          Allocate   Mimalloc;
    98  MiNewN                       "mi_new_n"                        "mi_new_n"                        Allocate   Mimalloc;
    99  MiNewAligned                 "mi_new_aligned"                  "mi_new_aligned"                  Allocate   Mimalloc;
    100 MiNewRealloc                 "mi_new_realloc"                  "mi_new_realloc"                  Reallocate Mimalloc;
    101 MiNewReallocn                "mi_new_reallocn"                 "mi_new_reallocn"                 Reallocate Mimalloc;
    102 MiStrdup                     "mi_strdup"                       "mi_strdup"                       Allocate   Mimalloc;
    103 MiStrndup                    "mi_strndup"                      "mi_strndup"                      Allocate   Mimalloc;
    104 MiMbsdup                     "mi_mbsdup"                       "mi_mbsdup"                       Allocate   Mimalloc;
    105 MiRealpath                   "mi_realpath"                     "mi_realpath"                     Allocate   Mimalloc;
    106 MiRealloc                    "mi_realloc"                      "mi_realloc"                      Reallocate Mimalloc;
    107 MiRezalloc                   "mi_rezalloc"                     "mi_rezalloc"                     Reallocate Mimalloc;
    108 MiReallocAligned             "mi_realloc_aligned"              "mi_realloc_aligned"              Reallocate Mimalloc;
    109 MiReallocAlignedAt           "mi_realloc_aligned_at"           "mi_realloc_aligned_at"           Reallocate Mimalloc;
    110 MiRezallocAligned            "mi_rezalloc_aligned"             "mi_rezalloc_aligned"             Reallocate Mimalloc;
    111 MiRezallocAlignedAt          "mi_rezalloc_aligned_at"          "mi_rezalloc_aligned_at"          Reallocate Mimalloc;
    112 MiExpand                     "mi_expand"                       "mi_expand"                       Reallocate Mimalloc;
    113 MiReallocf                   "mi_reallocf"                     "mi_reallocf"                     Reallocate Mimalloc;
    114 MiReallocn                   "mi_reallocn"                     "mi_reallocn"                     Reallocate Mimalloc;
    115 MiRecalloc                   "mi_recalloc"                     "mi_recalloc"                     Reallocate Mimalloc;
    116 MiReallocarray               "mi_reallocarray"                 "mi_reallocarray"                 Reallocate Mimalloc;
    117 MiRecallocAligned            "mi_recalloc_aligned"             "mi_recalloc_aligned"             Reallocate Mimalloc;
    118 MiRecallocAlignedAt          "mi_recalloc_aligned_at"          "mi_recalloc_aligned_at"          Reallocate Mimalloc;
    119 MiAlignedRecalloc            "mi_aligned_recalloc"             "mi_aligned_recalloc"             Reallocate Mimalloc;
    120 MiAlignedOffsetRecalloc      "mi_aligned_offset_recalloc"      "mi_aligned_offset_recalloc"      Reallocate Mimalloc;
    121 MiFree                       "mi_free"                         "mi_free"                         Free       Mimalloc;
    122 MiCfree                      "mi_cfree"                        "mi_cfree"                        Free       Mimalloc;
    123 MiFreeSize                   "mi_free_size"                    "mi_free_size"                    Free       Mimalloc;
    124 MiFreeSizeAligned            "mi_free_size_aligned"            "mi_free_size_aligned"            Free       Mimalloc;
    125 MiFreeAligned                "mi_free_aligned"                 "mi_free_aligned"                 Free       Mimalloc;
    126 MiHeapMalloc                 "mi_heap_malloc"                  "mi_heap_malloc"                  Allocate   Mimalloc;
    127 MiHeapMallocSmall            "mi_heap_malloc_small"            "mi_heap_malloc_small"            Allocate   Mimalloc;
    128 MiHeapZalloc                 "mi_heap_zalloc"                  "mi_heap_zalloc"                  Allocate   Mimalloc;
    129 MiHeapMallocAligned          "mi_heap_malloc_aligned"          "mi_heap_malloc_aligned"          Allocate   Mimalloc;
    130 MiHeapMallocAlignedAt        "mi_heap_malloc_aligned_at"       "mi_heap_malloc_aligned_at"       Allocate   Mimalloc;
    131 MiHeapZallocAligned          "mi_heap_zalloc_aligned"          "mi_heap_zalloc_aligned"          Allocate   Mimalloc;
    132 MiHeapZallocAlignedAt        "mi_heap_zalloc_aligned_at"       "mi_heap_zalloc_aligned_at"       Allocate   Mimalloc;
    133 MiHeapCalloc                 "mi_heap_calloc"                  "mi_heap_calloc"                  Allocate   Mimalloc;
    134 MiHeapMallocn                "mi_heap_mallocn"                 "mi_heap_mallocn"                 Allocate   Mimalloc;
    135 MiHeapCallocAligned          "mi_heap_calloc_aligned"          "mi_heap_calloc_aligned"          Allocate   Mimalloc;
    136 MiHeapCallocAlignedAt        "mi_heap_calloc_aligned_at"       "mi_heap_calloc_aligned_at"       Allocate   Mimalloc;
    137 MiHeapAllocNew               "mi_heap_alloc_new"               "mi_heap_alloc_new"               Allocate   Mimalloc;
    138 MiHeapAllocNewN              "mi_heap_alloc_new_n"             "mi_heap_alloc_new_n"             Allocate   Mimalloc;
    139 MiHeapStrdup                 "mi_heap_strdup"                  "mi_heap_strdup"                  Allocate   Mimalloc;
    140 MiHeapStrndup                "mi_heap_strndup"                 "mi_heap_strndup"                 Allocate   Mimalloc;
    141 MiHeapRealpath               "mi_heap_realpath"                "mi_heap_realpath"                Allocate   Mimalloc;
    142 MiHeapRealloc                "mi_heap_realloc"                 "mi_heap_realloc"                 Reallocate Mimalloc;
    143 MiHeapRezalloc               "mi_heap_rezalloc"                "mi_heap_rezalloc"                Reallocate Mimalloc;
    144 MiHeapReallocAligned         "mi_heap_realloc_aligned"         "mi_heap_realloc_aligned"         Reallocate Mimalloc;
    145 MiHeapReallocAlignedAt       "mi_heap_realloc_aligned_at"      "mi_heap_realloc_aligned_at"      Reallocate Mimalloc;
    146 MiHeapRezallocAligned        "mi_heap_rezalloc_aligned"        "mi_heap_rezalloc_aligned"        Reallocate Mimalloc;
    147 MiHeapRezallocAlignedAt      "mi_heap_rezalloc_aligned_at"     "mi_heap_rezalloc_aligned_at"     Reallocate Mimalloc;
    148 MiHeapReallocf               "mi_heap_reallocf"                "mi_heap_reallocf"                Reallocate Mimalloc;
    149 MiHeapReallocn               "mi_heap_reallocn"                "mi_heap_reallocn"                Reallocate Mimalloc;
    150 MiHeapRecalloc               "mi_heap_recalloc"                "mi_heap_recalloc"                Reallocate Mimalloc;
    151 MiHeapRecallocAligned        "mi_heap_recalloc_aligned"        "mi_heap_recalloc_aligned"        Reallocate Mimalloc;
    152 MiHeapRecallocAlignedAt      "mi_heap_recalloc_aligned_at"     "mi_heap_recalloc_aligned_at"     Reallocate Mimalloc;
    153 TcMalloc                     "tc_malloc"                       "tc_malloc"                       Allocate   Tcmalloc;
    154 TcMallocSkipNewHandler       "tc_malloc_skip_new_handler"      "tc_malloc_skip_new_handler"      Allocate   Tcmalloc;
    155 TcCalloc                     "tc_calloc"                       "tc_calloc"                       Allocate   Tcmalloc;
    156 TcRealloc                    "tc_realloc"                      "tc_realloc"                      Reallocate Tcmalloc;
    157 TcFree                       "tc_free"                         "tc_free"                         Free       Tcmalloc;
    158 TcCfree                      "tc_cfree"                        "tc_cfree"                        Free       Tcmalloc;
    159 TcFreeSized                  "tc_free_sized"                   "tc_free_sized"                   Free       Tcmalloc;
    160 TcMemalign                   "tc_memalign"                     "tc_memalign"                     Allocate   Tcmalloc;
    161 TcValloc                     "tc_valloc"                       "tc_valloc"                       Allocate   Tcmalloc;
    162 TcPvalloc                    "tc_pvalloc"                      "tc_pvalloc"                      Allocate   Tcmalloc;
    163 TcPosixMemalign              "tc_posix_memalign"               "tc_posix_memalign"               Allocate   Tcmalloc;
    164 TcNew                        "tc_new"                          "tc_new"                          Allocate   Tcmalloc;
    165 TcNewarray                   "tc_newarray"                     "tc_newarray"                     Allocate   Tcmalloc;
    166 TcNewAligned                 "tc_new_aligned"                  "tc_new_aligned"                  Allocate   Tcmalloc;
    167 TcNewarrayAligned            "tc_newarray_aligned"             "tc_newarray_aligned"             Allocate   Tcmalloc;
    168 TcNewNothrow                 "tc_new_nothrow"                  "tc_new_nothrow"                  Allocate   Tcmalloc;
    169 TcNewarrayNothrow            "tc_newarray_nothrow"             "tc_newarray_nothrow"             Allocate   Tcmalloc;
    170 TcNewAlignedNothrow          "tc_new_aligned_nothrow"          "tc_new_aligned_nothrow"          Allocate   Tcmalloc;
    171 TcNewarrayAlignedNothrow     "tc_newarray_aligned_nothrow"     "tc_newarray_aligned_nothrow"     Allocate   Tcmalloc;
    172 TcDelete                     "tc_delete"                       "tc_delete"                       Free       Tcmalloc;
    173 TcDeleteSized                "tc_delete_sized"                 "tc_delete_sized"                 Free       Tcmalloc;
    174 TcDeleteNothrow              "tc_delete_nothrow"               "tc_delete_nothrow"               Free       Tcmalloc;
    175 TcDeleteAligned              "tc_delete_aligned"               "tc_delete_aligned"               Free       Tcmalloc;
    176 TcDeleteSizedAligned         "tc_delete_sized_aligned"         "tc_delete_sized_aligned"         Free       Tcmalloc;
    177 TcDeleteAlignedNothrow       "tc_delete_aligned_nothrow"       "tc_delete_aligned_nothrow"       Free       Tcmalloc;
    178 TcDeletearray                "tc_deletearray"                  "tc_deletearray"                  Free       Tcmalloc;
    179 TcDeletearraySized           "tc_deletearray_sized"            "tc_deletearray_sized"            Free       Tcmalloc;
    180 TcDeletearrayNothrow         "tc_deletearray_nothrow"          "tc_deletearray_nothrow"          Free       Tcmalloc;
    181 TcDeletearrayAligned         "tc_deletearray_aligned"          "tc_deletearray_aligned"          Free       Tcmalloc;
    182 TcDeletearraySizedAligned    "tc_deletearray_sized_aligned"    "tc_deletearray_sized_aligned"    Free       Tcmalloc;
    183 TcDeletearrayAlignedNothrow  "tc_deletearray_aligned_nothrow"  "tc_deletearray_aligned_nothrow"  Free       Tcmalloc;
    184 ScalableMalloc               "scalable_malloc"                 "scalable_malloc"                 Allocate   Tbb;
    185 ScalableCalloc               "scalable_calloc"                 "scalable_calloc"                 Allocate   Tbb;
    186 ScalableRealloc              "scalable_realloc"                "scalable_realloc"                Reallocate Tbb;
    187 ScalableFree                 "scalable_free"                   "scalable_free"                   Free       Tbb;
    188 ScalablePosixMemalign        "scalable_posix_memalign"         "scalable_posix_memalign"         Allocate   Tbb;
    189 ScalableAlignedMalloc        "scalable_aligned_malloc"         "scalable_aligned_malloc"         Allocate   Tbb;
    190 ScalableAlignedRealloc       "scalable_aligned_realloc"        "scalable_aligned_realloc"        Reallocate Tbb;
    191 ScalableAlignedFree          "scalable_aligned_free"           "scalable_aligned_free"           Free       Tbb;
    192 GCMalloc                     "GC_malloc"                       "GC_malloc"                       Allocate   Collector;
    193 GCMallocAtomic               "GC_malloc_atomic"                "GC_malloc_atomic"                Allocate   Collector;
    194 GCMallocUncollectable        "GC_malloc_uncollectable"         "GC_malloc_uncollectable"         Allocate   Collector;
    195 GCMallocAtomicUncollectable  "GC_malloc_atomic_uncollectable"  "GC_malloc_atomic_uncollectable"  Allocate   Collector;
    196 GCMallocIgnoreOffPage        "GC_malloc_ignore_off_page"       "GC_malloc_ignore_off_page"       Allocate   Collector;
    197 GCMallocAtomicIgnoreOffPage  "GC_malloc_atomic_ignore_off_page" "GC_malloc_atomic_ignore_off_page" Allocate   Collector;
    198 GCMallocStubborn             "GC_malloc_stubborn"              "GC_malloc_stubborn"              Allocate   Collector;
    199 GCMallocKind                 "GC_malloc_kind"                  "GC_malloc_kind"                  Allocate   Collector;
    200 GCMallocKindGlobal           "GC_malloc_kind_global"           "GC_malloc_kind_global"           Allocate   Collector;
    201 GCGenericMalloc              "GC_generic_malloc"               "GC_generic_malloc"               Allocate   Collector;
    202 GCMallocExplicitlyTyped      "GC_malloc_explicitly_typed"      "GC_malloc_explicitly_typed"      Allocate   Collector;
    203 GCGcjMalloc                  "GC_gcj_malloc"                   "GC_gcj_malloc"                   Allocate   Collector;
    204 GCDebugMalloc                "GC_debug_malloc"                 "GC_debug_malloc"                 Allocate   Collector;
    205 GCDebugMallocAtomic          "GC_debug_malloc_atomic"          "GC_debug_malloc_atomic"          Allocate   Collector;
    206 GCDebugMallocUncollectable   "GC_debug_malloc_uncollectable"   "GC_debug_malloc_uncollectable"   Allocate   Collector;
    207 GCCallocExplicitlyTyped      "GC_calloc_explicitly_typed"      "GC_calloc_explicitly_typed"      Allocate   Collector;
    208 GCMemalign                   "GC_memalign"                     "GC_memalign"                     Allocate   Collector;
    209 GCPosixMemalign              "GC_posix_memalign"               "GC_posix_memalign"               Allocate   Collector;
    210 GCStrdup                     "GC_strdup"                       "GC_strdup"                       Allocate   Collector;
    211 GCStrndup                    "GC_strndup"                      "GC_strndup"                      Allocate   Collector;
    212 GCRealloc                    "GC_realloc"                      "GC_realloc"                      Reallocate Collector;
    213 GCDebugRealloc               "GC_debug_realloc"                "GC_debug_realloc"                Reallocate Collector;
    214 GCFree                       "GC_free"                         "GC_free"                         Free       Collector;
    215 GCDebugFree                  "GC_debug_free"                   "GC_debug_free"                   Free       Collector;
    216 Prctl                        "prctl"                           "prctl"                           Restrict   System;
    217 Mlockall                     "mlockall"                        "mlockall"                        Restrict   System;
    218 PthreadSetnameNp             "pthread_setname_np"              "pthread_setname_np"              Name       System;
    219 Mallctl                      "mallctl"                         "mallctl"                         FreeMany   Jemalloc;
    220 Mallctlbymib                 "mallctlbymib"                    "mallctlbymib"                    FreeMany   Jemalloc;
    221 Mallctlnametomib             "mallctlnametomib"                "mallctlnametomib"                Query      Jemalloc;
    222 JeMallctl                    "je_mallctl"                      "je_mallctl"                      FreeMany   JemallocPrefixed;
    223 JeMallctlbymib               "je_mallctlbymib"                 "je_mallctlbymib"                 FreeMany   JemallocPrefixed;
    224 JeMallctlnametomib           "je_mallctlnametomib"             "je_mallctlnametomib"             Query      JemallocPrefixed;
    225 MiHeapDestroy                "mi_heap_destroy"                 "mi_heap_destroy"                 FreeMany   Mimalloc;
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
