//! The one of a thread's states whose code it runs: it may have one in each interpreter of the process, and more.

use crate::sys::objects::elf::Symbols;

/// A function of the interpreter's that only reads a variable.
type Get = unsafe extern "C" fn() -> usize;

/// The first version in which the state that runs is a variable of the thread's. Up to then it is one of the process's, the state
/// that holds the lock, and which thread runs it is said nowhere: the number in it is that of the thread that made it. So a thread's
/// further states are not seen there.
pub const RUNNING_IS_OWN_SINCE: u32 = 0x030c_0000;
/// The first version in which the first state is such a variable too. Up to then it has a key of the C library's.
const FIRST_IS_VARIABLE_SINCE: u32 = 0x030f_0000;

/// The states of the calling thread that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The one that runs code.
    Running,
    /// None that is a thread-local variable.
    NoVariable,
}

/// The functions that tell.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    is_first_variable: bool,
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
            is_first_variable: version >= FIRST_IS_VARIABLE_SINCE,
            first: by_name(c"PyGILState_GetThisThreadState")?,
            running: if version >= RUNNING_IS_OWN_SINCE { Some(running()?) } else { None },
        })
    }

    /// Tells whether a look finds a thread's states, if it has any.
    pub fn is_enough(&self, look: Look) -> bool {
        look == Look::Running || !self.is_first_variable
    }

    /// Returns the state that the calling thread runs code in; where it has put the lock away, or that must not be looked at, its
    /// first one. 0 if it has none. The look is enough.
    #[inline(always)]
    pub fn of_thread(&self, look: Look) -> usize {
        // SAFETY: a look at a variable of the thread's; the library is loaded, see `super::Python::leave`.
        let first = unsafe { (self.first)() };
        match self.running {
            // A thread without a first one has none. It is not asked for the other: its first look may have memory made for it.
            Some(get) if first != 0 && look == Look::Running => {
                // SAFETY: as above.
                let running = unsafe { get() };
                if running != 0 { running } else { first }
            }
            _ => first,
        }
    }
}
