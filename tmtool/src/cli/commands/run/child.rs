//! The program as our child: started, waited for, its signals passed on, and its end made ours.
//!
//! It stays in our process group, so what the terminal sends (SIGINT, SIGQUIT) reaches it directly and is only
//! survived here; what others send to us (SIGTERM, SIGHUP, SIGUSR1, SIGUSR2) is passed on. Signals that we were
//! started with ignored (nohup) stay ignored, for the program too.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::{io, mem, ptr};

use signal_hook::{flag, low_level};

use super::environment::Environment;
use crate::errors::{Error, Result};
use crate::signals;
use tm_analyzer::inspect::Program;

/// Sent by the terminal to the whole process group.
const FROM_TERMINAL: [libc::c_int; 2] = [libc::SIGINT, libc::SIGQUIT];
const PASSED_ON: [libc::c_int; 4] = [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2];

/// The running child's pid, 0 while there is none. Only this thread and its signal handlers use it.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// Signals that came before there was a child, a bit each.
static EARLY: AtomicU64 = AtomicU64::new(0);

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With this status, 0 to 255.
    Exited(u8),
    /// Killed by this signal.
    Signal(i32),
}

impl Ending {
    fn of(status: ExitStatus) -> Ending {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited(code as u8),
            (None, signal) => Ending::Signal(signal.unwrap_or(libc::SIGKILL)),
        }
    }

    /// Our exit code if the program exited; if a signal ended it, does not return but ends us by the same one.
    pub(super) fn end_alike(self) -> ExitCode {
        match self {
            Ending::Exited(code) => ExitCode::from(code),
            Ending::Signal(signal) => {
                die_of(signal);
                // What a shell would say; reached only if the signal could not end us.
                ExitCode::from(128u8.saturating_add(signal as u8))
            }
        }
    }
}

/// Runs `program` under the `name` and with the `arguments` that the user gave, until it ends.
///
/// # Errors
/// If it cannot be started.
pub(super) fn run(
    program: &Program,
    name: &OsStr,
    arguments: &[OsString],
    environment: &Environment,
) -> Result<Ending> {
    handle_signals();
    start_and_wait(program, name, arguments, environment)
}

fn start_and_wait(
    program: &Program,
    name: &OsStr,
    arguments: &[OsString],
    environment: &Environment,
) -> Result<Ending> {
    let mut command = if program.through_shell {
        let mut shell = Command::new(&program.executable);
        shell.arg(&program.path);
        shell
    } else {
        let mut command = Command::new(&program.path);
        command.arg0(name);
        command
    };
    command.args(arguments).envs(environment.variables());
    let child = command.spawn().map_err(|error| Error::io("start", &program.path, error))?;
    wait(child).map_err(|error| Error::io("wait for", &program.path, error))
}

fn wait(mut child: Child) -> io::Result<Ending> {
    let pid = child.id() as libc::pid_t;
    CHILD.store(pid, Ordering::Relaxed);
    let early = EARLY.swap(0, Ordering::Relaxed);
    for signal in PASSED_ON.into_iter().filter(|signal| early & (1 << signal) != 0) {
        // SAFETY: takes two numbers; the child has not been waited for, so the pid is still its own.
        unsafe { libc::kill(pid, signal) };
    }
    wait_without_reaping(pid);
    // From here on the pid may become another process's, which gets no signals of ours.
    CHILD.store(0, Ordering::Relaxed);
    child.wait().map(Ending::of)
}

fn wait_without_reaping(pid: libc::pid_t) {
    loop {
        // SAFETY: siginfo_t is plain data, for which zeros are valid.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        // SAFETY: `info` is ours to be written to.
        let result =
            unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, libc::WEXITED | libc::WNOWAIT) };
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Handlers rather than SIG_IGN: the program would inherit the latter.
fn handle_signals() {
    signals::handle(FROM_TERMINAL, |signal| flag::register(signal, Arc::default()));
    // SAFETY: the action does only what signal handlers may do.
    signals::handle(PASSED_ON, |signal| unsafe { low_level::register(signal, move || pass_on(signal)) });
}

/// What a handler does: `errno` is kept for it by [`signal_hook`].
fn pass_on(signal: libc::c_int) {
    match CHILD.load(Ordering::Relaxed) {
        0 => {
            EARLY.fetch_or(1 << signal, Ordering::Relaxed);
        }
        // SAFETY: kill may be called in a signal handler.
        pid => unsafe {
            libc::kill(pid, signal);
        },
    }
}

/// Ends this process by `signal`, without a core file: the program's own is the one of interest.
fn die_of(signal: libc::c_int) {
    // SAFETY: sigset_t is plain data, for which zeros are valid; it is then initialised by sigemptyset.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: all pointers are to `set`, which is ours; the default action of a signal needs no handler.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        libc::signal(signal, libc::SIG_DFL);
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn start(path: &str, name: &str, arguments: &[OsString]) -> Result<Ending> {
        let path = PathBuf::from(path);
        let program =
            Program { path: path.clone(), executable: path, through_shell: false, notes: Vec::new() };
        let environment = Environment {
            preload: OsString::new(),
            output: "x".into(),
            run: 5,
            python_objects: false,
            sample_rate: None,
            limit: None,
            is_disabled: false,
        };
        start_and_wait(&program, OsStr::new(name), arguments, &environment)
    }

    fn ending(script: &str) -> Ending {
        start("/bin/sh", "my-name", &["-c".into(), script.into()]).unwrap()
    }

    #[test]
    fn statuses_and_signals_are_told_apart() {
        assert_eq!(ending("exit 0"), Ending::Exited(0));
        assert_eq!(ending("exit 255"), Ending::Exited(255));
        assert_eq!(ending("kill -9 $$"), Ending::Signal(9));
        assert_eq!(ending("ulimit -c 0; kill -SEGV $$"), Ending::Signal(11));
    }

    #[test]
    fn the_program_gets_its_name_and_the_variables() {
        assert_eq!(ending("test $0 = my-name && test $TM_RUN = 5 && test $TM_OUT = x"), Ending::Exited(0));
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error() {
        let error = start("/nonexistent/program", "program", &[]).unwrap_err();
        assert!(error.to_string().starts_with("cannot start /nonexistent/program: no such file"), "{error}");
    }
}
