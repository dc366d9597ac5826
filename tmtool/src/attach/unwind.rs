//! The callers of a thread that stands still, by the unwind tables in the process's memory.

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, LittleEndian, RegisterRule, UnwindContext, UnwindSection,
    UnwindTableRow,
};

use super::arch::Registers;
use super::elf::Module;
use super::memory::Memory;

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The next instruction of its function.
    pub pc: u64,
    /// Its stack pointer.
    pub sp: u64,
    /// A signal has interrupted the function, so `pc` is no return address.
    pub is_interrupted: bool,
}

/// The frames of a thread, the innermost first.
#[derive(Debug)]
pub struct Stack {
    /// The frames.
    pub frames: Vec<Frame>,
    /// They end with the thread's first function: no tables were missing.
    pub is_whole: bool,
}

/// More frames than these are not followed.
const N_FRAMES_MAX: usize = 512;
/// No unwind table of a function is longer.
const TABLE_BYTES_MAX: usize = 64 * 1024;
/// Numbers of the stack pointer and of the return address in unwind tables.
const SP: u16 = super::arch::STACK_POINTER;
const RA: u16 = super::arch::RETURN_ADDRESS;
/// More than any register's number that counts.
const N_REGISTERS: usize = 33;

type Values = [Option<u64>; N_REGISTERS];

/// Follows the callers of a thread in this state.
pub fn unwind(memory: &Memory, modules: &[Module], registers: &Registers) -> Stack {
    let mut values: Values = [None; N_REGISTERS];
    for (number, value) in values.iter_mut().enumerate() {
        *value = registers.preserved(number as u16);
    }
    let (pc, sp) = (registers.pc(), registers.sp());
    let mut stack = Stack { frames: vec![Frame { pc, sp, is_interrupted: true }], is_whole: false };
    while let Some(frame) = stack.frames.last().copied().filter(|_| stack.frames.len() < N_FRAMES_MAX) {
        match caller(memory, modules, frame, &mut values) {
            Some(Caller::Frame(caller)) if caller.sp > frame.sp || caller.is_interrupted => {
                stack.frames.push(caller);
            }
            Some(Caller::None) => {
                stack.is_whole = true;
                break;
            }
            _ => break,
        }
    }
    stack
}

enum Caller {
    Frame(Frame),
    /// The function is the thread's first one.
    None,
}

/// The caller of a frame, whose registers `values` has then. `None` if there are no tables.
fn caller(memory: &Memory, modules: &[Module], frame: Frame, values: &mut Values) -> Option<Caller> {
    let address = if frame.is_interrupted { frame.pc } else { frame.pc.checked_sub(1)? };
    let module = modules.iter().find(|module| module.has(address))?;
    let table = Table::of(memory, module, address)?;
    let (section, bases) = table.section();
    let mut entries = section.entries(&bases);
    let description = loop {
        match entries.next().ok()?? {
            CieOrFde::Cie(_) => {}
            CieOrFde::Fde(partial) => break partial.parse(EhFrame::cie_from_offset).ok()?,
        }
    };
    let mut context = UnwindContext::new();
    let row = description.unwind_info_for_address(&section, &bases, &mut context, address).ok()?;
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            (*values.get(usize::from(register.0))?)?.wrapping_add_signed(*offset)
        }
        // Of the PLT's entries, which call nothing that waits.
        CfaRule::Expression(_) => return signal_frame(memory, &description, frame, values),
    };
    let mut of_caller: Values = [None; N_REGISTERS];
    for (number, value) in of_caller.iter_mut().enumerate() {
        *value = restored(memory, row, number as u16, cfa, values);
    }
    let is_first = row.register(gimli::Register(RA)) == Some(RegisterRule::Undefined);
    let return_address = of_caller.get(usize::from(RA)).copied().flatten();
    *of_caller.get_mut(usize::from(SP))? = Some(cfa);
    *values = of_caller;
    match return_address {
        _ if is_first => Some(Caller::None),
        // A rule that is not known here, or memory that cannot be read.
        None => None,
        Some(0) => Some(Caller::None),
        Some(pc) => {
            Some(Caller::Frame(Frame { pc, sp: cfa, is_interrupted: description.is_signal_trampoline() }))
        }
    }
}

/// The frame that a signal has interrupted: the kernel has put its registers on the stack. Their tables are expressions, but the
/// place is known.
fn signal_frame(
    memory: &Memory,
    description: &gimli::FrameDescriptionEntry<Reader<'_>>,
    frame: Frame,
    values: &mut Values,
) -> Option<Caller> {
    if !description.is_signal_trampoline() {
        return None;
    }
    let mut of_caller: Values = [None; N_REGISTERS];
    for (number, value) in of_caller.iter_mut().enumerate() {
        *value = super::arch::place_in_signal_frame(number as u16)
            .and_then(|place| memory.word(frame.sp.wrapping_add(place)));
    }
    *values = of_caller;
    let (pc, sp) = (of_caller[usize::from(RA)]?, of_caller[usize::from(SP)]?);
    Some(Caller::Frame(Frame { pc, sp, is_interrupted: true }))
}

fn restored(
    memory: &Memory,
    row: &UnwindTableRow<usize>,
    number: u16,
    cfa: u64,
    values: &Values,
) -> Option<u64> {
    let own = || values.get(usize::from(number)).copied().flatten();
    match row.register(gimli::Register(number)) {
        Some(RegisterRule::Offset(offset)) => memory.word(cfa.wrapping_add_signed(offset)),
        Some(RegisterRule::ValOffset(offset)) => Some(cfa.wrapping_add_signed(offset)),
        Some(RegisterRule::Register(other)) => values.get(usize::from(other.0)).copied().flatten(),
        Some(RegisterRule::Undefined) if number == RA => None,
        None | Some(RegisterRule::Undefined | RegisterRule::SameValue) => own(),
        _ => None,
    }
}

type Reader<'a> = gimli::EndianSlice<'a, LittleEndian>;

/// The description of one function with what it refers to, put together from two places of `.eh_frame`.
struct Table {
    bytes: Vec<u8>,
    /// Where the first byte would be, so that the second part is where it was.
    address: u64,
}

impl Table {
    fn of(memory: &Memory, module: &Module, address: u64) -> Option<Table> {
        let at = entry_for(memory, module.unwind_header()?, address)?;
        let entry = record(memory, at)?;
        // In `.eh_frame` the reference is the way back from its own place.
        let back = u64::from(u32::from_le_bytes(entry.get(4..8)?.try_into().ok()?));
        let mut bytes = record(memory, (at + 4).checked_sub(back)?)?;
        let first_len = bytes.len();
        bytes.extend(entry);
        let distance = (first_len + 4) as u32;
        bytes.get_mut(first_len + 4..first_len + 8)?.copy_from_slice(&distance.to_le_bytes());
        bytes.extend([0; 4]);
        Some(Table { bytes, address: at.checked_sub(first_len as u64)? })
    }

    fn section(&self) -> (EhFrame<Reader<'_>>, BaseAddresses) {
        let mut section = EhFrame::new(&self.bytes, LittleEndian);
        section.set_address_size(8);
        (section, BaseAddresses::default().set_eh_frame(self.address))
    }
}

/// A record of `.eh_frame` with its length.
fn record(memory: &Memory, at: u64) -> Option<Vec<u8>> {
    let len = memory.half(at)? as usize;
    if len == 0 || len > TABLE_BYTES_MAX {
        return None;
    }
    let mut bytes = vec![0; len + 4];
    (memory.read_some(at, &mut bytes) == len + 4).then_some(bytes)
}

/// The description of the function at `address`, by the sorted table of `.eh_frame_hdr`.
fn entry_for(memory: &Memory, header: u64, address: u64) -> Option<u64> {
    /// Version 1; `.eh_frame` relative, number of 4 bytes, table of 4 bytes relative to the header.
    const USUAL: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    if memory.read::<4>(header)? != USUAL {
        return None;
    }
    let table = header + 12;
    let place = |n: u64, part: u64| {
        let relative = memory.half(table + 8 * n + 4 * part)? as i32;
        Some(header.wrapping_add_signed(i64::from(relative)))
    };
    let (mut low, mut high) = (0, u64::from(memory.half(header + 8)?));
    while high - low > 1 {
        let middle = low.midpoint(high);
        if place(middle, 0)? <= address { low = middle } else { high = middle }
    }
    (high > low && place(low, 0)? <= address).then(|| place(low, 1)).flatten()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::attach::elf::modules;
    use crate::attach::ptrace::Thread;

    #[test]
    fn a_thread_that_waits_is_followed_to_its_first_function() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let stack = loop {
            let mut thread = Thread::seize(child.id()).unwrap();
            assert!(thread.stop(deadline).unwrap());
            let registers = thread.registers().unwrap();
            let memory = Memory::of(child.id()).unwrap();
            let stack = unwind(&memory, &modules(&memory), &registers);
            // Before, it is being loaded.
            if registers.interrupted_call().is_some_and(|call| call.0 as i64 == libc::SYS_clock_nanosleep) {
                break stack;
            }
            assert!(Instant::now() < deadline);
        };
        child.kill().unwrap();
        child.wait().unwrap();
        // clock_nanosleep, nanosleep, main, __libc_start_call_main, __libc_start_main, _start.
        assert!(stack.is_whole && stack.frames.len() >= 5, "{stack:?}");
        assert!(stack.frames.windows(2).all(|pair| pair[0].sp < pair[1].sp), "{stack:?}");
    }
}
