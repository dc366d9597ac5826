//! The slow walk: every register that a callee preserves, no cache, every row evaluated afresh.
//!
//! It serves frames that the fast walk cannot (hand-written assembly whose CFA hangs on another register), and checks
//! it under `TM_SELF_CHECK`. It starts in this library's own frames, where all registers can be seen.

use tm_common::stack::{EndReason, FrameKind};

use super::stack_memory::{Readable, StackMemory};
use super::step::{ends_by_frame_pointer, frame_pointer_step, lacks_stack_pointer, stack_of_caller, word};
use super::tables::cfi::{Cfa, N_TRACKED, RegisterRule, Row, column};
use super::tables::expression::Context;
use super::tables::rule::Rule;
use super::turns::Turns;
use super::walk::{N_FRAMES_WALKED_MAX, Unwinder};
use super::{Caller, Frame, Frames, arch};
use crate::recording::Recording;

/// More frames than this library's own code puts between a hook and this walk.
const OWN_FRAMES_MAX: usize = 64;

/// The registers of a frame, as far as they are known.
#[derive(Clone, Copy)]
struct Registers {
    values: [usize; N_TRACKED],
    pc: usize,
    kind: FrameKind,
}

struct View<'a> {
    registers: &'a Registers,
    stack: Readable,
    memory: &'a StackMemory,
}

impl Context for View<'_> {
    fn register(&self, register: u64) -> Option<usize> {
        column(register).and_then(|place| self.registers.values.get(place).copied())
    }

    fn memory(&self, address: usize) -> Option<usize> {
        word(address, self.stack, self.memory)
    }
}

/// Walks the whole stack of `caller` into `frames`.
#[cold]
#[inline(never)]
pub fn walk(
    unwinder: &Unwinder,
    recording: &Recording,
    caller: Caller,
    memory: &mut StackMemory,
    frames: &mut Frames,
) {
    frames.clear();
    let mut registers = Registers { values: [0; N_TRACKED], pc: 0, kind: FrameKind::Return };
    // SAFETY: there is room for the tracked registers.
    unsafe { arch::capture(&mut registers.values) };
    let stack_pointer = column(u64::from(arch::STACK_POINTER)).unwrap_or(0);
    // What `capture` returns to, or on aarch64 what stands in x30 then.
    registers.pc = registers.values[arch::CAPTURED_PC];
    let (mut inside, mut n_own, mut turns) = (true, 0, Turns::default());
    let Some(mut stack) = memory.around(registers.values[stack_pointer]) else { return };
    let mut end = Err(EndReason::Endless);
    while n_own < OWN_FRAMES_MAX && frames.depth() < N_FRAMES_WALKED_MAX {
        if inside
            && registers.values[stack_pointer] == caller.sp
            && arch::strip(registers.pc) == arch::strip(caller.pc)
        {
            inside = false;
        }
        if inside {
            n_own += 1;
        } else {
            frames.push(Frame::new(arch::strip(registers.pc), registers.kind));
        }
        let (next, above) = match step(unwinder, recording, &registers, memory, stack) {
            Ok(Some(next)) => next,
            other => {
                end = other.map(|_| ());
                break;
            }
        };
        let (sp, next_sp) = (registers.values[stack_pointer], next.values[stack_pointer]);
        if turns.is_circle(sp, (next.pc, next_sp)) {
            break;
        }
        (registers, stack) = (next, above);
    }
    if inside {
        frames.push(Frame::new(arch::strip(caller.pc), FrameKind::Return));
        end = Err(EndReason::Unreadable);
    }
    if let Err(reason) = end {
        frames.push(Frame::incomplete(reason));
    }
}

/// The caller's registers and its stack; `None` at the outermost frame.
type Step = Result<Option<(Registers, Readable)>, EndReason>;

fn step(
    unwinder: &Unwinder,
    recording: &Recording,
    registers: &Registers,
    memory: &mut StackMemory,
    stack: Readable,
) -> Step {
    let pc = arch::strip(registers.pc);
    let address = if registers.kind == FrameKind::Interrupted { pc } else { pc - 1 };
    match unwinder.row(recording, pc, address) {
        Ok(row) if row.return_address() == RegisterRule::Undefined => Ok(None),
        Ok(row) if lacks_stack_pointer(Rule::of_row(&row), registers.kind) => {
            guess(registers, stack, EndReason::Unreadable)
        }
        Ok(row) => match apply(&row, registers, memory, stack) {
            Some((next, _)) if next.pc == 0 && next.kind == FrameKind::Interrupted => {
                Err(EndReason::NoModule)
            }
            Some(next) => Ok(Some(next).filter(|(next, _)| next.pc != 0)),
            None => Err(EndReason::Unreadable),
        },
        Err(reason) => guess(registers, stack, reason),
    }
}

/// Returns the caller's registers by `row`. Not inlined: a handler's small stack has no room for this beside the search for a row.
#[inline(never)]
fn apply(
    row: &Row,
    registers: &Registers,
    memory: &mut StackMemory,
    stack: Readable,
) -> Option<(Registers, Readable)> {
    let view = View { registers, stack, memory };
    let cfa = match row.cfa {
        Cfa::Register { register, offset } => {
            view.register(u64::from(register))?.wrapping_add_signed(offset as isize)
        }
        Cfa::Expression(expression) => expression.evaluate(&view, None)?,
    };
    let mut next = *registers;
    for (place, rule) in row.registers.iter().enumerate() {
        let value = value_of(*rule, place, cfa, &view)?;
        *next.values.get_mut(place)? = value;
    }
    let stack_pointer = column(u64::from(arch::STACK_POINTER))?;
    if row.registers.get(stack_pointer) == Some(&RegisterRule::Same) {
        *next.values.get_mut(stack_pointer)? = cfa;
    }
    next.pc = *next.values.get(row.return_address_column)?;
    next.kind = match (row.is_signal_frame, registers.kind) {
        (true, _) => FrameKind::Interrupted,
        (false, FrameKind::Guessed) => FrameKind::Guessed,
        (false, _) => FrameKind::Return,
    };
    let (sp, next_sp) = (*registers.values.get(stack_pointer)?, *next.values.get(stack_pointer)?);
    let above = match row.return_address() {
        _ if row.is_signal_frame => memory.around(next_sp)?,
        RegisterRule::AtCfa(offset) => {
            let by_stack_pointer = matches!(row.cfa, Cfa::Register { register: arch::STACK_POINTER, .. });
            let ra_at = cfa.wrapping_add_signed(offset as isize);
            stack_of_caller(sp, (cfa, ra_at), by_stack_pointer, memory, stack)?
        }
        // The return address is in a register: the frame's own stack is that of its caller.
        _ => stack,
    };
    Some((next, above))
}

fn value_of(rule: RegisterRule, place: usize, cfa: usize, view: &View<'_>) -> Option<usize> {
    let at = |offset: i64| cfa.wrapping_add_signed(offset as isize);
    match rule {
        RegisterRule::Same | RegisterRule::Undefined => view.registers.values.get(place).copied(),
        RegisterRule::AtCfa(offset) => view.memory(at(offset)),
        RegisterRule::Value(offset) => Some(at(offset)),
        RegisterRule::Register(register) => view.register(u64::from(register)),
        RegisterRule::Expression(expression) => view.memory(expression.evaluate(view, Some(cfa))?),
        RegisterRule::ValueExpression(expression) => expression.evaluate(view, Some(cfa)),
    }
}

/// Guesses the caller by the frame pointer, since there is no row for `reason`.
fn guess(registers: &Registers, stack: Readable, reason: EndReason) -> Step {
    let place = |register: u16| column(u64::from(register)).unwrap_or(0);
    let (sp_at, fp_at) = (place(arch::STACK_POINTER), place(arch::FRAME_POINTER));
    let value = |at: usize| registers.values.get(at).copied().unwrap_or(0);
    let Some((fp, pc, sp)) = frame_pointer_step(value(sp_at), value(fp_at), stack) else {
        return if ends_by_frame_pointer(registers.kind, value(fp_at)) { Ok(None) } else { Err(reason) };
    };
    if pc == 0 && !ends_by_frame_pointer(registers.kind, pc) {
        return Err(reason);
    }
    let mut next = Registers { pc, kind: FrameKind::Guessed, ..*registers };
    next.values.get_mut(sp_at).into_iter().for_each(|value| *value = sp);
    next.values.get_mut(fp_at).into_iter().for_each(|value| *value = fp);
    Ok((pc != 0).then_some((next, stack)))
}
