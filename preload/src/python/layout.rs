//! Where CPython keeps what is read of it, version by version.
//!
//! The numbers were compiled from the headers of each version; they hold for 64-bit builds with the global lock. Minor versions
//! never change them: the thread state is public, and what is not has been told to debuggers (`_Py_DebugOffsets`) since 3.13.
//! [`super::check`] holds them against what the interpreter says of itself.

use tm_common::metadata::LineTableKind;

/// Where the frames of a version have their parts. A frame is an object up to 3.10 and a structure of the evaluation's since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameShape {
    /// The code object, ...
    pub code: usize,
    /// ... in whose address these bits are no part of it: since 3.14, references carry tags.
    pub code_tags: usize,
    /// The frame that called it.
    pub previous: usize,
    /// What it runs: the latest instruction, or its address.
    pub instruction: usize,
    /// The bits that are that.
    pub instruction_mask: usize,
    /// How often it is to be halved to be in code units of 2 bytes.
    pub instruction_shift: u32,
    /// Two bytes of marks, ...
    pub marks: usize,
    /// ... and the bits of them that mean something; 0 for none.
    pub marks_mask: u16,
    /// How the marks are read.
    pub entry: Entry,
}

/// How it is known for which frames C code has called the evaluation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// For all.
    Each,
    /// For those with the lower byte of the marks set; the upper one is the owner.
    Marked,
    /// For those whose caller is none, but a mark of the evaluation function's: its owner, the lower byte, is 3 or more.
    Shim,
}

/// The owner of frames that are inside of a generator: they have always begun.
pub const OWNER_GENERATOR: usize = 1;
/// The first owner whose frames run no code of the program's.
const OWNER_SHIM: usize = 3;

impl FrameShape {
    const OBJECT: FrameShape = FrameShape {
        code: 32,
        code_tags: 0,
        previous: 24,
        instruction: 104,
        instruction_mask: 0xffff_ffff,
        instruction_shift: 1,
        marks: 0,
        marks_mask: 0,
        entry: Entry::Each,
    };
    const STRUCTURE: FrameShape = FrameShape {
        code: 0,
        code_tags: 0,
        previous: 8,
        instruction: 56,
        instruction_mask: usize::MAX,
        instruction_shift: 1,
        marks: 70,
        marks_mask: 0xff,
        entry: Entry::Shim,
    };
    /// The shapes, by [`Layout::shape`].
    pub const ALL: [FrameShape; 5] = [
        Self::OBJECT,
        FrameShape { instruction: 96, instruction_shift: 0, ..Self::OBJECT },
        FrameShape {
            code: 32,
            previous: 48,
            marks: 68,
            marks_mask: 0xffff,
            entry: Entry::Marked,
            ..Self::STRUCTURE
        },
        Self::STRUCTURE,
        FrameShape { code_tags: 7, marks: 74, ..Self::STRUCTURE },
    ];

    /// Where the word is that holds the marks.
    pub const fn marks_word(&self) -> usize {
        self.marks & !7
    }

    /// The bits of that word that are marks. Frames are compared by it, so marks are kept as they stand in it.
    pub const fn marks_bits(&self) -> usize {
        (self.marks_mask as usize) << self.marks_shift()
    }

    const fn marks_shift(&self) -> u32 {
        8 * (self.marks & 7) as u32
    }

    /// Tells whether a frame with these marks is none of the program's.
    #[inline(always)]
    pub const fn is_shim(&self, marks: usize) -> bool {
        matches!(self.entry, Entry::Shim) && marks >> self.marks_shift() >= OWNER_SHIM
    }

    /// Tells whether C code called the evaluation function for a frame with these marks, whose caller's are `outer`.
    #[inline(always)]
    pub const fn is_entry(&self, marks: usize, outer: Option<usize>) -> bool {
        match (self.entry, outer) {
            (Entry::Each, _) | (Entry::Shim, None) => true,
            (Entry::Marked, _) => marks >> self.marks_shift() & 0xff != 0,
            (Entry::Shim, Some(outer)) => self.is_shim(outer),
        }
    }

    /// Returns the owner of a frame with these marks.
    #[inline(always)]
    pub const fn owner(&self, marks: usize) -> usize {
        let marks = marks >> self.marks_shift();
        if matches!(self.entry, Entry::Marked) { marks >> 8 } else { marks }
    }
}

/// Where a code object has its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeShape {
    /// `co_filename`.
    pub file: usize,
    /// `co_qualname`; up to 3.10 `co_name`.
    pub name: usize,
    /// `co_firstlineno`.
    pub first_line: usize,
    /// `co_linetable`; up to 3.9 `co_lnotab`.
    pub line_table: usize,
    /// The way it is written.
    pub line_table_kind: LineTableKind,
    /// What its names are in `PyCode_Type.tp_members`, in the order of the fields above.
    pub members: [&'static [u8]; 4],
    /// `PyCode_Type.tp_basicsize`; since 3.11 the instructions stand there, in the object.
    pub size: usize,
    /// `_co_firsttraceable`, in instructions: a frame that has not come to it is incomplete. 0 up to 3.10, where each has.
    pub first_traceable: usize,
}

impl CodeShape {
    const EARLY: CodeShape = CodeShape {
        file: 104,
        name: 112,
        first_line: 40,
        line_table: 120,
        line_table_kind: LineTableKind::Lnotab,
        members: [b"co_filename", b"co_name", b"co_firstlineno", b"co_lnotab"],
        size: 176,
        first_traceable: 0,
    };
    const LATE: CodeShape = CodeShape {
        file: 112,
        name: 128,
        first_line: 68,
        line_table: 136,
        line_table_kind: LineTableKind::Locations,
        members: [b"co_filename", b"co_qualname", b"co_firstlineno", b"co_linetable"],
        size: 208,
        first_traceable: 192,
    };
}

/// What a version keeps where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `PyThreadState.frame`, `cframe` or `current_frame`.
    pub frame: usize,
    /// Where the innermost frame is in what the above leads to; `None` if the above leads to itself.
    pub frame_inside: Option<usize>,
    /// `PyThreadState.thread_id`.
    pub thread_id: usize,
    /// `_PyRuntime`'s `_finalizing`; `None` if the interpreter says where it is.
    pub finalizing: Option<usize>,
    /// The place of its frames' shape in [`FrameShape::ALL`].
    pub shape: usize,
    /// Its code objects.
    pub code: CodeShape,
    /// `sizeof(PyASCIIObject)`: behind it are the characters of a string of nothing else.
    pub ascii_bytes: usize,
    /// `sizeof(PyCompactUnicodeObject)`: behind it are the characters of other strings, or where they are.
    pub compact_bytes: usize,
    /// Where `_Py_DebugOffsets` says the same; `None` up to 3.12.
    pub told: Option<Told>,
}

/// The places in `_Py_DebugOffsets` of offsets that have to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// `thread_state.current_frame`.
    pub frame: usize,
    /// `thread_state.thread_id`.
    pub thread_id: usize,
    /// `interpreter_frame.previous`; `executable`, `instr_ptr` and, two further, `owner` come behind it.
    pub frame_parts: usize,
    /// `code_object.filename`; `name`, `qualname`, `linetable` and `firstlineno` come behind it, `co_code_adaptive` is further.
    pub code_parts: usize,
    /// `code_object.co_code_adaptive`.
    pub instructions: usize,
    /// `unicode_object.state`; `length` and `asciiobject_size` come behind it.
    pub text_parts: usize,
}

impl Layout {
    const EARLY: Layout = Layout {
        frame: 24,
        frame_inside: None,
        thread_id: 176,
        finalizing: Some(16),
        shape: 0,
        code: CodeShape::EARLY,
        ascii_bytes: 48,
        compact_bytes: 72,
        told: None,
    };
    const LATE: Layout = Layout {
        frame: 72,
        frame_inside: None,
        thread_id: 152,
        finalizing: None,
        shape: 4,
        code: CodeShape::LATE,
        ascii_bytes: 40,
        compact_bytes: 56,
        told: None,
    };
    /// The first version that is known, 3.9; the others follow.
    const FIRST_MINOR: u32 = 9;
    /// The versions from [`Self::FIRST_MINOR`] on.
    const ALL: [Layout; 7] = [
        Self::EARLY,
        Layout {
            shape: 1,
            code: CodeShape {
                line_table_kind: LineTableKind::Pairs,
                members: [b"co_filename", b"co_name", b"co_firstlineno", b"co_linetable"],
                ..CodeShape::EARLY
            },
            ..Self::EARLY
        },
        Layout {
            frame: 56,
            frame_inside: Some(8),
            finalizing: Some(24),
            shape: 2,
            code: CodeShape { first_line: 72, size: 184, first_traceable: 168, ..CodeShape::LATE },
            ascii_bytes: 48,
            compact_bytes: 72,
            ..Self::LATE
        },
        Layout {
            frame: 56,
            frame_inside: Some(0),
            thread_id: 136,
            finalizing: Some(24),
            shape: 3,
            code: CodeShape { size: 192, first_traceable: 176, ..CodeShape::LATE },
            ..Self::LATE
        },
        Layout {
            shape: 3,
            code: CodeShape { size: 200, first_traceable: 184, ..CodeShape::LATE },
            told: Some(Told {
                frame: 184,
                thread_id: 192,
                frame_parts: 232,
                code_parts: 280,
                instructions: 344,
                text_parts: 544,
            }),
            ..Self::LATE
        },
        Layout {
            told: Some(Told {
                frame: 208,
                thread_id: 216,
                frame_parts: 256,
                code_parts: 320,
                instructions: 384,
                text_parts: 624,
            }),
            ..Self::LATE
        },
        Layout {
            thread_id: 176,
            told: Some(Told {
                frame: 208,
                thread_id: 240,
                frame_parts: 320,
                code_parts: 384,
                instructions: 448,
                text_parts: 720,
            }),
            ..Self::LATE
        },
    ];

    /// Returns the layout of the version with this `PY_VERSION_HEX`, if it is known.
    pub fn of_version(version: u32) -> Option<&'static Layout> {
        let (major, minor) = (version >> 24, version >> 16 & 0xff);
        let place = minor.checked_sub(Self::FIRST_MINOR).filter(|_| major == 3)?;
        // A preview may be laid out as none of its releases is.
        const RELEASE_CANDIDATE: u32 = 0xc;
        Self::ALL.get(place as usize).filter(|_| version >> 4 & 0xf >= RELEASE_CANDIDATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_are_known_are_released_and_in_the_table() {
        let size_of = |version| Layout::of_version(version).map(|layout| layout.code.size);
        assert_eq!(
            [0x0309_12f0, 0x030a_0df0, 0x030b_0700, 0x030b_07f0].map(size_of),
            [Some(176), Some(176), None, Some(184)]
        );
        assert_eq!(
            [0x030d_00f0, 0x030f_00c1, 0x030f_00b4, 0x030f_00a7].map(size_of),
            [Some(200), Some(208), None, None]
        );
        assert_eq!([0, 0x0207_12f0, 0x0308_00f0, 0x0310_00f0, 0x040b_00f0].map(size_of), [None; 5]);
    }
}
