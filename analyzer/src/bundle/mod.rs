//! The names that a recording carries (`docs/format.md`, "Names"): functions, files and lines of the addresses in its stacks, by module.
//!
//! What is read was checked to be what was written, and is looked at again all the same: a part that makes no sense is none.

mod part;
mod write;

pub(crate) use write::BundleWriter;

use std::path::PathBuf;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::SourceText;
use part::Part;

/// More contents than this are neither written nor read, in bytes: of one part, ...
pub(crate) const PART_BYTES_MAX: usize = 16 << 20;
/// ... and of all together; what is beyond is looked up in files.
pub(crate) const ALL_BYTES_MAX: usize = 128 << 20;

/// Lines of source take no more than this of all, in bytes.
pub(crate) const SOURCE_BYTES_MAX: usize = 32 << 20;

/// Names that a recording is to carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The contents of the parts.
    pub(crate) parts: Vec<Vec<u8>>,
    /// Addresses that have no room in them.
    pub n_left_out: u64,
    /// Lines of source that have none.
    pub n_lines_left_out: u64,
}

/// The names that a recording carries; none of most.
#[derive(Debug, Default)]
pub struct Bundle {
    /// The file that they stand in.
    pub path: PathBuf,
    /// How many parts could not be read.
    pub n_damaged: u64,
    parts: Vec<Part>,
    source: Arc<SourceText>,
    /// The places of modules by path: part, and module in it.
    of_path: FxHashMap<String, Vec<(usize, usize)>>,
}

/// A module that there are names of: its places in the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BundledModule(Vec<(usize, usize)>);

/// A frame at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BundledFrame<'a> {
    /// The function, if it is known.
    pub function: Option<&'a str>,
    /// The source file; `None` where there is none, and the frame is called by its module.
    pub file: Option<&'a str>,
    /// The line, or 0.
    pub line: u32,
}

/// What kept names from being found where they were looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BundledProblem<'a> {
    /// Its number.
    pub reason: u64,
    /// The file that it is about.
    pub file: &'a str,
    /// More of it.
    pub detail: &'a str,
}

impl Bundle {
    /// The names in `contents`, each the content of a part, or `None` for what could not be read.
    pub(crate) fn read(path: PathBuf, contents: impl Iterator<Item = Option<Vec<u8>>>) -> Bundle {
        let mut bundle = Bundle { path, ..Bundle::default() };
        let mut room = ALL_BYTES_MAX;
        for content in contents {
            let fits = content.filter(|content| content.len() <= PART_BYTES_MAX.min(room));
            match fits.and_then(Part::read) {
                Some(part) => {
                    room -= part.bytes().len();
                    bundle.add(part);
                }
                None => bundle.n_damaged += 1,
            }
        }
        bundle
    }

    fn add(&mut self, part: Part) {
        let number = self.parts.len();
        for (place, module) in part.modules.iter().enumerate() {
            let path = part.text(module.path).to_owned();
            self.of_path.entry(path).or_default().push((number, place));
        }
        if part.has_source() {
            part.add_source(Arc::make_mut(&mut self.source));
        }
        self.parts.push(part);
    }

    /// The lines of source that go with them.
    #[must_use]
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// Whether it has no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The contents of its parts, to be written again.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(Part::bytes)
    }

    /// The module with this path, build-id and size in memory.
    pub(crate) fn module(&self, path: &str, build_id: &[u8], size: u64) -> Option<BundledModule> {
        let is_it = |place: &&(usize, usize)| {
            let part = self.parts.get(place.0);
            let module = part.and_then(|part| part.modules.get(place.1));
            module.is_some_and(|module| module.build_id == build_id && module.size == size)
        };
        let places: Vec<_> = self.of_path.get(path)?.iter().filter(is_it).copied().collect();
        (!places.is_empty()).then_some(BundledModule(places))
    }

    /// The frames at an address of a module's file, the most inlined function first; `None` if it is not in here.
    pub(crate) fn frames(&self, module: &BundledModule, offset: u64) -> Option<Vec<BundledFrame<'_>>> {
        module.0.iter().find_map(|&(part, module)| self.parts.get(part)?.frames(module, offset))
    }

    /// What kept names of a module from being found.
    pub(crate) fn problems(&self, module: &BundledModule) -> Vec<BundledProblem<'_>> {
        let of = |&(part, module): &(usize, usize)| Some(self.parts.get(part)?.problems(module));
        module.0.iter().filter_map(of).flatten().collect()
    }

    /// The allocators inside of the file that was loaded by this name; `None` if that is not known.
    pub(crate) fn allocators(&self, path: &str, build_id: &[u8]) -> Option<Vec<&str>> {
        self.parts.iter().find_map(|part| part.allocators(path, build_id))
    }
}

#[cfg(test)]
mod tests;
