//! Hooks that are no events: modules that go, code that is registered, processes that end; and the library's own
//! constructor and destructor.

use core::ffi::{c_int, c_void};

use tm_common::functions::Function;
use tm_common::metadata::Ending;

#[cfg(not(test))]
use crate::hooks::door;
use crate::hooks::objects::loading;
#[cfg(not(test))]
use crate::hooks::python::allocators;
#[cfg(not(test))]
use crate::python::PYTHON;
use crate::real;
use crate::session::{SESSION, finish};
use crate::sys::syscall;

/// Hooks the function of this name: afterwards, other code may stand at the library's addresses.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    let result = loading::dlclose(handle);
    // While nothing is recorded too: later stacks must not take what is there then for what was.
    if SESSION.is_process() {
        SESSION.unwinder.module_closed(&SESSION.recording);
    }
    result
}

/// Hooks the function of this name: code has got an unwind table.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __register_frame(frame: *mut c_void) {
    real::register_frame(Function::RegisterFrame, frame);
    if SESSION.is_process() {
        SESSION.unwinder.registered.add(frame as usize);
        SESSION.unwinder.code_changed();
    }
}

/// Hooks the function of this name: code goes, and other code may come to its addresses.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __deregister_frame(frame: *mut c_void) {
    real::register_frame(Function::DeregisterFrame, frame);
    if SESSION.is_process() {
        SESSION.unwinder.registered.remove(frame as usize);
        SESSION.unwinder.code_changed();
    }
}

/// Hooks the function of this name.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn _exit(status: c_int) -> ! {
    finish::finish(&SESSION, Ending::ImmediateExit);
    syscall::exit_group(status)
}

/// Hooks the function of this name.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn _Exit(status: c_int) -> ! {
    finish::finish(&SESSION, Ending::ImmediateExit);
    syscall::exit_group(status)
}

/// Hooks the function of this name. What its handlers allocate is recorded after the ending, as with `exit`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn quick_exit(status: c_int) -> ! {
    finish::finish(&SESSION, Ending::ImmediateExit);
    real::quick_exit(status)
}

/// Runs with the constructors, for a program that allocates nothing: it gets a recording all the same. Where tmtool has brought
/// us it says when.
#[cfg(not(test))]
extern "C" fn constructor() {
    if door::is_brought() {
        return;
    }
    SESSION.is_recording();
    PYTHON.on_first_frame(allocators::see_first_frame);
    crate::hooks::objects::redirect::at_start();
}

/// Runs with the destructors, early among them.
#[cfg(not(test))]
extern "C" fn destructor() {
    finish::finish(&SESSION, Ending::Exit);
}

#[cfg(not(test))]
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

#[cfg(not(test))]
#[used]
#[unsafe(link_section = ".fini_array")]
static DESTRUCTOR: extern "C" fn() = destructor;
