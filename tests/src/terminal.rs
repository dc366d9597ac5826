//! A terminal with a program in it: what it shows, what is pressed, and its end. It has a size, so that there is text.

use std::ffi::c_int;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

use crate::wait;

const ROWS: u16 = 40;
const COLUMNS: u16 = 160;

/// A pseudo-terminal and the program that has it as its own.
#[derive(Debug)]
pub struct Terminal {
    screen: File,
    shown: Vec<u8>,
    /// The program.
    pub child: Child,
}

impl Terminal {
    /// Starts `command` in a terminal of its own.
    ///
    /// # Panics
    /// The system has no terminal left, or the program does not start.
    pub fn start(mut command: Command) -> Terminal {
        let (screen, inside) = open();
        let another = || inside.try_clone().expect("a descriptor is left");
        command.env("TERM", "xterm").stdin(another()).stdout(another()).stderr(inside);
        // SAFETY: two system calls, on the descriptor that is the child's standard input by then.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                match libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().expect("the program starts");
        Terminal { screen, shown: Vec::new(), child }
    }

    /// All that was shown so far.
    pub fn shown(&mut self) -> String {
        // An error is the end of the program, or that there is no more yet.
        let _ = self.screen.read_to_end(&mut self.shown);
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Presses keys.
    ///
    /// # Panics
    /// Nobody has the terminal any more.
    pub fn press(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).expect("it is open");
    }

    /// Waits for the program's end: how it ended, and all that was shown.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = wait::for_some("the end of the program in the terminal", || {
            self.shown();
            self.child.try_wait().expect("it is our child")
        });
        (status, self.shown())
    }

    /// Closes the terminal, and waits for the program's end.
    pub fn close(mut self) -> ExitStatus {
        drop(self.screen);
        wait::for_some("the end of the program whose terminal was closed", || {
            self.child.try_wait().expect("it is our child")
        })
    }
}

/// Both ends of a pseudo-terminal: the one that shows, which is read without waiting, and the one for the program.
fn open() -> (File, File) {
    let (mut screen, mut inside): (c_int, c_int) = (-1, -1);
    let size = libc::winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: two places for the descriptors, and a size that is only read; a name and settings are not asked for.
    let result = unsafe {
        libc::openpty(
            &raw mut screen,
            &raw mut inside,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const size,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both are fresh descriptors of ours alone.
    let (screen, inside) = unsafe { (File::from_raw_fd(screen), File::from_raw_fd(inside)) };
    for end in [&screen, &inside] {
        // SAFETY: it takes numbers. Other programs that the test starts must not hold the terminal open.
        unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: it takes numbers.
    unsafe { libc::fcntl(screen.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    (screen, inside)
}
