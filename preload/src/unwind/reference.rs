//! The slow walk: every register that a callee preserves, no cache, every row evaluated afresh.
//!
//! It serves frames that the fast walk cannot (hand-written assembly whose CFA hangs on another register), and checks
//! it under `TM_SELF_CHECK`. It starts in this library's own frames, where all registers can be seen.

use tm_common::stack::FrameKind;

use super::cfi::{Cfa, N_TRACKED, RegisterRule, Row, column};
use super::expression::Context;
use super::stack_memory::{Readable, StackMemory};
use super::step::frame_pointer_step;
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
}

impl Context for View<'_> {
    fn register(&self, register: u64) -> Option<usize> {
        column(register).and_then(|place| self.registers.values.get(place).copied())
    }

    fn memory(&self, address: usize) -> Option<usize> {
        self.stack.word(address)
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
    let mut inside = true;
    let mut n_own = 0;
    while registers.pc != 0 && n_own < OWN_FRAMES_MAX && frames.depth() < N_FRAMES_WALKED_MAX {
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
        let Some(stack) = memory.around(registers.values[stack_pointer]) else { break };
        let Some(next) = step(unwinder, recording, &registers, stack) else { break };
        // A signal frame may lead to another stack; everywhere else the stack pointer moves outward.
        let outward = next.values[stack_pointer] > registers.values[stack_pointer];
        if !outward && next.kind != FrameKind::Interrupted {
            break;
        }
        registers = next;
    }
    if inside {
        frames.push(Frame::new(arch::strip(caller.pc), FrameKind::Return));
    }
}

/// The caller's registers; `None` at the outermost frame.
fn step(
    unwinder: &Unwinder,
    recording: &Recording,
    registers: &Registers,
    stack: Readable,
) -> Option<Registers> {
    let pc = arch::strip(registers.pc);
    let address = if registers.kind == FrameKind::Interrupted { pc } else { pc - 1 };
    match unwinder.row(recording, pc, address) {
        Some(row) if row.return_address() == RegisterRule::Undefined => None,
        Some(row) => apply(&row, registers, stack),
        None => guess(registers, stack),
    }
}

fn apply(row: &Row, registers: &Registers, stack: Readable) -> Option<Registers> {
    let view = View { registers, stack };
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
    Some(next)
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

fn guess(registers: &Registers, stack: Readable) -> Option<Registers> {
    let (sp_at, fp_at) = (column(u64::from(arch::STACK_POINTER))?, column(u64::from(arch::FRAME_POINTER))?);
    let (sp, fp) = (*registers.values.get(sp_at)?, *registers.values.get(fp_at)?);
    let (fp, pc, sp) = frame_pointer_step(sp, fp, stack)?;
    let mut next = *registers;
    *next.values.get_mut(sp_at)? = sp;
    *next.values.get_mut(fp_at)? = fp;
    next.pc = pc;
    next.kind = FrameKind::Guessed;
    Some(next)
}
