//! What stands in for a command: `tmtool FILE` is `tmtool stats FILE`. And the answer to a command line that is none.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::print;
use crate::errors::{EXIT_USAGE, Result};
use tm_analyzer::request::Request;

/// What is left out where a file's name stands in the command's place.
const USUAL_COMMAND: &str = "stats";

/// `words`, the program's name first, with the usual command before a file that stands in its place.
pub(super) fn complete(words: impl Iterator<Item = OsString>, of: &clap::Command) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    if words.get(1).is_some_and(|first| !is_command(of, first) && is_file(first)) {
        words.insert(1, USUAL_COMMAND.into());
    }
    words
}

fn is_command(of: &clap::Command, word: &OsStr) -> bool {
    word == "help" || of.get_subcommands().any(|command| word == command.get_name())
}

/// Whether there is such a file, with a moment or without, or the word can be nothing else than one's name.
fn is_file(word: &OsStr) -> bool {
    let text = word.to_string_lossy();
    if text.starts_with('-') {
        return false;
    }
    let is_there = || Request::parse(word).is_ok_and(|request| request.path.exists());
    text.contains(['/', '.', '@']) || is_there()
}

/// Prints what clap says in place of a command's answer: help, the version, or what is wrong.
///
/// # Errors
/// If standard output cannot be written to.
pub(super) fn answer(message: &clap::Error) -> Result<ExitCode> {
    if message.use_stderr() {
        // Nobody is left to be told if stderr is gone.
        let _ = message.print();
        if message.kind() == ErrorKind::InvalidSubcommand {
            eprint_hint();
        }
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    print(&message.render().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// A command that is none may have been meant as a file.
fn eprint_hint() {
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "There is no file of this name here either ('tmtool FILE' means 'tmtool stats FILE')."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_command_s_place_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("recording");
        std::fs::write(&plain, "x").unwrap();
        let plain = plain.to_str().unwrap();
        let command = clap::Command::new("tmtool").subcommand(clap::Command::new("info"));
        let completed = |words: &[&str]| -> String {
            let words = complete(words.iter().map(OsString::from), &command);
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(completed(&["t", plain, "--json"]), format!("t stats {plain} --json"));
        assert_eq!(completed(&["t", "tm.prog.1.bin"]), "t stats tm.prog.1.bin");
        assert_eq!(completed(&["t", "a/b@50%"]), "t stats a/b@50%");
        for words in
            [&["t"][..], &["t", "info", "a.bin"], &["t", "inof", "a.bin"], &["t", "--help"], &["t", "help"]]
        {
            assert_eq!(completed(words), words.join(" "));
        }
    }
}
