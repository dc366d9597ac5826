//! Names of code addresses: each becomes frames with functions, files and lines, once.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::Epoch;
use tm_common::metadata::Ending;
use tm_common::stack::FrameKind;

use crate::bundle::BundleWriter;
use crate::model::{Frame, ModuleFile};
use crate::reader::{Module, Process, Recording, StackFrame};
use crate::symbolize::{Attempt, Generator, ModuleImage, Symbolizer, normalize};

/// The file name of frames in code that belongs to no file: generated at run time.
const ANONYMOUS: &str = "[anonymous code]";
/// As far back forked processes are looked at for the code that they left.
const ANCESTORS_MAX: usize = 8;
/// So much the clock of files and ours may differ, ...
const CLOCK_NS: u64 = 2_000_000_000;
/// ... and so much later than its last event a process may have been killed.
const KILLED_NS: u64 = 60_000_000_000;
/// The function of CPython that runs Python code, and what compilers append to the names of its parts.
const EVALUATES: &str = "_PyEval_EvalFrameDefault";
/// The functions that it is made of where each instruction calls the next one's, since 3.14.
const EVALUATES_AN_INSTRUCTION: &str = "_TAIL_CALL_";

/// What is known of one address of a stack.
pub(super) struct Named {
    /// The frames, the innermost first: inlined functions are frames of their own.
    pub frames: Arc<[Arc<Frame>]>,
    /// Whether it runs Python code.
    pub evaluation: Evaluation,
}

/// Whether an address is one at which Python code is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evaluation {
    /// It is not.
    None,
    /// It is within the evaluation function.
    Function,
    /// It is within a function of one instruction, which the evaluation function has jumped to, or called.
    Instruction,
}

/// The names so far.
pub(super) struct Addresses {
    symbolizer: Symbolizer,
    /// What is known, by number; numbers that were given keep their meaning.
    named: Vec<Named>,
    /// The numbers of code that belongs to a module.
    of_address: FxHashMap<(Epoch, u64, FrameKind), u32>,
    /// The numbers of code that belongs to none, as far as is known.
    of_anonymous: FxHashMap<(u64, FrameKind), u32>,
    /// The files that are interpreters, by the address of what the symbolizer calls them, which stays.
    interpreters: FxHashMap<usize, [Arc<ModuleFile>; 2]>,
}

impl Addresses {
    pub fn new(symbolizer: Symbolizer) -> Addresses {
        Addresses {
            symbolizer,
            named: Vec::new(),
            of_address: FxHashMap::default(),
            of_anonymous: FxHashMap::default(),
            interpreters: FxHashMap::default(),
        }
    }

    /// Forgets what may not be right any more because a module has become known, or an interpreter.
    pub fn forget(&mut self, has_new_interpreter: bool) {
        self.of_anonymous.clear();
        if has_new_interpreter {
            self.of_address.clear();
        }
    }

    /// What kept names from being found so far, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        self.symbolizer.problems()
    }

    /// Adds all names so far to `writer`.
    pub fn write_to(&self, writer: &mut BundleWriter) {
        self.symbolizer.write_to(writer);
    }

    /// Where the names of a module were looked for.
    pub fn attempts(&mut self, module: &ModuleImage) -> Vec<Attempt> {
        self.symbolizer.attempts(module)
    }

    /// Looks the addresses of `frames` up in one go, for [`Addresses::at`] to find.
    pub fn prepare(&mut self, recording: &Recording, frames: impl Iterator<Item = StackFrame>) {
        self.symbolizer.carry(&recording.bundle);
        let mut seen = rustc_hash::FxHashSet::default();
        let mut wanted: Vec<(ModuleImage, Vec<(u64, bool)>)> = Vec::new();
        let mut place_of = FxHashMap::default();
        for frame in frames {
            let (exact, probe) = probe(&frame);
            if !seen.insert((frame.epoch, frame.pc, exact)) {
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

    /// The names of one address of a stack.
    pub fn at(&mut self, recording: &Recording, frame: StackFrame) -> &Named {
        let number = self.number(recording, frame);
        self.named(number)
    }

    /// The names that have this number.
    pub fn named(&self, number: u32) -> &Named {
        &self.named[number as usize]
    }

    /// The number of the names of one address of a stack.
    pub fn number(&mut self, recording: &Recording, frame: StackFrame) -> u32 {
        let (exact, probe) = probe(&frame);
        let key = (frame.epoch, frame.pc, frame.kind);
        if let Some(number) = self.of_address.get(&key) {
            return *number;
        }
        self.symbolizer.carry(&recording.bundle);
        let Some(module) = recording.module_at(frame.epoch, probe) else {
            if let Some(function) = self.listed(recording, &frame) {
                // As in a file without lines, so that functions are told apart by whatever key.
                let filename = Frame::name_in_module(ANONYMOUS, probe).into();
                let named = Frame { function: Some(function), filename, ..anonymous(frame.pc, frame.kind) };
                let number = self.add(Named { frames: [named.into()].into(), evaluation: Evaluation::None });
                self.of_address.insert(key, number);
                return number;
            }
            if let Some(number) = self.of_anonymous.get(&(frame.pc, frame.kind)) {
                return *number;
            }
            let frames = [anonymous(frame.pc, frame.kind).into()].into();
            let number = self.add(Named { frames, evaluation: Evaluation::None });
            self.of_anonymous.insert((frame.pc, frame.kind), number);
            return number;
        };
        let interpreter = recording.interpreter_of(frame.epoch, module);
        let frames = self.symbolizer.frames(&image(recording, module), frame.pc, exact);
        let address = Some(frame.pc.wrapping_sub(module.bias));
        let mut placed = |named: Frame| {
            let module = match &named.module {
                Some(file) if interpreter.is_some() => Some(self.as_interpreter(file)),
                _ => named.module.clone(),
            };
            Arc::new(Frame { address, kind: frame.kind, module, ..named })
        };
        let frames: Arc<[Arc<Frame>]> = frames.into_iter().map(&mut placed).collect();
        let in_range = interpreter.is_some_and(|interpreter| interpreter.evaluates(probe));
        let evaluation = if in_range { Evaluation::Function } else { by_name(&frames) };
        let number = self.add(Named { frames, evaluation });
        self.of_address.insert(key, number);
        number
    }

    /// The function that the process of `frame`, or one that it was forked from, lists at its address.
    pub(super) fn listed(&mut self, recording: &Recording, frame: &StackFrame) -> Option<Arc<str>> {
        let (exact, _) = probe(frame);
        let mut process = recording.process_of_epoch(frame.epoch)?;
        for _ in 0..ANCESTORS_MAX {
            let known = recording.process(process)?;
            let frames = self.symbolizer.frames(&list_of(recording, known), frame.pc, exact);
            if let Some(function) = frames.into_iter().next().and_then(|frame| frame.function) {
                return Some(function);
            }
            process = known.parent?;
        }
        None
    }

    /// Makes the frames of all numbers so far those that `frames_of` gives for them.
    #[cfg(test)]
    pub fn rename(&mut self, frames_of: impl Fn(usize) -> Arc<[Arc<Frame>]>) {
        self.named.iter_mut().enumerate().for_each(|(number, named)| named.frames = frames_of(number));
    }

    /// The number of `named`. There are fewer than 2^32 nodes of stacks, and no more addresses.
    fn add(&mut self, named: Named) -> u32 {
        self.named.push(named);
        (self.named.len() - 1) as u32
    }

    /// `file`, which is an interpreter.
    fn as_interpreter(&mut self, file: &Arc<ModuleFile>) -> Arc<ModuleFile> {
        let marked = || ModuleFile { is_interpreter: true, ..(**file).clone() };
        let key = Arc::as_ptr(file).addr();
        let [_, marked] =
            self.interpreters.entry(key).or_insert_with(|| [Arc::clone(file), Arc::new(marked())]);
        Arc::clone(marked)
    }
}

/// Whether one of the functions of an address runs Python code.
fn by_name(frames: &[Arc<Frame>]) -> Evaluation {
    let mut functions = frames.iter().filter_map(|frame| frame.function.as_deref());
    if functions.clone().any(|function| function.starts_with(EVALUATES)) {
        Evaluation::Function
    } else if functions.any(|function| function.starts_with(EVALUATES_AN_INSTRUCTION)) {
        Evaluation::Instruction
    } else {
        Evaluation::None
    }
}

/// Whether the address of `frame` is exact, and the instruction that is looked up. It decides the module: a call may
/// be the last of its file.
pub(super) fn probe(frame: &StackFrame) -> (bool, u64) {
    let exact = frame.kind == FrameKind::Interrupted;
    (exact, if exact { frame.pc } else { frame.pc.saturating_sub(1) })
}

/// The file of `module`, as the symbolizer wants to know it.
pub(super) fn image(recording: &Recording, module: &Module) -> ModuleImage {
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
        generated_by: None,
    }
}

/// The list that a process may keep of the code that it makes at run time.
pub(super) fn list_of(recording: &Recording, process: &Process) -> ModuleImage {
    let realtime = |stamp| recording.header.start_realtime_ns.saturating_add(recording.ns(stamp));
    let until_ns = if process.ending != Ending::Unknown {
        realtime(process.end).saturating_add(CLOCK_NS)
    } else if recording.is_running(process.index) {
        u64::MAX
    } else {
        recording.header.start_realtime_ns.saturating_add(recording.duration_ns()).saturating_add(KILLED_NS)
    };
    ModuleImage {
        path: format!("/tmp/perf-{}.map", process.pid),
        // No two processes of one number began in the same moment.
        end: process.process_start,
        generated_by: Some(Generator {
            pid: process.pid,
            working_directory: process.working_directory.clone(),
            listed_ns: (realtime(process.start).saturating_sub(CLOCK_NS), until_ns),
        }),
        ..ModuleImage::default()
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
