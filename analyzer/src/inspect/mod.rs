//! Can this program be recorded? Answers before it is started, from its files alone, in one sentence.
//!
//! ```text
//! name -> find: PATH -> shebang: #! lines, up to 4 -> elf, privileges: may libtm.so be preloaded, will it see events?
//! ```
//!
//! It runs nothing and judges the program itself only: what that starts in turn is not known here.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

mod elf;
mod find;
pub mod own_allocator;
mod privileges;
mod shebang;
#[cfg(test)]
mod tests;

use shebang::FirstBytes;

/// The longest chain of scripts that is followed. The kernel stops at about the same depth.
const N_INTERPRETERS_MAX: usize = 4;

/// A program that can be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file to execute: a program, or a script.
    pub path: PathBuf,
    /// The ELF file that runs in the end: the program, or the last interpreter.
    pub executable: PathBuf,
    /// It has no `#!` line: `execvp` gives it to `/bin/sh`, and so is to be done here.
    pub through_shell: bool,
    /// What a recording of it will not hold, sentences; usually none.
    pub notes: Vec<String>,
}

/// Why a program cannot be recorded and what would help, one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

type Result<T> = std::result::Result<T, Refusal>;

/// Finds `program` as `execvp` does, in `path_env` unless it has a slash, and checks that a library preloaded into
/// it will be loaded and will see its allocations.
///
/// A file that may be executed but not read passes unchecked.
///
/// # Errors
/// A [`Refusal`] if it cannot be started, or not be recorded.
pub fn inspect(program: &OsStr, path_env: Option<&OsStr>) -> Result<Program> {
    let path = find::find(program, path_env)?;
    let mut executable = path.clone();
    let mut through_shell = false;
    for depth in 0..=N_INTERPRETERS_MAX {
        match first_bytes(&executable)? {
            FirstBytes::Elf => {
                let notes = elf::check(&executable)?;
                privileges::check(&executable)?;
                return Ok(Program { path, executable, through_shell, notes });
            }
            FirstBytes::Unreadable => {
                return Ok(Program { path, executable, through_shell, notes: Vec::new() });
            }
            FirstBytes::Script(line) => executable = line.interpreter(&executable, path_env)?,
            FirstBytes::Text if depth == 0 => {
                through_shell = true;
                executable = PathBuf::from("/bin/sh");
            }
            FirstBytes::Text | FirstBytes::Other => {
                return refuse(format!(
                    "{} is neither a program nor a script; name the program that is to be run",
                    executable.display()
                ));
            }
        }
    }
    refuse(format!(
        "{} is a script for a script for a script, more than {N_INTERPRETERS_MAX} deep; name the last one",
        path.display()
    ))
}

/// Checks the program that process `pid` runs: whether calls of it can be led to a library that is brought into it. The notes say
/// what a recording will not hold.
///
/// # Errors
/// A [`Refusal`] if it cannot be recorded.
pub fn inspect_running(pid: u32) -> Result<Vec<String>> {
    let file = PathBuf::from(format!("/proc/{pid}/exe"));
    let path = std::fs::read_link(&file).unwrap_or_else(|_| file.clone());
    elf::check_running(&file, &path)
}

fn first_bytes(path: &Path) -> Result<FirstBytes> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(shebang::LINE_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(FirstBytes::parse(&bytes)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(FirstBytes::Unreadable),
        Err(error) => refuse(format!("cannot read {}: {error}", path.display())),
    }
}

fn refuse<T>(sentence: String) -> Result<T> {
    Err(Refusal(sentence))
}
