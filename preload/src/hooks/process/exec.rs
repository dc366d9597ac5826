//! Hooks of the functions that make the process another program: what its recording does not use is given back before,
//! because nothing of us is left afterwards. Each jumps on to the real function; if that fails, recording goes on.
//!
//! A program of another C library would fail with us preloaded: it gets an environment without us, on the stack, since the
//! caller may be a child of `vfork` in its parent's memory. A program that cannot be recorded is noted.

use core::ffi::{CStr, c_char, c_int};

use tm_common::functions::Function;
use tm_common::metadata::NoteReason;

use crate::hooks::objects::redirect;
use crate::hooks::stub::{Arguments, stub_before};
use crate::real;
use crate::session::{SESSION, finish};
use crate::sys::objects::program_file::{self, ProgramKind};
use crate::sys::process::folder::Folder;
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall::Errno;
use crate::sys::text::Text;

stub_before!(execve, Execve, before_execve);
stub_before!(execv, Execv, before_execv);
stub_before!(execvp, Execvp, before_execvp);
stub_before!(execvpe, Execvpe, before_execvpe);
stub_before!(execl, Execl, before_execl);
stub_before!(execlp, Execlp, before_execlp);
stub_before!(execle, Execle, before_execle);
stub_before!(fexecve, Fexecve, before_fexecve);

unsafe extern "C" {
    static environ: Strings;
}

/// An array of C strings that ends with NULL.
type Strings = *const *const c_char;

/// A longer list of arguments of `execl` and its like is left to the real function.
const ARGUMENTS_MAX: usize = 128;

extern "C" fn before_execve(arguments: Arguments) -> usize {
    // SAFETY: the caller's arguments are those of the function.
    unsafe { before(arguments.get(0), arguments.get(1) as Strings, arguments.get(2) as Strings, false) }
}

extern "C" fn before_execv(arguments: Arguments) -> usize {
    // SAFETY: as above, and the program's environment.
    unsafe { before(arguments.get(0), arguments.get(1) as Strings, environ, false) }
}

extern "C" fn before_execvp(arguments: Arguments) -> usize {
    // SAFETY: as above.
    unsafe { before(arguments.get(0), arguments.get(1) as Strings, environ, true) }
}

extern "C" fn before_execvpe(arguments: Arguments) -> usize {
    // SAFETY: as above.
    unsafe { before(arguments.get(0), arguments.get(1) as Strings, arguments.get(2) as Strings, true) }
}

extern "C" fn before_execl(arguments: Arguments) -> usize {
    before_list(arguments, false, false)
}

extern "C" fn before_execlp(arguments: Arguments) -> usize {
    before_list(arguments, true, false)
}

extern "C" fn before_execle(arguments: Arguments) -> usize {
    before_list(arguments, false, true)
}

extern "C" fn before_fexecve(arguments: Arguments) -> usize {
    let mut path = Text::<32>::EMPTY;
    path.push(b"/proc/self/fd/").push_number(arguments.get(0) as u32 as u64);
    let path = path.as_c_str().as_ptr() as usize;
    // SAFETY: as above.
    unsafe { before(path, arguments.get(1) as Strings, arguments.get(2) as Strings, false) }
}

/// Prepares an execution by `(path, argument..., NULL)`, with an environment behind it if it `has_environment`.
fn before_list(arguments: Arguments, search: bool, has_environment: bool) -> usize {
    give_back();
    let path = arguments.get(0);
    // SAFETY: a C string or null.
    let program = unsafe { (path as *const c_char).as_ref() }.map(|path| unsafe { CStr::from_ptr(path) });
    if program.is_some_and(|program| must_go_without_us(&Folder::WORKING, program, search)) {
        return list_without_us(arguments, search, has_environment);
    }
    0
}

/// Returns the list as an array. Not inlined: the callers' handlers may have small stacks, and mostly it is not needed.
#[inline(never)]
fn list_without_us(arguments: Arguments, search: bool, has_environment: bool) -> usize {
    let mut list = [core::ptr::null(); ARGUMENTS_MAX + 1];
    let mut n = 0;
    loop {
        let argument = arguments.get(1 + n) as *const c_char;
        if argument.is_null() {
            break;
        }
        let Some(place) = list.get_mut(n).filter(|_| n < ARGUMENTS_MAX) else { return 0 };
        *place = argument;
        n += 1;
    }
    let environment = if has_environment {
        arguments.get(2 + n) as Strings
    } else {
        // SAFETY: the program's environment.
        unsafe { environ }
    };
    // SAFETY: as above.
    unsafe { execute_without_us(arguments.get(0) as *const c_char, list.as_ptr(), environment, search) }
}

fn give_back() {
    // Also finds the real functions, should this be the first hook of all.
    SESSION.is_recording();
    finish::give_back(&SESSION);
}

/// Prepares the execution of the program at `path`, or of the one that `execvp` finds if `search`. Returns 0 if the
/// real function is to do it, else what it has returned.
///
/// # Safety
/// The arguments are those of `execve`.
unsafe fn before(path: usize, arguments: Strings, environment: Strings, search: bool) -> usize {
    give_back();
    // SAFETY: a C string or null.
    let Some(program) =
        (unsafe { (path as *const c_char).as_ref() }).map(|path| unsafe { CStr::from_ptr(path) })
    else {
        return 0;
    };
    if !must_go_without_us(&Folder::WORKING, program, search) {
        return 0;
    }
    // SAFETY: the caller's.
    unsafe { execute_without_us(program.as_ptr(), arguments, environment, search) }
}

/// Executes the program without us; what the function has returned, 0 if the real one is to be called by the caller.
///
/// # Safety
/// The arguments are those of `execve`.
#[inline(never)]
unsafe fn execute_without_us(
    program: *const c_char,
    arguments: Strings,
    environment: Strings,
    search: bool,
) -> usize {
    let function = if search { Function::Execvpe } else { Function::Execve };
    let address = real::address(function);
    if address.is_null() {
        return 0;
    }
    // SAFETY: the address is that function's.
    let exec: unsafe extern "C" fn(*const c_char, Strings, Strings) -> c_int =
        unsafe { core::mem::transmute(address) };
    // SAFETY: the arguments are the caller's, the environment one that lives meanwhile.
    let run = |environment: Strings| unsafe { exec(program, arguments, environment) } as isize as usize;
    // SAFETY: the caller's.
    unsafe { without_us(environment, run) }.unwrap_or(0)
}

/// Notes a program that cannot be recorded; whether it would fail with us. A relative path begins in `folder`.
#[cold]
#[inline(never)]
fn must_go_without_us(folder: &Folder, program: &CStr, search: bool) -> bool {
    let mut found = Text::<1024>::EMPTY;
    // A handler that leaves by `siglongjmp` would leave a file open.
    let blocked = SignalsBlocked::now();
    let kind = if search && !program.to_bytes().contains(&b'/') {
        find_in_path(folder, program.to_bytes(), &mut found)
    } else {
        found.push(program.to_bytes());
        program_file::kind_of(folder, program)
    };
    drop(blocked);
    let reason = match kind {
        None | Some(ProgramKind::Preloads) => return false,
        Some(ProgramKind::Static) => NoteReason::ExecutedStatic,
        Some(ProgramKind::Foreign) => NoteReason::ExecutedForeign,
        Some(ProgramKind::Privileged) => NoteReason::ExecutedPrivileged,
    };
    if SESSION.is_process() {
        redirect::note(reason, found.as_bytes());
    }
    kind == Some(ProgramKind::Foreign)
}

/// Returns the kind of the program of this name that `execvp` finds in `PATH`; its path goes to `found`. `None` too if a path is too
/// long to be looked at.
fn find_in_path(folder: &Folder, name: &[u8], found: &mut Text<1024>) -> Option<ProgramKind> {
    // SAFETY: the program's environment.
    let path = unsafe { entries(environ) }.find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    for entry in path.unwrap_or(b"/bin:/usr/bin").split(|&byte| byte == b':') {
        *found = Text::EMPTY;
        found.push(if entry.is_empty() { b"." } else { entry }).push(b"/").push(name);
        if found.is_cut() {
            return None;
        }
        match folder.look_for_program(found.as_c_str()) {
            Ok(()) => {
                let kind = program_file::kind_of(folder, found.as_c_str());
                // Without its interpreter or loader it is passed over.
                if kind.is_some() {
                    return kind;
                }
            }
            Err(Errno(error)) if PASSED_OVER.contains(&error) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Errors of `execve` after which glibc's `execvp` looks further.
const PASSED_OVER: [c_int; 6] =
    [libc::EACCES, libc::ENOENT, libc::ESTALE, libc::ENOTDIR, libc::ENODEV, libc::ETIMEDOUT];

/// # Safety
/// The array is one of C strings, or null.
unsafe fn entries(strings: Strings) -> impl Iterator<Item = &'static CStr> + Clone {
    (0..).map_while(move |n| {
        // SAFETY: the caller's; the entries before this one were not the last.
        let entry = unsafe { strings.as_ref().map_or(core::ptr::null(), |_| *strings.add(n)) };
        // SAFETY: the caller's.
        (!entry.is_null()).then(|| unsafe { CStr::from_ptr(entry) })
    })
}

/// Calls `run` with a copy of the environment that does not preload us; `None` if that is too large for the stack.
///
/// # Safety
/// The array is an environment.
pub(super) unsafe fn without_us(environment: Strings, run: impl FnOnce(Strings) -> usize) -> Option<usize> {
    // SAFETY: the caller's.
    match unsafe { entries(environment) }.count() {
        // A handler's stack may be small. SAFETY: the caller's.
        0..60 => unsafe { without_us_of::<64>(environment, run) },
        // SAFETY: the caller's.
        60..250 => unsafe { without_us_of::<256>(environment, run) },
        // SAFETY: the caller's.
        250..2000 => unsafe { without_us_of::<2048>(environment, run) },
        _ => None,
    }
}

#[inline(never)]
unsafe fn without_us_of<const N: usize>(
    environment: Strings,
    run: impl FnOnce(Strings) -> usize,
) -> Option<usize> {
    let mut preload = Text::<1024>::EMPTY;
    let mut copy = [core::ptr::null(); N];
    let mut n = 0;
    // SAFETY: the caller's.
    for entry in unsafe { entries(environment) } {
        let mut kept = entry.as_ptr();
        if let Some(value) = entry.to_bytes().strip_prefix(b"LD_PRELOAD=") {
            // Of several the first is kept: the loader takes the last, which may name us.
            if !preload.as_bytes().is_empty() {
                continue;
            }
            preload.push(b"LD_PRELOAD=");
            push_others(value, &mut preload);
            if preload.is_cut() {
                return None;
            }
            kept = preload.as_c_str().as_ptr();
        }
        *copy.get_mut(n).filter(|_| n + 1 < N)? = kept;
        n += 1;
    }
    Some(run(copy.as_ptr()))
}

/// Appends the preloaded libraries but us.
fn push_others(value: &[u8], text: &mut Text<1024>) {
    let is_end = |&byte: &u8| byte == b':' || byte == b' ';
    let others = value.split(is_end).filter(|entry| !entry.is_empty() && !is_ours(entry));
    for (place, entry) in others.enumerate() {
        text.push(if place > 0 { b":" } else { b"" }).push(entry);
    }
}

fn is_ours(entry: &[u8]) -> bool {
    entry.rsplit(|&byte| byte == b'/').next() == Some(b"libtm.so")
}

/// Hooks the function of this name: it executes in a child, where no hook of ours is called.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn posix_spawn(
    pid: *mut c_int,
    path: *const c_char,
    actions: usize,
    attributes: usize,
    arguments: Strings,
    environment: Strings,
) -> c_int {
    let call =
        |environment| spawn(Function::PosixSpawn, (pid, path), (actions, attributes), arguments, environment);
    // SAFETY: the arguments are the caller's.
    unsafe { spawned((path, false), actions, environment, call) }
}

/// Hooks the function of this name.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn posix_spawnp(
    pid: *mut c_int,
    file: *const c_char,
    actions: usize,
    attributes: usize,
    arguments: Strings,
    environment: Strings,
) -> c_int {
    let call = |environment| {
        spawn(Function::PosixSpawnp, (pid, file), (actions, attributes), arguments, environment)
    };
    // SAFETY: the arguments are the caller's.
    unsafe { spawned((file, true), actions, environment, call) }
}

/// # Safety
/// The path is a C string, the actions are null or the C library's, and the array is an environment.
unsafe fn spawned(
    (path, search): (*const c_char, bool),
    actions: usize,
    environment: Strings,
    call: impl Fn(Strings) -> c_int,
) -> c_int {
    // SAFETY: the caller's.
    if path.is_null() || !unsafe { child_must_go_without_us(CStr::from_ptr(path), search, actions) } {
        return call(environment);
    }
    // SAFETY: the caller's.
    let result = unsafe { without_us(environment, |environment| call(environment) as usize) };
    result.map_or_else(|| call(environment), |result| result as c_int)
}

/// Returns the same as [`must_go_without_us`], where these actions will have led the child.
///
/// # Safety
/// The actions are null or the C library's.
unsafe fn child_must_go_without_us(program: &CStr, search: bool, actions: usize) -> bool {
    let blocked = SignalsBlocked::now();
    // SAFETY: the caller's.
    let folder = unsafe { Folder::after_actions(actions) };
    let found = folder.is_some_and(|folder| must_go_without_us(&folder, program, search));
    drop(blocked);
    found
}

fn spawn(
    function: Function,
    (pid, path): (*mut c_int, *const c_char),
    (actions, attributes): (usize, usize),
    arguments: Strings,
    environment: Strings,
) -> c_int {
    let address = real::address(function);
    if address.is_null() {
        return libc::ENOSYS;
    }
    // SAFETY: the address is that function's.
    let function: unsafe extern "C" fn(*mut c_int, *const c_char, usize, usize, Strings, Strings) -> c_int =
        unsafe { core::mem::transmute(address) };
    // SAFETY: the arguments are the caller's.
    unsafe { function(pid, path, actions, attributes, arguments, environment) }
}
