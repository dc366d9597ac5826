//! The room for calls in the process, and the system calls in the C library by which it is mapped and unmapped: the thread goes back
//! from those too if tmtool is no more, as from a signal handler, by a frame on its own stack.

use std::time::Instant;

use super::{BY_ITSELF, Borrowed, Failed, LONGER, PAGE_BYTES, ROOM_BYTES, Result, State, blocked, result_of};
use crate::attach::arch::{self, CODE};
use crate::attach::ptrace::Stop;

impl Borrowed<'_> {
    /// Maps it.
    pub(super) fn make_room(&mut self) -> Result<()> {
        let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        // In this order where no code may be made writable, or data executable.
        let (code, data) = (libc::PROT_READ | libc::PROT_EXEC, libc::PROT_READ | libc::PROT_WRITE);
        let mapping = [0, ROOM_BYTES, code as u64, anonymous, u64::MAX, 0];
        self.room = self.bare_call(libc::SYS_mmap, mapping)?;
        let protection = [self.data(), ROOM_BYTES - PAGE_BYTES, data as u64, 0, 0, 0];
        self.bare_call(libc::SYS_mprotect, protection)?;
        self.write(self.room, &CODE)
    }

    /// Makes a system call where the C library has one, after which the thread has its state.
    fn bare_call(&mut self, number: i64, arguments: [u64; 6]) -> Result<u64> {
        let stack = self.way_back()?;
        let place = self.loaded.system_call;
        let at = self.before.registers.for_system_call(place, stack, number as u64, arguments);
        self.thread.set_signal_mask(blocked())?;
        let made =
            self.thread.set_registers(&at).map_err(Failed::from).and_then(|()| self.pass_system_call());
        if !self.is_left {
            self.thread.set_registers(&self.before.registers)?;
            self.thread.set_signal_mask(self.before.mask)?;
        }
        result_of("map memory in it", made?)
    }

    /// Writes on the thread's own stack what a signal would: a frame by which it goes back, and the address to return to, of the
    /// function that uses it. The stack pointer for that. Threads outside of the C library may have stacks too small for it.
    fn way_back(&self) -> Result<u64> {
        let State { registers, vectors, mask } = &self.before;
        let below = registers.below_stack();
        if !self.loaded.is_c_library_s(registers.pc()) {
            return Ok(below);
        }
        let frame_at = |at| arch::frame(at, registers, vectors, *mask);
        let unknown = |error| Failed::System("save its registers", error);
        let at = below.saturating_sub(frame_at(0).map_err(unknown)?.len() as u64) & !63;
        let frame = frame_at(at).map_err(unknown)?;
        self.write(at - 8, &[&self.loaded.back_from_signal.to_le_bytes()[..], &frame].concat())?;
        Ok(at - 8)
    }

    /// Has the thread go through the system call before it. It cannot be left there, whatever time that takes.
    fn pass_system_call(&mut self) -> Result<i64> {
        let mut n_stops = 0;
        loop {
            self.thread.go_to_system_call()?;
            let stop = loop {
                if let Some(stop) = self.thread.wait(Instant::now() + LONGER)? {
                    break stop;
                }
            };
            match stop {
                Stop::SystemCall if n_stops == 1 => return Ok(self.thread.registers()?.result()),
                Stop::SystemCall => n_stops += 1,
                Stop::Signal(signal) if BY_ITSELF.contains(&signal) => return Err(Failed::Crashed(signal)),
                Stop::Signal(signal) => self.thread.deliver_later(signal),
                Stop::Interrupted => {}
                Stop::Gone => return Err(self.ended()),
            }
        }
    }

    /// Unmaps it.
    pub(super) fn unmap(&mut self) {
        if self.room != 0 && !self.is_left {
            let _ = self.bare_call(libc::SYS_munmap, [self.room, ROOM_BYTES, 0, 0, 0, 0]);
        }
        self.room = 0;
    }
}
