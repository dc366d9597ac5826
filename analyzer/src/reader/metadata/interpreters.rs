//! What every report must say of Python interpreters: which ones' frames are not read, why, and what to do.

use std::collections::BTreeSet;

use tm_common::metadata::InterpreterState;

use super::python::Interpreter;
use crate::reader::{Module, Recording};

impl Interpreter {
    /// Its version as Python writes it, `3.14.0rc2`; `None` if it is not known.
    pub fn version_text(&self) -> Option<String> {
        let [level, micro, minor, major] = self.version.to_le_bytes();
        let serial = level & 15;
        let level = match level >> 4 {
            0xa => format!("a{serial}"),
            0xb => format!("b{serial}"),
            0xc => format!("rc{serial}"),
            _ => String::new(),
        };
        (self.version != 0).then(|| format!("{major}.{minor}.{micro}{level}"))
    }

    /// Whether its frames are read, as a word.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            InterpreterState::Read => "read",
            InterpreterState::UnknownVersion => "unknown_version",
            InterpreterState::FreeThreaded => "free_threaded",
            InterpreterState::UnexpectedLayout => "unexpected_layout",
            InterpreterState::Second => "second",
            InterpreterState::Other => "other",
        }
    }

    /// Why its frames are not read, and what to do; `None` if they are.
    fn reason(&self) -> Option<&'static str> {
        Some(match self.state {
            InterpreterState::Read => return None,
            InterpreterState::UnknownVersion => {
                "because the recorder does not know the frames of that version: run the program with CPython 3.9 to 3.15, or record \
                 it with a newer libtm.so"
            }
            InterpreterState::FreeThreaded => {
                "because it is a free-threaded build: run the program with a build that has the global lock"
            }
            InterpreterState::UnexpectedLayout => {
                "because its memory does not look as that of its version: run the program with a build of CPython that is not changed"
            }
            InterpreterState::Second => {
                "because those of another interpreter in the same process are: load one Python library alone"
            }
            InterpreterState::Other => "for a reason that only a newer tmtool knows",
        })
    }
}

impl Recording {
    /// The file that an interpreter is.
    pub fn module_of(&self, interpreter: &Interpreter) -> Option<&Module> {
        self.module_at(interpreter.epoch, interpreter.start.0)
    }

    /// The interpreters whose frames are not read, a sentence each.
    pub(super) fn unread_interpreters(&self) -> BTreeSet<String> {
        let sentence = |interpreter: &Interpreter| {
            let reason = interpreter.reason()?;
            let version = interpreter.version_text();
            let name =
                version.map_or_else(|| "a Python of unknown version".to_owned(), |it| format!("Python {it}"));
            let path = self.module_of(interpreter).map(|module| format!(" ({})", module.path));
            Some(format!("The frames of {name}{} are not read, {reason}.", path.unwrap_or_default()))
        };
        self.python.interpreters.iter().filter_map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use tm_common::ids::{Address, Epoch, ProcessIndex};
    use tm_testing::RecordingBuilder;

    use super::*;

    #[test]
    fn each_interpreter_that_is_not_read_is_said_once() {
        let mut builder = RecordingBuilder::with_process();
        builder.module(0, 0, (0x1000, 0x2000), "/opt/python3.8");
        builder.process(Some(0), 5, None);
        let (read, old, free) =
            (InterpreterState::Read, InterpreterState::UnknownVersion, InterpreterState::FreeThreaded);
        builder.interpreter((0, 0), 0x9000, (0x030b_02f0, read as u32), &[]);
        builder.interpreter((0, 0), 0x1000, (0x0308_12f0, old as u32), &[]);
        builder.interpreter((1, 1), 0x1000, (0x0308_12f0, old as u32), &[]);
        builder.interpreter((1, 1), 0x5000, (0, free as u32), &[]);
        let recording = Recording::open(builder.file().path()).expect("it is valid");
        assert_eq!(
            recording.note_sentences().collect::<Vec<_>>(),
            [
                "The frames of Python 3.8.18 (/opt/python3.8) are not read, because the recorder does not know the frames of \
                 that version: run the program with CPython 3.9 to 3.15, or record it with a newer libtm.so.",
                "The frames of a Python of unknown version are not read, because it is a free-threaded build: run the program \
                 with a build that has the global lock.",
            ]
        );
    }

    #[test]
    fn versions_are_as_python_writes_them() {
        let text = |version| {
            let interpreter = Interpreter {
                process: ProcessIndex(0),
                epoch: Epoch(0),
                start: Address(0),
                version,
                state: InterpreterState::Read,
                ranges: Vec::new(),
            };
            interpreter.version_text().unwrap_or_default()
        };
        let found = [0x030b_02f0, 0x030e_00c2, 0x030f_00a7, 0x030d_0ab1, 0].map(text);
        assert_eq!(found, ["3.11.2", "3.14.0rc2", "3.15.0a7", "3.13.10b1", ""]);
    }
}
