//! A folder in which relative paths are looked up: the process's own, or the one where a child of `posix_spawn` will be.

use core::ffi::{CStr, c_char, c_int};

use crate::sys::c_library;
use crate::sys::syscall::{self, Errno, Result};

/// A folder. Open as long as this lives, if it is not the process's own.
#[derive(Debug)]
pub struct Folder {
    fd: c_int,
    is_ours: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ours {
            syscall::close(self.fd);
        }
    }
}

/// glibc's `struct __spawn_action`, `posix/spawn_int.h`, as it is since it knows folders (2.29).
///
/// ```text
///  close 0: fd   dup2 1: fd, new fd   open 2: fd, path   chdir 3: path   fchdir 4: fd   closefrom 5: fd
/// ```
#[repr(C)]
struct Action {
    tag: c_int,
    words: [usize; 3],
}

const CLOSE: c_int = 0;
const DUP2: c_int = 1;
const OPEN: c_int = 2;
const CHDIR: c_int = 3;
const FCHDIR: c_int = 4;
const CLOSEFROM: c_int = 5;

impl Action {
    fn fd(&self) -> c_int {
        self.words[0] as c_int
    }

    fn new_fd(&self) -> c_int {
        (self.words[0] >> 32) as c_int
    }

    fn path(&self, word: usize) -> &CStr {
        let path = self.words.get(word).copied().unwrap_or(0) as *const c_char;
        if path.is_null() {
            return c"";
        }
        // SAFETY: a copy of the C library's.
        unsafe { CStr::from_ptr(path) }
    }
}

/// The head of `posix_spawn_file_actions_t`, `<spawn.h>`.
#[repr(C)]
struct FileActions {
    n_allocated: c_int,
    n_used: c_int,
    actions: *const Action,
}

/// The most steps: a descriptor may come from another action, and that one's folder from a descriptor.
const DEPTH_MAX: u32 = 8;

impl Folder {
    /// The process's own.
    pub const WORKING: Folder = Folder { fd: libc::AT_FDCWD, is_ours: false };

    /// Returns where a child of `posix_spawn` is after these `posix_spawn_file_actions_t`, or with none if 0. `None` if it will not
    /// get there, or that cannot be told.
    ///
    /// # Safety
    /// The C library has made them.
    pub unsafe fn after_actions(actions: usize) -> Option<Folder> {
        if actions != 0 && !c_library::is_glibc() {
            // SAFETY: the caller's.
            return unsafe { after_actions_of_musl(actions) };
        }
        // SAFETY: the caller's.
        let Some(list) = (unsafe { (actions as *const FileActions).as_ref() }) else {
            return Some(Folder::WORKING);
        };
        let n_used = usize::try_from(list.n_used).unwrap_or(0);
        if n_used == 0 || list.actions.is_null() {
            return Some(Folder::WORKING);
        }
        // SAFETY: the caller's.
        folder_after(unsafe { core::slice::from_raw_parts(list.actions, n_used) }, DEPTH_MAX)
    }

    /// Opens a file without waiting for one that is a pipe.
    pub fn open(&self, path: &CStr, flags: c_int) -> Result<c_int> {
        syscall::open_at(self.fd, path, flags | libc::O_NONBLOCK)
    }

    /// Tells whether the process may execute the file at `path`.
    pub fn has_program(&self, path: &CStr) -> bool {
        self.look_for_program(path).is_ok()
    }

    /// Returns the same; if not, why.
    pub fn look_for_program(&self, path: &CStr) -> Result<()> {
        syscall::may_execute_at(self.fd, path)?;
        let is_regular = syscall::status_at(self.fd, path)?.is_regular;
        is_regular.then_some(()).ok_or(Errno(libc::EACCES))
    }

    fn enter(&self, path: &CStr) -> Option<Folder> {
        let fd = self.open(path, libc::O_PATH | libc::O_DIRECTORY).ok()?;
        Some(Folder { fd, is_ours: true })
    }
}

/// musl's `struct fdop`, `src/process/fdop.h`: a list.
#[repr(C)]
struct ActionOfMusl {
    next: *const ActionOfMusl,
    previous: *const ActionOfMusl,
    /// [`CHDIR_OF_MUSL`] and more lead into a folder.
    command: c_int,
}

const CHDIR_OF_MUSL: c_int = 4;

/// Returns the process's own folder, if no action leads away from it.
///
/// # Safety
/// musl has made them.
unsafe fn after_actions_of_musl(actions: usize) -> Option<Folder> {
    // SAFETY: the list stands behind two numbers, in `posix_spawn_file_actions_t`.
    let first = unsafe { *((actions + 2 * size_of::<c_int>()) as *const *const ActionOfMusl) };
    // SAFETY: as above, each action of the list.
    let mut list =
        core::iter::successors(unsafe { first.as_ref() }, |action| unsafe { action.next.as_ref() });
    list.all(|action| action.command < CHDIR_OF_MUSL).then_some(Folder::WORKING)
}

fn folder_after(actions: &[Action], depth: u32) -> Option<Folder> {
    let mut folder = Folder::WORKING;
    for (place, action) in actions.iter().enumerate() {
        match action.tag {
            CHDIR => folder = folder.enter(action.path(0))?,
            FCHDIR => folder = folder_behind(actions.get(..place)?, action.fd(), depth.checked_sub(1)?)?,
            _ => {}
        }
    }
    Some(folder)
}

/// Returns the folder that is open as `fd` after these actions.
fn folder_behind(actions: &[Action], fd: c_int, depth: u32) -> Option<Folder> {
    for (place, action) in actions.iter().enumerate().rev() {
        let before = actions.get(..place)?;
        match action.tag {
            OPEN if action.fd() == fd => return folder_after(before, depth)?.enter(action.path(1)),
            DUP2 if action.new_fd() == fd => {
                return folder_behind(before, action.fd(), depth.checked_sub(1)?);
            }
            CLOSE if action.fd() == fd => return None,
            CLOSEFROM if action.fd() <= fd => return None,
            _ => {}
        }
    }
    // The process's own, which has it open.
    Some(Folder { fd, is_ours: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::string::String;

    unsafe extern "C" {
        fn posix_spawn_file_actions_addchdir_np(
            actions: *mut libc::posix_spawn_file_actions_t,
            path: *const c_char,
        ) -> c_int;
        fn posix_spawn_file_actions_addfchdir_np(
            actions: *mut libc::posix_spawn_file_actions_t,
            fd: c_int,
        ) -> c_int;
    }

    /// Returns where the C library's actions lead, as this library finds it.
    fn path_after(add: impl FnOnce(*mut libc::posix_spawn_file_actions_t)) -> Option<String> {
        // SAFETY: the C library fills it, and frees it.
        unsafe {
            let mut actions = core::mem::zeroed();
            assert_eq!(libc::posix_spawn_file_actions_init(&mut actions), 0);
            add(&mut actions);
            let folder = Folder::after_actions((&raw const actions) as usize);
            let path = folder.map(|folder| match folder.fd {
                libc::AT_FDCWD => String::new(),
                fd => std::fs::read_link(std::format!("/proc/self/fd/{fd}"))
                    .expect("it is open")
                    .to_string_lossy()
                    .into_owned(),
            });
            libc::posix_spawn_file_actions_destroy(&mut actions);
            path
        }
    }

    #[test]
    fn a_child_is_where_the_c_library_s_actions_lead_it() {
        let root = CString::new("/").expect("no NUL");
        // SAFETY: the actions are initialised, the paths are C strings.
        unsafe {
            let chdir = |actions, path: &CStr| posix_spawn_file_actions_addchdir_np(actions, path.as_ptr());
            let fchdir = |actions, fd| posix_spawn_file_actions_addfchdir_np(actions, fd);
            let open = |actions, fd, path: &CStr| {
                libc::posix_spawn_file_actions_addopen(actions, fd, path.as_ptr(), libc::O_RDONLY, 0)
            };
            assert_eq!(path_after(|_| ()).as_deref(), Some(""));
            let found = path_after(|actions| {
                chdir(actions, &root);
                open(actions, 90, c"usr");
                chdir(actions, c"etc");
                libc::posix_spawn_file_actions_adddup2(actions, 90, 91);
                libc::posix_spawn_file_actions_addclose(actions, 90);
                fchdir(actions, 91);
                chdir(actions, c"lib");
            });
            assert_eq!(found.as_deref(), Some("/usr/lib"));
            let closed = path_after(|actions| {
                open(actions, 90, c"/usr");
                libc::posix_spawn_file_actions_addclose(actions, 90);
                fchdir(actions, 90);
            });
            let missing = path_after(|actions| {
                chdir(actions, c"/no/such/folder");
            });
            assert_eq!((closed, missing), (None, None));
        }
    }
}
