//! Runs call frame instructions (DWARF 5 section 6.4.2) up to an address: the row of the unwind table that holds there.

use super::bytes::Bytes;
use super::dwarf as dw;
use super::eh_frame::Entry;
use super::expression::Expression;
use crate::unwind::arch;

/// Registers whose rules are kept; those of others do not matter to anyone.
pub const N_TRACKED: usize = arch::TRACKED.len();

/// The depth that `remember_state` may nest to. Compilers nest it once.
const REMEMBERED_MAX: usize = 2;

/// The way the canonical frame address is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cfa {
    /// A register plus an offset in bytes.
    Register {
        /// The DWARF number.
        register: u16,
        /// The offset in bytes.
        offset: i64,
    },
    /// Whatever the expression yields.
    Expression(Expression),
}

impl Cfa {
    /// The value before an instruction defines it.
    pub(super) const UNDEFINED: Cfa = Cfa::Register { register: u16::MAX, offset: 0 };
}

/// The way the caller's value of a register is found (DWARF 5 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterRule {
    /// It is still in the register.
    Same,
    /// It is lost; of the return address: there is no caller.
    Undefined,
    /// It is in memory, this number of bytes from the CFA.
    AtCfa(i64),
    /// It is the CFA plus this number of bytes.
    Value(i64),
    /// It is in another register.
    Register(u16),
    /// It is in memory at what the expression yields.
    Expression(Expression),
    /// It is what the expression yields.
    ValueExpression(Expression),
}

/// A row: everything that is known of a frame at one address.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The caller's stack pointer.
    pub cfa: Cfa,
    /// Rules in the order of [`arch::TRACKED`].
    pub registers: [RegisterRule; N_TRACKED],
    /// The place of the return address among them.
    pub return_address_column: usize,
    /// It is the frame that the kernel makes for a signal's handler: what is outward of it was interrupted.
    pub is_signal_frame: bool,
}

impl Row {
    /// Returns the return address's rule.
    pub fn return_address(&self) -> RegisterRule {
        self.registers.get(self.return_address_column).copied().unwrap_or(RegisterRule::Undefined)
    }

    /// Returns the frame pointer's rule.
    pub fn frame_pointer(&self) -> RegisterRule {
        let place = column(u64::from(arch::FRAME_POINTER)).unwrap_or(0);
        self.registers.get(place).copied().unwrap_or(RegisterRule::Same)
    }
}

/// Returns the place of a register among the tracked ones.
#[inline]
pub fn column(register: u64) -> Option<usize> {
    let register = usize::try_from(register).ok()?;
    COLUMNS.get(register).map(|&place| usize::from(place)).filter(|&place| place < N_TRACKED)
}

/// The place of each register among the tracked ones; [`N_TRACKED`] for none.
const COLUMNS: [u8; 128] = {
    let mut columns = [N_TRACKED as u8; 128];
    let mut place = 0;
    while place < N_TRACKED {
        columns[arch::TRACKED[place] as usize] = place as u8;
        place += 1;
    }
    columns
};

/// Returns the row at `address`, which the entry covers. `None` for instructions that this evaluator does not know, and for an entry
/// that does not say where the frame is.
#[inline(never)]
pub fn evaluate(entry: &Entry, address: usize) -> Option<Row> {
    let fresh = Row {
        cfa: Cfa::UNDEFINED,
        registers: [RegisterRule::Same; N_TRACKED],
        return_address_column: column(entry.return_address)?,
        is_signal_frame: false,
    };
    let mut machine = Machine {
        entry,
        row: fresh,
        initial: fresh,
        location: entry.start,
        remembered: [fresh; REMEMBERED_MAX],
        n_remembered: 0,
    };
    machine.run(entry.common, usize::MAX)?;
    machine.initial = machine.row;
    machine.run(entry.own, address)?;
    // LuaJIT registers such entries: they tell of a function that handles exceptions, not of frames.
    if machine.row.cfa == Cfa::UNDEFINED {
        return None;
    }
    machine.row.is_signal_frame = entry.is_signal_frame && arch::is_laid_out_by_the_kernel(&machine.row);
    Some(machine.row)
}

struct Machine<'a> {
    entry: &'a Entry,
    row: Row,
    initial: Row,
    location: usize,
    remembered: [Row; REMEMBERED_MAX],
    n_remembered: usize,
}

impl Machine<'_> {
    /// Runs until the instructions end or the location passes `address`.
    fn run(&mut self, mut code: Bytes, address: usize) -> Option<()> {
        while self.location <= address {
            let Some(opcode) = code.byte() else { break };
            let low = u64::from(opcode & 0x3f);
            match opcode & 0xc0 {
                dw::DW_CFA_advance_loc => self.advance(low, address),
                dw::DW_CFA_offset => {
                    let offset = code.uleb()? as i64;
                    self.set(low, RegisterRule::AtCfa(self.factored(offset)));
                }
                dw::DW_CFA_restore => self.restore(low),
                // Nearly all others are this one: compilers push arguments, and pop them.
                _ if opcode == dw::DW_CFA_def_cfa_offset => self.define_cfa_offset(code.uleb()? as i64),
                _ => self.step(opcode, &mut code, address)?,
            }
        }
        Some(())
    }

    fn step(&mut self, opcode: u8, code: &mut Bytes, address: usize) -> Option<()> {
        match opcode {
            dw::DW_CFA_nop => {}
            dw::DW_CFA_set_loc => self.location = code.pointer(self.entry.pointer_encoding, 0)?,
            dw::DW_CFA_advance_loc1 => self.advance(code.byte()?.into(), address),
            dw::DW_CFA_advance_loc2 => self.advance(code.value::<u16>()?.into(), address),
            dw::DW_CFA_advance_loc4 => self.advance(code.value::<u32>()?.into(), address),
            dw::DW_CFA_remember_state => {
                *self.remembered.get_mut(self.n_remembered)? = self.row;
                self.n_remembered += 1;
            }
            dw::DW_CFA_restore_state => {
                self.n_remembered = self.n_remembered.checked_sub(1)?;
                self.row = *self.remembered.get(self.n_remembered)?;
            }
            dw::DW_CFA_GNU_args_size => drop(code.uleb()?),
            // The same number on SPARC; addresses are stripped of authentication codes whether they have one or not.
            dw::DW_CFA_AARCH64_negate_ra_state => {}
            _ => return self.define_cfa(opcode, code).or_else(|| self.define_register(opcode, code)),
        }
        Some(())
    }

    #[inline(always)]
    fn define_cfa_offset(&mut self, new: i64) {
        match &mut self.row.cfa {
            Cfa::Register { offset, .. } => *offset = new,
            Cfa::Expression(_) => self.row.cfa = Cfa::Register { register: arch::STACK_POINTER, offset: new },
        }
    }

    /// Executes another instruction of DWARF 5 section 6.4.2.2.
    fn define_cfa(&mut self, opcode: u8, code: &mut Bytes) -> Option<()> {
        let (mut register, mut offset) = match self.row.cfa {
            Cfa::Register { register, offset } => (u64::from(register), offset),
            Cfa::Expression(_) => (u64::from(arch::STACK_POINTER), 0),
        };
        match opcode {
            dw::DW_CFA_def_cfa => (register, offset) = (code.uleb()?, code.uleb()? as i64),
            dw::DW_CFA_def_cfa_sf => {
                register = code.uleb()?;
                offset = self.factored(code.sleb()?);
            }
            dw::DW_CFA_def_cfa_register => register = code.uleb()?,
            dw::DW_CFA_def_cfa_offset_sf => offset = self.factored(code.sleb()?),
            dw::DW_CFA_def_cfa_expression => {
                self.row.cfa = Cfa::Expression(Expression::read(code)?);
                return Some(());
            }
            _ => return None,
        }
        self.row.cfa = Cfa::Register { register: u16::try_from(register).ok()?, offset };
        Some(())
    }

    /// Executes an instruction of DWARF 5 section 6.4.2.3 that has a byte of its own.
    fn define_register(&mut self, opcode: u8, code: &mut Bytes) -> Option<()> {
        let register = code.uleb()?;
        let rule = match opcode {
            dw::DW_CFA_restore_extended => {
                self.restore(register);
                return Some(());
            }
            dw::DW_CFA_undefined => RegisterRule::Undefined,
            dw::DW_CFA_same_value => RegisterRule::Same,
            dw::DW_CFA_offset_extended => RegisterRule::AtCfa(self.factored(code.uleb()? as i64)),
            dw::DW_CFA_GNU_negative_offset_extended => {
                RegisterRule::AtCfa(self.factored(-(code.uleb()? as i64)))
            }
            dw::DW_CFA_offset_extended_sf => RegisterRule::AtCfa(self.factored(code.sleb()?)),
            dw::DW_CFA_val_offset => RegisterRule::Value(self.factored(code.uleb()? as i64)),
            dw::DW_CFA_val_offset_sf => RegisterRule::Value(self.factored(code.sleb()?)),
            dw::DW_CFA_register => RegisterRule::Register(u16::try_from(code.uleb()?).ok()?),
            dw::DW_CFA_expression => RegisterRule::Expression(Expression::read(code)?),
            dw::DW_CFA_val_expression => RegisterRule::ValueExpression(Expression::read(code)?),
            _ => return None,
        };
        self.set(register, rule);
        Some(())
    }

    /// Moves on, unless that passes the address: then the present row is the one.
    fn advance(&mut self, delta: u64, address: usize) {
        let bytes = delta.wrapping_mul(self.entry.code_alignment) as usize;
        let next = self.location.wrapping_add(bytes);
        self.location = if next > address { usize::MAX } else { next };
    }

    fn factored(&self, offset: i64) -> i64 {
        offset.wrapping_mul(self.entry.data_alignment)
    }

    fn set(&mut self, register: u64, rule: RegisterRule) {
        if let Some(slot) = column(register).and_then(|place| self.row.registers.get_mut(place)) {
            *slot = rule;
        }
    }

    fn restore(&mut self, register: u64) {
        let rule = column(register).and_then(|place| self.initial.registers.get(place).copied());
        if let Some(rule) = rule {
            self.set(register, rule);
        }
    }
}
