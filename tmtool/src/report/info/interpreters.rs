//! What `tmtool info` says of Python interpreters.

use std::fmt::{self, Write};

use serde::Serialize;

use super::lists::gathered;
use crate::report::parts::human::printable;

/// A Python interpreter.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct InterpreterInfo {
    pub process: u32,
    /// None if it is not known.
    pub version: Option<String>,
    /// Its file.
    pub path: String,
    /// `read`, or why its frames are not.
    pub frames: &'static str,
}

/// The interpreters, each once.
pub(super) fn write(interpreters: &[InterpreterInfo], out: &mut String) -> fmt::Result {
    let kind = |one: &InterpreterInfo| (one.version.clone(), one.path.clone(), one.frames);
    for interpreters in gathered(interpreters, kind) {
        let Some(InterpreterInfo { version, path, frames, .. }) = interpreters.first() else { continue };
        let version = version.as_deref().unwrap_or("of unknown version");
        let are = if *frames == "read" { "are" } else { "are not" };
        writeln!(out, "python         {version}, its frames {are} read ({})", printable(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_a_line_each_kind() {
        let interpreter = |process, version: Option<&str>, frames| {
            let (version, path) = (version.map(str::to_owned), "/usr/bin/python3".to_owned());
            InterpreterInfo { process, version, path, frames }
        };
        let interpreters = vec![
            interpreter(0, Some("3.11.2"), "read"),
            interpreter(1, Some("3.11.2"), "read"),
            interpreter(1, None, "free_threaded"),
        ];
        let mut text = String::new();
        write(&interpreters, &mut text).unwrap();
        assert_eq!(
            text,
            "python         3.11.2, its frames are read (/usr/bin/python3)\n\
             python         of unknown version, its frames are not read (/usr/bin/python3)\n"
        );
    }
}
