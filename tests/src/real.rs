//! Real programs on the tasks of `programs/real`: what a test needs to run one, or to leave it out.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::programs::{find_installed, installed};
use crate::run::{Run, may_administer};
use crate::soak::is_long;

/// Whether a task is to be left out, which is said: for want of a program.
///
/// # Panics
/// In the long form, for which `scripts/soak` installs them all.
pub fn is_missing(programs: &[&str]) -> bool {
    let is_there = |program: &&&str| Path::new(program).is_file() || find_installed(program).is_some();
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return false };
    assert!(!is_long(), "{missing} is not installed: scripts/setup --programs installs what the tests need");
    eprintln!("left out: {missing} is not installed");
    true
}

/// The same of a task for which there is time in the long form only.
///
/// # Panics
/// As [`is_missing`].
pub fn is_left_out(programs: &[&str]) -> bool {
    if !is_long() {
        eprintln!("left out: a task of the long form (TM_SOAK=1)");
        return true;
    }
    is_missing(programs)
}

/// A task of `programs/real`, by the program that reads it, with every 100th stack checked.
pub fn task(reader: impl Into<PathBuf>, name: &str, arguments: &[&str]) -> Run {
    let task = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/real").join(name);
    let arguments = arguments.iter().map(OsString::from);
    Run::new(reader).args([task.into_os_string()]).args(arguments).env("TM_SELF_CHECK", "100")
}

/// A task that is a script of the shell.
pub fn script(name: &str, arguments: &[&str]) -> Run {
    task(installed("bash"), name, arguments)
}

/// The folder of PostgreSQL's programs; empty if there is none.
pub fn postgres_folder() -> String {
    let mut folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.next().map_or_else(String::new, |folder| folder.path().join("bin").display().to_string())
}

/// The same run by somebody who is not root, whom PostgreSQL refuses.
///
/// # Panics
/// Root has no `setpriv`.
pub fn not_as_root(run: Run) -> Run {
    if !may_administer() {
        return run;
    }
    // With the right to reach the scratch folders and products of root's tests.
    let becomes = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let keeps = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"];
    let arguments: Vec<_> = becomes.iter().chain(&keeps).map(|argument| argument.as_ref()).collect();
    run.through(&installed("setpriv"), &arguments)
}

/// A port that nobody listens at.
///
/// # Panics
/// There is no loopback device.
pub fn free_port() -> String {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.expect("there is a loopback device").port().to_string()
}
