//! The tables that samples point into: strings, mappings, frames and stacks, each entry by a number from 1.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::export::frames::{clean, function};
use crate::export::paths::Paths;
use crate::export::protobuf::{Field, Message, put_number};
use crate::tree::Tree;
use tm_analyzer::model::{Frame, ModuleFile};

// `InternedData` of interned_data.proto.
const FUNCTION_NAMES: Field = 5;
const FRAMES: Field = 6;
const CALLSTACKS: Field = 7;
const BUILD_IDS: Field = 16;
const MAPPING_PATHS: Field = 17;
const SOURCE_PATHS: Field = 18;
const MAPPINGS: Field = 19;

/// The module of frames of Python code.
const PYTHON: &str = "python";

/// Entries that are to be written, and the numbers of all so far.
#[derive(Default)]
pub(super) struct Interned {
    /// `InternedData`, of what was added since it was taken.
    pub data: Message,
    texts: FxHashMap<(Field, Box<[u8]>), u64>,
    /// How many texts each table has.
    n_texts: FxHashMap<Field, u64>,
    mappings: FxHashMap<Option<Arc<ModuleFile>>, u64>,
    n_frames: u64,
    n_stacks: u64,
    /// The fields of the frames of the last one.
    paths: Paths,
    /// The stack that is being made.
    stack: Message,
}

impl Interned {
    /// Adds a frame. Its number is one more than the last.
    pub fn add_frame(&mut self, frame: &Frame) {
        let mapping = self.mapping(frame);
        let function = self.text(FUNCTION_NAMES, function(frame).as_bytes());
        let source = (frame.lineno != 0).then(|| self.text(SOURCE_PATHS, clean(&frame.filename).as_bytes()));
        self.n_frames += 1;
        let mut entry = Message::new()
            .number(1, self.n_frames)
            .number(2, function)
            .number(3, mapping)
            .number(4, frame.address.unwrap_or(0));
        if let Some(source) = source {
            entry = entry.number(5, source).number(6, frame.lineno.into());
        }
        self.data.put_bytes(FRAMES, entry.bytes());
    }

    /// Adds the stack that ends at a node of `tree`, whose frames are numbers from 0. Its number is one more than the last.
    pub fn add_stack(&mut self, tree: &Tree, node: u32) {
        self.n_stacks += 1;
        let frames = self.paths.of(tree, node, |fields, frame| {
            put_number(fields, 2, u64::from(frame) + 1);
        });
        self.stack.clear();
        self.stack.put_number(1, self.n_stacks);
        self.stack.put_fields(frames);
        self.data.put_bytes(CALLSTACKS, self.stack.bytes());
    }

    fn mapping(&mut self, frame: &Frame) -> u64 {
        let module = if frame.is_python() { Some(ModuleFile::at(PYTHON)) } else { frame.module.clone() };
        if let Some(&known) = self.mappings.get(&module) {
            return known;
        }
        let number = self.mappings.len() as u64 + 1;
        let mut entry = Message::new().number(1, number);
        if let Some(module) = &module {
            if !module.build_id.is_empty() {
                entry = entry.number(2, self.text(BUILD_IDS, &module.build_id));
            }
            for part in module.path.split('/').filter(|part| !part.is_empty()) {
                entry.put_number(7, self.text(MAPPING_PATHS, clean(part).as_bytes()));
            }
        }
        self.data.put_bytes(MAPPINGS, entry.bytes());
        self.mappings.insert(module, number);
        number
    }

    fn text(&mut self, table: Field, text: &[u8]) -> u64 {
        if let Some(&known) = self.texts.get(&(table, text.into())) {
            return known;
        }
        let n_texts = self.n_texts.entry(table).or_default();
        *n_texts += 1;
        let entry = Message::new().number(1, *n_texts).text(2, text);
        self.data.put_bytes(table, entry.bytes());
        self.texts.insert((table, text.into()), *n_texts);
        *n_texts
    }
}
