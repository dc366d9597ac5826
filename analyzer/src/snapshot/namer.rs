//! Names for stacks: addresses become frames with functions, files and lines.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tm_common::ids::{Epoch, StackId, TagIndex};
use tm_common::stack::{EndReason, FrameKind};

use super::doubts::Doubts;
use crate::events::Block;
use crate::model::{
    Amount, Doubt, DoubtKind, Frame, ModuleFile, Origin, Profile, ProfileRow, Snapshot, SumsBy, Trace,
    Traceback,
};
use crate::reader::{Module, Problem, RawDoubts, Recording, StackFrame};
use crate::replay::{Processes, Site};
use crate::symbolize::{ModuleImage, Symbolizer, normalize};

/// The frames of one address of a stack, the innermost first: inlined functions are frames of their own.
type AddressFrames = Arc<[Arc<Frame>]>;

/// The file name of frames in code that belongs to no file: generated at run time.
const ANONYMOUS: &str = "[anonymous code]";

/// Gives stacks their names, each once: all its blocks share a traceback. It goes on to be right while the recording
/// grows; it is of one recording.
pub struct Namer {
    symbolizer: Symbolizer,
    /// The most frames of a stack; `None` for as many as the recording ever kept.
    n_frames_max: Option<u32>,
    of_stack: FxHashMap<StackId, Traceback>,
    /// What the tracebacks in `of_stack` were made for: the most frames, and how many modules were known.
    made_for: (u32, usize),
    /// Counts the changes of `made_for`.
    generation: u64,
    /// Frames of code that belongs to a module.
    of_address: FxHashMap<(Epoch, u64, FrameKind), AddressFrames>,
    /// Frames of code that belongs to none, as far as is known.
    of_anonymous: FxHashMap<(u64, FrameKind), AddressFrames>,
    of_tag: FxHashMap<TagIndex, Arc<str>>,
    unknown: Traceback,
    /// The doubts about what was named last.
    doubts: Doubts,
}

impl Default for Namer {
    fn default() -> Namer {
        Namer::with(Symbolizer::new())
    }
}

impl Namer {
    /// One that names all frames that are kept.
    pub fn new() -> Namer {
        Namer::default()
    }

    /// One that makes no thread besides the calling one, as it must be inside of a recorded process.
    pub fn without_threads() -> Namer {
        Namer::with(Symbolizer::new().without_threads())
    }

    fn with(symbolizer: Symbolizer) -> Namer {
        Namer {
            symbolizer,
            n_frames_max: None,
            of_stack: FxHashMap::default(),
            made_for: (0, 0),
            generation: 0,
            of_address: FxHashMap::default(),
            of_anonymous: FxHashMap::default(),
            of_tag: FxHashMap::default(),
            unknown: Traceback::new(vec![Frame::unknown()], None),
            doubts: Doubts::default(),
        }
    }

    /// From here on at most `n_frames_max` frames of a stack are named, and of 1 the whole depth is not known.
    pub fn limit_frames(&mut self, n_frames_max: u32) {
        self.n_frames_max = Some(n_frames_max);
    }

    /// `blocks` with their tracebacks, without an origin.
    pub fn snapshot(&mut self, recording: &Recording, blocks: &[Block]) -> Snapshot {
        self.prepare(recording, blocks.iter().map(|block| block.stack));
        let trace = |block: &Block| Trace {
            domain: recording.domain(block.space).0.0,
            size: block.size,
            traceback: self.of(recording, block.stack),
            tag: self.tag(recording, recording.thread_tags.tag(block.thread_tag)),
        };
        let snapshot = Snapshot::new(blocks.iter().map(trace).collect(), self.limit(recording));
        self.note_doubts(snapshot.traces.iter().map(|trace| (&trace.traceback, trace.size)));
        snapshot
    }

    /// `sums` with their tracebacks, without an origin.
    pub fn profile(&mut self, recording: &Recording, sums: &SumsBy<Site>) -> Profile {
        let sums = sums.sorted();
        self.prepare(recording, sums.iter().map(|(site, _)| site.stack));
        let row = |(site, amount): (Site, Amount)| ProfileRow {
            traceback: self.of(recording, site.stack),
            tag: self.tag(recording, site.tag),
            domain: recording.domain(site.space).0.0,
            process: recording.process(site.process).map(|process| process.pid),
            amount,
        };
        let rows: Vec<ProfileRow> = sums.into_iter().map(row).collect();
        self.note_doubts(rows.iter().map(|row| (&row.traceback, row.amount.bytes)));
        Profile { rows, traceback_limit: self.limit(recording), origin: None }
    }

    fn note_doubts<'a>(&mut self, stacks: impl Iterator<Item = (&'a Traceback, u64)>) {
        self.doubts = std::mem::take(&mut self.doubts).or_larger(Doubts::of(stacks));
    }

    /// The frames of one stack.
    pub fn traceback(&mut self, recording: &Recording, stack: StackId) -> Traceback {
        self.prepare(recording, std::iter::once(stack));
        self.of(recording, stack)
    }

    /// The return address of each frame of [`Namer::traceback`]; 0 for inlined functions.
    pub fn addresses(&mut self, recording: &Recording, stack: StackId) -> Vec<u64> {
        let mut addresses = Vec::new();
        for frame in recording.stacks.stack(stack, self.limit(recording)).into_iter().flatten() {
            // The most inlined function comes first; the last is the one that was called.
            let n_inlined = self.frames_at(recording, frame).len().saturating_sub(1);
            addresses.extend(std::iter::repeat_n(0, n_inlined));
            addresses.push(frame.pc);
        }
        addresses.reverse();
        addresses
    }

    /// What kept names from being found so far, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        self.symbolizer.problems()
    }

    /// How many frames of a stack are named at most.
    fn limit(&self, recording: &Recording) -> u32 {
        self.n_frames_max.unwrap_or_else(|| recording.n_frames_max())
    }

    /// What is to be said of `processes`, without a moment. `problems` are those of the replay; those with the names
    /// so far are added.
    pub fn origin(&self, recording: &Recording, processes: Processes, problems: &[Problem]) -> Origin {
        let first = recording.first_process();
        let process = match processes {
            Processes::One(index) => recording.process(index),
            Processes::All => first,
        };
        let described = process.filter(|process| process.executable.is_some()).or(first);
        let (mut unknown_frees, mut missed_frees, mut notes) = (0, 0, Vec::new());
        for problem in recording.problems.iter().chain(problems) {
            match problem {
                Problem::UnknownFrees { count } => unknown_frees += count,
                Problem::MissedFrees { count } => missed_frees += count,
                other => notes.push(other.to_string()),
            }
        }
        let symbol_problems = self.doubts.notes().into_iter().chain(self.symbolizer.problems());
        Origin {
            recording: recording.file.path().display().to_string(),
            program: described.and_then(|process| process.executable.clone()).unwrap_or_default(),
            command_line: described.map(|process| process.command_line.clone()).unwrap_or_default(),
            host: first.and_then(|process| process.host.clone()).unwrap_or_default(),
            pid: process.map_or(recording.header.pid, |process| process.pid),
            recorded_ns: recording.header.start_realtime_ns,
            duration_ns: recording.duration_ns(),
            still_running: match processes {
                Processes::One(process) => recording.is_running(process),
                Processes::All => recording.is_unfinished(),
            },
            lost_events: recording.header.lost_events(),
            unknown_frees,
            missed_frees,
            notes: notes
                .into_iter()
                .chain(recording.note_sentences())
                .chain(processes_note(recording, processes))
                .chain(symbol_problems)
                .collect(),
            ..Origin::default()
        }
    }

    /// Returns a number that changes whenever names that were given may not be right any more: as many frames as before
    /// are no longer asked for, or code that seemed to belong to no file may be that of one which has become known since.
    pub fn generation(&mut self, recording: &Recording) -> u64 {
        let made_for = (self.limit(recording), recording.modules.all().len());
        if self.made_for != made_for {
            self.made_for = made_for;
            self.generation += 1;
            self.of_stack.clear();
            self.of_anonymous.clear();
        }
        self.generation
    }

    /// Looks the addresses of all `stacks` up in one go, for [`Namer::traceback`] to find.
    pub fn prepare(&mut self, recording: &Recording, stacks: impl Iterator<Item = StackId>) {
        self.generation(recording);
        let (limit, _) = self.made_for;
        let (mut seen, mut frames_seen) = (FxHashSet::default(), FxHashSet::default());
        let mut wanted: Vec<(ModuleImage, Vec<(u64, bool)>)> = Vec::new();
        let mut place_of = FxHashMap::default();
        let new = stacks.filter(|&id| seen.insert(id) && !self.of_stack.contains_key(&id));
        for frame in new.filter_map(|id| recording.stacks.stack(id, limit)).flatten() {
            let (exact, probe) = probe(&frame);
            if !frames_seen.insert((frame.epoch, frame.pc, exact)) {
                continue;
            }
            let Some(module) = recording.module_at(frame.epoch, probe) else { continue };
            let place = *place_of.entry((module.process, module.epoch, module.start)).or_insert_with(|| {
                wanted.push((image(recording, module), Vec::new()));
                wanted.len() - 1
            });
            debug_assert!(place < wanted.len(), "no module has place {place}");
            wanted.get_mut(place).into_iter().for_each(|(_, addresses)| addresses.push((frame.pc, exact)));
        }
        self.symbolizer.prepare(wanted.iter().map(|(image, addresses)| (image, addresses.as_slice())));
    }

    /// The name of a tag, which all its blocks share; its number if the name was not recorded.
    pub fn tag(&mut self, recording: &Recording, tag: TagIndex) -> Option<Arc<str>> {
        if tag == TagIndex::NONE {
            return None;
        }
        if let Some(name) = self.of_tag.get(&tag) {
            return Some(name.clone());
        }
        let Some(name) = recording.tag_name(tag) else { return Some(format!("tag {}", tag.0).into()) };
        Some(Arc::clone(self.of_tag.entry(tag).or_insert_with(|| name.into())))
    }

    /// The frames of a stack with inlined functions as frames of their own, which count in the total depth too.
    fn of(&mut self, recording: &Recording, id: StackId) -> Traceback {
        if let Some(traceback) = self.of_stack.get(&id) {
            return traceback.clone();
        }
        let (limit, _) = self.made_for;
        let Some(stack) = recording.stacks.stack(id, limit) else {
            return self.unknown.clone();
        };
        let total_depth = stack.total_depth();
        let (mut frames, mut n_physical) = (Vec::new(), 0);
        for frame in stack {
            let named = self.frames_at(recording, frame);
            frames.extend_from_slice(&named);
            n_physical += 1;
        }
        let n_inlined = (frames.len() - n_physical) as u32;
        frames.reverse();
        let total_depth = total_depth.map(|depth| depth.saturating_add(n_inlined));
        let doubts = doubts_of(recording, recording.stacks.doubts(id));
        let traceback = Traceback::from_oldest_first(frames, total_depth).with_doubts(doubts);
        self.of_stack.insert(id, traceback.clone());
        traceback
    }

    /// Returns the frames of a stack from the innermost outward, each looked up as it is asked for.
    pub fn frames_outward<'a>(
        &'a mut self,
        recording: &'a Recording,
        stack: StackId,
    ) -> impl Iterator<Item = Arc<Frame>> + 'a {
        let addresses = recording.stacks.stack(stack, self.limit(recording)).into_iter().flatten();
        addresses.flat_map(move |address| self.frames_at(recording, address).to_vec())
    }

    /// The frames of one address of a stack.
    fn frames_at(&mut self, recording: &Recording, frame: StackFrame) -> AddressFrames {
        let (exact, probe) = probe(&frame);
        let key = (frame.epoch, frame.pc, frame.kind);
        if let Some(frames) = self.of_address.get(&key) {
            return frames.clone();
        }
        let Some(module) = recording.module_at(frame.epoch, probe) else {
            let made = || [anonymous(frame.pc, frame.kind).into()].into();
            return self.of_anonymous.entry((frame.pc, frame.kind)).or_insert_with(made).clone();
        };
        let frames = self.symbolizer.frames(&image(recording, module), frame.pc, exact);
        let address = Some(frame.pc.wrapping_sub(module.bias));
        let placed = |named| Arc::new(Frame { address, kind: frame.kind, ..named });
        let frames: AddressFrames = frames.into_iter().map(placed).collect();
        self.of_address.insert(key, frames.clone());
        frames
    }
}

/// `raw` with the files that the frames belong to.
fn doubts_of(recording: &Recording, raw: RawDoubts) -> Vec<Doubt> {
    let module = |frame: StackFrame| {
        let (_, probe) = probe(&frame);
        recording.module_at(frame.epoch, probe).map(|module| Arc::from(module.path.as_str()))
    };
    let guessed = raw.guessed_beyond.map(|frame| match recording.header.unwind {
        0 => Doubt { kind: DoubtKind::Guessed, module: module(frame) },
        _ => Doubt { kind: DoubtKind::FramePointers, module: None },
    });
    let end =
        raw.end.map(|(reason, last)| Doubt { kind: DoubtKind::Ended(reason), module: last.and_then(module) });
    guessed.into_iter().chain(end.filter(|end| !is_start_of_program(end))).collect()
}

/// Whether a stack ends where the kernel has begun the program: in the loader, whose `_dl_start_user` is in no unwind table.
/// All else of it is.
fn is_start_of_program(end: &Doubt) -> bool {
    let name = end.module.as_deref().and_then(|path| path.rsplit('/').next());
    end.kind == DoubtKind::Ended(EndReason::NoEntry) && name.is_some_and(|name| name.starts_with("ld-"))
}

/// The note on which processes of several are shown.
fn processes_note(recording: &Recording, processes: Processes) -> Option<String> {
    let n = recording.processes.len();
    match processes {
        _ if n < 2 => None,
        Processes::All => Some(format!(
            "All {n} processes are added up; what a child inherited counts for its parent alone."
        )),
        Processes::One(shown) => {
            let is_first = recording.first_process().is_some_and(|first| first.index == shown);
            let which = if is_first { "the first is shown" } else { "one is shown, with what it inherited" };
            Some(format!("Of {n} processes {which}; --process takes another's PID, or all."))
        }
    }
}

/// Whether the address of `frame` is exact, and the instruction that is looked up. It decides the module: a call may
/// be the last of its file.
fn probe(frame: &StackFrame) -> (bool, u64) {
    let exact = frame.kind == FrameKind::Interrupted;
    (exact, if exact { frame.pc } else { frame.pc.saturating_sub(1) })
}

fn image(recording: &Recording, module: &Module) -> ModuleImage {
    let working_directory =
        recording.process(module.process).and_then(|process| process.working_directory.as_deref());
    let segments = module.program_headers.iter();
    ModuleImage {
        path: absolute(&module.path, working_directory),
        build_id: module.build_id.clone(),
        bias: module.bias,
        start: module.start.0,
        end: module.end.0,
        segments: segments
            .map(|segment| (segment.virtual_address, segment.memory_bytes, segment.file_offset))
            .collect(),
        recorded_ns: recording.header.start_realtime_ns,
    }
}

/// A path that was opened as `./plugins/x.so`, seen from where the process was. Names that are no paths stay.
fn absolute(path: &str, working_directory: Option<&str>) -> String {
    match working_directory {
        Some(folder) if path.contains('/') && !path.starts_with('/') && folder.starts_with('/') => {
            normalize(&format!("{folder}/{path}"))
        }
        _ => path.to_owned(),
    }
}

fn anonymous(pc: u64, kind: FrameKind) -> Frame {
    let mut frame = Frame::new(ANONYMOUS, 0);
    frame.function = Some(format!("{pc:#x}").into());
    frame.module = Some(ModuleFile::at(frame.filename.clone()));
    (frame.address, frame.kind) = (Some(pc), kind);
    frame
}
