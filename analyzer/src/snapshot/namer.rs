//! Names for stacks: addresses and Python frames become frames with functions, files and lines, each stack one traceback.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_common::ids::{StackId, TagIndex};
use tm_common::stack::FrameKind;

use super::addresses::Addresses;
use super::doubts::Doubts;
use super::merge::{Merged, MergedFrame, Part, merge};
use super::native::NativeFrames;
use super::python_names::PythonNames;
use crate::events::Block;
use crate::model::{
    Amount, EstimatesBy, Frame, Profile, ProfileRow, Snapshot, StackView, Trace, Traceback, Uncertainty,
};
use crate::reader::{RawDoubts, Recording, StackFrame};
use crate::replay::Site;
use crate::symbolize::{Search, Symbolizer};

/// Gives stacks their names, each once: all its blocks share a traceback. It goes on to be right while the recording
/// grows; it is of one recording.
pub struct Namer {
    pub(super) addresses: Addresses,
    pub(super) native: NativeFrames,
    /// The frames of the last stack that is not one of native frames which are all there.
    several: Vec<Arc<Frame>>,
    python: PythonNames,
    /// The most frames of a stack; `None` for as many as the recording ever kept.
    n_frames_max: Option<u32>,
    of_stack: FxHashMap<StackId, Traceback>,
    /// What the tracebacks in `of_stack` were made for.
    made_for: MadeFor,
    /// Counts the changes of `made_for`.
    generation: u64,
    of_tag: FxHashMap<TagIndex, Arc<str>>,
    unknown: Traceback,
    /// The doubts about what was named last.
    pub(super) doubts: Doubts,
}

/// The sum of a site, and how far it is from certain if it is estimated.
type SiteSum = (Site, Amount, Option<Uncertainty>);

/// What the names of a stack depend on beside the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct MadeFor {
    /// The most frames.
    limit: u32,
    /// How many modules were known.
    n_modules: usize,
    /// How many interpreters were known.
    n_interpreters: usize,
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

    /// One that looks for files at the places of `search`.
    pub fn looking_in(search: &Arc<Search>) -> Namer {
        Namer::with(Symbolizer::with(Arc::clone(search)))
    }

    /// One that makes no thread besides the calling one, as it must be inside of a recorded process.
    pub fn without_threads() -> Namer {
        Namer::with(Symbolizer::new().without_threads())
    }

    fn with(symbolizer: Symbolizer) -> Namer {
        Namer {
            addresses: Addresses::new(symbolizer),
            native: NativeFrames::default(),
            several: Vec::new(),
            python: PythonNames::default(),
            n_frames_max: None,
            of_stack: FxHashMap::default(),
            made_for: MadeFor::default(),
            generation: 0,
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
            sample: block.sample(&recording.thread_tags),
        };
        let snapshot = Snapshot::new(blocks.iter().map(trace).collect(), self.limit(recording));
        self.note_doubts(snapshot.traces.iter().map(|trace| (&trace.traceback, trace.size)));
        snapshot
    }

    /// `sums` with their tracebacks, without an origin.
    pub fn profile(&mut self, recording: &Recording, sums: &EstimatesBy<Site>) -> Profile {
        self.profile_of(recording, sums.clone().into_sorted())
    }

    /// The same of sums of which several may be of one site, in their order.
    pub(super) fn profile_of(
        &mut self,
        recording: &Recording,
        sums: impl ExactSizeIterator<Item = SiteSum>,
    ) -> Profile {
        let sums: Vec<SiteSum> = sums.collect();
        self.prepare(recording, sums.iter().map(|(site, ..)| site.stack));
        let row = |sum: SiteSum| {
            let traceback = self.of(recording, sum.0.stack);
            self.row(recording, sum, traceback)
        };
        let rows: Vec<ProfileRow> = sums.into_iter().map(row).collect();
        self.note_doubts(rows.iter().map(|row| (&row.traceback, row.amount.bytes)));
        Profile { rows, traceback_limit: self.limit(recording), origin: None }
    }

    /// The row of a site.
    fn row(
        &mut self,
        recording: &Recording,
        (site, amount, uncertainty): SiteSum,
        traceback: Traceback,
    ) -> ProfileRow {
        ProfileRow {
            traceback,
            tag: self.tag(recording, site.tag),
            domain: recording.domain(site.space).0.0,
            process: recording.process(site.process).map(|process| process.pid),
            amount,
            uncertainty: uncertainty.unwrap_or_default(),
        }
    }

    fn note_doubts<'a>(&mut self, stacks: impl Iterator<Item = (&'a Traceback, u64)>) {
        self.doubts = std::mem::take(&mut self.doubts).or_larger(Doubts::of(stacks));
    }

    /// The frames of one stack.
    pub fn traceback(&mut self, recording: &Recording, stack: StackId) -> Traceback {
        self.prepare(recording, std::iter::once(stack));
        self.of(recording, stack)
    }

    /// The frames of many stacks, looked up in one go.
    pub fn tracebacks(
        &mut self,
        recording: &Recording,
        stacks: impl Iterator<Item = StackId> + Clone,
    ) -> Vec<Traceback> {
        self.prepare(recording, stacks.clone());
        stacks.map(|stack| self.of(recording, stack)).collect()
    }

    /// At most `n_frames_max` Python frames of a stack, the innermost first, as CPython shows them; and how many there are with
    /// those that are beyond.
    pub fn python_frames(
        &mut self,
        recording: &Recording,
        stack: StackId,
        n_frames_max: u32,
    ) -> (Vec<Arc<Frame>>, u32) {
        let Some(frames) = recording.stacks.python(stack, u32::MAX) else { return (Vec::new(), 0) };
        let (mut named, mut n_incomplete) = (Vec::new(), 0);
        let whole = frames.total_depth().unwrap_or(0);
        for frame in frames {
            if frame.is_incomplete {
                n_incomplete += 1;
            } else if named.len() < n_frames_max as usize {
                named.push(Arc::clone(self.python.frame(recording, frame)));
            }
        }
        (named, whole.saturating_sub(n_incomplete))
    }

    /// The return address of each frame of [`Namer::traceback`]; 0 for inlined functions and Python's.
    pub fn addresses(&mut self, recording: &Recording, stack: StackId) -> Vec<u64> {
        let mut addresses = Vec::new();
        let limit = self.limit(recording);
        for frame in self.merged(recording, stack, limit, |frame, number| (frame.pc, number)).stack.frames {
            match frame {
                MergedFrame::Native((pc, number)) => {
                    // The most inlined function comes first; the last is the one that was called.
                    let n_inlined = self.addresses.named(number).frames.len().saturating_sub(1);
                    addresses.extend(std::iter::repeat_n(0, n_inlined));
                    addresses.push(pc);
                }
                MergedFrame::Python(_) => addresses.push(0),
            }
        }
        addresses.reverse();
        addresses
    }

    /// What kept names from being found so far, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        self.addresses.problems().into_iter().chain(self.python.problem()).collect()
    }

    /// How many frames of a stack are named at most.
    pub(super) fn limit(&self, recording: &Recording) -> u32 {
        self.n_frames_max.unwrap_or_else(|| recording.n_frames_max())
    }

    /// Returns a number that changes whenever names that were given may not be right any more: as many frames as before
    /// are no longer asked for, or code that seemed to belong to no file may be that of one which has become known since.
    pub fn generation(&mut self, recording: &Recording) -> u64 {
        let made_for = MadeFor {
            limit: self.limit(recording),
            n_modules: recording.modules.all().len(),
            n_interpreters: recording.python.interpreters.len(),
        };
        if self.made_for != made_for {
            self.addresses.forget(self.made_for.n_interpreters != made_for.n_interpreters);
            self.native.forget();
            self.made_for = made_for;
            self.generation += 1;
            self.of_stack.clear();
        }
        self.generation
    }

    /// Looks the addresses of all `stacks` up in one go, for [`Namer::traceback`] to find.
    pub fn prepare(&mut self, recording: &Recording, stacks: impl Iterator<Item = StackId>) {
        self.generation(recording);
        let Namer { of_stack, native, addresses, made_for, .. } = self;
        let new = stacks.filter(|id| !of_stack.contains_key(id));
        native.prepare((recording, addresses), new, made_for.limit);
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
        let traceback = self.made(recording, id);
        // Those without a stack share one.
        if recording.stacks.has(id) {
            self.of_stack.insert(id, traceback.clone());
        }
        traceback
    }

    /// The same, not kept.
    pub(super) fn made(&mut self, recording: &Recording, id: StackId) -> Traceback {
        if recording.stacks.stack(id, 1).is_none() && !recording.stacks.has_python(id) {
            return self.unknown.clone();
        }
        let (StackView { frames, total_nframe, has_python }, doubts) = self.view(recording, id);
        Traceback::of_kind(frames, total_nframe, has_python).with_doubts(doubts)
    }

    /// All frames of a stack, at most `limit` of each kind; `known_by` makes what is kept of a native one, of which the number is
    /// that of its names.
    fn merged<N: Copy>(
        &mut self,
        recording: &Recording,
        id: StackId,
        limit: u32,
        known_by: impl Fn(StackFrame, u32) -> N,
    ) -> MergedStack<N> {
        let table = &recording.stacks;
        let (native_id, python_id) = table.parts(id);
        let native_depth = table.stack(id, limit).map_or(Some(0), |stack| stack.total_depth());
        let (mut native, mut next, mut is_guessed) = (Vec::new(), native_id, false);
        while native.len() < limit as usize
            && let Some(node) = table.native_node(next)
        {
            if let Some(frame) = node.frame {
                let number = self.native.number((recording, &mut self.addresses), (node.place, frame));
                native.push((known_by(frame, number), self.addresses.named(number).evaluation));
                is_guessed |= frame.kind == FrameKind::Guessed;
            }
            next = node.caller;
        }
        let is_whole = native_depth == Some(native.len() as u32);
        // Where a stack is whole, ends with its outermost frame and has no guess, there is nothing else to be found.
        let doubts = match is_whole && !is_guessed && !table.is_known(next) {
            true => RawDoubts { python_end: table.end_of(python_id), ..RawDoubts::default() },
            false => table.doubts(id),
        };
        let python = table.python(id, limit);
        let python_depth = python.as_ref().map_or(Some(0), |stack| stack.total_depth());
        let n_python = python.clone().into_iter().flatten().count() as u32;
        let stack = merge(
            Part { frames: &native, is_whole: is_whole && doubts.end.is_none() },
            Part {
                is_whole: python_depth == Some(n_python) && doubts.python_end.is_none(),
                frames: python.into_iter().flatten(),
            },
        );
        let whole = native_depth.zip(python_depth).map(|(native, python)| native.saturating_add(python));
        let total_depth = whole.map(|whole| whole.saturating_sub(stack.n_incomplete));
        MergedStack { stack, total_depth, doubts }
    }

    /// Returns the frames of a stack from the innermost outward, each looked up as it is asked for.
    pub fn frames_outward<'a>(
        &'a mut self,
        recording: &'a Recording,
        stack: StackId,
    ) -> impl Iterator<Item = Arc<Frame>> + 'a {
        let limit = self.limit(recording);
        let (native, merged) = match recording.stacks.has_python(stack) {
            true => (None, self.merged(recording, stack, limit, |frame, _| frame).stack.frames),
            false => (recording.stacks.stack(stack, limit), Vec::new()),
        };
        let native = native.into_iter().flatten().map(MergedFrame::Native);
        native.chain(merged).flat_map(move |frame| match frame {
            MergedFrame::Native(frame) => self.addresses.at(recording, frame).frames.to_vec(),
            MergedFrame::Python(frame) => vec![Arc::clone(self.python.frame(recording, frame))],
        })
    }
}

/// The whole depth of a stack with its inlined functions.
fn with_inlined(total_depth: Option<u32>, n_inlined: usize) -> Option<u32> {
    total_depth.map(|depth| depth.saturating_add(n_inlined as u32))
}

/// A stack of native and Python frames, which have no names yet.
struct MergedStack<N> {
    stack: Merged<N>,
    /// How many frames it had of all that are shown, with those that are not in the recording.
    total_depth: Option<u32>,
    /// What is not certain of its parts.
    doubts: RawDoubts,
}

mod frames;
mod views;

#[cfg(test)]
mod tests;
