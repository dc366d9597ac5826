//! The walk that every event takes: stack pointer and frame pointer only, one cached rule a frame.

use tm_common::stack::FrameKind;

use super::modules::Modules;
use super::rule::{Kind, Rule};
use super::rule_table::RuleTable;
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
}

/// A walk came to a frame whose rule needs registers that it does not track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsRegisters;

/// Where the walk stands: the frame that `pc` returns into.
#[derive(Clone, Copy, Debug)]
struct State {
    pc: usize,
    sp: usize,
    fp: usize,
    kind: FrameKind,
}

impl Unwinder {
    /// Knows nothing yet.
    pub const fn new() -> Unwinder {
        Unwinder { rules: RuleTable::new(), modules: Modules::new() }
    }

    /// Walks the whole stack of `caller` into `frames`.
    #[inline]
    pub fn walk(&self, recording: &Recording, caller: Caller, memory: &mut StackMemory, frames: &mut Frames) {
        frames.clear();
        if self.walk_by_rules(recording, caller, memory, frames).is_err() {
            frames.clear();
            reference::walk(self, recording, caller, memory, frames);
        }
    }

    #[inline]
    fn walk_by_rules(
        &self,
        recording: &Recording,
        caller: Caller,
        memory: &mut StackMemory,
        frames: &mut Frames,
    ) -> Result<(), NeedsRegisters> {
        let mut state = State { pc: caller.pc, sp: caller.sp, fp: caller.fp, kind: FrameKind::Return };
        let Some(mut stack) = memory.above(state.sp) else {
            frames.push(Frame::new(arch::strip(state.pc), state.kind));
            return Ok(());
        };
        while state.pc != 0 {
            let pc = arch::strip(state.pc);
            frames.push(Frame::new(pc, state.kind));
            let rule = self.rule(recording, pc, state.kind);
            let next = match rule.kind {
                Kind::Complex => return Err(NeedsRegisters),
                Kind::Signal => {
                    let Some(interrupted) = interrupted(state, stack) else { break };
                    let Some(above) = memory.above(interrupted.sp) else { break };
                    stack = above;
                    Some(interrupted)
                }
                Kind::End => None,
                Kind::Guess => guess(state, stack),
                _ => apply(rule, state, stack),
            };
            let Some(next) = next else { break };
            state = next;
        }
        Ok(())
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
            self.rules.clear();
        }
    }

    /// Code without a module has come or gone.
    #[cold]
    pub fn code_registered(&self, recording: &Recording) {
        let previous = recording.begin_epoch();
        recording.add_epoch(previous);
        self.rules.clear();
    }
}

/// ```text
///          ...               <- cfa = the caller's sp
///          return address    <- cfa + 8 * ra_slot
///          saved fp          <- cfa + 8 * fp_slot
///  sp ->   ...
/// ```
#[inline]
fn apply(rule: Rule, state: State, stack: Readable) -> Option<State> {
    let offset = rule.cfa_offset as isize;
    let (cfa, fp_base) = match rule.kind {
        Kind::FromStackPointer => (state.sp.wrapping_add_signed(offset), None),
        Kind::FromFramePointer => (state.fp.wrapping_add_signed(offset), None),
        _ => (stack.word(state.fp.wrapping_add_signed(offset))?, Some(state.fp)),
    };
    let slot = |base: usize, slot: i16| base.wrapping_add_signed(isize::from(slot) * 8);
    let pc = stack.word(slot(cfa, rule.ra_slot.into()))?;
    let fp = match rule.fp_slot {
        Rule::FP_SAME => state.fp,
        fp_slot => stack.word(slot(fp_base.unwrap_or(cfa), fp_slot))?,
    };
    // A stack pointer that does not move outward is a damaged stack: stop before a loop.
    (cfa > state.sp).then_some(State { pc, sp: cfa, fp, kind: inherited(state.kind) })
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
