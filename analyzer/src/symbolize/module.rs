//! One opened module: its frames from DWARF, else from its symbol table, else offsets.

use std::path::Path;
use std::sync::Arc;

use addr2line::Loader;
use rustc_hash::FxHashMap;

use crate::model::Frame;

use super::ModuleImage;
use super::demangle::demangle;
use super::names::Names;
use super::paths::normalize;
use super::sources::Sources;

/// A module whose files have been looked for and opened.
pub(super) struct Module {
    image: ModuleImage,
    /// The path, as frames carry it.
    path: Arc<str>,
    /// The file with DWARF.
    debug: Option<Loader>,
    /// The binary, where that is another file: for its symbols.
    binary: Option<Loader>,
    /// By offset.
    known: FxHashMap<u64, Vec<Frame>>,
}

impl Module {
    /// Looks for the files of `image` and opens them.
    pub(super) fn open(
        image: &ModuleImage,
        debug_folder: &Path,
        names: &Names,
        problems: &mut Vec<String>,
    ) -> Module {
        let sources = Sources::find(image, debug_folder, problems);
        let mut load = |path: &Path, supplement: Option<&Path>| match Loader::new_with_sup(path, supplement) {
            Ok(loader) => Some(loader),
            Err(error) => {
                problems.push(format!(
                    "cannot read the debug information of {} ({error}): its functions are shown as offsets",
                    path.display()
                ));
                None
            }
        };
        let debug = sources.debug.as_deref().and_then(|path| load(path, sources.supplement.as_deref()));
        let other = sources.binary.as_deref().filter(|&path| sources.debug.as_deref() != Some(path));
        Module {
            image: image.clone(),
            path: names.share(&image.path),
            debug,
            binary: other.and_then(|path| load(path, None)),
            known: FxHashMap::default(),
        }
    }

    /// Whether this is the module of `image`, wherever that is loaded.
    pub(super) fn is_of(&self, image: &ModuleImage) -> bool {
        self.image.is_same_file(image)
    }

    /// The frames at `offset`, an address of the file itself; innermost first, at least one.
    pub(super) fn frames(&mut self, offset: u64, names: &Names) -> Vec<Frame> {
        if let Some(frames) = self.known.get(&offset) {
            return frames.clone();
        }
        let mut frames = self.frames_from_dwarf(offset, names);
        if frames.is_empty() {
            frames.push(self.frame(None, self.symbol(offset), offset, names));
        }
        self.known.insert(offset, frames.clone());
        frames
    }

    /// What DWARF says, nothing if it is silent or damaged here.
    fn frames_from_dwarf(&self, offset: u64, names: &Names) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Some(Ok(mut found)) = self.debug.as_ref().map(|debug| debug.find_frames(offset)) else {
            return frames;
        };
        while let Ok(Some(found)) = found.next() {
            let function = found.function.and_then(|name| name.raw_name().ok().map(|name| demangle(&name)));
            let line = found.location.and_then(|location| Some((location.file?, location.line.unwrap_or(0))));
            let function = function.or_else(|| self.symbol(offset).filter(|_| frames.is_empty()));
            frames.push(self.frame(line, function, offset, names));
        }
        frames
    }

    /// The function that the symbol tables have at `offset`.
    fn symbol(&self, offset: u64) -> Option<String> {
        let loaders = self.debug.iter().chain(&self.binary);
        loaders.filter_map(|loader| loader.find_symbol(offset)).map(demangle).next()
    }

    fn frame(
        &self,
        line: Option<(&str, u32)>,
        function: Option<String>,
        offset: u64,
        names: &Names,
    ) -> Frame {
        let (filename, lineno) = match line {
            Some((file, lineno)) => (normalize(file), lineno),
            None => (Frame::name_in_module(&self.path, offset), 0),
        };
        Frame {
            filename: names.share(&filename),
            lineno,
            function: function.map(|function| names.share(&function)),
            module: Some(Arc::clone(&self.path)),
            is_guessed: false,
        }
    }
}
