//! Numbers for frames, so that grouping hashes eight bytes instead of a path.

use rustc_hash::FxHashMap;

use crate::model::Frame;

/// A frame as a number: equal frames have equal ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FrameKey {
    filename: u32,
    lineno: u32,
}

/// Gives each different file name a number: by address first, since the names of a snapshot are shared, then by text.
#[derive(Default)]
pub(super) struct FrameInterner<'a> {
    by_address: FxHashMap<(usize, usize), u32>,
    by_text: FxHashMap<&'a str, u32>,
}

impl<'a> FrameInterner<'a> {
    /// The key of `frame`. A snapshot has fewer than 2^32 different names: each takes more than a byte of memory.
    pub(super) fn key(&mut self, frame: &'a Frame) -> FrameKey {
        FrameKey { filename: self.filename(&frame.filename), lineno: frame.lineno }
    }

    /// The key of all frames in the file of `frame`.
    pub(super) fn file_key(&mut self, frame: &'a Frame) -> FrameKey {
        FrameKey { filename: self.filename(&frame.filename), lineno: 0 }
    }

    fn filename(&mut self, text: &'a str) -> u32 {
        let by_text = &mut self.by_text;
        *self.by_address.entry((text.as_ptr().addr(), text.len())).or_insert_with(|| {
            let next = by_text.len() as u32;
            *by_text.entry(text).or_insert(next)
        })
    }
}
