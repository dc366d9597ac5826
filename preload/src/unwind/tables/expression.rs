//! DWARF expressions (DWARF 5 section 2.5), as far as unwind tables use them.

use super::bytes::Bytes;
use super::dwarf as dw;
use crate::unwind::arch;

/// The bytes of an expression, in its module's memory. Small: a row has room for one a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expression {
    start: usize,
    len: u32,
}

/// What an expression can ask of the frame.
pub trait Context {
    /// Returns the value of a register by its DWARF number.
    fn register(&self, register: u64) -> Option<usize>;
    /// Returns a word of the stack.
    fn memory(&self, address: usize) -> Option<usize>;
}

/// The deepest stack of values. Compilers need 3.
const DEPTH_MAX: usize = 8;

impl Expression {
    /// Reads the length and the bytes that follow it.
    pub fn read(code: &mut Bytes) -> Option<Expression> {
        let len = u32::try_from(code.uleb()?).ok()?;
        let bytes = code.split(len as usize)?;
        Some(Expression { start: bytes.position(), len })
    }

    fn code(self) -> Bytes {
        // SAFETY: `read` had them from a cursor over the module, which is loaded as long as its rows are used.
        unsafe { Bytes::new(self.start..self.start + self.len as usize) }
    }

    /// Returns `n` if the expression is `*(fp + n)`.
    pub fn dereferenced_frame_pointer(self) -> Option<i64> {
        let mut code = self.code();
        let offset = frame_pointer_plus(&mut code)?;
        let deref = code.byte()? == dw::DW_OP_deref;
        (deref && code.remaining() == 0).then_some(offset)
    }

    /// Returns `n` if the expression is `fp + n`.
    pub fn frame_pointer_offset(self) -> Option<i64> {
        let mut code = self.code();
        let offset = frame_pointer_plus(&mut code)?;
        (code.remaining() == 0).then_some(offset)
    }

    /// Returns the value of the expression. `initial` is what is on the stack before it starts (the CFA, for registers).
    pub fn evaluate(self, context: &impl Context, initial: Option<usize>) -> Option<usize> {
        let mut stack = Stack { values: [0; DEPTH_MAX], len: 0 };
        if let Some(value) = initial {
            stack.push(value)?;
        }
        let mut code = self.code();
        while code.remaining() > 0 {
            let op = code.byte()?;
            step(op, &mut code, &mut stack, context)?;
        }
        stack.pop()
    }
}

fn frame_pointer_plus(code: &mut Bytes) -> Option<i64> {
    let op = code.byte()?;
    (u16::from(op) == u16::from(dw::DW_OP_breg0) + arch::FRAME_POINTER).then(|| code.sleb())?
}

struct Stack {
    values: [usize; DEPTH_MAX],
    len: usize,
}

impl Stack {
    fn push(&mut self, value: usize) -> Option<()> {
        *self.values.get_mut(self.len)? = value;
        self.len += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<usize> {
        self.len = self.len.checked_sub(1)?;
        self.values.get(self.len).copied()
    }
}

fn step(op: u8, code: &mut Bytes, stack: &mut Stack, context: &impl Context) -> Option<()> {
    let value = match op {
        0x30..=0x4f => usize::from(op - dw::DW_OP_lit0),
        0x70..=0x8f => {
            let register = context.register(u64::from(op - dw::DW_OP_breg0))?;
            register.wrapping_add_signed(code.sleb()? as isize)
        }
        dw::DW_OP_bregx => {
            let register = context.register(code.uleb()?)?;
            register.wrapping_add_signed(code.sleb()? as isize)
        }
        dw::DW_OP_const1u => code.byte()?.into(),
        dw::DW_OP_const1s => code.value::<i8>()? as usize,
        dw::DW_OP_const2u => code.value::<u16>()?.into(),
        dw::DW_OP_const2s => code.value::<i16>()? as usize,
        dw::DW_OP_const4u => code.value::<u32>()? as usize,
        dw::DW_OP_const4s => code.value::<i32>()? as usize,
        dw::DW_OP_const8u | dw::DW_OP_const8s => code.value::<u64>()? as usize,
        dw::DW_OP_constu => code.uleb()? as usize,
        dw::DW_OP_consts => code.sleb()? as usize,
        dw::DW_OP_plus_uconst => stack.pop()?.wrapping_add(code.uleb()? as usize),
        dw::DW_OP_deref => context.memory(stack.pop()?)?,
        dw::DW_OP_dup => {
            let top = stack.pop()?;
            stack.push(top)?;
            top
        }
        dw::DW_OP_drop => {
            stack.pop()?;
            return Some(());
        }
        dw::DW_OP_nop => return Some(()),
        dw::DW_OP_neg => stack.pop()?.wrapping_neg(),
        dw::DW_OP_not => !stack.pop()?,
        _ => binary(op, stack.pop()?, stack.pop()?)?,
    };
    stack.push(value)
}

/// Computes an operation of two values, of which `right` was on top of the stack.
fn binary(op: u8, right: usize, left: usize) -> Option<usize> {
    let (signed_left, signed_right) = (left as isize, right as isize);
    let shift = u32::try_from(right).unwrap_or(u32::MAX);
    Some(match op {
        dw::DW_OP_plus => left.wrapping_add(right),
        dw::DW_OP_minus => left.wrapping_sub(right),
        dw::DW_OP_mul => left.wrapping_mul(right),
        dw::DW_OP_and => left & right,
        dw::DW_OP_or => left | right,
        dw::DW_OP_xor => left ^ right,
        dw::DW_OP_shl => left.checked_shl(shift).unwrap_or(0),
        dw::DW_OP_shr => left.checked_shr(shift).unwrap_or(0),
        dw::DW_OP_eq => usize::from(left == right),
        dw::DW_OP_ne => usize::from(left != right),
        dw::DW_OP_ge => usize::from(signed_left >= signed_right),
        dw::DW_OP_gt => usize::from(signed_left > signed_right),
        dw::DW_OP_le => usize::from(signed_left <= signed_right),
        dw::DW_OP_lt => usize::from(signed_left < signed_right),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Frame;

    impl Context for Frame {
        fn register(&self, register: u64) -> Option<usize> {
            Some(register as usize * 1000)
        }

        fn memory(&self, address: usize) -> Option<usize> {
            Some(address + 1)
        }
    }

    fn expression(bytes: &'static [u8]) -> Expression {
        let start = bytes.as_ptr() as usize;
        Expression { start, len: bytes.len() as u32 }
    }

    #[test]
    fn the_plt_expression_of_gnu_ld_adds_8_in_the_second_half_of_a_stub() {
        // rsp + 8 + (((rip & 15) >= 11) << 3), in every executable's .plt.
        let plt = expression(&[0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22]);
        // rip = 16000, 16000 & 15 = 0.
        assert_eq!(plt.evaluate(&Frame, None), Some(7008));
    }

    #[test]
    fn the_forms_that_rules_know_are_recognised() {
        // DW_OP_breg of the frame pointer, -8; DW_OP_deref.
        const BREG: u8 = 0x70 + arch::FRAME_POINTER as u8;
        let aligned = expression(&[BREG, 0x78, 0x06]);
        assert_eq!(aligned.dereferenced_frame_pointer(), Some(-8));
        assert_eq!(aligned.frame_pointer_offset(), None);
        assert_eq!(aligned.evaluate(&Frame, Some(5)), Some(usize::from(arch::FRAME_POINTER) * 1000 - 8 + 1));
        assert_eq!(expression(&[BREG, 0x00]).frame_pointer_offset(), Some(0));
    }

    #[test]
    fn bad_expressions_have_no_value() {
        assert_eq!(expression(&[0x22]).evaluate(&Frame, None), None);
        assert_eq!(expression(&[0x30; 9]).evaluate(&Frame, None), None);
        assert_eq!(expression(&[0xff]).evaluate(&Frame, Some(1)), None);
    }
}
