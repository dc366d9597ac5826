//! A part of the names: some modules, with all texts that they need. Numbers are LEB128.
//!
//! ```text
//! texts       n, then each: length, bytes
//! frames      n, then each: function + 1 or 0, file + 1 or 0 (numbers of texts), line
//! modules     n, then each: path, build-id, size in memory
//!                           problems   n, then each: reason, file, detail
//!                           addresses  n, then each: difference to the one before, n, numbers of frames
//! allocators  n, then each: path, build-id, n, names
//! source      if there is any: n, then each: file, n, and each line: difference to the one before, text
//! ```

use std::ops::Range;

use tm_common::varint::Reader;

use super::{BundledFrame, BundledProblem};
use crate::model::SourceText;

/// A part that was read: its bytes, and where everything is in them.
#[derive(Debug)]
pub(super) struct Part {
    bytes: Vec<u8>,
    texts: Vec<Range<u32>>,
    frames: Vec<[u32; 3]>,
    pub(super) modules: Vec<Module>,
    allocators: Vec<Allocators>,
    source: Vec<SourceFile>,
}

/// Lines of a file of source: each with its number, and that of its text.
#[derive(Debug)]
struct SourceFile {
    file: u32,
    lines: Vec<(u32, u32)>,
}

/// A module of a part; texts by number.
#[derive(Debug)]
pub(super) struct Module {
    pub path: u32,
    pub build_id: Vec<u8>,
    pub size: u64,
    problems: Vec<(u64, u32, u32)>,
    /// The addresses, rising, each with where its frames end in `chains`; they begin where those of the one before end.
    addresses: Vec<(u64, u32)>,
    chains: Vec<u32>,
}

#[derive(Debug)]
struct Allocators {
    path: u32,
    build_id: Vec<u8>,
    names: Vec<u32>,
}

/// Reads numbers and runs of bytes; `None` for what makes no sense.
struct Fields<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    n_texts: u32,
    n_frames: u32,
}

impl Fields<'_> {
    fn number(&mut self) -> Option<u64> {
        self.reader.unsigned().ok()
    }

    /// How many follow: each takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        let left = self.bytes.len() - self.reader.position();
        self.number().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= left)
    }

    /// As many as follow.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.count()?;
        (0..n).map(|_| item(self)).collect()
    }

    fn below(&mut self, end: u32) -> Option<u32> {
        self.number().and_then(|n| u32::try_from(n).ok()).filter(|n| *n < end)
    }

    /// The number of a text.
    fn text(&mut self) -> Option<u32> {
        self.below(self.n_texts)
    }

    /// A run of bytes.
    fn run(&mut self) -> Option<Range<u32>> {
        let len = self.count()?;
        let start = self.reader.position();
        self.reader.skip(len).ok()?;
        Some(start as u32..(start + len) as u32)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let run = self.run()?;
        self.bytes.get(run.start as usize..run.end as usize).map(<[u8]>::to_vec)
    }

    fn source_file(&mut self) -> Option<SourceFile> {
        let (file, mut last) = (self.text()?, 0u32);
        let lines = self.list(|fields| {
            last = u32::try_from(fields.number()?).ok().and_then(|more| last.checked_add(more))?;
            Some((last, fields.text()?))
        })?;
        Some(SourceFile { file, lines })
    }

    fn module(&mut self) -> Option<Module> {
        let (path, build_id, size) = (self.text()?, self.bytes()?, self.number()?);
        let problems = self.list(|fields| Some((fields.number()?, fields.text()?, fields.text()?)))?;
        let (mut address, mut chains) = (0u64, Vec::new());
        let addresses = self.list(|fields| {
            address = address.checked_add(fields.number()?)?;
            let chain = fields.list(|fields| fields.below(fields.n_frames))?;
            chains.extend(chain);
            Some((address, chains.len() as u32))
        })?;
        Some(Module { path, build_id, size, problems, addresses, chains })
    }
}

impl Part {
    /// Reads a part; `None` if it makes no sense.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Part> {
        let mut fields = Fields { bytes: &bytes, reader: Reader::new(&bytes), n_texts: 0, n_frames: 0 };
        let texts = fields.list(|fields| {
            let run = fields.run()?;
            let text = fields.bytes.get(run.start as usize..run.end as usize)?;
            std::str::from_utf8(text).ok().map(|_| run)
        })?;
        fields.n_texts = texts.len() as u32;
        let n = fields.n_texts + 1;
        let line = |fields: &mut Fields<'_>| fields.number().and_then(|line| u32::try_from(line).ok());
        let frames = fields.list(|fields| Some([fields.below(n)?, fields.below(n)?, line(fields)?]))?;
        fields.n_frames = frames.len() as u32;
        let modules = fields.list(Fields::module)?;
        let allocators = fields.list(|fields| {
            let (path, build_id) = (fields.text()?, fields.bytes()?);
            Some(Allocators { path, build_id, names: fields.list(Fields::text)? })
        })?;
        let source = if fields.reader.is_at_end() { Vec::new() } else { fields.list(Fields::source_file)? };
        if !fields.reader.is_at_end() {
            return None;
        }
        Some(Part { texts, frames, modules, allocators, source, bytes })
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text with this number.
    pub(super) fn text(&self, number: u32) -> &str {
        let run = self.texts.get(number as usize);
        let bytes = run.and_then(|run| self.bytes.get(run.start as usize..run.end as usize));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The frames at an address of a module.
    pub(super) fn frames(&self, module: usize, offset: u64) -> Option<Vec<BundledFrame<'_>>> {
        let Module { addresses, chains, .. } = self.modules.get(module)?;
        let place = addresses.binary_search_by_key(&offset, |(address, _)| *address).ok()?;
        let end_of = |place: usize| addresses.get(place).map_or(0, |(_, end)| *end as usize);
        let start = place.checked_sub(1).map_or(0, end_of);
        let optional = |number: u32| number.checked_sub(1).map(|number| self.text(number));
        let frame = |number: &u32| {
            let &[function, file, line] = self.frames.get(*number as usize)?;
            Some(BundledFrame { function: optional(function), file: optional(file), line })
        };
        chains.get(start..end_of(place))?.iter().map(frame).collect()
    }

    /// What kept names of a module from being found.
    pub(super) fn problems(&self, module: usize) -> Vec<BundledProblem<'_>> {
        let problem = |&(reason, file, detail): &(u64, u32, u32)| BundledProblem {
            reason,
            file: self.text(file),
            detail: self.text(detail),
        };
        self.modules.get(module).into_iter().flat_map(|module| &module.problems).map(problem).collect()
    }

    /// Whether it has lines of source.
    pub(super) fn has_source(&self) -> bool {
        !self.source.is_empty()
    }

    /// Adds its lines of source.
    pub(super) fn add_source(&self, source: &mut SourceText) {
        for SourceFile { file, lines } in &self.source {
            lines
                .iter()
                .for_each(|&(line, text)| source.add(self.text(*file), line, self.text(text).to_owned()));
        }
    }

    /// The allocators inside of a file.
    pub(super) fn allocators(&self, path: &str, build_id: &[u8]) -> Option<Vec<&str>> {
        let is_it = |known: &&Allocators| known.build_id == build_id && self.text(known.path) == path;
        let found = self.allocators.iter().find(is_it)?;
        Some(found.names.iter().map(|name| self.text(*name)).collect())
    }
}
