//! Turns code addresses into frames: function, file and line, with inlined frames expanded and names demangled.
//!
//! ```text
//! (module, address) -> sources: which files speak for the module -> module: DWARF, then symbols -> frames
//! ```
//!
//! It knows nothing of recordings: what is loaded where is the caller's business. A binary that is not the one that
//! ran is not used, and what stands in the way of a module's names is a sentence in [`Symbolizer::problems`], never
//! an error: such frames are `file+0xoffset`.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use crate::model::Frame;

mod crc;
mod demangle;
mod elf_file;
mod module;
mod names;
mod paths;
mod sources;
#[cfg(test)]
mod test_programs;
#[cfg(test)]
mod tests;

pub use demangle::demangle;

use module::Module;
use names::Names;

/// Where distributions put separate debug information.
const DEBUG_FOLDER: &str = "/usr/lib/debug";

/// A file as it was loaded in a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
}

/// Finds frames, opening each file once and looking each address up once.
pub struct Symbolizer {
    debug_folder: PathBuf,
    names: Names,
    /// By path, then by build-id and size: one path may have held several files.
    modules: FxHashMap<String, Vec<Module>>,
    problems: Vec<String>,
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
        }
    }

    /// The frames of the code at `address` of `module`, the most inlined function first; at least one.
    ///
    /// `exact` is for an address that was interrupted; otherwise it is a return address, and the instruction before it
    /// is looked up. An offset in a frame's `file+0xoffset` is the one that was looked up, in the file's own addresses.
    pub fn frames(&mut self, module: &ModuleImage, address: u64, exact: bool) -> Vec<Frame> {
        let probe = if exact { address } else { address.saturating_sub(1) };
        let offset = probe.wrapping_sub(module.bias);
        self.module_of(module).map_or_else(Vec::new, |(found, names)| found.frames(offset, names))
    }

    /// What kept names from being found, a sentence each, for the modules that were asked for so far.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The opened module and the table of names.
    fn module_of(&mut self, image: &ModuleImage) -> Option<(&mut Module, &mut Names)> {
        if !self.modules.contains_key(&image.path) {
            self.modules.insert(image.path.clone(), Vec::new());
        }
        let same_path = self.modules.get_mut(&image.path)?;
        let place = match same_path.iter().position(|module| module.is_of(image)) {
            Some(place) => place,
            None => {
                let opened = Module::open(image, &self.debug_folder, &mut self.names, &mut self.problems);
                same_path.push(opened);
                same_path.len() - 1
            }
        };
        same_path.get_mut(place).map(|module| (module, &mut self.names))
    }
}

impl Default for Symbolizer {
    fn default() -> Self {
        Symbolizer::new()
    }
}
