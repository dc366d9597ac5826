//! Turns code addresses into frames: function, file and line, with inlined frames expanded and names demangled.
//!
//! ```text
//! (module, address) -> sources: which files speak for the module -> module: DWARF, then symbols -> frames
//! ```
//!
//! It knows nothing of recordings: what is loaded where is the caller's business. A binary that is not the one that
//! ran is not used, and what stands in the way of a module's names is a sentence in [`Symbolizer::problems`], never
//! an error: such frames are `file+0xoffset`.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustc_hash::FxHashMap;

use crate::bundle::{Bundle, BundleWriter};
use crate::model::Frame;
use crate::text::raw_text;

mod attempt;
mod crc;
mod debug_file;
mod debuginfod;
mod demangle;
mod dwarf;
mod elf_file;
mod generated_code;
mod jitdump;
mod mini_debug_info;
mod module;
mod names;
mod open;
mod parts;
mod paths;
mod perf_map;
mod problem;
mod search;
mod source_files;
#[cfg(test)]
mod source_tests;
mod sources;
mod storage;
#[cfg(test)]
mod test_programs;
#[cfg(test)]
mod tests;

pub use attempt::{Attempt, Holds, Outcome, Source};
pub use debuginfod::{Debuginfod, Progress};
pub use demangle::demangle;
pub use paths::normalize;
pub use search::{HeldFile, Search};
pub use source_files::{LINE_BYTES_MAX, LINES_AROUND, SourceFiles, is_source};

use module::{Module, Places};
use names::Names;
use open::{Wanted, open_all};
use problem::Problem;

/// A loadable segment of a file: its address, its bytes in memory, its place in the file.
pub type Segment = (u64, u64, u64);

/// A file as it was loaded in a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModuleImage {
    /// Its path, or a name that is no path (`[vdso]`, `linux-vdso.so.1`) for code that came from no file.
    pub path: String,
    /// The contents of its build-id note, empty if it had none.
    pub build_id: Vec<u8>,
    /// What was added to the file's own addresses.
    pub bias: u64,
    /// The first address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// Its loadable segments, as far as they are known.
    pub segments: Vec<Segment>,
    /// When the recording began, in ns since 1970; 0 if that is not known.
    pub recorded_ns: u64,
    /// If it is no file that was loaded, but all code that a process made at run time: who lists it, at the path or in a dump.
    pub generated_by: Option<Generator>,
}

/// A process that makes code at run time, and may list it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Generator {
    /// Its number, as it knows that itself.
    pub pid: u32,
    /// The folder that it ran in, if that is known.
    pub working_directory: Option<String>,
    /// When it may have written the list, in ns since 1970.
    pub listed_ns: (u64, u64),
}

/// Finds frames, opening each file once and looking each address up once; several files at a time, if it knows what
/// will be wanted.
pub struct Symbolizer {
    search: Arc<Search>,
    /// Names that need no files.
    bundle: Arc<Bundle>,
    names: Names,
    /// All modules so far, in the order in which they were asked for.
    modules: Vec<Module>,
    /// Their places by path: one path may have held several files.
    of_path: FxHashMap<String, Vec<usize>>,
    n_threads_max: usize,
}

impl Symbolizer {
    /// One that looks for files where they were recorded, and for separate debug information under `/usr/lib/debug`.
    #[must_use]
    pub fn new() -> Symbolizer {
        Symbolizer::with(Arc::default())
    }

    /// One that looks for files at the places of `search`.
    #[must_use]
    pub fn with(search: Arc<Search>) -> Symbolizer {
        Symbolizer {
            search,
            bundle: Arc::default(),
            names: Names::default(),
            modules: Vec::new(),
            of_path: FxHashMap::default(),
            n_threads_max: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }

    /// The same, with no thread besides the calling one.
    #[must_use]
    pub fn without_threads(self) -> Symbolizer {
        Symbolizer { n_threads_max: 1, ..self }
    }

    /// From here on takes names from `bundle` first, where it has them.
    pub(crate) fn carry(&mut self, bundle: &Arc<Bundle>) {
        if !Arc::ptr_eq(&self.bundle, bundle) {
            self.bundle = Arc::clone(bundle);
        }
    }

    /// Adds all names so far to `writer`: those of modules that any file, or the bundle, had names of.
    pub(crate) fn write_to(&self, writer: &mut BundleWriter) {
        self.modules.iter().for_each(|module| module.write_to(writer));
    }

    /// Looks up in one go what [`Symbolizer::frames`] will be asked for, several modules at a time: for each module its
    /// addresses, with `exact`.
    pub fn prepare<'a>(&mut self, wanted: impl Iterator<Item = (&'a ModuleImage, &'a [(u64, bool)])>) {
        let mut new: Vec<Wanted> = Vec::new();
        for (image, addresses) in wanted {
            let offsets = addresses.iter().map(|&(address, exact)| offset(image, address, exact));
            if let Some(known) = new.iter_mut().find(|known| known.image.is_same_file(image)) {
                known.offsets.extend(offsets);
            } else if self.place(image).is_none() {
                new.push(Wanted { image: image.clone(), offsets: offsets.collect() });
            }
        }
        let places = Places { search: &self.search, bundle: &self.bundle };
        for module in open_all(&new, places, &self.names, self.n_threads_max) {
            self.add(module);
        }
    }

    /// The frames of the code at `address` of `module`, the most inlined function first; at least one.
    ///
    /// `exact` is for an address that was interrupted; otherwise it is a return address, and the instruction before it
    /// is looked up. An offset in a frame's `file+0xoffset` is the one that was looked up, in the file's own addresses.
    pub fn frames(&mut self, module: &ModuleImage, address: u64, exact: bool) -> Vec<Frame> {
        let offset = offset(module, address, exact);
        let place = self.found(module);
        let found = self.modules.get_mut(place);
        found.map_or_else(Vec::new, |found| found.frames(offset, &self.names))
    }

    /// Where the names of `module` were looked for, in that order: its files are, if they were not yet.
    pub fn attempts(&mut self, module: &ModuleImage) -> Vec<Attempt> {
        let place = self.found(module);
        self.modules.get(place).map_or_else(Vec::new, Module::attempts)
    }

    /// What kept names from being found, a sentence for each reason, for the modules that were asked for so far.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let problems: Vec<Problem> = self.modules.iter().flat_map(Module::problems).collect();
        problem::sentences(&problems)
    }

    /// The place of a module that was asked for.
    fn place(&self, image: &ModuleImage) -> Option<usize> {
        let same_path = self.of_path.get(&image.path)?;
        let is_of = |place: &&usize| self.modules.get(**place).is_some_and(|module| module.is_of(image));
        same_path.iter().find(is_of).copied()
    }

    /// The place of a module, whose files are looked for if that was not done.
    fn found(&mut self, image: &ModuleImage) -> usize {
        self.place(image).unwrap_or_else(|| {
            let may_spawn = self.n_threads_max > 1;
            let places = Places { search: &self.search, bundle: &self.bundle };
            self.add(Module::of(image, places, may_spawn, &self.names))
        })
    }

    fn add(&mut self, module: Module) -> usize {
        let place = self.modules.len();
        self.of_path.entry(module.path().to_owned()).or_default().push(place);
        self.modules.push(module);
        place
    }
}

impl ModuleImage {
    /// The path of its file here.
    fn file(&self) -> PathBuf {
        raw_text::to_path(&self.path)
    }

    /// Whether a file that was written then cannot be what ran, as far as clocks can be trusted.
    fn is_older_than(&self, written_ns: u64) -> bool {
        self.recorded_ns != 0 && self.recorded_ns < written_ns
    }

    /// Whether both are of one file, wherever that is loaded.
    fn is_same_file(&self, other: &ModuleImage) -> bool {
        self.path == other.path && self.build_id == other.build_id && self.size() == other.size()
    }

    /// The bytes of memory that it takes.
    fn size(&self) -> u64 {
        self.end.wrapping_sub(self.start)
    }
}

/// What is looked up for `address`, in the file's own addresses.
fn offset(module: &ModuleImage, address: u64, exact: bool) -> u64 {
    let probe = if exact { address } else { address.saturating_sub(1) };
    probe.wrapping_sub(module.bias)
}

impl Default for Symbolizer {
    fn default() -> Self {
        Symbolizer::new()
    }
}
