//! Where names of a module were looked for, and what was there.

use std::fmt;
use std::path::PathBuf;

/// Why there may be names at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The recording carries names itself.
    Bundle,
    /// It is the file that ran.
    File,
    /// The file names it as that of its debug information (`.gnu_debuglink`).
    DebugLink,
    /// It stands in a folder under the file's build-id.
    BuildId,
    /// A server was asked for it by the build-id.
    Debuginfod,
    /// Debug information refers to it (`.gnu_debugaltlink`, of dwz).
    Supplement,
    /// The process lists there what code it makes (`/tmp/perf-PID.map`).
    PerfMap,
    /// The process dumps there what code it makes, for perf (`jit-PID.dump`).
    Dump,
    /// It is a part of the debug information (`.dwo`), or has all parts (`.dwp`).
    Part,
}

impl Source {
    /// A word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Source::Bundle => "bundle",
            Source::File => "file",
            Source::DebugLink => "debug-link",
            Source::BuildId => "build-id",
            Source::Debuginfod => "debuginfod",
            Source::Supplement => "supplement",
            Source::PerfMap => "perf-map",
            Source::Dump => "jitdump",
            Source::Part => "part",
        }
    }
}

/// What a file has that names are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "any of them may be there without the others")]
pub struct Holds {
    /// DWARF: functions, lines, inlined functions.
    pub debug_information: bool,
    /// A symbol table: functions.
    pub symbols: bool,
    /// Symbols for other files: some functions.
    pub exported_symbols: bool,
    /// Symbols that are packed into a stripped file (`.gnu_debugdata`): functions.
    pub mini_debug_info: bool,
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.debug_information, "debug information"),
            (self.symbols, "symbols"),
            (self.mini_debug_info, "packed symbols"),
            (self.exported_symbols && !self.symbols, "exported symbols"),
        ];
        let words: Vec<&str> = words.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect();
        f.write_str(if words.is_empty() { "no names" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}

/// What was found at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It belongs to the module: what it holds is used.
    Used(Holds),
    /// Nothing is there.
    Missing,
    /// It cannot be read, and why.
    Unreadable(String),
    /// It could not be fetched, and why.
    Failed(String),
    /// It is of another build, and what tells so.
    Other(String),
    /// It has no debug information.
    Stripped,
}

impl Outcome {
    /// A word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Used(_) => "used",
            Outcome::Missing => "missing",
            Outcome::Unreadable(_) => "unreadable",
            Outcome::Failed(_) => "failed",
            Outcome::Other(_) => "other",
            Outcome::Stripped => "stripped",
        }
    }
}

/// A place where names of a module were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Why there.
    pub source: Source,
    /// The file.
    pub path: PathBuf,
    /// What was there.
    pub outcome: Outcome,
}

impl Attempt {
    /// Whether what is there is used.
    #[must_use]
    pub fn is_used(&self) -> bool {
        matches!(self.outcome, Outcome::Used(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_is_words() {
        assert_eq!(Holds::default().to_string(), "no names");
        let stripped = Holds { exported_symbols: true, mini_debug_info: true, ..Holds::default() };
        assert_eq!(stripped.to_string(), "packed symbols, exported symbols");
        let whole =
            Holds { debug_information: true, symbols: true, exported_symbols: true, ..Holds::default() };
        assert_eq!(whole.to_string(), "debug information, symbols");
    }
}
