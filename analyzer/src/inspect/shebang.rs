//! What a file is by its first bytes, and whom a `#!` line asks for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Result, find, refuse};

/// What the kernel reads of a file to decide how to execute it.
pub(super) const LINE_BYTES: u64 = 256;

/// What a file is, as the kernel and then the shell see it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FirstBytes {
    Elf,
    Script(Shebang),
    /// Without `#!`: shells run it as a shell script.
    Text,
    Other,
    /// Not known: no permission to read it.
    Unreadable,
}

/// A `#!` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shebang {
    interpreter: Vec<u8>,
    argument: Vec<u8>,
}

impl FirstBytes {
    /// Tells what file begins with `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> FirstBytes {
        if bytes.starts_with(b"\x7fELF") {
            return FirstBytes::Elf;
        }
        let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        match line.strip_prefix(b"#!") {
            Some(line) => FirstBytes::Script(Shebang::parse(line)),
            None if line.contains(&0) => FirstBytes::Other,
            None => FirstBytes::Text,
        }
    }
}

impl Shebang {
    fn parse(line: &[u8]) -> Shebang {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let trim = |text: &[u8]| {
            let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
            let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
            text.get(start..end).unwrap_or_default().to_vec()
        };
        let line = trim(line);
        let mut parts = line.splitn(2, is_blank);
        let interpreter = parts.next().unwrap_or_default().to_vec();
        Shebang { interpreter, argument: trim(parts.next().unwrap_or_default()) }
    }

    /// The program that runs `script`; for `env NAME` that is NAME from `path_env`.
    ///
    /// # Errors
    /// A refusal if there is no such program.
    pub(super) fn interpreter(&self, script: &Path, path_env: Option<&OsStr>) -> Result<PathBuf> {
        let path = PathBuf::from(OsString::from_vec(self.interpreter.clone()));
        let (script, shown) = (script.display(), path.display());
        if self.interpreter.is_empty() {
            return refuse(format!("{script} has an empty #! line; write the interpreter's path there"));
        }
        if self.interpreter.ends_with(b"\r") || self.argument.ends_with(b"\r") {
            let name = shown.to_string();
            return refuse(format!(
                "{script} has Windows line ends, so the system looks for an interpreter {:?}; convert it (dos2unix)",
                name.trim_end_matches('\r').to_owned() + "\\r"
            ));
        }
        if let Err(reason) = find::check_executable(&path) {
            let reason = reason.split(';').next().unwrap_or_default();
            return refuse(format!(
                "{script} has a bad interpreter: {reason}; install it or correct the script's first line"
            ));
        }
        if path.file_name() != Some(OsStr::new("env")) {
            return Ok(path);
        }
        match self.name_for_env() {
            None => Ok(path),
            Some(name) => find::find(OsStr::from_bytes(name), path_env).or_else(|refusal| {
                refuse(format!(
                    "{script} has a bad interpreter: its first line asks env for it, but {refusal}"
                ))
            }),
        }
    }

    /// The program that `env` is asked to run: with `-S` the first word that is neither an option nor an assignment,
    /// without it the whole argument.
    fn name_for_env(&self) -> Option<&[u8]> {
        let Some(words) = self.argument.strip_prefix(b"-S") else {
            return Some(&self.argument[..]).filter(|name| !name.is_empty() && !name.starts_with(b"-"));
        };
        let mut words = words.split(|byte| matches!(byte, b' ' | b'\t'));
        words.find(|word| !word.is_empty() && !word.starts_with(b"-") && !word.contains(&b'='))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shebang(line: &str) -> Shebang {
        match FirstBytes::parse(line.as_bytes()) {
            FirstBytes::Script(shebang) => shebang,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_split_as_the_kernel_does() {
        let expected = Shebang { interpreter: b"/bin/sh".to_vec(), argument: b"-e -u".to_vec() };
        assert_eq!(shebang("#! \t/bin/sh  -e -u \nrest"), expected);
        assert_eq!(shebang("#!").interpreter, b"");
        assert_eq!(FirstBytes::parse(b"\x7fELF\x02"), FirstBytes::Elf);
        assert_eq!(FirstBytes::parse(b""), FirstBytes::Text);
        assert_eq!(FirstBytes::parse(b"MZ\0\0"), FirstBytes::Other);
    }

    #[test]
    fn env_names_the_program() {
        let cases: [(&str, Option<&[u8]>); 6] = [
            ("#!/usr/bin/env python3", Some(b"python3")),
            ("#!/usr/bin/env -S python3 -u", Some(b"python3")),
            ("#!/usr/bin/env -Sperl -w", Some(b"perl")),
            ("#!/usr/bin/env -S -i A=1 node", Some(b"node")),
            ("#!/usr/bin/env python3 -u", Some(b"python3 -u")),
            ("#!/usr/bin/env", None),
        ];
        for (line, expected) in cases {
            assert_eq!(shebang(line).name_for_env(), expected, "{line}");
        }
    }
}
