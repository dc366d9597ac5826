//! Writes names in parts, each of which has all texts that it needs: so one that is damaged takes no others with it.

use rustc_hash::FxHashMap;

use super::{ALL_BYTES_MAX, BundledFrame, BundledProblem, Names, PART_BYTES_MAX, SOURCE_BYTES_MAX};
use crate::model::SourceText;

/// A part is closed when its contents are longer than this, in bytes.
const PART_BYTES: usize = PART_BYTES_MAX / 2;
/// As many lines of a file of source stand together.
const LINES_MAX: usize = 1000;
/// A number takes this many bytes at most.
const NUMBER_BYTES_MAX: usize = 10;

/// Takes names, module by module.
#[derive(Debug, Default)]
pub(crate) struct BundleWriter {
    done: Vec<Vec<u8>>,
    done_bytes: usize,
    part: Pending,
    /// The module that addresses are taken of.
    module: Option<PendingModule>,
    /// Addresses that have no room.
    n_left_out: u64,
    source_bytes: usize,
    n_lines_left_out: u64,
}

/// A part that is not closed.
#[derive(Debug, Default)]
struct Pending {
    texts: Table,
    frames: FxHashMap<[u32; 3], u32>,
    /// The frames in their order.
    frame_bytes: Vec<u8>,
    modules: Vec<u8>,
    n_modules: u64,
    allocators: Vec<u8>,
    n_allocators: u64,
    source: Vec<u8>,
    n_source: u64,
}

#[derive(Debug, Default)]
struct Table {
    numbers: FxHashMap<String, u32>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct PendingModule {
    path: String,
    build_id: Vec<u8>,
    size: u64,
    problems: Vec<u8>,
    n_problems: u64,
    addresses: Vec<u8>,
    n_addresses: u64,
    last: u64,
}

impl BundleWriter {
    /// Begins a module.
    pub fn module<'a>(
        &mut self,
        path: &str,
        build_id: &[u8],
        size: u64,
        problems: impl Iterator<Item = BundledProblem<'a>>,
    ) {
        self.end_module();
        let mut module = PendingModule {
            path: path.to_owned(),
            build_id: build_id.to_vec(),
            size,
            problems: Vec::new(),
            n_problems: 0,
            addresses: Vec::new(),
            n_addresses: 0,
            last: 0,
        };
        for BundledProblem { reason, file, detail } in problems {
            put(&mut module.problems, reason);
            put(&mut module.problems, self.part.texts.number(file).into());
            put(&mut module.problems, self.part.texts.number(detail).into());
            module.n_problems += 1;
        }
        self.module = Some(module);
    }

    /// Adds an address of the module, above those before it, with its frames.
    pub fn address(&mut self, offset: u64, frames: &[BundledFrame<'_>]) {
        let text_bytes = |frame: &BundledFrame<'_>| {
            frame.function.map_or(0, str::len) + frame.file.map_or(0, str::len) + 8 * NUMBER_BYTES_MAX
        };
        let bytes: usize = frames.iter().map(text_bytes).sum();
        if bytes > PART_BYTES_MAX / 4 || self.done_bytes + self.bytes() + bytes > ALL_BYTES_MAX {
            self.n_left_out += 1;
            return;
        }
        if self.bytes() + bytes > PART_BYTES {
            self.close();
        }
        let (part, Some(module)) = (&mut self.part, &mut self.module) else { return };
        put(&mut module.addresses, offset - module.last);
        put(&mut module.addresses, frames.len() as u64);
        for frame in frames {
            put(&mut module.addresses, part.frame(frame).into());
        }
        (module.last, module.n_addresses) = (offset, module.n_addresses + 1);
    }

    /// Adds what is known of a file: the allocators inside.
    pub fn allocators(&mut self, path: &str, build_id: &[u8], names: &[impl AsRef<str>]) {
        let part = &mut self.part;
        put(&mut part.allocators, part.texts.number(path).into());
        put_run(&mut part.allocators, build_id);
        put(&mut part.allocators, names.len() as u64);
        for name in names {
            put(&mut part.allocators, part.texts.number(name.as_ref()).into());
        }
        part.n_allocators += 1;
    }

    /// Adds lines of source.
    pub fn source(&mut self, source: &SourceText) {
        self.end_module();
        for (file, lines) in source.files() {
            let lines: Vec<(&u32, &String)> = lines.iter().collect();
            lines.chunks(LINES_MAX).for_each(|lines| self.source_file(file, lines));
        }
    }

    fn source_file(&mut self, file: &str, lines: &[(&u32, &String)]) {
        let text_bytes = |(_, text): &(&u32, &String)| text.len() + 2 * NUMBER_BYTES_MAX;
        let bytes = lines.iter().map(text_bytes).sum::<usize>() + file.len() + 2 * NUMBER_BYTES_MAX;
        let is_too_much = self.source_bytes + bytes > SOURCE_BYTES_MAX || bytes > PART_BYTES_MAX / 4;
        if is_too_much || self.done_bytes + self.bytes() + bytes > ALL_BYTES_MAX {
            self.n_lines_left_out += lines.len() as u64;
            return;
        }
        self.source_bytes += bytes;
        if self.bytes() + bytes > PART_BYTES {
            self.close();
        }
        let part = &mut self.part;
        put(&mut part.source, part.texts.number(file).into());
        put(&mut part.source, lines.len() as u64);
        let mut last = 0;
        for &(&line, text) in lines {
            put(&mut part.source, (line - last).into());
            put(&mut part.source, part.texts.number(text).into());
            last = line;
        }
        part.n_source += 1;
    }

    /// All that was taken.
    pub fn finish(mut self) -> Names {
        self.end_module();
        self.close();
        Names { parts: self.done, n_left_out: self.n_left_out, n_lines_left_out: self.n_lines_left_out }
    }

    /// How long the part is so far, about.
    fn bytes(&self) -> usize {
        let module = self.module.as_ref().map_or(0, |module| {
            module.path.len() + module.build_id.len() + module.problems.len() + module.addresses.len()
        });
        let part = &self.part;
        let lists = part.modules.len() + part.allocators.len() + part.source.len();
        part.texts.bytes.len() + part.frame_bytes.len() + lists + module
    }

    fn end_module(&mut self) {
        let Some(module) = self.module.take() else { return };
        let path = self.part.texts.number(&module.path);
        let out = &mut self.part.modules;
        put(out, path.into());
        put_run(out, &module.build_id);
        put(out, module.size);
        put(out, module.n_problems);
        out.extend_from_slice(&module.problems);
        put(out, module.n_addresses);
        out.extend_from_slice(&module.addresses);
        self.part.n_modules += 1;
    }

    /// Closes the part; a module that goes on is in the next one too.
    fn close(&mut self) {
        let goes_on = self.module.clone().map(|module| PendingModule {
            // Their texts stand in the part that is closed.
            problems: Vec::new(),
            n_problems: 0,
            addresses: Vec::new(),
            n_addresses: 0,
            last: 0,
            ..module
        });
        self.end_module();
        self.module = goes_on;
        let part = std::mem::take(&mut self.part);
        if part.n_modules + part.n_allocators + part.n_source == 0 {
            return;
        }
        let mut content = Vec::new();
        for (n, bytes) in [
            (part.texts.numbers.len() as u64, &part.texts.bytes),
            (part.frames.len() as u64, &part.frame_bytes),
            (part.n_modules, &part.modules),
            (part.n_allocators, &part.allocators),
        ] {
            put(&mut content, n);
            content.extend_from_slice(bytes);
        }
        if part.n_source > 0 {
            put(&mut content, part.n_source);
            content.extend_from_slice(&part.source);
        }
        self.done_bytes += content.len();
        self.done.push(content);
    }
}

impl Pending {
    fn frame(&mut self, frame: &BundledFrame<'_>) -> u32 {
        let mut optional = |text: Option<&str>| text.map_or(0, |text| self.texts.number(text) + 1);
        let key = [optional(frame.function), optional(frame.file), frame.line];
        let next = self.frames.len() as u32;
        *self.frames.entry(key).or_insert_with(|| {
            key.iter().for_each(|number| put(&mut self.frame_bytes, (*number).into()));
            next
        })
    }
}

impl Table {
    /// The number of a text. There are fewer than 2^32, for each takes a byte at least.
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.numbers.len() as u32;
        put_run(&mut self.bytes, text.as_bytes());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// Appends a number as LEB128.
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_run(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
