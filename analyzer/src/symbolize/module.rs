//! One opened module: its frames from DWARF, else from its symbol tables, else offsets.

use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{Frame, ModuleFile};
use crate::text::function_name;

use super::ModuleImage;
use super::attempt::Attempt;
use super::debug_file::DebugFile;
use super::demangle::{demangle_with, is_mangled};
use super::dwarf::{self, Nameless};
use super::names::Names;
use super::parts::PartPlaces;
use super::paths::normalize;
use super::problem::{self, Problem, Reason};
use super::search::Search;
use super::sources::Sources;

/// What a compiler calls the function of a lambda, which says nothing alone.
const CALL_OPERATOR: &str = "operator()";

/// A module whose files have been looked for.
pub(super) struct Module {
    image: ModuleImage,
    /// The file, as frames carry it.
    file: Arc<ModuleFile>,
    sources: Sources,
    /// The user's places.
    search: Arc<Search>,
    /// The opened files, once an address was looked up.
    opened: Option<Opened>,
    /// Whether threads may be made.
    may_spawn: bool,
    /// Frames by offset.
    known: FxHashMap<u64, Vec<Frame>>,
}

/// The files of a module, opened.
#[derive(Default)]
struct Opened {
    /// The file with DWARF.
    debug: Option<DebugFile>,
    /// The binary, where that is another file: for its symbols.
    binary: Option<DebugFile>,
    /// Those that could not be.
    problems: Vec<Problem>,
}

impl Module {
    /// Looks for the files of `image`, and opens none.
    pub(super) fn find(image: &ModuleImage, search: &Arc<Search>, may_spawn: bool, names: &Names) -> Module {
        Module {
            image: image.clone(),
            file: Arc::new(ModuleFile {
                path: names.share(&image.path),
                build_id: image.build_id.as_slice().into(),
                is_interpreter: false,
            }),
            sources: Sources::find(image, search),
            search: Arc::clone(search),
            opened: None,
            may_spawn,
            known: FxHashMap::default(),
        }
    }

    /// The path of its file when it was recorded.
    pub(super) fn path(&self) -> &str {
        &self.image.path
    }

    /// Where its names were looked for.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let parts = self.debug().map(DebugFile::part_attempts);
        self.sources.attempts.iter().cloned().chain(parts.unwrap_or_default()).collect()
    }

    /// What kept names from being found so far.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = problem::of_sources(&self.image, &self.sources);
        problems.extend(self.opened.iter().flat_map(|opened| opened.problems.iter().cloned()));
        if let (Some(debug), Some(path)) = (self.debug(), &self.sources.debug) {
            problems.extend(problem::of_parts(path, debug));
        }
        problems
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
            self.open();
            let (mut frames, without_name) = self.frames_from_dwarf(offset, names);
            if frames.is_empty() {
                frames.push(self.frame(None, self.symbol(offset), offset, names));
            }
            nameless.extend(without_name);
            self.known.insert(offset, frames);
        }
        let Some(debug) = self.debug().filter(|_| !nameless.is_empty()) else { return };
        let wanted: Vec<Nameless> = nameless.iter().map(|(nameless, _)| *nameless).collect();
        let found = dwarf::names_of_lambdas(debug.dwarf(), &wanted, self.may_spawn);
        for ((nameless, place), name) in nameless.into_iter().zip(found) {
            let frame = self.known.get_mut(&nameless.offset).and_then(|frames| frames.get_mut(place));
            if let (Some(frame), Some(name)) = (frame, name) {
                frame.function = Some(names.share(&name));
            }
        }
    }

    /// Opens its files, unless that was done.
    fn open(&mut self) {
        if self.opened.is_some() {
            return;
        }
        let Sources { debug, binary, supplement, .. } = &self.sources;
        let mut problems = Vec::new();
        let mut open = |path: &Path, supplement: Option<&Path>| {
            let of: Vec<_> =
                [Some(path), binary.as_deref()].into_iter().flatten().map(Path::to_owned).collect();
            let places = PartPlaces { of, search: Arc::clone(&self.search) };
            DebugFile::open(path, supplement, places)
                .map_err(|detail| {
                    let file = path.display().to_string();
                    problems.push(Problem { reason: Reason::DebugUnreadable, file, detail });
                })
                .ok()
        };
        let other = binary.as_deref().filter(|&path| debug.as_deref() != Some(path));
        let debug = debug.as_deref().and_then(|path| open(path, supplement.as_deref()));
        let binary = other.and_then(|path| open(path, None));
        self.opened = Some(Opened { debug, binary, problems });
    }

    /// The file with DWARF, if it is open.
    fn debug(&self) -> Option<&DebugFile> {
        self.opened.as_ref()?.debug.as_ref()
    }

    /// What DWARF says, nothing if it is silent or damaged here; and which of the frames have no name of their own.
    fn frames_from_dwarf(&self, offset: u64, names: &Names) -> (Vec<Frame>, Vec<(Nameless, usize)>) {
        let (mut frames, mut nameless) = (Vec::new(), Vec::new());
        let Some(Ok(mut found)) = self.debug().map(|debug| debug.frames(offset)) else {
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
        let opened = self.opened.as_ref();
        let files = opened.into_iter().flat_map(|opened| opened.debug.iter().chain(&opened.binary));
        let mini_debug_info = &self.sources.mini_debug_info;
        mini_debug_info.symbol(offset).or_else(|| files.filter_map(|file| file.symbol(offset)).next())
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
