//! The one table of settings: environment variables that `libtm.so` reads when its program starts.
//!
//! `libtm.so` parses them by it, `tmtool run --help` and the README's table come from it.

/// One environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name.
    pub name: &'static str,
    /// The value when not set, as one would write it.
    pub default: &'static str,
    /// The values it takes.
    pub values: &'static str,
    /// The meaning, one sentence.
    pub meaning: &'static str,
}

/// The recording's file name, a template.
pub const OUT: Setting = Setting {
    name: "TM_OUT",
    default: "tm.%e.%p.bin",
    values: "a path; %p pid, %e program name, %h host, %t start time (Unix seconds), %% a percent sign",
    meaning: "where the recording goes; relative to the working directory",
};
/// The most frames of a stack that are kept.
pub const NFRAME: Setting = Setting {
    name: "TM_NFRAME",
    default: "16384",
    values: "1 to 16384",
    meaning: "how many frames of each stack are kept, from the innermost; the total depth is known all the same, \
              except with 1, which walks no stack at all",
};
/// The way stacks are walked.
pub const UNWIND: Setting = Setting {
    name: "TM_UNWIND",
    default: "auto",
    values: "auto, fp",
    meaning: "auto walks exactly, by the unwind tables of each module and by frame pointers where it has none; \
              fp walks frame pointers only, which is right only if the whole program keeps them",
};
/// Loaded but idle.
pub const DISABLE: Setting = Setting {
    name: "TM_DISABLE",
    default: "0",
    values: "0, 1",
    meaning: "1 loads the library but records nothing and writes no file",
};
/// Begins to record at once; else the library is loaded and ready, and waits for a start.
pub const START: Setting = Setting {
    name: "TM_START",
    default: "1",
    values: "0, 1",
    meaning: "0 records nothing until the program calls tm_start() or somebody says `tmtool start PID`",
};
/// Has executed programs recorded.
pub const FOLLOW: Setting = Setting {
    name: "TM_FOLLOW",
    default: "1",
    values: "0, 1",
    meaning: "0 leaves programs alone that this one executes (libtm.so is taken out of their LD_PRELOAD); \
              forked children that execute nothing are always part of the recording",
};
/// Compare stacks with a slow walk.
pub const SELF_CHECK: Setting = Setting {
    name: "TM_SELF_CHECK",
    default: "0",
    values: "0, or N",
    meaning: "walks every N-th stack of a thread a second time, slowly, without any cache, and counts differences",
};
/// Read the frames of CPython interpreters.
pub const PYTHON_FRAMES: Setting = Setting {
    name: "TM_PYTHON_FRAMES",
    default: "1",
    values: "0, 1",
    meaning: "0 records no Python frames: stacks of Python programs are those of the interpreter's own C functions",
};
/// Record the blocks of CPython's allocators.
pub const PYTHON_OBJECTS: Setting = Setting {
    name: "TM_PYTHON_OBJECTS",
    default: "0",
    values: "0, 1",
    meaning: "1 records each block that Python's own allocators hand out, as tracemalloc does: objects of up to 512 bytes \
              come from arenas, which malloc does not see",
};
/// Record samples.
pub const SAMPLE: Setting = Setting {
    name: "TM_SAMPLE",
    default: "0",
    values: "0, or bytes from 1 to 1T, with K, M, G or T for KiB to TiB, such as 512K; the nearest power of two counts",
    meaning: "records samples of the allocations, one in this many bytes on average, and exact totals beside them; 0 records \
              every event",
};
/// The most bytes of a recording.
pub const LIMIT: Setting = Setting {
    name: "TM_LIMIT",
    default: "0",
    values: "0, or bytes from 1M to 1024T, with K, M, G or T for KiB to TiB, such as 256M",
    meaning: "the recording never gets larger; `tmtool run` and `tmtool keep` fold what is old meanwhile, else what has no room \
              in it is lost, counted and said; 0 is no limit",
};
/// What samples are drawn by.
pub const SAMPLE_SEED: Setting = Setting {
    name: "TM_SAMPLE_SEED",
    default: "0",
    values: "a number",
    meaning: "for tests: with the same number other than 0, a program that does the same has the same samples",
};
/// The run that a recording belongs to; set by `tmtool run`.
pub const RUN: Setting = Setting {
    name: "TM_RUN",
    default: "0",
    values: "a number",
    meaning: "set by `tmtool run`: recordings with the same number belong together and never overwrite each other",
};

/// All of them, in the order of the documentation.
pub const ALL: &[Setting] = &[
    OUT,
    SAMPLE,
    LIMIT,
    NFRAME,
    UNWIND,
    PYTHON_FRAMES,
    PYTHON_OBJECTS,
    START,
    DISABLE,
    FOLLOW,
    SELF_CHECK,
    SAMPLE_SEED,
    RUN,
];

/// The most frames that are kept of a stack: a recursion deeper than this is cut, and the cut is recorded.
pub const N_FRAMES_MAX: u32 = 16_384;

/// The limits that a recording takes, in bytes.
pub const LIMITS: core::ops::RangeInclusive<u64> = 1 << 20..=1 << 50;

/// Reads a limit; 0 is none.
#[must_use]
pub fn parse_limit(text: &[u8]) -> Option<u64> {
    parse_bytes(text).filter(|bytes| *bytes == 0 || LIMITS.contains(bytes))
}

/// Reads a number of bytes: digits, and a unit of powers of 1,024 if there is one.
#[must_use]
pub fn parse_bytes(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"iB").unwrap_or(text);
    let (digits, shift) = match text.split_last()? {
        (b'K' | b'k', digits) => (digits, 10),
        (b'M' | b'm', digits) => (digits, 20),
        (b'G' | b'g', digits) => (digits, 30),
        (b'T' | b't', digits) => (digits, 40),
        _ => (text, 0),
    };
    let number = core::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
