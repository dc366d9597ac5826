//! Numbers for frames, so that grouping hashes eight bytes instead of a path.

use rustc_hash::FxHashMap;

use crate::model::{Frame, KeyType};

/// A frame as two numbers: frames have equal ones if they are of one group.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameKey {
    /// The number of the file's or module's name.
    name: u32,
    /// The line; of a function, one more than the number of its name.
    within: u32,
}

/// Gives each different text a number: by address first, since the names of a snapshot are shared, then by text.
#[derive(Default)]
pub struct FrameInterner<'a> {
    by_address: FxHashMap<(usize, usize), u32>,
    by_text: FxHashMap<&'a str, u32>,
}

impl<'a> FrameInterner<'a> {
    /// The key of `frame` among groups of `key_type`; where it is not frames that are grouped, that of its line. A snapshot has fewer
    /// than 2^32 - 1 different names: each takes more than a byte of memory.
    pub fn key(&mut self, frame: &'a Frame, key_type: KeyType) -> FrameKey {
        match key_type {
            KeyType::Lineno | KeyType::Traceback | KeyType::Tag => {
                FrameKey { name: self.number(&frame.filename), within: frame.lineno }
            }
            KeyType::Filename => FrameKey { name: self.number(frame.file()), within: 0 },
            KeyType::Function => {
                let function = frame.function.as_deref().map_or(0, |function| self.number(function) + 1);
                FrameKey { name: self.number(frame.file()), within: function }
            }
            KeyType::Module => FrameKey { name: self.number(module(frame)), within: 0 },
        }
    }

    fn number(&mut self, text: &'a str) -> u32 {
        let by_text = &mut self.by_text;
        *self.by_address.entry((text.as_ptr().addr(), text.len())).or_insert_with(|| {
            let next = by_text.len() as u32;
            *by_text.entry(text).or_insert(next)
        })
    }
}

/// The module of `frame`, tracemalloc's `<unknown>` if it has none. Python's modules are files.
pub(super) fn module(frame: &Frame) -> &str {
    if frame.is_python() {
        return &frame.filename;
    }
    frame.module_path().unwrap_or("<unknown>")
}
