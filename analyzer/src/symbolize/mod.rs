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
use std::path::{Path, PathBuf};
use std::thread;

use rustc_hash::FxHashMap;

use crate::model::Frame;
use crate::text::raw_text;

mod crc;
mod demangle;
mod dwarf;
mod elf_file;
mod mini_debug_info;
mod module;
mod names;
mod open;
mod paths;
mod problem;
mod sources;
#[cfg(test)]
mod test_programs;
#[cfg(test)]
mod tests;

pub use demangle::demangle;
pub use paths::normalize;

use module::Module;
use names::Names;
use open::{Opened, Wanted, open_all};
use problem::Problem;

/// Where distributions put separate debug information.
const DEBUG_FOLDER: &str = "/usr/lib/debug";

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
}

/// Finds frames, opening each file once and looking each address up once; several files at a time, if it knows what
/// will be wanted.
pub struct Symbolizer {
    debug_folder: PathBuf,
    names: Names,
    /// Modules by path, then by build-id and size: one path may have held several files.
    modules: FxHashMap<String, Vec<Module>>,
    problems: Vec<Problem>,
    n_threads_max: usize,
}

impl Symbolizer {
    /// One that looks for separate debug information under `/usr/lib/debug`.
    #[must_use]
    pub fn new() -> Symbolizer {
        Symbolizer::with_debug_folder(Path::new(DEBUG_FOLDER))
    }

    /// One that looks under `folder` instead, which has the layout of `/usr/lib/debug`.
    #[must_use]
    pub fn with_debug_folder(folder: &Path) -> Symbolizer {
        Symbolizer {
            debug_folder: folder.to_owned(),
            names: Names::default(),
            modules: FxHashMap::default(),
            problems: Vec::new(),
            n_threads_max: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }

    /// The same, with no thread besides the calling one.
    #[must_use]
    pub fn without_threads(self) -> Symbolizer {
        Symbolizer { n_threads_max: 1, ..self }
    }

    /// Looks up in one go what [`Symbolizer::frames`] will be asked for, several modules at a time: for each module its
    /// addresses, with `exact`.
    pub fn prepare<'a>(&mut self, wanted: impl Iterator<Item = (&'a ModuleImage, &'a [(u64, bool)])>) {
        let mut new: Vec<Wanted> = Vec::new();
        for (image, addresses) in wanted {
            let offsets = addresses.iter().map(|&(address, exact)| offset(image, address, exact));
            if let Some(known) = new.iter_mut().find(|known| known.image.is_same_file(image)) {
                known.offsets.extend(offsets);
            } else if !self.modules.get(&image.path).is_some_and(|same| same.iter().any(|it| it.is_of(image)))
            {
                new.push(Wanted { image: image.clone(), offsets: offsets.collect() });
            }
        }
        for (wanted, opened) in
            new.iter().zip(open_all(&new, &self.debug_folder, &self.names, self.n_threads_max))
        {
            self.add(&wanted.image, opened);
        }
    }

    /// The frames of the code at `address` of `module`, the most inlined function first; at least one.
    ///
    /// `exact` is for an address that was interrupted; otherwise it is a return address, and the instruction before it
    /// is looked up. An offset in a frame's `file+0xoffset` is the one that was looked up, in the file's own addresses.
    pub fn frames(&mut self, module: &ModuleImage, address: u64, exact: bool) -> Vec<Frame> {
        let offset = offset(module, address, exact);
        self.prepare([(module, [].as_slice())].into_iter());
        let same_path = self.modules.get_mut(&module.path);
        let found = same_path.and_then(|same| same.iter_mut().find(|it| it.is_of(module)));
        found.map_or_else(Vec::new, |found| found.frames(offset, &self.names))
    }

    /// What kept names from being found, a sentence for each reason, for the modules that were asked for so far.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        problem::sentences(&self.problems)
    }

    fn add(&mut self, image: &ModuleImage, opened: Opened) {
        self.problems.extend(opened.problems);
        self.modules.entry(image.path.clone()).or_default().push(opened.module);
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
        let size = |image: &ModuleImage| image.end.wrapping_sub(image.start);
        self.path == other.path && self.build_id == other.build_id && size(self) == size(other)
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
