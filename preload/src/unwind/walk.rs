//! The walk that every event takes: stack pointer and frame pointer only, one cached rule a frame, and only as far as
//! the last stack has changed.

use core::sync::atomic::{AtomicU32, Ordering};

use tm_common::stack::FrameKind;

use super::modules::Modules;
use super::rule::{Kind, Rule};
use super::rule_table::RuleTable;
use super::stack_cache::{CachedFrame, StackCache, State};
use super::stack_memory::{Readable, StackMemory};
use super::{Caller, Frame, Frames, arch, cfi, eh_frame, reference};
use crate::recording::Recording;

/// What unwinding knows of the process.
#[derive(Debug)]
pub struct Unwinder {
    /// Found rules.
    pub rules: RuleTable,
    /// Found modules.
    pub modules: Modules,
    /// Counts how often rules became void.
    generation: AtomicU32,
}

/// Where a walk gives up. Every step but that out of a signal frame leads outward, so only signal frames that lead back
/// inward, in damaged memory, make a stack deeper than memory is long.
pub const N_FRAMES_WALKED_MAX: usize = 1 << 20;

/// Why a stack is walked the slow way: a frame's rule needs registers that the fast walk does not track, or the stack
/// is too deep for the cache, or its memory is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCached;

/// What has become of the outer part of a cached stack.
enum Outer {
    Same,
    /// The frame at `changed` still stands; its step, which `frame` describes, leads to `next` now.
    ChangedAt {
        changed: usize,
        frame: CachedFrame,
        next: Option<State>,
    },
}

impl State {
    #[inline]
    fn of(caller: Caller) -> State {
        State { pc: caller.pc, sp: caller.sp, fp: caller.fp, kind: FrameKind::Return }
    }
}

impl Unwinder {
    /// Knows nothing yet.
    pub const fn new() -> Unwinder {
        Unwinder { rules: RuleTable::new(), modules: Modules::new(), generation: AtomicU32::new(0) }
    }

    /// Walks from `caller` until the cache takes over, and makes the cache this stack. The number of outer frames that
    /// stayed as they were. An error if the stack cannot be cached; the cache is empty then.
    #[inline]
    pub fn walk_to_cache(
        &self,
        recording: &Recording,
        caller: Caller,
        memory: &mut StackMemory,
        cache: &mut StackCache,
    ) -> Result<usize, NotCached> {
        // Relaxed: whoever sees an old generation has no frame of the module that went.
        cache.keep_only(self.generation.load(Ordering::Relaxed), recording.epoch());
        cache.begin();
        let n_kept = self.inner_frames(recording, State::of(caller), memory, cache);
        match n_kept {
            Ok(n_kept) => cache.finish(n_kept),
            Err(NotCached) => cache.clear(),
        }
        n_kept
    }

    /// Pushes the frames that are not as the cache has them.
    #[inline]
    fn inner_frames(
        &self,
        recording: &Recording,
        mut state: State,
        memory: &mut StackMemory,
        cache: &mut StackCache,
    ) -> Result<usize, NotCached> {
        let mut stack = memory.above(state.sp).ok_or(NotCached)?;
        let mut end = cache.frames().len();
        loop {
            let (found, rest) = cache.find(&state, end);
            end = rest;
            let next = match found {
                None => {
                    let (frame, next) = self.step(recording, state, memory, &mut stack)?;
                    cache.push(frame).then_some(()).ok_or(NotCached)?;
                    next
                }
                Some(place) => match self.outer_frames(recording, place, memory, &mut stack, cache)? {
                    Outer::Same => return Ok(place + 1),
                    Outer::ChangedAt { changed, frame, next } => {
                        for place in (changed + 1..=place).rev() {
                            let frame = *cache.frames().get(place).ok_or(NotCached)?;
                            cache.push(frame).then_some(()).ok_or(NotCached)?;
                        }
                        cache.push(frame).then_some(()).ok_or(NotCached)?;
                        end = changed;
                        next
                    }
                },
            };
            match next {
                Some(next) => state = next,
                None => return Ok(0),
            }
        }
    }

    /// Whether everything outward from the cached frame at `place`, where the live stack is, is as it was.
    #[inline]
    fn outer_frames(
        &self,
        recording: &Recording,
        place: usize,
        memory: &mut StackMemory,
        stack: &mut Readable,
        cache: &StackCache,
    ) -> Result<Outer, NotCached> {
        let mut place = cache.validate(place, *stack);
        loop {
            let frames = cache.frames();
            let frame = frames.get(place).ok_or(NotCached)?;
            if place == 0 && !frame.barrier {
                return Ok(Outer::Same);
            }
            let (frame, next) = self.step_again(recording, frame.state, memory, stack)?;
            let expected = place.checked_sub(1).and_then(|outer| frames.get(outer)).map(|outer| outer.state);
            if next != expected {
                return Ok(Outer::ChangedAt { changed: place, frame, next });
            }
            match place {
                0 => return Ok(Outer::Same),
                _ => place = cache.validate(place - 1, *stack),
            }
        }
    }

    /// Walks the whole stack of `caller` into `frames`: for stacks that cannot be cached.
    #[cold]
    pub fn walk(&self, recording: &Recording, caller: Caller, memory: &mut StackMemory, frames: &mut Frames) {
        frames.clear();
        if self.walk_by_rules(recording, caller, memory, frames).is_err() {
            frames.clear();
            reference::walk(self, recording, caller, memory, frames);
        }
    }

    fn walk_by_rules(
        &self,
        recording: &Recording,
        caller: Caller,
        memory: &mut StackMemory,
        frames: &mut Frames,
    ) -> Result<(), NotCached> {
        let mut state = State::of(caller);
        let mut stack = memory.above(state.sp).ok_or(NotCached)?;
        while frames.depth() < N_FRAMES_WALKED_MAX {
            frames.push(Frame::new(arch::strip(state.pc), state.kind));
            match self.step_again(recording, state, memory, &mut stack)?.1 {
                Some(next) => state = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// One step outward: what it read, and the caller's state; `None` at the outermost frame.
    ///
    /// Always inlined: the frame and the state stay in registers, which is a third of the walk's cost.
    #[inline(always)]
    fn step(
        &self,
        recording: &Recording,
        state: State,
        memory: &mut StackMemory,
        stack: &mut Readable,
    ) -> Result<(CachedFrame, Option<State>), NotCached> {
        let rule = self.rule(recording, arch::strip(state.pc), state.kind);
        let base = match rule.kind {
            Kind::FromStackPointer => state.sp,
            Kind::FromFramePointer => state.fp,
            _ => return odd_step(rule, state, memory, stack),
        };
        let cfa = base.wrapping_add_signed(rule.cfa_offset as isize);
        let mut frame = CachedFrame::at(state);
        let next = apply(rule, cfa, cfa, state, *stack, &mut frame);
        Ok((frame, next))
    }

    /// The same, where a call costs less than another copy of the code.
    #[inline(never)]
    fn step_again(
        &self,
        recording: &Recording,
        state: State,
        memory: &mut StackMemory,
        stack: &mut Readable,
    ) -> Result<(CachedFrame, Option<State>), NotCached> {
        self.step(recording, state, memory, stack)
    }

    /// The rule at `pc`. An interrupted frame's is not cached: the same address may also be returned to, where the
    /// rule of the call before it holds.
    #[inline]
    fn rule(&self, recording: &Recording, pc: usize, kind: FrameKind) -> Rule {
        if kind == FrameKind::Interrupted {
            return self.find_rule(recording, pc, pc);
        }
        match self.rules.find(pc) {
            Some(rule) => rule,
            None => {
                let rule = self.find_rule(recording, pc, pc - 1);
                self.rules.insert(pc, rule);
                rule
            }
        }
    }

    /// Evaluates the unwind table of the module that holds `pc`, at the instruction that `address` is in.
    #[cold]
    fn find_rule(&self, recording: &Recording, pc: usize, address: usize) -> Rule {
        recording.calibrate();
        let row = self.row(recording, pc, address);
        row.map_or(Rule::of_kind(Kind::Guess), |row| Rule::of_row(&row))
    }

    /// The row at `address`, the call that returns to `pc` or `pc` itself.
    #[cold]
    pub fn row(&self, recording: &Recording, pc: usize, address: usize) -> Option<cfi::Row> {
        if self.modules.is_stale(address) {
            self.module_closed(recording);
        }
        let module = self.modules.find(recording, address).or_else(|| self.modules.find(recording, pc))?;
        if module.eh_frame_header == 0 {
            return None;
        }
        let entry = eh_frame::find(module.range(), module.eh_frame_header, address)?;
        cfi::evaluate(&entry, address)
    }

    /// A module may have gone: what was found in it is forgotten.
    #[cold]
    pub fn module_closed(&self, recording: &Recording) {
        if self.modules.forget_unloaded(recording) {
            self.forget_rules();
        }
    }

    /// Forgets what was found: a module has gone, or code without one, whose addresses no epoch is about, has come or gone.
    #[cold]
    pub fn forget_rules(&self) {
        self.rules.clear();
        // Relaxed: see `walk_to_cache`.
        self.generation.fetch_add(1, Ordering::Relaxed);
    }
}

/// A step by a rule that few frames have. They are barriers, all but the outermost: what such a step reads is more than a
/// cached frame has room for, or says nothing for sure.
#[cold]
fn odd_step(
    rule: Rule,
    state: State,
    memory: &mut StackMemory,
    stack: &mut Readable,
) -> Result<(CachedFrame, Option<State>), NotCached> {
    let mut frame = CachedFrame::at(state);
    let next = match rule.kind {
        Kind::Complex => return Err(NotCached),
        Kind::End => {
            frame.barrier = false;
            None
        }
        Kind::Signal => interrupted(state, *stack).filter(|next| match memory.above(next.sp) {
            Some(above) => {
                *stack = above;
                true
            }
            None => false,
        }),
        Kind::Dereference => {
            let cfa = stack.word(state.fp.wrapping_add_signed(rule.cfa_offset as isize));
            let next = cfa.and_then(|cfa| apply(rule, cfa, state.fp, state, *stack, &mut frame));
            frame.barrier = true;
            next
        }
        _ => guess(state, *stack),
    };
    Ok((frame, next.filter(|next| next.pc != 0)))
}

/// ```text
///          ...               <- cfa = the caller's sp
///          return address    <- cfa + 8 * ra_slot
///          saved fp          <- fp_base + 8 * fp_slot, where fp_base is mostly the cfa
///  sp ->   ...
/// ```
#[inline(always)]
fn apply(
    rule: Rule,
    cfa: usize,
    fp_base: usize,
    state: State,
    stack: Readable,
    frame: &mut CachedFrame,
) -> Option<State> {
    let slot = |base: usize, slot: i16| base.wrapping_add_signed(isize::from(slot) * 8);
    let ra_at = slot(cfa, rule.ra_slot.into());
    let pc = stack.word(ra_at)?;
    let (fp, fp_at) = match rule.fp_slot {
        Rule::FP_SAME => (state.fp, 0),
        fp_slot => {
            let fp_at = slot(fp_base, fp_slot);
            (stack.word(fp_at)?, fp_at)
        }
    };
    // A stack pointer that does not move outward is a damaged stack: stop before a loop. A zero ends the stack as well,
    // as long as it is 0.
    if cfa <= state.sp || pc == 0 {
        return None;
    }
    (frame.ra_at, frame.fp_at, frame.barrier) = (ra_at, fp_at, false);
    Some(State { pc, sp: cfa, fp, kind: inherited(state.kind) })
}

/// Callers of a guessed frame are guesses too.
#[inline]
fn inherited(kind: FrameKind) -> FrameKind {
    if kind == FrameKind::Guessed { FrameKind::Guessed } else { FrameKind::Return }
}

/// `(fp, pc, sp) = (*fp, *(fp + 8), fp + 16)`, if `fp` is a place on the stack.
#[inline]
pub fn frame_pointer_step(sp: usize, fp: usize, stack: Readable) -> Option<(usize, usize, usize)> {
    if fp < sp {
        return None;
    }
    let (next_fp, pc) = (stack.word(fp)?, stack.word(fp.wrapping_add(8))?);
    Some((next_fp, pc, fp + 16))
}

fn guess(state: State, stack: Readable) -> Option<State> {
    let (fp, pc, sp) = frame_pointer_step(state.sp, state.fp, stack)?;
    Some(State { pc, sp, fp, kind: FrameKind::Guessed })
}

/// The state that a signal interrupted.
#[cold]
fn interrupted(state: State, stack: Readable) -> Option<State> {
    let word = |offset| stack.word(state.sp + offset);
    let (pc, sp, fp) = (word(arch::SIGNAL_PC)?, word(arch::SIGNAL_SP)?, word(arch::SIGNAL_FP)?);
    Some(State { pc, sp, fp, kind: FrameKind::Interrupted })
}

/// Walks frame pointers only, for programs that keep them everywhere (`TM_UNWIND=fp`).
#[inline]
pub fn walk_frame_pointers(caller: Caller, memory: &mut StackMemory, frames: &mut Frames) {
    frames.clear();
    frames.push(Frame::new(arch::strip(caller.pc), FrameKind::Return));
    let Some(stack) = memory.above(caller.sp) else { return };
    let (mut sp, mut fp) = (caller.sp, caller.fp);
    while let Some((next_fp, pc, next_sp)) = frame_pointer_step(sp, fp, stack) {
        if pc == 0 {
            break;
        }
        frames.push(Frame::new(arch::strip(pc), FrameKind::Return));
        (sp, fp) = (next_sp, next_fp);
    }
}
