//! The body of a snapshot file: strings, frames and tracebacks once each, traces as numbers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tm_common::stack::FrameKind;

use crate::error::{Error, Result};
use crate::model::traces::StoredDoubt;
use crate::model::{Doubt, DoubtKind, Frame, ModuleFile, Origin, Sample, Snapshot, Trace, Traceback};

/// What is written: tables that refer to each other by place.
#[derive(Serialize, Deserialize)]
pub(super) struct Tables {
    traceback_limit: u32,
    origin: Option<Origin>,
    strings: Vec<String>,
    /// (file name, line, function, module), all but the line places in `strings`.
    frames: Vec<(u32, u32, Option<u32>, Option<u32>)>,
    /// (places in `frames`, oldest first; whole depth)
    tracebacks: Vec<(Arc<[u32]>, Option<u32>)>,
    /// (domain, bytes, place in `tracebacks`)
    traces: Vec<(u32, u64, u32)>,
    /// The tag of each trace: 0 for none, else one more than its place in `strings`. Left out if no trace has one, as
    /// in files of versions that knew none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<u32>,
    /// The places of guessed frames. Left out if there is none, as in files of versions that knew none; so are `doubts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    guessed: Vec<u32>,
    /// (place in `frames`, where its code is), of frames of which more is known than their names. Left out if of none
    /// is, as in files of versions that kept names alone; so are `build_ids`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    code: Vec<(u32, StoredCode)>,
    /// Build-ids of modules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    build_ids: Vec<Vec<u8>>,
    /// (place in `tracebacks`, what is not certain of it)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<(u32, StoredDoubt)>,
    /// The places in `frames` of those of Python interpreters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    interpreters: Vec<u32>,
    /// How each trace was drawn: 0 if it was not, else one more than the binary logarithm of the rate, times two, and one if the
    /// part of a block that it stands for is rounded up. Left out if none was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    samples: Vec<u8>,
}

impl Tables {
    /// The tables for `snapshot`.
    ///
    /// # Errors
    /// If it has more than 2^32 different strings, frames or tracebacks.
    pub(super) fn of(snapshot: &Snapshot) -> Result<Tables> {
        let mut interner = Interner::default();
        let mut traces = Vec::with_capacity(snapshot.traces.len());
        for trace in &snapshot.traces {
            traces.push((trace.domain, trace.size, interner.traceback(&trace.traceback)?));
        }
        let mut tags = Vec::new();
        if snapshot.traces.iter().any(|trace| trace.tag.is_some()) {
            for trace in &snapshot.traces {
                let place = trace.tag.as_ref().map(|tag| interner.string(tag)).transpose()?;
                tags.push(place.map_or(0, |place| place.saturating_add(1)));
            }
        }
        let mut samples = Vec::new();
        if snapshot.is_sampled() {
            samples.extend(snapshot.traces.iter().map(|trace| trace.sample.map_or(0, stored_sample)));
        }
        let (guessed, code, doubts) = (interner.guessed(), interner.code(), interner.doubts());
        let interpreters = interner.interpreters();
        Ok(Tables {
            traceback_limit: snapshot.traceback_limit,
            origin: snapshot.origin.clone(),
            strings: interner.strings.items.iter().map(|text| text.to_string()).collect(),
            frames: interner.frames.items.into_iter().map(|(frame, ..)| frame).collect(),
            tracebacks: interner.tracebacks.items.into_iter().map(|(stack, _)| stack).collect(),
            traces,
            tags,
            guessed,
            code,
            build_ids: interner.build_ids.items,
            doubts,
            interpreters,
            samples,
        })
    }

    /// The snapshot that these tables describe, with shared strings and tracebacks. The error is a clause.
    pub(super) fn into_snapshot(self) -> std::result::Result<Snapshot, String> {
        let strings: Vec<Arc<str>> = self.strings.into_iter().map(Arc::from).collect();
        let string = |place: u32| get(&strings, place, "string").cloned();
        let mut frames = Vec::with_capacity(self.frames.len());
        for (filename, lineno, function, module) in self.frames {
            let function = function.map(string).transpose()?;
            let module = module.map(string).transpose()?;
            let module = module.map(ModuleFile::at);
            frames.push(Frame { function, module, ..Frame::new(string(filename)?, lineno) });
        }
        for place in self.guessed {
            get_mut(&mut frames, place, "frame")?.kind = FrameKind::Guessed;
        }
        let mut files: FxHashMap<(u32, u32), Arc<ModuleFile>> = FxHashMap::default();
        for (place, StoredCode(kind, address, file)) in self.code {
            let frame = get_mut(&mut frames, place, "frame")?;
            (frame.kind, frame.address) = (frame_kind(kind), address);
            if let (Some((path, build_id)), Some(_)) = (file, &frame.module) {
                let (path_text, build_id_bytes) =
                    (string(path)?, get(&self.build_ids, build_id, "build-id")?);
                let made = || ModuleFile {
                    path: path_text,
                    build_id: build_id_bytes.as_slice().into(),
                    is_interpreter: false,
                };
                let file = files.entry((path, build_id)).or_insert_with(|| made().into());
                frame.module = Some(Arc::clone(file));
            }
        }
        mark_interpreters(&mut frames, &self.interpreters)?;
        let frames: Vec<Arc<Frame>> = frames.into_iter().map(Arc::new).collect();
        let mut tracebacks = Vec::with_capacity(self.tracebacks.len());
        for (places, total_nframe) in self.tracebacks {
            let stack: std::result::Result<Vec<Arc<Frame>>, String> =
                places.iter().map(|&place| get(&frames, place, "frame").cloned()).collect();
            tracebacks.push(Traceback::from_oldest_first(stack?, total_nframe));
        }
        let mut rest = self.doubts.into_iter().peekable();
        while let Some((place, doubt)) = rest.next() {
            let mut stored = vec![doubt];
            while let Some((_, doubt)) = rest.next_if(|(next, _)| *next == place) {
                stored.push(doubt);
            }
            let doubts = stored.into_iter().map(|StoredDoubt(number, module)| {
                Ok(Doubt { kind: DoubtKind::of_number(number), module: module.map(string).transpose()? })
            });
            let doubts: std::result::Result<Vec<Doubt>, String> = doubts.collect();
            let traceback = get_mut(&mut tracebacks, place, "traceback")?;
            *traceback = traceback.clone().with_doubts(doubts?);
        }
        let mut traces = Vec::with_capacity(self.traces.len());
        if !self.tags.is_empty() && self.tags.len() != self.traces.len() {
            return Err(format!("it has {} labels for {} traces", self.tags.len(), self.traces.len()));
        }
        if !self.samples.is_empty() && self.samples.len() != self.traces.len() {
            return Err(format!("it has {} samples for {} traces", self.samples.len(), self.traces.len()));
        }
        let (mut tags, mut samples) = (self.tags.into_iter(), self.samples.into_iter());
        for (domain, size, place) in self.traces {
            let tag = tags.next().and_then(|tag| tag.checked_sub(1)).map(string).transpose()?;
            traces.push(Trace {
                domain,
                size,
                traceback: get(&tracebacks, place, "traceback")?.clone(),
                tag,
                sample: samples.next().map_or(Ok(None), sample_of)?,
            });
        }
        Ok(Snapshot { traces, traceback_limit: self.traceback_limit, origin: self.origin })
    }
}

/// A sample as a number, which is not 0.
fn stored_sample(Sample { rate_log2, rounds_up }: Sample) -> u8 {
    (rate_log2 + 1) << 1 | u8::from(rounds_up)
}

/// The sample of a number; none of 0.
fn sample_of(stored: u8) -> std::result::Result<Option<Sample>, String> {
    let sample =
        (stored >> 1).checked_sub(1).map(|rate_log2| Sample { rate_log2, rounds_up: stored & 1 == 1 });
    let is_rate = |sample: &Sample| sample.rate_log2 <= Sample::RATE_LOG2_MAX;
    let is_known = sample.as_ref().map_or(stored == 0, is_rate);
    if is_known { Ok(sample) } else { Err(format!("it has a sample of kind {stored}")) }
}

/// Marks the modules of the frames at `places` as interpreters, each file once.
fn mark_interpreters(frames: &mut [Frame], places: &[u32]) -> std::result::Result<(), String> {
    let mut marked: FxHashMap<usize, [Arc<ModuleFile>; 2]> = FxHashMap::default();
    for &place in places {
        let Some(module) = &mut get_mut(frames, place, "frame")?.module else { continue };
        let made = || Arc::new(ModuleFile { is_interpreter: true, ..(**module).clone() });
        let key = Arc::as_ptr(module).addr();
        let [_, file] = marked.entry(key).or_insert_with(|| [Arc::clone(module), made()]);
        *module = Arc::clone(file);
    }
    Ok(())
}

/// The kind of a number that a snapshot file has, of this version or a later one.
fn frame_kind(number: u32) -> FrameKind {
    if number >> FrameKind::BITS == 0 { FrameKind::in_low_bits(number) } else { FrameKind::Other }
}

fn get_mut<'a, T>(table: &'a mut [T], place: u32, what: &str) -> std::result::Result<&'a mut T, String> {
    let len = table.len();
    table.get_mut(place as usize).ok_or_else(|| format!("it refers to {what} {place} of {len}"))
}

fn get<'a, T>(table: &'a [T], place: u32, what: &str) -> std::result::Result<&'a T, String> {
    usize::try_from(place)
        .ok()
        .and_then(|index| table.get(index))
        .ok_or_else(|| format!("it refers to {what} {place} of {}", table.len()))
}

/// Where a frame's code is: its kind's number, its address in the module, and the places of the module's path among the
/// strings and of its build-id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct StoredCode(u32, Option<u64>, Option<(u32, u32)>);

impl StoredCode {
    /// Nothing is known.
    const NONE: StoredCode = StoredCode(FrameKind::Return as u32, None, None);
}

/// A frame as it is written, where its code is, and whether that is an interpreter's own.
type StoredFrame = ((u32, u32, Option<u32>, Option<u32>), StoredCode, bool);
/// A traceback as it is written, and what is not certain of it.
type StoredTraceback = ((Arc<[u32]>, Option<u32>), Vec<StoredDoubt>);

/// Finds the place of what was seen before: by address first, since the parts of a snapshot are shared, then by value.
#[derive(Default)]
struct Interner {
    strings: Table<Arc<str>>,
    string_of_address: FxHashMap<(usize, usize), u32>,
    frames: Table<StoredFrame>,
    build_ids: Table<Vec<u8>>,
    tracebacks: Table<StoredTraceback>,
    traceback_of_address: FxHashMap<(usize, Option<u32>), u32>,
}

impl Interner {
    fn traceback(&mut self, traceback: &Traceback) -> Result<u32> {
        let address = (traceback.identity(), traceback.total_nframe());
        if let Some(&place) = self.traceback_of_address.get(&address) {
            return Ok(place);
        }
        let mut places = Vec::with_capacity(traceback.frames().len());
        for frame in traceback.frames() {
            places.push(self.frame(frame)?);
        }
        let mut doubts = Vec::new();
        for doubt in traceback.doubts() {
            let module = doubt.module.as_ref().map(|path| self.string(path)).transpose()?;
            doubts.push(StoredDoubt(doubt.kind.number(), module));
        }
        let place = self.tracebacks.place(((places.into(), traceback.total_nframe()), doubts))?;
        self.traceback_of_address.insert(address, place);
        Ok(place)
    }

    fn frame(&mut self, frame: &Frame) -> Result<u32> {
        let filename = self.string(&frame.filename)?;
        let function = frame.function.as_ref().map(|text| self.string(text)).transpose()?;
        let module = frame.module.as_ref().map(|module| self.string(&module.path)).transpose()?;
        let build_id = frame.module.as_ref().map(|module| module.build_id.to_vec());
        let build_id = build_id.filter(|build_id| !build_id.is_empty());
        let build_id = build_id.map(|build_id| self.build_ids.place(build_id)).transpose()?;
        let code = StoredCode(frame.kind as u32, frame.address, module.zip(build_id));
        self.frames.place(((filename, frame.lineno, function, module), code, frame.is_interpreter()))
    }

    /// The places of guessed frames.
    fn guessed(&self) -> Vec<u32> {
        let places = (0..).zip(&self.frames.items);
        let guessed = FrameKind::Guessed as u32;
        places.filter(|(_, (_, code, _))| code.0 == guessed).map(|(place, _)| place).collect()
    }

    /// Where the code of frames is, by their places.
    fn code(&self) -> Vec<(u32, StoredCode)> {
        let places = (0..).zip(&self.frames.items);
        places
            .filter(|(_, (_, code, _))| *code != StoredCode::NONE)
            .map(|(place, (_, code, _))| (place, *code))
            .collect()
    }

    /// The places of interpreters' frames.
    fn interpreters(&self) -> Vec<u32> {
        let places = (0..).zip(&self.frames.items);
        places.filter(|(_, (.., is_interpreter))| *is_interpreter).map(|(place, _)| place).collect()
    }

    /// What is not certain of tracebacks, by their places.
    fn doubts(&self) -> Vec<(u32, StoredDoubt)> {
        let places = (0..).zip(&self.tracebacks.items);
        places.flat_map(|(place, (_, doubts))| doubts.iter().map(move |doubt| (place, *doubt))).collect()
    }

    fn string(&mut self, text: &Arc<str>) -> Result<u32> {
        let address = (text.as_ptr().addr(), text.len());
        if let Some(&place) = self.string_of_address.get(&address) {
            return Ok(place);
        }
        let place = self.strings.place(text.clone())?;
        self.string_of_address.insert(address, place);
        Ok(place)
    }
}

/// Different values, each with its place. They are cheap to clone.
struct Table<T> {
    items: Vec<T>,
    place_of: HashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { items: Vec::new(), place_of: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn place(&mut self, item: T) -> Result<u32> {
        if let Some(&place) = self.place_of.get(&item) {
            return Ok(place);
        }
        let place = u32::try_from(self.items.len()).map_err(|_| Error::TooManyStacks)?;
        self.items.push(item.clone());
        self.place_of.insert(item, place);
        Ok(place)
    }
}
