//! What is not certain of a stack: frames that were guessed, and that it could not be followed to its outermost frame.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tm_common::stack::EndReason;

/// One thing that is not certain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Doubt {
    /// What.
    pub kind: DoubtKind,
    /// The path of the file whose code the last certain frame is in; `None` for code of no file, or if that is not known.
    pub module: Option<Arc<str>>,
}

/// What is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DoubtKind {
    /// Frames outward of the last certain one were guessed, for want of an unwind table.
    Guessed,
    /// All frames were found by frame pointers, because the program was recorded so.
    FramePointers,
    /// The native and the Python frames do not match, so it is not certain which native frame a Python frame ran in.
    PythonPlace,
    /// The stack goes on and could not be followed.
    Ended(EndReason),
}

impl DoubtKind {
    const GUESSED: u32 = 100;
    const FRAME_POINTERS: u32 = 101;
    const PYTHON_PLACE: u32 = 102;

    /// Its number in snapshot files: that of the reason, where the stack ends.
    pub(crate) fn number(self) -> u32 {
        match self {
            DoubtKind::Guessed => Self::GUESSED,
            DoubtKind::FramePointers => Self::FRAME_POINTERS,
            DoubtKind::PythonPlace => Self::PYTHON_PLACE,
            DoubtKind::Ended(reason) => reason as u32,
        }
    }

    /// The kind of a number that [`DoubtKind::number`] gave, here or in a later version.
    pub(crate) fn of_number(number: u32) -> DoubtKind {
        match number {
            Self::GUESSED => DoubtKind::Guessed,
            Self::FRAME_POINTERS => DoubtKind::FramePointers,
            Self::PYTHON_PLACE => DoubtKind::PythonPlace,
            reason => DoubtKind::Ended(EndReason::of_number(reason.into())),
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            DoubtKind::Guessed => "guessed",
            DoubtKind::FramePointers => "frame_pointers",
            DoubtKind::PythonPlace => "python_place",
            DoubtKind::Ended(EndReason::NoTable) => "no_table",
            DoubtKind::Ended(EndReason::NoEntry) => "no_entry",
            DoubtKind::Ended(EndReason::NoModule) => "no_file",
            DoubtKind::Ended(EndReason::Unreadable) => "unreadable",
            DoubtKind::Ended(EndReason::Endless) => "endless",
            DoubtKind::Ended(EndReason::FramePointer) => "no_frame_pointer",
            DoubtKind::Ended(EndReason::PythonFrame) => "no_python_frame",
            DoubtKind::Ended(EndReason::Other) => "other",
        }
    }
}

impl Doubt {
    /// What the stacks do, as the end of a sentence: `end in libx.so, which has no unwind table`.
    pub fn clause(&self) -> String {
        let place = self.place();
        let reason = match self.kind {
            DoubtKind::Guessed => return format!("are guessed beyond {place}, for want of an unwind table"),
            DoubtKind::FramePointers => {
                return "were found by frame pointers alone (TM_UNWIND=fp)".to_owned();
            }
            DoubtKind::PythonPlace => {
                return "have Python frames whose place among the native ones is not certain".to_owned();
            }
            DoubtKind::Ended(reason) => reason,
        };
        let why = match reason {
            EndReason::NoTable => "which has no unwind table",
            EndReason::NoEntry => "whose unwind table does not tell of that code",
            EndReason::NoModule => "which has no unwind table that is read",
            EndReason::Unreadable => "whose caller would be in memory that cannot be read",
            EndReason::Endless => "where they lead in a circle",
            EndReason::FramePointer => "which keeps no frame pointers",
            EndReason::PythonFrame => "whose caller could not be read",
            EndReason::Other => "for a reason that only a newer tmtool knows",
        };
        format!("end in {place}, {why}")
    }

    /// The file's name, or what is there instead.
    fn place(&self) -> &str {
        let name = self.module.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
        match (name, self.kind) {
            (Some(name), _) => name,
            (None, DoubtKind::Ended(EndReason::NoModule)) => "generated code",
            (None, DoubtKind::Ended(EndReason::PythonFrame)) => "Python code",
            (None, _) => "frames that were not kept",
        }
    }
}

/// A doubt as snapshot files have it: its number, and the place of the module among the strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct StoredDoubt(pub u32, pub Option<u32>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_name_the_file() {
        let doubt = |kind, module: Option<&str>| Doubt { kind, module: module.map(Into::into) };
        let clause = |kind, module| doubt(kind, module).clause();
        assert_eq!(
            clause(DoubtKind::Ended(EndReason::NoTable), Some("/opt/libx.so")),
            "end in libx.so, which has no unwind table"
        );
        assert_eq!(
            clause(DoubtKind::Guessed, Some("a.out")),
            "are guessed beyond a.out, for want of an unwind table"
        );
        assert_eq!(
            clause(DoubtKind::Ended(EndReason::NoModule), None),
            "end in generated code, which has no unwind table that is read"
        );
    }

    #[test]
    fn kinds_come_back_from_their_numbers() {
        let reasons = (1..8).map(|number| DoubtKind::Ended(EndReason::of_number(number)));
        for kind in reasons.chain([DoubtKind::Guessed, DoubtKind::FramePointers, DoubtKind::PythonPlace]) {
            assert_eq!(DoubtKind::of_number(kind.number()), kind);
        }
        assert_eq!(DoubtKind::of_number(77), DoubtKind::Ended(EndReason::Other));
    }
}
