//! This process. What it was started with is found without libc, which may not be initialised when the first hook runs.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::c_library;
use super::memory::maps::Maps;
use super::text::{Text, parse_number};
use super::{files, syscall};

pub mod folder;
pub mod restrictions;
pub mod signals;

unsafe extern "C" {
    /// The environment as the C library has it.
    static environ: *const *const c_char;
}

/// Returns the environment as the program has it now, `NAME=value`: for a library that was loaded by `dlopen`, when the C library
/// is ready. No other thread may change it meanwhile, as of any library that reads it when it is loaded.
pub fn present_environment() -> impl Iterator<Item = &'static CStr> + Clone {
    // SAFETY: the C library's variable.
    let entries = unsafe { environ };
    let count = if entries.is_null() { 0 } else { usize::MAX };
    // SAFETY: the list ends with a NULL. glibc frees no string that `setenv` has made; those of `putenv` are the program's, which
    // has to keep them as long as they are in its environment.
    (0..count).map_while(move |place| unsafe { c_string(*entries.add(place)) })
}

/// The initial stack of the program.
#[derive(Clone, Copy, Debug)]
pub struct InitialStack {
    argc: usize,
    argv: *const *const c_char,
}

impl InitialStack {
    /// Returns the initial stack of this process.
    pub fn current() -> InitialStack {
        let stack = c_library::initial_stack() as *const usize;
        // SAFETY: the first word is argc, the rest follows it; the block lives as long as the process.
        unsafe { InitialStack { argc: *stack, argv: stack.add(1).cast() } }
    }

    /// Returns where the initial stack is: an address in the mapping that the kernel made for the stack of the first thread.
    #[inline]
    pub fn address() -> usize {
        c_library::initial_stack()
    }

    /// Returns the arguments. They end early if the program has shortened its own.
    pub fn arguments(self) -> impl Iterator<Item = &'static CStr> + Clone {
        // SAFETY: argv has argc entries before its NULL.
        (0..self.argc).map_while(move |place| unsafe { c_string(*self.argv.add(place)) })
    }

    /// Returns the environment, `NAME=value`.
    pub fn environment(self) -> impl Iterator<Item = &'static CStr> + Clone {
        // SAFETY: envp follows the NULL of argv and ends with a NULL itself.
        (self.argc + 1..).map_while(move |place| unsafe { c_string(*self.argv.add(place)) })
    }

    /// Returns the value of an environment variable.
    pub fn variable(self, name: &str) -> Option<&'static CStr> {
        self.environment().find_map(|entry| {
            let value_at = entry.to_bytes().strip_prefix(name.as_bytes())?;
            value_at.first().filter(|&&byte| byte == b'=')?;
            entry
                .to_bytes_with_nul()
                .get(name.len() + 1..)
                .and_then(|value| CStr::from_bytes_until_nul(value).ok())
        })
    }

    /// Puts `entry` in the place of the environment's entry of the variable `name`, for the program and those that it
    /// executes; false if there is none.
    pub fn replace(self, name: &str, entry: &'static CStr) -> bool {
        let is_of = |old: &CStr| {
            old.to_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
        };
        let Some(place) = self.environment().position(is_of) else { return false };
        // SAFETY: envp follows the NULL of argv and has this entry; it is writable memory of the process, and no other
        // thread runs yet.
        unsafe { *self.argv.cast_mut().add(self.argc + 1 + place) = entry.as_ptr() };
        true
    }

    /// Returns a value of the auxiliary vector, see getauxval(3).
    pub fn auxiliary(self, key: u64) -> Option<usize> {
        let n_variables = self.environment().count();
        // SAFETY: the auxiliary vector follows the environment's NULL and ends with an AT_NULL entry.
        let mut entry = unsafe { self.argv.add(self.argc + 1 + n_variables + 1) }.cast::<[usize; 2]>();
        loop {
            // SAFETY: not beyond AT_NULL, see below.
            let [found, value] = unsafe { *entry };
            match found as u64 {
                0 => return None,
                found if found == key => return Some(value),
                // SAFETY: this entry was not the last.
                _ => entry = unsafe { entry.add(1) },
            }
        }
    }
}

/// Returns the kernel's unit of memory in bytes, a power of two. Looked up once: a program may write over its environment later.
#[inline]
pub fn page_bytes() -> usize {
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: the same number for all, and nothing is published with it.
    let found = FOUND.load(Ordering::Relaxed);
    if found != 0 {
        return found;
    }
    let found = InitialStack::current().auxiliary(libc::AT_PAGESZ).unwrap_or(4096);
    FOUND.store(found, Ordering::Relaxed);
    found
}

/// # Safety
/// `pointer` is null or a C string that lives as long as the process; or a count, which a loader may have put there since.
unsafe fn c_string(pointer: *const c_char) -> Option<&'static CStr> {
    const COUNT_MAX: usize = 4096;
    // SAFETY: the caller's; nothing is mapped so low.
    (pointer as usize > COUNT_MAX).then(|| unsafe { CStr::from_ptr(pointer) })
}

/// Returns the path of the program; where `/proc` is missing, as `execve` was given it, from the working directory.
///
/// For `ld.so ./prog` the kernel has started the loader and needed no other (`AT_BASE` is 0): the program is the file
/// that its headers are mapped from.
pub fn executable<const N: usize>() -> Text<N> {
    let mut bytes = [0; N];
    let mut path = Text::EMPTY;
    let stack = InitialStack::current();
    if stack.auxiliary(libc::AT_BASE) == Some(0)
        && let (Some(headers), Some(maps)) = (stack.auxiliary(libc::AT_PHDR), Maps::open())
        && let mapped @ [_, ..] = maps.path_at(headers, &mut bytes)
    {
        path.push(mapped);
        return path;
    }
    if let Ok(len) = syscall::readlink(c"/proc/self/exe", &mut bytes) {
        path.push(bytes.get(..len).unwrap_or(&[]));
        return path;
    }
    let Some(name) = stack.auxiliary(libc::AT_EXECFN) else { return path };
    // SAFETY: the kernel's copy of the path, at the end of the initial stack.
    let name = unsafe { CStr::from_ptr(name as *const c_char) }.to_bytes();
    if name.first() != Some(&b'/') {
        let len = syscall::getcwd(&mut bytes).unwrap_or(0);
        path.push(bytes.get(..len).unwrap_or(&[])).push(b"/");
    }
    path.push(name);
    path
}

/// Returns when process `pid` started, in clock ticks since boot (`/proc/PID/stat` field 22); 0 if it cannot be known.
pub fn start_ticks(pid: u32) -> u64 {
    let mut path = Text::<32>::EMPTY;
    path.push(b"/proc/").push_number(u64::from(pid));
    start_in(path.as_c_str())
}

/// Returns when this process started. In a pid namespace whose `/proc` is still that of another one, its pid is somebody else
/// there.
pub fn own_start_ticks() -> u64 {
    start_in(c"/proc/self")
}

/// Reads it by way of the folder: qemu knows a process's own `stat` by its whole path, and makes it up, with another start than the
/// kernel's.
fn start_in(folder: &CStr) -> u64 {
    let mut buffer = [0; 512];
    let Ok(folder) = syscall::open(folder, libc::O_PATH | libc::O_DIRECTORY, 0) else { return 0 };
    let stat = files::read_start_at(folder, c"stat", &mut buffer);
    syscall::close(folder);
    // The second field is the name in parentheses, which may contain anything; field 3 follows the last one.
    let after_name = stat.iter().rposition(|&byte| byte == b')').map_or(0, |place| place + 2);
    let mut fields = stat.get(after_name..).unwrap_or(&[]).split(|&byte| byte == b' ');
    fields.nth(22 - 3).and_then(parse_number).unwrap_or(0)
}
