//! Which of a thread's states is the one whose code it runs: it may have one in each interpreter of the process, and more.

use crate::sys::objects::elf::Symbols;

/// A function of the interpreter's that only reads a variable.
type Get = unsafe extern "C" fn() -> usize;

/// The first version in which the state that runs is a variable of the thread's. Up to then it is one of the process's, the state
/// that holds the lock, and which thread runs it is said nowhere: the number in it is that of the thread that made it. So a thread's
/// further states are not seen there.
const RUNNING_IS_OWN_SINCE: u32 = 0x030c_0000;

/// The functions that tell.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// The calling thread's first state, or that which it has taken for C code without one.
    first: Get,
    /// The state that it runs code in, null while it has put the lock away; `None` where that is not known.
    running: Option<Get>,
}

unsafe extern "C" {
    safe fn pthread_self() -> libc::pthread_t;
}

/// Returns what the interpreter calls the calling thread.
pub fn this_thread() -> usize {
    pthread_self() as usize
}

impl Running {
    /// Returns those of an interpreter of this version.
    pub fn of(symbols: &Symbols, version: u32) -> Option<Running> {
        // SAFETY: the functions of these names take nothing and return a pointer.
        let get = |address| unsafe { core::mem::transmute::<usize, Get>(address) };
        let by_name = |name| symbols.function(name).map(get);
        let running =
            || by_name(c"PyThreadState_GetUnchecked").or_else(|| by_name(c"_PyThreadState_UncheckedGet"));
        Some(Running {
            first: by_name(c"PyGILState_GetThisThreadState")?,
            running: if version >= RUNNING_IS_OWN_SINCE { Some(running()?) } else { None },
        })
    }

    /// Returns the state that the calling thread runs code in; where it has put the lock away, its first one. 0 if it has none.
    #[inline(always)]
    pub fn of_thread(&self) -> usize {
        // SAFETY: a look at a variable of the thread's; the library is loaded, see `super::Python::leave`.
        let first = unsafe { (self.first)() };
        match self.running {
            // A thread without a first one has none. It is not asked for the other: its first look may have memory made for it.
            Some(get) if first != 0 => {
                // SAFETY: as above.
                let running = unsafe { get() };
                if running != 0 { running } else { first }
            }
            _ => first,
        }
    }
}
