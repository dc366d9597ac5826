//! One opened module: its frames from DWARF, else from its symbol tables, else offsets.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::bundle::{Bundle, BundleWriter, BundledFrame, BundledModule, BundledProblem};
use crate::model::{Frame, ModuleFile};
use crate::text::function_name;

use super::ModuleImage;
use super::attempt::{Attempt, Holds, Outcome, Source};
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

/// Where names are looked for.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// The user's places.
    pub search: &'a Arc<Search>,
    /// The names that the recording carries.
    pub bundle: &'a Arc<Bundle>,
}

/// A module. Its files are looked for, and opened, only if the recording does not carry its names.
pub(super) struct Module {
    image: ModuleImage,
    /// The file, as frames carry it.
    file: Arc<ModuleFile>,
    /// The names that the recording carries, if it has any of this module.
    bundled: Option<(Arc<Bundle>, BundledModule)>,
    /// Its files, once they were looked for.
    sources: Option<Sources>,
    /// The user's places.
    search: Arc<Search>,
    /// The opened files, once an address was looked up.
    opened: Option<Opened>,
    /// Whether threads may be made.
    may_spawn: bool,
    /// Whether a function was named that stands where another one did before.
    has_replaced: bool,
    /// Frames by offset.
    known: FxHashMap<u64, Vec<Frame>>,
    /// Symbols as the programmer wrote them: a function has many addresses.
    readable: RefCell<FxHashMap<Box<str>, Arc<str>>>,
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
    /// The module of `image`: looks for its files, unless the recording carries its names, and opens none.
    pub(super) fn of(image: &ModuleImage, places: Places<'_>, may_spawn: bool, names: &Names) -> Module {
        let Places { search, bundle } = places;
        let bundled = bundle.module(&image.path, &image.build_id, image.size());
        Module {
            image: image.clone(),
            file: Arc::new(ModuleFile {
                path: names.share(&image.path),
                build_id: image.build_id.as_slice().into(),
                is_interpreter: false,
            }),
            sources: bundled.is_none().then(|| Sources::find(image, search)),
            bundled: bundled.map(|module| (Arc::clone(bundle), module)),
            search: Arc::clone(search),
            opened: None,
            may_spawn,
            has_replaced: false,
            known: FxHashMap::default(),
            readable: RefCell::default(),
        }
    }

    /// The path of its file when it was recorded.
    pub(super) fn path(&self) -> &str {
        &self.image.path
    }

    /// Where its names were looked for.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let bundle = self.bundled.iter().map(|(bundle, _)| Attempt {
            source: Source::Bundle,
            path: bundle.path.clone(),
            outcome: Outcome::Used(Holds { debug_information: true, ..Holds::default() }),
        });
        let files = self.sources.iter().flat_map(|sources| sources.attempts.iter().cloned());
        let parts = self.debug().map(DebugFile::part_attempts);
        bundle.chain(files).chain(parts.unwrap_or_default()).collect()
    }

    /// What kept names from being found so far.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let bundled = self.bundled.iter().flat_map(|(bundle, module)| bundle.problems(module));
        let mut problems: Vec<Problem> = bundled.filter_map(|problem| Problem::of_bundle(&problem)).collect();
        let Some(sources) = &self.sources else { return problems };
        problems.extend(problem::of_sources(&self.image, sources));
        if self.has_replaced {
            let (reason, file) = (Reason::Replaced, self.image.path.clone());
            problems.push(Problem { reason, file, detail: String::new() });
        }
        problems.extend(self.opened.iter().flat_map(|opened| opened.problems.iter().cloned()));
        if let (Some(debug), Some(path)) = (self.debug(), &sources.debug) {
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
            if let Some(frames) = self.bundled_frames(offset, names) {
                self.known.insert(offset, frames);
                continue;
            }
            self.open();
            let (mut frames, without_name) = self.frames_from_dwarf(offset, names);
            self.has_replaced |= self.listed(offset).is_some_and(|(_, is_second)| is_second);
            if frames.is_empty() {
                frames.push(self.frame(None, self.symbol(offset, names), offset, names));
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

    /// Adds the names so far to `writer`, if there is anything that they come from.
    pub(super) fn write_to(&self, writer: &mut BundleWriter) {
        let has_file = self.sources.as_ref().is_some_and(|sources| {
            sources.binary.is_some() || sources.debug.is_some() || sources.generated.is_some()
        });
        if !has_file && self.bundled.is_none() || self.known.is_empty() {
            return;
        }
        let problems = self.problems();
        let problems = problems.iter().map(|Problem { reason, file, detail }| BundledProblem {
            reason: reason.number(),
            file,
            detail,
        });
        writer.module(&self.image.path, &self.image.build_id, self.image.size(), problems);
        let mut offsets: Vec<u64> = self.known.keys().copied().collect();
        offsets.sort_unstable();
        for offset in offsets {
            let frames = self.known.get(&offset).into_iter().flatten();
            let frames = frames.map(|frame| BundledFrame {
                function: frame.function.as_deref(),
                file: (frame.lineno > 0
                    || *frame.filename != *Frame::name_in_module(&self.file.path, offset))
                .then_some(&*frame.filename),
                line: frame.lineno,
            });
            writer.address(offset, &frames.collect::<Vec<_>>());
        }
    }

    /// The frames at `offset` that the recording carries.
    fn bundled_frames(&self, offset: u64, names: &Names) -> Option<Vec<Frame>> {
        let (bundle, module) = self.bundled.as_ref()?;
        let frames = bundle.frames(module, offset)?;
        let frame = |frame: &BundledFrame<'_>| Frame {
            function: frame.function.map(|function| names.share(function)),
            module: Some(Arc::clone(&self.file)),
            ..match frame.file {
                Some(file) => Frame::new(names.share(file), frame.line),
                None => Frame::new(names.share(&Frame::name_in_module(&self.file.path, offset)), frame.line),
            }
        };
        Some(frames.iter().map(frame).collect())
    }

    /// Opens its files, unless that was done.
    fn open(&mut self) {
        if self.opened.is_some() {
            return;
        }
        let sources = self.sources.get_or_insert_with(|| Sources::find(&self.image, &self.search));
        // Stacks need this file, so that it is worth asking for.
        sources.fetch(&self.image, &self.search);
        let Sources { debug, binary, supplement, .. } = &*sources;
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
            let readable = function.as_deref().map(|name| self.readable(name, names));
            frames.push(self.frame(line, readable, offset, names));
            last = function;
        }
        // The outermost frame is the function whose symbol stands in the symbol table.
        if let Some(frame) = frames.last_mut()
            && let Some(name) = self.better_name(last.as_deref(), offset, names)
        {
            frame.function = Some(name);
            nameless.retain(|(_, place)| place + 1 != frames.len());
        }
        (frames, nameless)
    }

    /// What the symbol table calls the function at `offset`, if that is more than `name`, which DWARF has: without full
    /// debug information a function has no symbol in it, and so no parameters.
    fn better_name(&self, name: Option<&str>, offset: u64, names: &Names) -> Option<Arc<str>> {
        let Some(name) = name else { return self.symbol(offset, names) };
        if is_mangled(name) {
            return None;
        }
        let symbol = self.raw_symbol(offset).filter(|symbol| is_mangled(symbol))?;
        let readable = self.readable(symbol, names);
        let bare = |name: &str| function_name::bare(name).rsplit("::").next().unwrap_or_default().to_owned();
        (bare(&readable) == bare(name)).then_some(readable)
    }

    /// The function that the symbol tables have at `offset`.
    fn symbol(&self, offset: u64, names: &Names) -> Option<Arc<str>> {
        self.raw_symbol(offset).map(|symbol| self.readable(symbol, names))
    }

    /// A symbol as the programmer wrote it.
    fn readable(&self, symbol: &str, names: &Names) -> Arc<str> {
        if let Some(known) = self.readable.borrow().get(symbol) {
            return Arc::clone(known);
        }
        let readable = names.share(&demangle_with(symbol, self.may_spawn));
        self.readable.borrow_mut().insert(symbol.into(), Arc::clone(&readable));
        readable
    }

    /// The function that the process lists at `offset`, and whether another one stood there before.
    fn listed(&self, offset: u64) -> Option<(&str, bool)> {
        self.sources.as_ref()?.generated.as_ref()?.function(offset)
    }

    fn raw_symbol(&self, offset: u64) -> Option<&str> {
        // Where there is more than the exported ones, that comes first: those of a stripped file may be far away.
        let opened = self.opened.as_ref();
        let files = opened.into_iter().flat_map(|opened| opened.debug.iter().chain(&opened.binary));
        let mini_debug_info = self.sources.as_ref().map(|sources| &sources.mini_debug_info);
        let packed = mini_debug_info.and_then(|symbols| symbols.symbol(offset));
        let listed = self.listed(offset).map(|(name, _)| name);
        listed.or(packed).or_else(|| files.filter_map(|file| file.symbol(offset)).next())
    }

    fn frame(
        &self,
        line: Option<(&str, u32)>,
        function: Option<Arc<str>>,
        offset: u64,
        names: &Names,
    ) -> Frame {
        let (filename, lineno) = match line {
            Some((file, lineno)) => (normalize(file), lineno),
            None => (Frame::name_in_module(&self.file.path, offset), 0),
        };
        Frame { function, module: Some(Arc::clone(&self.file)), ..Frame::new(names.share(&filename), lineno) }
    }
}

/// A procedure that stands in no module has an underscore behind its name.
fn fortran(symbol: String) -> String {
    match symbol.strip_suffix('_') {
        Some(name) if !is_mangled(&symbol) => name.to_owned(),
        _ => symbol,
    }
}
