//! One step outward: from a frame to its caller, by the rule of the frame's code.

use tm_common::stack::{EndReason, FrameKind};

use super::stack_memory::{Readable, StackMemory};
use super::tables::rule::{Kind, Rule};
use super::{Caller, arch};
use crate::sys::syscall;

/// Where a walk stands: the frame that `pc` returns into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The return address as it stands on the stack.
    pub pc: usize,
    /// The stack pointer after the return.
    pub sp: usize,
    /// The frame pointer register then.
    pub fp: usize,
    /// The way the frame was found. [`FrameKind::Incomplete`] is none: there the walk has failed, and `pc` says why.
    pub kind: FrameKind,
}

impl State {
    /// Makes the state of the hook's caller.
    #[inline]
    pub fn of(caller: Caller) -> State {
        State { pc: caller.pc, sp: caller.sp, fp: caller.fp, kind: FrameKind::Return }
    }

    /// Makes the state outward of a frame at `sp` whose caller is not found.
    #[inline]
    pub fn incomplete(reason: EndReason, sp: usize) -> State {
        State { pc: reason as usize, sp, fp: 0, kind: FrameKind::Incomplete }
    }

    /// Tells whether there is no frame, and nothing further out is known.
    #[inline(always)]
    pub fn is_incomplete(&self) -> bool {
        matches!(self.kind, FrameKind::Incomplete)
    }
}

/// What the step from a frame to its caller depends on beside the frame's pc and sp. Addresses are 0 for what was not
/// read; those of a step that is no barrier lie between the frame's sp and its caller's.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Where the caller's return address was read.
    pub ra_at: usize,
    /// Where the caller's frame pointer was read; 0 if the register kept it.
    pub fp_at: usize,
    /// The frame pointer was used.
    pub uses_fp: bool,
    /// It read something else, or what it read may not be readable later: it is taken again at each event.
    pub barrier: bool,
}

impl Step {
    /// One that depends on nothing.
    pub const NONE: Step = Step { ra_at: 0, fp_at: 0, uses_fp: false, barrier: false };
    /// One that has to be taken again.
    const BARRIER: Step = Step { barrier: true, ..Step::NONE };
}

/// A step, and the caller's state; `None` at the outermost frame, and [`State::incomplete`] where the caller is not found.
type Taken = (Step, Option<State>);

/// The rule needs registers that the fast walk does not track, or the stack is too deep for the cache, or its memory is
/// not known: the stack is walked the slow way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCached;

/// Returns the step of nearly all frames: everything it reads lies between `sp` and the CFA. `None` for other frames, which are
/// for [`odd`].
///
/// ```text
///          ...               <- cfa = the caller's sp
///          return address    <- cfa + 8 * ra_slot
///          saved fp          <- cfa + 8 * fp_slot
///  sp ->   ...
/// ```
#[inline(always)]
pub fn ordinary(rule: Rule, state: State, stack: Readable) -> Option<(Step, State)> {
    if !matches!(state.kind, FrameKind::Return) {
        return None;
    }
    let (base, uses_fp) = match rule.kind() {
        Kind::FromStackPointer => (state.sp, false),
        Kind::FromFramePointer => (state.fp, true),
        _ => return None,
    };
    let cfa = base.wrapping_add_signed(rule.cfa_offset());
    let slot = |slot: isize| cfa.wrapping_add_signed(slot * 8);
    let frame_bytes = cfa.wrapping_sub(state.sp);
    let ra_at = slot(rule.ra_slot().into());
    let inside = |at: usize| at.wrapping_sub(state.sp) < frame_bytes;
    if cfa <= state.sp || !stack.ends_at_or_above(cfa) || !inside(ra_at) || !ra_at.is_multiple_of(8) {
        return None;
    }
    let mut step = Step { ra_at, uses_fp, ..Step::NONE };
    let mut fp = state.fp;
    if rule.fp_slot() != Rule::FP_SAME {
        step.fp_at = slot(rule.fp_slot().into());
        if !inside(step.fp_at) {
            return None;
        }
        // SAFETY: aligned as `ra_at` is, and between the stack pointer and the CFA, which are in the stack's mapping.
        fp = unsafe { (step.fp_at as *const usize).read() };
    }
    // SAFETY: as above.
    let pc = unsafe { (ra_at as *const usize).read() };
    (pc != 0).then_some((step, State { pc, sp: cfa, fp, kind: FrameKind::Return }))
}

/// Callers of a guessed frame are guesses too.
#[inline]
fn inherited(kind: FrameKind) -> FrameKind {
    if matches!(kind, FrameKind::Guessed) { FrameKind::Guessed } else { FrameKind::Return }
}

/// Tells whether the step of a guessed frame needs the stack pointer, and that is not known: then the guess goes on.
#[inline]
pub fn lacks_stack_pointer(rule: Rule, kind: FrameKind) -> bool {
    let needs_it = matches!(rule.kind(), Kind::FromStackPointer | Kind::Signal | Kind::Complex);
    !arch::GUESSES_FIND_STACK_POINTERS && matches!(kind, FrameKind::Guessed) && needs_it
}

/// Takes the step of any frame: all kinds of rules, and what is wrong with the ordinary ones. Also returns where its
/// caller is: in `stack`, except for signal frames and those that were called on another stack.
#[inline(never)]
pub fn odd(
    rule: Rule,
    state: State,
    memory: &mut StackMemory,
    stack: Readable,
) -> Result<(Step, Option<State>, Readable), NotCached> {
    let rule = if lacks_stack_pointer(rule, state.kind) { Rule::guess(EndReason::Unreadable) } else { rule };
    if let Some((step, next)) = ordinary(rule, State { kind: FrameKind::Return, ..state }, stack) {
        return Ok((step, Some(State { kind: inherited(state.kind), ..next }), stack));
    }
    let cfa = |base: usize| base.wrapping_add_signed(rule.cfa_offset());
    let unreadable = Some(State::incomplete(EndReason::Unreadable, state.sp));
    Ok(match rule.kind() {
        Kind::Complex => return Err(NotCached),
        Kind::End => (Step::NONE, None, stack),
        Kind::Guess => {
            let (step, next) = guess(rule, &state, stack);
            (step, next, stack)
        }
        Kind::Signal => {
            let next = interrupted(&state, stack);
            match next.and_then(|next| memory.around(next.sp)) {
                Some(above) => (Step::BARRIER, next, above),
                None => (Step::BARRIER, unreadable, stack),
            }
        }
        // The caller's stack pointer was saved at what is the CFA elsewhere.
        Kind::Dereference => match word(cfa(state.fp), stack, memory) {
            Some(cfa) => {
                let (_, next, above) = general(rule, cfa, state.fp, &state, memory, stack);
                (Step::BARRIER, next, above)
            }
            None => (Step::BARRIER, unreadable, stack),
        },
        Kind::FromStackPointer => general(rule, cfa(state.sp), cfa(state.sp), &state, memory, stack),
        Kind::FromFramePointer => {
            let (step, next, above) = general(rule, cfa(state.fp), cfa(state.fp), &state, memory, stack);
            (Step { uses_fp: true, ..step }, next, above)
        }
    })
}

/// Returns the stack that a caller is on whose stack pointer is `cfa` and whose return address stands at `ra_at`: that of its
/// callee at `sp`, or where its unwind table says so another, in whatever direction. Then no stack pointer is what the
/// CFA was found by.
pub fn stack_of_caller(
    sp: usize,
    (cfa, ra_at): (usize, usize),
    by_stack_pointer: bool,
    memory: &mut StackMemory,
    stack: Readable,
) -> Option<Readable> {
    match cfa > sp {
        true if stack.holds(ra_at) => Some(stack),
        false if by_stack_pointer => None,
        _ => memory.other_stack(ra_at),
    }
}

/// Returns the word at `at`, in `stack` or elsewhere.
pub fn word(at: usize, stack: Readable, memory: &StackMemory) -> Option<usize> {
    stack.word(at).or_else(|| memory.word_elsewhere(at))
}

/// Returns a step to `cfa` that may read anywhere. A barrier unless it ends the stack with a return address of 0, which it does as
/// long as that is there.
fn general(
    rule: Rule,
    cfa: usize,
    fp_base: usize,
    state: &State,
    memory: &mut StackMemory,
    stack: Readable,
) -> (Step, Option<State>, Readable) {
    let slot = |base: usize, slot: i16| base.wrapping_add_signed(isize::from(slot) * 8);
    let ra_at = slot(cfa, rule.ra_slot().into());
    let by_stack_pointer = rule.kind() == Kind::FromStackPointer;
    let unreadable = (Step::BARRIER, Some(State::incomplete(EndReason::Unreadable, state.sp)), stack);
    let Some(above) = stack_of_caller(state.sp, (cfa, ra_at), by_stack_pointer, memory, stack) else {
        return unreadable;
    };
    let (fp, fp_at) = match rule.fp_slot() {
        Rule::FP_SAME => (Some(state.fp), 0),
        fp_slot => {
            let fp_at = slot(fp_base, fp_slot);
            (word(fp_at, above, memory), fp_at)
        }
    };
    let (Some(pc), Some(fp)) = (above.word(ra_at), fp) else { return unreadable };
    let is_inside = stack.holds(ra_at) && ra_at >= state.sp;
    let step = Step { ra_at, fp_at, barrier: pc != 0 || !is_inside, ..Step::NONE };
    let next = State { pc, sp: cfa, fp, kind: inherited(state.kind) };
    (step, (pc != 0).then_some(next), above)
}

/// The smallest page that there is: what is mapped at one of its addresses is mapped at all of them.
const PAGE_BYTES_MIN: usize = 4096;

/// Tells whether the words at `fp` can be read as long as the frame at `sp` is there: they are in the page of the last return
/// address, which is in use, or in the first stack of the process.
#[inline]
fn stays_readable(sp: usize, fp: usize, stack: Readable) -> bool {
    stack.is_initial() || page(fp) == page(sp.wrapping_sub(8)) && page(fp.wrapping_add(8)) == page(fp)
}

#[inline]
fn page(address: usize) -> usize {
    address / PAGE_BYTES_MIN
}

/// Tells whether the kernel can read the two words at `fp` now.
fn is_readable_now(fp: usize) -> bool {
    let second = fp.wrapping_add(8);
    syscall::is_readable(fp) && (page(second) == page(fp) || syscall::is_readable(second))
}

/// Takes the step `(fp, pc, sp) = (*fp, *(fp + 8), fp + 16)`, if `fp` is a place on the stack.
///
/// Nothing says that `fp` is in the part of the stack that is in use, and what lies beyond may have been unmapped since
/// the mapping was looked up: so the kernel is asked, unless that cannot be.
#[inline]
pub fn frame_pointer_step(sp: usize, fp: usize, stack: Readable) -> Option<(usize, usize, usize)> {
    let on_stack = fp >= sp && stack.holds(fp) && stack.holds(fp.wrapping_add(8));
    if !on_stack || !(stays_readable(sp, fp, stack) || is_readable_now(fp)) {
        return None;
    }
    let (next_fp, pc) = (stack.word(fp)?, stack.word(fp.wrapping_add(8))?);
    // What has nothing but an authentication code is no address either.
    let pc = if arch::strip(pc) == 0 { 0 } else { pc };
    Some((next_fp, pc, fp + 16))
}

/// Tells whether a frame pointer or a return address of 0 is that of the outermost frame, as the ABI has it: not if nothing says
/// so far that the code keeps frame pointers.
#[inline]
pub fn ends_by_frame_pointer(kind: FrameKind, found: usize) -> bool {
    found == 0 && matches!(kind, FrameKind::Guessed)
}

fn guess(rule: Rule, state: &State, stack: Readable) -> Taken {
    let (sp, fp) = (state.sp, state.fp);
    let Some((next_fp, pc, next_sp)) = frame_pointer_step(sp, fp, stack) else {
        let no_step = Step { uses_fp: true, barrier: fp >= sp, ..Step::NONE };
        let is_end = ends_by_frame_pointer(state.kind, fp);
        return (no_step, (!is_end).then_some(State::incomplete(rule.reason(), sp)));
    };
    if pc == 0 && !ends_by_frame_pointer(state.kind, pc) {
        let no_step = Step { uses_fp: true, ..Step::BARRIER };
        return (no_step, Some(State::incomplete(rule.reason(), sp)));
    }
    let barrier = !stays_readable(sp, fp, stack);
    let step = Step { ra_at: fp + 8, fp_at: fp, uses_fp: true, barrier };
    (step, (pc != 0).then_some(State { pc, sp: next_sp, fp: next_fp, kind: FrameKind::Guessed }))
}

/// Returns the state that a signal interrupted.
#[cold]
fn interrupted(state: &State, stack: Readable) -> Option<State> {
    let word = |offset| stack.word(state.sp + offset);
    let (pc, sp, fp) = (word(arch::SIGNAL_PC)?, word(arch::SIGNAL_SP)?, word(arch::SIGNAL_FP)?);
    // A call of a null pointer.
    let called_nothing = State::incomplete(EndReason::NoModule, state.sp);
    Some(if pc == 0 { called_nothing } else { State { pc, sp, fp, kind: FrameKind::Interrupted } })
}
