//! What `tmtool attach` and a `libtm.so` that it brings into a running process say to each other: a table of functions in
//! the library, which tmtool has a thread of the process call, and the request that it hands over.
//!
//! ```text
//! tmtool:     writes IS_BROUGHT into its copy of the library, dlopen(copy) in the process -> nothing starts by itself
//!             door.attach(&request)  the settings are taken, a recording begins idle, all calls are led to the library
//!             door.begin(&request)   what escaped meanwhile is led too; events are recorded from here on
//!             door.detach(&request)  nothing is recorded, no call is led any more; the library stays
//! ```
//!
//! tmtool and the library may be of different builds where the library was brought before: each checks `size`.

use core::ffi::c_int;
use core::sync::atomic::AtomicU32;

/// The symbol of the [`Door`].
pub const SYMBOL: &str = "tm_door";

/// [`Door::brought`] in the copy that tmtool brings.
pub const IS_BROUGHT: u32 = 1;

/// The longest message, in bytes.
pub const MESSAGE_BYTES: usize = 512;

/// The longest settings, in bytes with their NULs: what the library keeps of them.
pub const SETTINGS_BYTES_MAX: usize = 16 * 1024;

/// A function of the door.
pub type Call = unsafe extern "C" fn(request: *mut Request) -> c_int;

/// The way into the library. What tmtool may look at without a call are numbers of 4 bytes.
#[repr(C)]
#[derive(Debug)]
pub struct Door {
    /// The bytes of this structure.
    pub size: u64,
    /// [`IS_BROUGHT`] if tmtool has brought this library; 0 if it came otherwise, and the other functions refuse.
    pub brought: AtomicU32,
    /// A [`State`].
    pub state: AtomicU32,
    /// Takes the settings, and leads all calls to the library; nothing is recorded yet.
    pub attach: Call,
    /// Records events from now on.
    pub begin: Call,
    /// Records nothing any more, and leads all calls back.
    pub detach: Call,
}

/// The states of a library that tmtool has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The program's calls do not come to the library.
    Apart = 0,
    /// They do.
    Attached = 1,
}

/// What is asked, and what is answered.
#[repr(C)]
#[derive(Debug)]
pub struct Request {
    /// The bytes of this structure.
    pub size: u64,
    /// `NAME=VALUE` of each setting, each ended by a NUL, and the last by another one.
    pub settings: *const u8,
    /// The bytes of these, with all NULs.
    pub settings_bytes: u64,
    /// How many calls were led or led back.
    pub n_led: u64,
    /// What the library has to say, ended by a NUL: nothing is written to the process's standard error.
    pub message: [u8; MESSAGE_BYTES],
}

/// What the functions return.
pub mod result {
    /// It is done.
    pub const OK: i32 = 0;
    /// The library was not brought by tmtool, or is of another build.
    pub const REFUSED: i32 = -1;
    /// There is no recording; the message says why.
    pub const NO_RECORDING: i32 = -2;
    /// Another thread is giving a command and does not come to an end.
    pub const BUSY: i32 = -3;
    /// The recording cannot grow.
    pub const NO_SPACE: i32 = -4;
}

impl Door {
    /// The offset of [`Door::brought`].
    pub const BROUGHT: usize = core::mem::offset_of!(Door, brought);
    /// The offset of [`Door::state`].
    pub const STATE: usize = core::mem::offset_of!(Door, state);
    /// The offset of [`Door::attach`].
    pub const ATTACH: usize = core::mem::offset_of!(Door, attach);
    /// The offset of [`Door::begin`].
    pub const BEGIN: usize = core::mem::offset_of!(Door, begin);
    /// The offset of [`Door::detach`].
    pub const DETACH: usize = core::mem::offset_of!(Door, detach);
}

const _: () = assert!(size_of::<Door>() == 40 && size_of::<Request>() == 32 + MESSAGE_BYTES);
