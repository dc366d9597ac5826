//! One opened module: its frames from DWARF, else from its symbol tables, else offsets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use addr2line::Loader;
use rustc_hash::FxHashMap;

use crate::model::{Frame, ModuleFile};
use crate::text::function_name;

use super::ModuleImage;
use super::demangle::{demangle_with, is_mangled};
use super::dwarf::{self, Nameless};
use super::mini_debug_info::MiniDebugInfo;
use super::names::Names;
use super::paths::normalize;
use super::problem::{Problem, Reason};
use super::sources::Sources;

/// What a compiler calls the function of a lambda, which says nothing alone.
const CALL_OPERATOR: &str = "operator()";

/// A module whose files have been looked for and opened.
pub(super) struct Module {
    image: ModuleImage,
    /// The file, as frames carry it.
    file: Arc<ModuleFile>,
    /// The file with DWARF.
    debug: Option<Loader>,
    /// Its path.
    debug_path: Option<PathBuf>,
    /// The binary, where that is another file: for its symbols.
    binary: Option<Loader>,
    mini_debug_info: MiniDebugInfo,
    /// Whether threads may be made.
    may_spawn: bool,
    /// Frames by offset.
    known: FxHashMap<u64, Vec<Frame>>,
}

impl Module {
    /// Looks for the files of `image` and opens them.
    pub(super) fn open(
        image: &ModuleImage,
        debug_folder: &Path,
        may_spawn: bool,
        names: &Names,
        problems: &mut Vec<Problem>,
    ) -> Module {
        let sources = Sources::find(image, debug_folder, problems);
        let mut load = |path: &Path, supplement: Option<&Path>| match Loader::new_with_sup(path, supplement) {
            Ok(loader) => Some(loader),
            Err(error) => {
                let file = path.display().to_string();
                problems.push(Problem { reason: Reason::DebugUnreadable, file, detail: error.to_string() });
                None
            }
        };
        let debug = sources.debug.as_deref().and_then(|path| load(path, sources.supplement.as_deref()));
        let other = sources.binary.as_deref().filter(|&path| sources.debug.as_deref() != Some(path));
        let binary = other.and_then(|path| load(path, None));
        if let Some(path) = sources.debug.as_deref().filter(|_| sources.has_parts) {
            problems.extend(missing_parts(path));
        }
        Module {
            image: image.clone(),
            file: Arc::new(ModuleFile {
                path: names.share(&image.path),
                build_id: image.build_id.as_slice().into(),
                is_interpreter: false,
            }),
            debug,
            debug_path: sources.debug,
            binary,
            mini_debug_info: sources.mini_debug_info,
            may_spawn,
            known: FxHashMap::default(),
        }
    }

    /// Whether this is the module of `image`, wherever that is loaded.
    pub(super) fn is_of(&self, image: &ModuleImage) -> bool {
        self.image.is_same_file(image)
    }

    /// The frames at `offset`, an address of the file itself; innermost first, at least one.
    pub(super) fn frames(&mut self, offset: u64, names: &Names) -> Vec<Frame> {
        if !self.known.contains_key(&offset) {
            self.look_up(&[offset], names);
        }
        self.known.get(&offset).cloned().unwrap_or_default()
    }

    /// Finds the frames at all `offsets`: what has to be gone through as a whole is gone through once.
    pub(super) fn look_up(&mut self, offsets: &[u64], names: &Names) {
        let mut nameless: Vec<(Nameless, usize)> = Vec::new();
        for &offset in offsets {
            if self.known.contains_key(&offset) {
                continue;
            }
            let (mut frames, without_name) = self.frames_from_dwarf(offset, names);
            if frames.is_empty() {
                frames.push(self.frame(None, self.symbol(offset), offset, names));
            }
            nameless.extend(without_name);
            self.known.insert(offset, frames);
        }
        let Some(path) = self.debug_path.as_deref().filter(|_| !nameless.is_empty()) else { return };
        let wanted: Vec<Nameless> = nameless.iter().map(|(nameless, _)| *nameless).collect();
        let found = dwarf::names_of_lambdas(path, &wanted, self.may_spawn);
        for ((nameless, place), name) in nameless.into_iter().zip(found) {
            let frame = self.known.get_mut(&nameless.offset).and_then(|frames| frames.get_mut(place));
            if let (Some(frame), Some(name)) = (frame, name) {
                frame.function = Some(names.share(&name));
            }
        }
    }

    /// What DWARF says, nothing if it is silent or damaged here; and which of the frames have no name of their own.
    fn frames_from_dwarf(&self, offset: u64, names: &Names) -> (Vec<Frame>, Vec<(Nameless, usize)>) {
        let (mut frames, mut nameless) = (Vec::new(), Vec::new());
        let Some(Ok(mut found)) = self.debug.as_ref().map(|debug| debug.find_frames(offset)) else {
            return (frames, nameless);
        };
        let mut last = None;
        while let Ok(Some(found)) = found.next() {
            let function = found.function.and_then(|name| {
                let raw = name.raw_name().ok()?.into_owned();
                Some(if name.language == Some(gimli::DW_LANG_Fortran08) { fortran(raw) } else { raw })
            });
            let line = found.location.and_then(|location| Some((location.file?, location.line.unwrap_or(0))));
            if let (Some(CALL_OPERATOR), Some(entry)) = (function.as_deref(), found.dw_die_offset) {
                let entry = gimli::ReaderOffset::into_u64(entry.0) as usize;
                nameless.push((Nameless { offset, entry }, frames.len()));
            }
            let readable = function.as_deref().map(|name| demangle_with(name, self.may_spawn));
            frames.push(self.frame(line, readable, offset, names));
            last = function;
        }
        // The outermost frame is the function whose symbol stands in the symbol table.
        if let Some(frame) = frames.last_mut()
            && let Some(name) = self.better_name(last.as_deref(), offset)
        {
            frame.function = Some(names.share(&name));
            nameless.retain(|(_, place)| place + 1 != frames.len());
        }
        (frames, nameless)
    }

    /// What the symbol table calls the function at `offset`, if that is more than `name`, which DWARF has: without full
    /// debug information a function has no symbol in it, and so no parameters.
    fn better_name(&self, name: Option<&str>, offset: u64) -> Option<String> {
        let Some(name) = name else { return self.symbol(offset) };
        if is_mangled(name) {
            return None;
        }
        let symbol = self.raw_symbol(offset).filter(|symbol| is_mangled(symbol))?;
        let readable = demangle_with(symbol, self.may_spawn);
        let bare = |name: &str| function_name::bare(name).rsplit("::").next().unwrap_or_default().to_owned();
        (bare(&readable) == bare(name)).then_some(readable)
    }

    /// The function that the symbol tables have at `offset`.
    fn symbol(&self, offset: u64) -> Option<String> {
        self.raw_symbol(offset).map(|symbol| demangle_with(symbol, self.may_spawn))
    }

    fn raw_symbol(&self, offset: u64) -> Option<&str> {
        // Where there is more than the exported ones, that comes first: those of a stripped file may be far away.
        let loaders = || self.debug.iter().chain(&self.binary);
        self.mini_debug_info
            .symbol(offset)
            .or_else(|| loaders().filter_map(|loader| loader.find_symbol(offset)).next())
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
            None => (Frame::name_in_module(&self.file.path, offset), 0),
        };
        Frame {
            function: function.map(|function| names.share(&function)),
            module: Some(Arc::clone(&self.file)),
            ..Frame::new(names.share(&filename), lineno)
        }
    }
}

/// A procedure that stands in no module has an underscore behind its name.
fn fortran(symbol: String) -> String {
    match symbol.strip_suffix('_') {
        Some(name) if !is_mangled(&symbol) => name.to_owned(),
        _ => symbol,
    }
}

/// What is to be said of a file whose debug information is in parts.
fn missing_parts(path: &Path) -> Option<Problem> {
    let (n_parts, missing) = dwarf::missing_parts(path);
    let first = missing.first()?;
    let detail = format!("{} of {n_parts}, the first is {}", missing.len(), first.display());
    Some(Problem { reason: Reason::NoParts, file: path.display().to_string(), detail })
}
